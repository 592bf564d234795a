"""The names of axes, and the groups of a results tree that hold data."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gendsl.ir import nodes as ir
from gendsl.ir.traversal import fixed_lets
from gendsl.runtime.data import BoundData
from gendsl.semantics.supports import is_discrete

__all__ = ["axes_of", "coords_of", "data_groups", "sorted_posterior", "supports_of", "up_to_ends"]


def axes_of(model: ir.Model) -> dict[str, tuple[str, ...]]:
    """For every variable the names of its axes in results; "" where a size has no name."""
    found = {v.name: (*v.axes, *(s.name or "" for s in v.type.event)) for v in model.variables}
    for variable in model.of_role("observed"):
        if variable.optional and not variable.type.event:
            found[f"{variable.name}_missing"] = (_missing_axis(variable.name),)
    return found


def supports_of(model: ir.Model) -> dict[str, str]:
    """What kind of number every variable is, missing entries included, as the language writes."""
    found = {v.name: str(v.type.support) for v in model.variables}
    return found | {f"{v.name}_missing": found[v.name] for v in model.of_role("observed")}


def coords_of(model: ir.Model, bound: BoundData) -> dict[str, np.ndarray]:
    """The labels of the members of every axis that has some, and of missing entries."""
    names = {a.name for a in model.axes}
    labels = {n: np.asarray(v) for n, v in bound.labels.items() if n in names}
    for name, mask in bound.missing.items():
        variable = model.variable(name)
        if mask.ndim == len(variable.axes):
            labels[_missing_axis(name)] = _entry_labels(variable, mask, labels)
    return labels


def _missing_axis(name: str) -> str:
    return f"{name}_missing_entry"


def _entry_labels(
    variable: ir.Variable, mask: np.ndarray, labels: dict[str, np.ndarray]
) -> np.ndarray:
    """Which members of its plates the missing entries of a variable belong to."""
    numbers = np.nonzero(mask)
    columns = [
        np.asarray(labels.get(axis, np.arange(mask.shape[k])))[numbers[k]]
        for k, axis in enumerate(variable.axes)
    ]
    if len(columns) == 1:
        return columns[0]
    return np.array([", ".join(map(str, entry)) for entry in zip(*columns, strict=True)])


Groups = dict[str, dict[str, np.ndarray]]


def whole_numbers(model: ir.Model, name: str, draws: np.ndarray) -> np.ndarray:
    """Draws of a discrete latent as whole numbers, so that one that is certain is told as such."""
    variable = next((v for v in model.variables if v.name == name), None)
    if variable is None or variable.role != "latent" or not is_discrete(variable.type.support):
        return draws
    whole: np.ndarray = np.rint(draws).astype(np.int64)
    return whole


def sorted_posterior(model: ir.Model, groups: Groups) -> Groups:
    """Draws of unknowns before those of lets; lets that no unknown reaches among the constants."""
    posterior = groups.get("posterior")
    if posterior is None:
        return groups
    posterior = {n: whole_numbers(model, n, v) for n, v in posterior.items()}
    fixed, lets = fixed_lets(model), {v.name for v in model.of_role("let")}
    order = sorted(posterior, key=lambda n: (n in lets, _entries(posterior[n]) > MANY))
    draws = {n: posterior[n] for n in order if n not in fixed}
    constants = {n: posterior[n][0, 0] for n in order if n in fixed}
    found: Groups = {**groups, "posterior": draws}
    if constants:
        found["constant_data"] = {**groups.get("constant_data", {}), **constants}
    return found


MANY = 20
"""Variables with more entries than this come after the others in results."""


def _entries(draws: np.ndarray) -> int:
    return int(np.prod(draws.shape[2:], dtype=np.int64))


def up_to_ends(tree: xr.DataTree, model: ir.Model, bound: BoundData) -> xr.DataTree:
    """The same results with NaN at the steps that ragged sequences do not have."""
    for axis in model.axes:
        if axis.lengths is None or axis.lengths not in bound.values:
            continue
        lengths = np.asarray(bound.values[axis.lengths])
        there = xr.DataArray(
            np.arange(bound.sizes[axis.name]) < lengths[:, None], dims=(axis.owner, axis.name)
        )
        for group in tree.subtree:
            for name, array in group.data_vars.items():
                if {axis.owner, axis.name} <= {*array.dims} and not bool(there.all()):
                    group[str(name)] = array.where(there).transpose(*array.dims)
    return tree


def data_groups(model: ir.Model, bound: BoundData) -> dict[str, dict[str, np.ndarray]]:
    """The data of a fit by group: observed values, and inputs; missing ones are NaN."""
    observed: dict[str, np.ndarray] = {}
    constant: dict[str, np.ndarray] = {}
    for variable in model.of_role("input", "observed"):
        if variable.name not in bound.values:
            continue
        values = np.array(bound.values[variable.name])
        if variable.name in bound.missing:
            mask = bound.missing[variable.name]
            values = values.astype(float)
            values[mask] = np.nan
        (observed if variable.role == "observed" else constant)[variable.name] = values
    return {k: v for k, v in (("observed_data", observed), ("constant_data", constant)) if v}
