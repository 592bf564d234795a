"""Carrying a posterior over to new data: members by their labels, new ones marked as such."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import (
    distributions,
    equation_expressions,
    fixed_lets,
    references,
    walk,
)
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.runtime.data import BoundData
from gendsl.types import Size

__all__ = [
    "conditioned_on",
    "is_improper",
    "rebased",
    "rebased_params",
    "verify_constants",
    "verify_entries",
    "verify_parents",
    "verify_series",
]


def is_improper(variable: ir.Variable) -> bool:
    """Whether a random variable has no distribution of its own that could be drawn from."""
    return not variable.equations or any(
        e.distribution is not None and e.distribution.name == "Flat" for e in variable.equations
    )


def conditioned_on(model: ir.Model) -> frozenset[str]:
    """The observed variables that the law of some random variable, or an energy, depends on."""
    lets = {v.name: v for v in model.of_role("let")}
    found: set[str] = set()
    stack = list(references(*(e.value for e in model.energies)))
    for variable in model.of_role("latent", "observed"):
        stack += references(*_expressions(variable))
    while stack:
        name = stack.pop()
        if name not in found:
            found.add(name)
            if name in lets:
                stack += references(*_expressions(lets[name]))
    return frozenset(v.name for v in model.of_role("observed") if v.name in found)


def _expressions(variable: ir.Variable) -> list[ir.Expr]:
    found = [x for e in variable.equations for x in equation_expressions(e)]
    return found + [b for b in (variable.lower, variable.upper) if b is not None]


def verify_parents(
    model: ir.Model, bound: BoundData, lagged: frozenset[str], *, continues: bool
) -> None:
    """Refuse new data that lack values of observed variables which others depend on.

    Args:
        model: the model.
        bound: new data.
        lagged: observed variables that depend on their own past.
        continues: whether these are drawn where their values are missing.

    Raises:
        DataError: GD917 where some of the values are missing, GD710 where a variable depends
            on its own past, which is not given.
    """
    found = []
    for name in sorted(conditioned_on(model)):
        span = model.variable(name).span
        if name in bound.missing and not (continues and name in lagged):
            found.append(
                Diagnostic(
                    "GD917",
                    f"other values depend on `{name}`, of which some are missing in the new data; "
                    "this version cannot draw only those yet",
                    span,
                    help="leave those rows out or fill the values in",
                )
            )
        elif name in lagged and name not in bound.values:
            found.append(
                Diagnostic(
                    "GD710",
                    f"no values are given for `{name}`, which depends on its own past",
                    span,
                    help=f"give its values: predictions of `{name}` are one step ahead of them, "
                    "and go on where they are missing at the end",
                )
            )
    if found:
        raise DataError(found, model.source)


def verify_series(model: ir.Model, bound: BoundData, sizes: Mapping[str, int]) -> None:
    """Refuse new data whose steps are not those of the fit, or those and later ones.

    Args:
        model: the model.
        bound: new data.
        sizes: of the axes of the fit.

    Raises:
        DataError: GD914.
    """
    exprs = [x for v in model.variables for e in v.equations for x in equation_expressions(e)]
    data = {v.name for v in model.of_role("input", "observed")}
    recurring = {
        lag.sequence
        for lag in walk(*exprs)
        if isinstance(lag, ir.Lag) and not data.issuperset(references(lag.value))
    }
    found = []
    for variable in model.of_role("latent"):
        for sequence in recurring & set(variable.axes):
            numbers = np.asarray(bound.known_number.get(sequence, np.arange(0)))
            known = int(np.argmin(numbers == np.arange(len(numbers)))) if len(numbers) else 0
            if (numbers == np.arange(len(numbers))).all():
                known = len(numbers)
            whole = known == len(numbers) or known == sizes[sequence]
            if not known or not whole or (numbers[known:] >= 0).any():
                found.append(
                    Diagnostic(
                        "GD914",
                        f"`{variable.name}` is known at the steps of the fit, and goes on after "
                        f"them along `{sequence}`; this version needs the whole series, from its "
                        "first step on",
                        variable.span,
                        help="give the steps of the fit in their order, then the later ones",
                    )
                )
    if found:
        raise DataError(found[:1], model.source)


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


def verify_entries(model: ir.Model, fitted: BoundData, bound: BoundData) -> None:
    """Refuse new members of a plate where a latent is one value with an entry for each member.

    Such entries are drawn together, so that there is no law for a new one alone; nor for those of
    a process at other points.

    Args:
        model: the model.
        fitted: the data of the fit.
        bound: new data.

    Raises:
        DataError: GD918.
    """
    found = []
    for variable in model.of_role("latent"):
        plate = next((s.name for s in variable.type.event if _has_new(model, s, bound)), None)
        points = next((n for n in _points(model, variable) if _differs(n, fitted, bound)), None)
        if plate is None and points is None:
            continue
        what = f"for each {plate}, and the new data have others"
        if plate is None:
            what = f"for each point, and `{points}` is not what it was in the fit"
        found.append(
            Diagnostic(
                "GD918",
                f"`{variable.name}` has an entry {what}; this version cannot draw those yet",
                variable.span,
                help="fit with the new rows among the data, their observed values missing (`?`)",
            )
        )
    if found:
        raise DataError(found, model.source)


def _has_new(model: ir.Model, size: Size, bound: BoundData) -> bool:
    if size.name is None or model.axis(size.name).kind == "dim":
        return False
    numbers = np.asarray(bound.known_number.get(size.name, np.arange(bound.sizes[size.name])))
    return not np.array_equal(numbers, np.arange(len(numbers)))


def _points(model: ir.Model, variable: ir.Variable) -> list[str]:
    """The inputs that the covariances of a process depend on, directly or by lets."""
    found: list[str] = []
    stack: list[str] = []
    drawn = [e.distribution for e in variable.equations if e.distribution is not None]
    for dist in (inner for law in drawn for inner in distributions(law)):
        spec = DISTRIBUTIONS.get(dist.name)
        if spec is not None and spec.points is not None:
            stack += references(*(a for n, a in dist.args if n in spec.correlated))
    while stack:
        name = stack.pop()
        behind = model.variable(name)
        if behind.role == "input":
            found.append(name)
        elif behind.role == "let":
            stack += references(*_expressions(behind))
    return sorted(set(found))


def _differs(name: str, fitted: BoundData, bound: BoundData) -> bool:
    old, new = fitted.values.get(name), bound.values.get(name)
    return old is not None and new is not None and not np.array_equal(old, new)


def rebased(
    model: ir.Model, values: Mapping[str, np.ndarray], bound: BoundData
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Draws for the members of new data, and which of them the fit knew.

    Raises:
        DataError: GD822 or GD915, new members would have to be drawn and cannot be.
    """
    moved: dict[str, np.ndarray] = {}
    known: dict[str, np.ndarray] = {}
    refused: list[Diagnostic] = []
    in_energies = references(*(e.value for e in model.energies))
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
            if is_improper(variable):
                refused.append(
                    Diagnostic(
                        "GD822",
                        f"`{name}` has an improper prior, so its new members cannot be drawn",
                        variable.span,
                        help="give it a proper prior, such as Normal(0, 10)",
                    )
                )
            elif name in in_energies:
                refused.append(
                    Diagnostic(
                        "GD915",
                        f"`{name}` is in an energy; this version cannot draw its new members yet",
                        variable.span,
                    )
                )
    if refused:
        raise DataError(refused, model.source)
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
