"""Results as labelled arrays: the ArviZ schema on an `xarray.DataTree`.

Groups of the schema whose arrays are draws lead with the axes ``(chain, draw)``; every other
group (data, estimates, exact probabilities) has none. Three groups are gendsl's own:

- ``exact_probabilities``: for each variable ``(*plates, {var}_value)``, the probability of each
  of its values;
- ``estimate`` and ``standard_error``: a point estimate and what is known of its error.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import xarray as xr
from arviz_base import dict_to_dataset

__all__ = [
    "ESTIMATE",
    "EXACT",
    "SAMPLED_GROUPS",
    "SAMPLE_DIMS",
    "STANDARD_ERROR",
    "SUMMED_GROUPS",
    "build_tree",
    "name_in_model",
]

SAMPLE_DIMS = ("chain", "draw")

SAMPLED_GROUPS = frozenset(
    {
        "log_likelihood",
        "log_prior",
        "posterior",
        "posterior_predictive",
        "predictions",
        "prior",
        "prior_predictive",
        "sample_stats",
        "sample_stats_prior",
        "unconstrained_posterior",
    }
)
"""The groups whose arrays lead with `SAMPLE_DIMS`."""

SUMMED_GROUPS = frozenset({"log_likelihood", "log_prior"})
"""The groups whose arrays have lost their event axes."""

EXACT = "exact_probabilities"
ESTIMATE = "estimate"
STANDARD_ERROR = "standard_error"

Array = np.ndarray
Attribute = str | int | float


def build_tree(
    groups: Mapping[str, Mapping[str, Array]],
    dims: Mapping[str, tuple[str, ...]],
    coords: Mapping[str, Array],
    attrs: Mapping[str, Attribute],
    *,
    supports: Mapping[str, str] | None = None,
    derived: frozenset[str] = frozenset(),
) -> xr.DataTree:
    """Label the arrays of every group.

    Axes without a name (beyond those of `dims`, or named ``""``) are called ``{var}_dim_{i}``.
    A name that comes twice in one variable (a matrix ``[D, D]``) gets a number, ``D_2``, and the
    coordinates of the first. A variable or axis called ``chain`` or ``draw`` gets a trailing
    underscore, since those names belong to the axes of the draws.

    Args:
        groups: arrays by group and variable.
        dims: for each variable its plates and event axes, without those of the draws.
        coords: the labels of the members of each axis; others are numbered from 0.
        attrs: facts about the whole fit (``kind``, ``method``, ``seed``), kept at the root.
        supports: what kind of number each variable is, as the language writes it; kept as an
            attribute of the variable. Categories, ``index(K)``, are not averaged by summaries.
        derived: variables that are computed from others (`let`); that an entry of one never
            varies is no alarm.

    Raises:
        ValueError: the axes of an array do not fit `dims` or `coords`.
    """
    taken = {*coords, *(d for axes in dims.values() for d in axes)}
    labels = {_free(name): np.asarray(values) for name, values in coords.items()}
    tree = xr.DataTree.from_dict(
        {
            group: _dataset(group, arrays, dims, labels, taken, supports or {}, derived)
            for group, arrays in groups.items()
        }
    )
    tree.attrs.update({"creation_library": "gendsl", "inference_library": "gendsl"})
    tree.attrs.update({k: int(v) if isinstance(v, bool) else v for k, v in attrs.items()})
    return tree


def _dataset(
    group: str,
    arrays: Mapping[str, Array],
    dims: Mapping[str, tuple[str, ...]],
    labels: Mapping[str, Array],
    taken: set[str],
    supports: Mapping[str, str],
    derived: frozenset[str],
) -> xr.Dataset:
    sample_dims = SAMPLE_DIMS if group in SAMPLED_GROUPS else ()
    data: dict[str, Array] = {}
    named: dict[Hashable, Sequence[Hashable]] = {}
    coords = dict(labels)
    for variable, values in arrays.items():
        array = np.asarray(values)
        where = f"{variable!r} of {group!r}"
        if array.ndim < len(sample_dims):
            raise ValueError(f"{where} has shape {array.shape}: the axes chain, draw are missing")
        shape = array.shape[len(sample_dims) :]
        declared = tuple(_free(d) if d else "" for d in dims.get(variable, ()))
        declared += (f"{variable}_value",) * (group == EXACT)
        if len(declared) > len(shape):
            if group not in SUMMED_GROUPS:
                raise ValueError(f"{where} has shape {array.shape}, its axes are {declared}")
            declared = declared[: len(shape)]
        axes = _name_axes(variable, declared, len(shape), coords, taken)
        for axis, size in zip(axes, shape, strict=True):
            if len(coords.setdefault(axis, np.arange(size))) != size:
                raise ValueError(
                    f"{where} has {size} members along {axis!r}, which has {len(coords[axis])}"
                )
        data[_free(variable)], named[_free(variable)] = array, [*sample_dims, *axes]
    dataset = dict_to_dataset(
        data,
        dims=named,
        coords={**coords},
        sample_dims=[],
        index_origin=0,
        check_conventions=False,
    )
    assert isinstance(dataset, xr.Dataset)
    dataset.attrs.clear()  # they hold the time, and equal fits have equal results
    for variable in arrays:
        if variable in supports:
            dataset[_free(variable)].attrs["support"] = supports[variable]
        if variable in derived:
            dataset[_free(variable)].attrs["derived"] = 1
    return dataset


def _name_axes(
    variable: str, declared: tuple[str, ...], ndim: int, coords: dict[str, Array], taken: set[str]
) -> list[str]:
    """The names of `ndim` axes; the labels of repeated ones are added to `coords`."""
    names: list[str] = []
    unnamed = 0
    for position in range(ndim):
        name = declared[position] if position < len(declared) else ""
        if not name:
            name = f"{variable}_dim_{unnamed}"
            unnamed += 1
        elif name in names:
            first, number = name, 2
            while (name := f"{first}_{number}") in names or name in taken:
                number += 1
            if first in coords:
                coords[name] = coords[first]
        names.append(name)
    return names


def _free(name: str) -> str:
    """`name`, unless it belongs to the axes of the draws."""
    return f"{name}_" if name.rstrip("_") in SAMPLE_DIMS else name


def name_in_model(name: str) -> str:
    """What a model calls a variable or an axis of results."""
    return name[:-1] if name.endswith("_") and name.rstrip("_") in SAMPLE_DIMS else name
