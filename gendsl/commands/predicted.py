"""Predictions as a table: a row an entry."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from gendsl.runtime.diagnosis import entry_labels
from gendsl.runtime.results import SAMPLE_DIMS

__all__ = ["prediction_table"]

LEVELS = (0.05, 0.95)
NUMBERS = ["mean", "sd", "5%", "95%"]
NOMINAL = ["mode", "P(mode)"]


def prediction_table(predictions: xr.Dataset, names: Sequence[str]) -> pd.DataFrame:
    """For each entry of each variable its mean, sd, 5 % and 95 % points.

    Categories have their most probable value and its probability instead. Entries that are
    given and not predicted (the first steps of a sequence) are left out.

    Args:
        predictions: draws with the axes ``(chain, draw, ...)``.
        names: the variables to list.
    """
    parts = [_rows(name, predictions[name]) for name in names if name in predictions]
    table = pd.concat(parts) if parts else pd.DataFrame(columns=["entry", *NUMBERS])
    axes = [c for c in table.columns if c not in ("variable", "entry", *NUMBERS, *NOMINAL)]
    columns = ["variable", "entry", *axes, *NUMBERS, *NOMINAL]
    return table[[c for c in columns if c in table.columns]]


def _rows(name: str, array: xr.DataArray) -> pd.DataFrame:
    draws = array.to_numpy()
    flat = draws.reshape(draws.shape[0] * draws.shape[1], -1)
    frame = pd.DataFrame({"variable": name, "entry": entry_labels(name, array)})
    for axis, members in _members(array).items():
        frame[axis] = members
    if str(array.attrs.get("support", "")).startswith("index"):
        values = [np.unique(column, return_counts=True) for column in flat.T]
        frame["mode"] = [v[c.argmax()] for v, c in values]
        frame["P(mode)"] = [c.max() / c.sum() for _, c in values]
        return frame
    known = ~np.isnan(flat).all(axis=0) if flat.dtype.kind == "f" else np.ones(flat.shape[1], bool)
    flat, frame = flat[:, known], frame[known].copy()
    whole = flat.dtype.kind in "biu" or bool(np.all(flat == np.round(flat)))
    method = "inverted_cdf" if whole else "linear"
    frame["mean"], frame["sd"] = flat.mean(axis=0), flat.std(axis=0)
    low, high = np.quantile(flat, LEVELS, axis=0, method=method)  # type: ignore[call-overload]
    frame["5%"], frame["95%"] = low, high
    return frame


def _members(array: xr.DataArray) -> dict[str, list[str]]:
    """For each axis, the label of the member that each entry belongs to."""
    axes = [str(d) for d in array.dims if d not in SAMPLE_DIMS]
    shape = [array.sizes[d] for d in axes]
    found = {}
    for position, axis in enumerate(axes):
        labels = (
            array.coords[axis].to_numpy() if axis in array.coords else np.arange(shape[position])
        )
        spread = labels.reshape([-1 if k == position else 1 for k in range(len(axes))])
        found[axis] = np.broadcast_to(spread, shape).ravel().tolist()
    return found
