"""Data drawn from a model at an example's inputs, and how far a fit to them is from the truth."""

import math
from statistics import NormalDist

import numpy as np
from catalogue import bound, entries

__all__ = ["deviations", "simulate"]

SMALLEST_WIDTH = 1e-12


def simulate(model, name):
    """Data of one draw from the prior, in the form that `Model.fit` takes, and the drawn values.

    Inputs, sizes and the places of missing values are those of the data on file.
    """
    known, seed = bound(model, name), entries()[name]["seed"]
    variables = model.compiled.checked.ir.of_role("input", "observed")
    inputs = {v.name: known.values[v.name] for v in variables if v.role == "input"}
    free = {a.name: known.sizes[a.name] for a in model.compiled.checked.ir.axes if a.size is None}
    tree = model.simulate(1, inputs, sizes=free, seed=seed)
    data = dict(inputs) | free
    for variable in (v for v in variables if v.role == "observed"):
        drawn = tree["prior_predictive"][variable.name].to_numpy()[0, 0]
        gaps = known.missing.get(variable.name)
        data[variable.name] = drawn if gaps is None else np.where(gaps, np.nan, drawn)
    truth = {v: a.to_numpy()[0, 0] for v, a in tree["prior"].to_dataset().items()}
    return data, truth


def deviations(fit, truth, headline):
    """For each entry of the headline: truth less posterior mean, in posterior sds.

    On a scale without bounds, where the posterior is nearer to normal: logarithms of what is
    positive, log odds of what lies between two bounds.
    """
    found = {}
    for name in headline:
        draws = fit.posterior[name].to_numpy()
        draws, true = draws.reshape(-1, *draws.shape[2:]), np.asarray(truth[name])
        for at in np.ndindex(true.shape):
            free = unbounded(np.append(draws[(..., *at)], true[at]))
            width = max(free[:-1].std(), SMALLEST_WIDTH)
            found[f"{name}{list(at) if at else ''}"] = float((free[-1] - free[:-1].mean()) / width)
    return found


def unbounded(values):
    """Log odds of values in (0, 1), logarithms of positive ones, others as they are."""
    if values.min() <= 0:
        return values
    if values.max() < 1:
        return np.log(values) - np.log1p(-values)
    return np.log(values)


def widest(p):
    """How many sds a normal value is away from its mean at most, but for the probability `p`."""
    return NormalDist().inv_cdf(1 - p / 2) if p > 0 else math.inf
