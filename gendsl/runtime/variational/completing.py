"""Rows of which some entries are known, completed by draws of those after them."""

from __future__ import annotations

from math import isfinite, prod

import numpy as np

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import is_autoregressive
from gendsl.runtime.autoregressive import Drawing, drawing
from gendsl.runtime.data import BoundData
from gendsl.runtime.entry_laws import Sharpening
from gendsl.runtime.variational.causal_nets import entry_order
from gendsl.runtime.variational.learning import Inference
from gendsl.runtime.variational.using import batched, replicates

__all__ = ["completed", "sharpening"]


def sharpening(
    model: ir.Model, temperature: float | None, top_k: int | None, nucleus: float | None
) -> Sharpening | None:
    """How entries are drawn one after the other, where not from their own laws.

    Raises:
        DataError: GD892, an option is not legal, or not for this model.
    """
    if temperature is None and top_k is None and nucleus is None:
        return None
    why = None
    if not any(is_autoregressive(v) for v in model.of_role("observed")):
        why = "no variable of this model is drawn entry after entry"
    elif temperature is not None and not (isfinite(temperature) and temperature > 0):
        why = f"`temperature` is a number above 0, not {temperature!r}"
    elif nucleus is not None and not 0 < nucleus <= 1:
        why = f"`nucleus` is a probability above 0, not {nucleus!r}"
    elif top_k is not None and (isinstance(top_k, bool) or not int(top_k) == top_k >= 1):
        why = f"`top_k` is a whole number from 1 on, not {top_k!r}"
    if why is not None:
        raise DataError([Diagnostic("GD892", why, model.span)], model.source)
    return Sharpening(
        1.0 if temperature is None else float(temperature),
        top_k,
        1.0 if nucleus is None else float(nucleus),
    )


def completed(
    inference: Inference, model: ir.Model, bound: BoundData, how: Sharpening | None
) -> dict[str, np.ndarray]:
    """The observed variables, those entries drawn that are missing.

    Raises:
        DataError: GD893, other entries are missing than those at the end of an order.
    """
    gaps = [n for n, m in bound.missing.items() if np.asarray(m).any()]
    observed = model.of_role("observed")
    given = {v.name: np.asarray(bound.values[v.name]) for v in observed if v.name not in gaps}
    if not gaps:
        return given
    if len(gaps) > 1:
        raise _refused(f"entries of `{gaps[0]}` and of `{gaps[1]}` are missing", model, gaps[1])
    variable = model.variable(gaps[0])
    if not is_autoregressive(variable):
        why = f"entries of `{variable.name}` do not depend on one another in an order"
        raise _refused(why, model, variable.name)
    known = ~np.asarray(bound.missing[variable.name], dtype=bool)
    order = entry_order(model, variable, inference.learned.nets)
    _verify_prefix(known, None if order is None else order.cpu().numpy(), model, variable)
    values = np.where(known, np.nan_to_num(np.asarray(bound.values[variable.name])), 0)
    laid_out = batched(inference, variable, values)
    mask = batched(inference, variable, known.astype(float)).bool()
    drawn = Drawing(how, laid_out, mask)
    with drawing(drawn):
        found = replicates(inference, model, given)
    return {v.name: found[v.name] for v in observed}


def _verify_prefix(
    known: np.ndarray, order: np.ndarray | None, model: ir.Model, variable: ir.Variable
) -> None:
    """Refuse gaps that are followed by known entries."""
    rank = len(variable.type.event)
    entries = prod(known.shape[known.ndim - rank :])
    flat = known.reshape(-1, entries)
    if order is not None:
        flat = flat[:, order]
    wrong = (flat[:, 1:] & ~flat[:, :-1]).any(1)
    if wrong.any():
        row = int(wrong.argmax())
        at = int((flat[row, 1:] & ~flat[row, :-1]).argmax()) + 1
        place = at if order is None else int(order[at])
        why = (
            f"entry {place} of `{variable.name}` is known in row {row}, but entries before it in "
            "the order of its network are not: the law of these, given it, is not at hand"
        )
        raise _refused(why, model, variable.name)


def _refused(why: str, model: ir.Model, name: str) -> DataError:
    remedy = (
        "leave out the end of each row alone; or fit with an order in which what is known comes "
        "first (`order = given`); or a model with latents, such as a mixture, whose posterior "
        "fills any gap"
    )
    span = model.variable(name).span
    return DataError([Diagnostic("GD893", why, span, help=remedy)], model.source)
