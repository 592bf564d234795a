"""Comparing draws with known means and standard deviations, within the suite's failure budget."""

from __future__ import annotations

import numpy as np
import xarray as xr
from arviz_stats.base.array import array_stats
from failure_budget import share
from scipy.stats import norm

import gendsl

QUICK = {
    "draws": 500,
    "warmup": 300,
    "chains": 2,
    "progress": False,
    "seed": 7,
    "treat": {"*": "sampled"},  # else algebra would leave little to the sampler
}


def fit(text: str, data: object, **options) -> gendsl.Fit:
    return gendsl.compile(text).fit(data, **{**QUICK, **options})


def assert_moments(draws: xr.DataArray, mean, sd, *, sd_tolerance: float = 0.2) -> None:
    """Means within Monte Carlo error, and standard deviations within `sd_tolerance`."""
    values = draws.to_numpy()
    shape = values.shape[2:]
    mean, sd = np.broadcast_to(mean, shape), np.broadcast_to(sd, shape)
    reach = norm.isf(share(max(1, mean.size)) / 2)
    for place in np.ndindex(shape):
        own = values[(slice(None), slice(None), *place)]
        size = float(array_stats.ess(own, method="mean"))
        error = sd[place] / np.sqrt(min(size, own.size))
        found = own.mean()
        assert abs(found - mean[place]) < reach * error, (place, found, mean[place], error)
        assert abs(own.std() / sd[place] - 1) < sd_tolerance, (place, own.std(), sd[place])
