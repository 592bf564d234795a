"""Values of latents that a caller gives to be decoded."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from gendsl.diagnostics import DataError, Diagnostic, nearest
from gendsl.graph.build import build_graph, random_sources
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import references, variable_expressions
from gendsl.runtime.data import BoundData
from gendsl.runtime.data.checking import check_values
from gendsl.runtime.data.entries import Entry, Findings, offenders, show
from gendsl.runtime.rebasing import conditioned_on
from gendsl.types import Index

__all__ = ["conditions", "numbers", "verify_latents", "verify_rows"]


def conditions(model: ir.Model, bound: BoundData, remedy: str) -> dict[str, np.ndarray]:
    """The values of observed variables given which new rows are drawn.

    Raises:
        DataError: GD874, values are given that would not be used.
    """
    graph, uses = build_graph(model), conditioned_on(model)
    given = [
        v
        for v in model.of_role("observed")
        if v.name in bound.values and not np.all(bound.missing.get(v.name, False))
    ]
    known = {v.name for v in given}
    unknown = {v.name for v in model.of_role("latent", "observed")} - known
    steps = {a.name for a in model.axes if a.kind == "sequence"}
    for variable in given:
        name = variable.name
        itself = {name} & set(references(*variable_expressions(variable)))
        drawn = sorted(unknown & set(random_sources(graph, name)) | itself)
        why = None
        if name not in uses:
            why = "nothing else depends on it"
        elif drawn or steps & {*variable.axes}:
            why = f"it depends on `{drawn[0]}`" if drawn else "it stands along a sequence"
            why = "its entries depend on one another" if drawn == [name] else why
        elif np.any(bound.missing.get(name, False)):
            why, remedy = "it is missing in some of them", "give a value for each of them, or none"
        if why is not None:
            message = f"`{name}` is given, but new rows would not be drawn given it: {why}"
            raise DataError(
                [Diagnostic("GD874", message, variable.span, help=remedy)], model.source
            )
    return {n: np.asarray(bound.values[n]) for n in known}


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
            _verify_index(variable, entry, sizes, found)
            check_values(variable, entry, values, np.ones((), dtype=bool), found)
    if found.errors:
        raise DataError(found.errors, model.source)


def _verify_index(
    variable: ir.Variable, entry: Entry, sizes: Mapping[str, int], found: Findings
) -> None:
    """Tell of values that are no number of a category."""
    support, values = variable.type.support, entry.array
    if not isinstance(support, Index):
        return
    size = support.size.evaluate(dict(sizes))
    bad = (values < 0) | (values >= size) | (values != np.floor(values))
    if bad.any():
        told = offenders(entry, variable.name, bad, lambda p: f"is {show(values[p].item())}")
        message = f"`{variable.name}` must be {support}, here 0 to {size - 1}, but {told}"
        found.error("GD740", message, variable)


def verify_rows(
    model: ir.Model,
    plate: str | None,
    sizes: Mapping[str, int],
    rows: int | None,
    given: Collection[str],
) -> None:
    """Refuse values `given` for rows that have another number of rows than is asked for.

    Raises:
        DataError: GD862.
    """
    if plate is None or rows is None:
        return
    for variable in (model.variable(n) for n in given):
        if plate in variable.axes and sizes[plate] != rows:
            has = sizes[plate]
            message = f"`{variable.name}` has the size {has} along `{plate}`, not {rows}"
            raise DataError([Diagnostic("GD862", message, variable.span)], model.source)
