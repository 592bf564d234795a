"""Values of unknowns that a caller gives, as a program takes them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from gendsl.diagnostics import DataError, Diagnostic, nearest
from gendsl.ir import nodes as ir
from gendsl.ir.laws import tied_axes
from gendsl.runtime.data import BoundData
from gendsl.runtime.draws import Batch
from gendsl.runtime.posterior import unknown_sites
from gendsl.semantics.supports import is_discrete

__all__ = ["supplied"]


def supplied(
    batch: Batch, values: Mapping[str, object], bound: BoundData, enumerated: tuple[str, ...]
) -> dict[str, torch.Tensor]:
    """Values of unknowns and of imputed entries, as the sites of the program have them.

    Raises:
        DataError: a value is missing, unknown or of the wrong shape.
    """
    model = batch.executable.model
    unknown = {v.name: v for v in model.of_role("latent", "param")}
    wrong: list[Diagnostic] = []
    found: dict[str, torch.Tensor] = {}
    lacking = _lacking(batch, bound)
    for name, value in values.items():
        if name in lacking:
            entries = _entries(batch, lacking[name], name, value, bound)
            if isinstance(entries, Diagnostic):
                wrong.append(entries)
            else:
                found[name] = entries
            continue
        if name not in unknown:
            wrong.append(_unknown_name(name, unknown))
            continue
        variable = unknown[name]
        array = _numbers(value)
        shape = (
            *(bound.sizes[a] for a in variable.axes),
            *(s.evaluate(dict(bound.sizes)) for s in variable.type.event),
        )
        if array is None or array.shape != shape:
            wrong.append(_wrong_value(variable, array, shape))
            continue
        layout = batch.executable.program.layout
        whole = batch.batched(variable, array[None])[0]
        rank = layout.depth(variable.type.plates)
        found[name] = whole.reshape(whole.shape[batch.executable.nesting - rank :])
    missing = [n for n in unknown if n not in values and n not in enumerated]
    wrong += [
        Diagnostic("GD820", f"no value is given for `{n}`", unknown[n].span) for n in missing
    ]
    wrong += [_untold(n, v, bound) for n, v in lacking.items() if n not in values]
    if wrong:
        raise DataError(wrong, model.source)
    return found


def _lacking(batch: Batch, bound: BoundData) -> dict[str, ir.Variable]:
    """The variables whose missing entries are unknowns that are not summed out, by site."""
    imputed = [
        batch.executable.model.variable(n)
        for n in batch.executable.program.imputed
        if n in bound.missing
    ]
    return {f"{v.name}_missing": v for v in imputed if not is_discrete(v.type.support)}


def _entries(
    batch: Batch, variable: ir.Variable, name: str, value: object, bound: BoundData
) -> torch.Tensor | Diagnostic:
    array = _numbers(value)
    shape = (int(bound.missing[variable.name].sum()), *_tied_shape(variable, bound))
    if array is None or array.shape != shape:
        return _wrong_value(variable, array, shape, name)
    found = unknown_sites(batch, {name: array[None]})[name][0]
    program = batch.executable.program
    if variable.name not in program.completed:
        return found.reshape(shape)
    rank = program.layout.depth(variable.type.plates)
    return found.reshape(found.shape[batch.executable.nesting - rank :])


def _untold(name: str, variable: ir.Variable, bound: BoundData) -> Diagnostic:
    return Diagnostic(
        "GD820",
        f"no value is given for `{name}`, the missing entries of `{variable.name}`",
        variable.span,
        help=f"give {int(bound.missing[variable.name].sum())} of them, in the order of the data",
    )


def _unknown_name(name: str, unknown: Mapping[str, ir.Variable]) -> Diagnostic:
    near = nearest(name, unknown)
    listed = ", ".join(f"`{n}`" for n in unknown)
    remedy = f"its unknowns are {listed}" if unknown else None
    return Diagnostic(
        "GD818",
        f"the model has no latent or param called `{name}`",
        help=f"did you mean `{near}`?" if near else remedy,
    )


def _wrong_value(
    variable: ir.Variable, array: np.ndarray | None, shape: tuple[int, ...], name: str = ""
) -> Diagnostic:
    wanted = f"an array of shape {shape}" if shape else "a single number"
    has = "is not made of numbers" if array is None else f"has shape {array.shape}"
    return Diagnostic(
        "GD819",
        f"`{name or variable.name}` needs {wanted}, but the value given {has}",
        variable.span,
    )


def _tied_shape(variable: ir.Variable, bound: BoundData) -> tuple[int, ...]:
    """The shape of one missing entry."""
    last = variable.type.event[len(variable.type.event) - tied_axes(variable) :]
    return tuple(s.evaluate(dict(bound.sizes)) for s in last)


def _numbers(value: object) -> np.ndarray | None:
    """A value as an array of numbers; None if it is none."""
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return None
