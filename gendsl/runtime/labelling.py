"""The names of axes, and the groups of a results tree that hold data."""

from __future__ import annotations

import numpy as np

from gendsl.ir import nodes as ir
from gendsl.runtime.data import BoundData

__all__ = ["axes_of", "coords_of", "data_groups"]


def axes_of(model: ir.Model) -> dict[str, tuple[str, ...]]:
    """For every variable the names of its axes in results; "" where a size has no name."""
    return {v.name: (*v.axes, *(s.name or "" for s in v.type.event)) for v in model.variables}


def coords_of(model: ir.Model, bound: BoundData) -> dict[str, np.ndarray]:
    """The labels of the members of every axis that has some."""
    names = {a.name for a in model.axes}
    return {n: np.asarray(v) for n, v in bound.labels.items() if n in names}


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
