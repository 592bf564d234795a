"""From draws to figures: the same code for every system."""

import numpy as np
from arviz_stats.base import array_stats
from scipy.stats import norm

SURE = 1e-3
"""Probability that means of two correct systems are said to differ, over all entries of a case."""


def columns(draws):
    """(quantity with its place, values of shape (chain, draw)), one for each entry."""
    for name in sorted(draws):
        values = np.asarray(draws[name], dtype=float)
        flat = values.reshape(*values.shape[:2], -1)
        for k in range(flat.shape[2]):
            label = name if flat.shape[2] == 1 else f"{name}[{k}]"
            yield label, flat[:, :, k]


def judged(draws):
    """Least bulk effective size, largest R-hat, and means with their Monte Carlo errors."""
    sizes, rhats, means, errors, labels = [], [], [], [], []
    for label, values in columns(draws):
        if not np.isfinite(values).all():
            raise ValueError(f"{label}: draws are not finite")
        labels.append(label)
        sizes.append(float(array_stats.ess(values, method="bulk")))
        rhats.append(float(array_stats.rhat(values)) if len(values) > 1 else np.nan)
        means.append(float(values.mean()))
        errors.append(float(array_stats.mcse(values, method="mean")))
    least = int(np.argmin(sizes))
    return {
        "ess": sizes[least],
        "slowest": labels[least],
        "rhat": float(np.max(rhats)),
        "labels": labels,
        "means": means,
        "errors": errors,
    }


def pooled(runs):
    """Means over the seeds, and their errors."""
    means = np.mean([r["means"] for r in runs], axis=0)
    errors = np.sqrt(np.sum(np.square([r["errors"] for r in runs]), axis=0)) / len(runs)
    return means, errors


def disagreement(one, other):
    """The largest distance of means, in standard errors; where it is; whether it is too much."""
    (mean, error), (their, their_error) = pooled(one), pooled(other)
    distances = np.abs(mean - their) / np.hypot(error, their_error)
    worst = int(np.argmax(distances))
    limit = norm.isf(SURE / (2 * len(distances)))
    return {
        "distance": float(distances[worst]),
        "quantity": one[0]["labels"][worst],
        "differs": bool(distances[worst] > limit),
    }
