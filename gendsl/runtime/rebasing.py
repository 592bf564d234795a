"""Carrying a posterior over to new data: members by their labels, new ones marked as such."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import equation_expressions, fixed_lets, references, walk
from gendsl.runtime.data import BoundData

__all__ = ["rebased", "rebased_params", "verify_constants"]


def verify_constants(model: ir.Model) -> None:
    """Refuse to predict where a constant of the data would have to follow members of a plate.

    Raises:
        DataError: GD916.
    """
    fixed = fixed_lets(model) | {v.name for v in model.of_role("input")}
    exprs = [x for v in model.variables for e in v.equations for x in equation_expressions(e)]
    found = [
        Diagnostic(
            "GD916",
            f"this value of the data is reduced over `{e.axis}` and varies over "
            f"`{sorted(e.type.plates)[0]}`; this version cannot carry it over to new data yet",
            e.span,
            help="compute it beforehand and give it as an input",
        )
        for e in walk(*exprs)
        if isinstance(e, ir.Reduce)
        and isinstance(e.axis, str)
        and e.type.plates
        and references(e.value)
        and fixed.issuperset(references(e.value))
    ]
    if found:
        raise DataError(found, model.source)


def rebased(
    model: ir.Model, values: Mapping[str, np.ndarray], bound: BoundData
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Draws for the members of new data, and which of them the fit knew."""
    moved: dict[str, np.ndarray] = {}
    known: dict[str, np.ndarray] = {}
    for name, draws in values.items():
        variable = model.variable(name)
        mask = np.ones((), dtype=bool)
        for position, axis in enumerate(variable.axes):
            numbers = np.asarray(bound.known_number.get(axis, np.arange(bound.sizes[axis])))
            inside = (numbers >= 0) & (numbers < draws.shape[1 + position])
            draws = np.take(draws, np.where(inside, numbers, 0), axis=1 + position)
            mask = mask[..., None] & inside
        moved[name] = draws
        if variable.axes and not mask.all():
            known[name] = mask
    return moved, known


def rebased_params(
    model: ir.Model, params: Mapping[str, np.ndarray], bound: BoundData
) -> dict[str, np.ndarray]:
    """Values of params for the members of new data; new members are refused."""
    moved: dict[str, np.ndarray] = {}
    refused: list[Diagnostic] = []
    for name, value in params.items():
        variable = model.variable(name)
        for position, axis in enumerate(variable.axes):
            numbers = np.asarray(bound.known_number.get(axis, np.arange(bound.sizes[axis])))
            inside = (numbers >= 0) & (numbers < value.shape[position])
            if not inside.all():
                labels = np.asarray(bound.labels.get(axis, np.arange(len(numbers))))[~inside]
                shown = ", ".join(map(str, labels[:5].tolist()))
                refused.append(
                    Diagnostic(
                        "GD817",
                        f"the param `{name}` has no value for new members of `{axis}`: {shown}",
                        variable.span,
                        help=f"declare `{name}` as `latent` with a prior, so that new members "
                        "can be drawn",
                    )
                )
                continue
            value = np.take(value, numbers, axis=position)
        moved[name] = value
    if refused:
        raise DataError(refused, model.source)
    return moved
