"""Values of latents that a caller gives to be decoded."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from gendsl.diagnostics import DataError, Diagnostic, nearest
from gendsl.ir import nodes as ir
from gendsl.runtime.data.checking import check_values
from gendsl.runtime.data.entries import Entry, Findings

__all__ = ["numbers", "verify_latents", "verify_rows"]


def numbers(
    model: ir.Model, latents: Mapping[str, object], beside: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """Values as arrays of numbers, for every latent of the model and nothing else.

    `beside` are observed variables that are given with them.

    Raises:
        DataError: GD862.
    """
    known = {v.name: v for v in model.variables if v.role == "latent" or v.name in beside}
    wrong = [_unknown(name, known) for name in latents if name not in known]
    found: dict[str, np.ndarray] = {}
    for name, variable in known.items():
        if name not in latents:
            message = f"no values are given for the latent `{name}`"
            wrong.append(Diagnostic("GD862", message, variable.span))
            continue
        try:
            found[name] = np.asarray(latents[name], dtype=np.float64)
        except (TypeError, ValueError):
            message = f"the values of `{name}` are not numbers"
            wrong.append(Diagnostic("GD862", message, variable.span))
    if wrong:
        raise DataError(wrong, model.source)
    return found


def _unknown(name: str, known: Mapping[str, ir.Variable]) -> Diagnostic:
    near = nearest(name, known)
    listed = ", ".join(f"`{n}`" for n in known)
    remedy = f"its latents are {listed}" if known else None
    message = f"the model has no latent called `{name}`"
    return Diagnostic("GD862", message, help=f"did you mean `{near}`?" if near else remedy)


def verify_latents(
    model: ir.Model, latents: Mapping[str, np.ndarray], sizes: Mapping[str, int]
) -> None:
    """Check shapes, and values against their types.

    Raises:
        DataError: GD862, or that of the type that a value breaks.
    """
    found = Findings()
    for name, values in latents.items():
        variable = model.variable(name)
        event = tuple(s.evaluate(dict(sizes)) for s in variable.type.event)
        shape = (*(sizes[a] for a in variable.axes), *event)
        if values.shape != shape:
            axes = ", ".join([*variable.axes, *map(str, variable.type.event)])
            message = f"`{name}` needs values of shape {shape} ({axes}), not {values.shape}"
            found.error("GD862", message, variable)
        elif np.isnan(values).any():
            found.error("GD862", f"some values of `{name}` are NaN", variable)
        else:
            entry = Entry(name, values, f"the values of `{name}`")
            check_values(variable, entry, values, np.ones((), dtype=bool), found)
    if found.errors:
        raise DataError(found.errors, model.source)


def verify_rows(
    model: ir.Model, plate: str | None, sizes: Mapping[str, int], rows: int | None
) -> None:
    """Refuse inputs that have another number of rows than is asked for.

    Raises:
        DataError: GD862.
    """
    if plate is None or rows is None:
        return
    for variable in model.of_role("input"):
        if plate in variable.axes and sizes[plate] != rows:
            has = sizes[plate]
            message = f"`{variable.name}` has the size {has} along `{plate}`, not {rows}"
            raise DataError([Diagnostic("GD862", message, variable.span)], model.source)
