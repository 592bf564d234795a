r"""How many independent draws chains are worth, for many quantities at once.

The same numbers as those of ArviZ, computed for all quantities together: a calibration asks for
them at each of hundreds of fits.

References:
    Rank-normalization, folding, and localization: an improved R-hat for assessing convergence
    of MCMC (Vehtari, Gelman, Simpson, Carpenter, Bürkner, 2021).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import ndtri
from scipy.stats import rankdata

__all__ = ["effective", "worst_r_hat"]

Floats = NDArray[np.float64]

LEAST = 8
"""Chains of fewer draws than this tell nothing."""


def _split(draws: Floats) -> Floats:
    """Halves of chains as chains of their own."""
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, -half:]])


def _normalised(draws: Floats) -> Floats:
    """Normal scores of the ranks among all draws of a quantity."""
    ranks = rankdata(draws.reshape(-1, draws.shape[-1]), axis=0)
    return np.asarray(ndtri((ranks - 0.375) / (len(ranks) + 0.25)).reshape(draws.shape))


def effective(draws: Floats) -> Floats:
    """The bulk effective sample size of each quantity.

    Args:
        draws: ``(chain, draw, quantity)``. A quantity that never varies is worth every draw.

    Returns:
        ``(quantity,)``; NaN where chains are too short to tell.
    """
    if draws.shape[1] < LEAST:
        return np.full(draws.shape[-1], np.nan)
    scores = _normalised(_split(draws))
    chains, length, _ = scores.shape
    padded = next_fast_len(2 * length)
    centred = scores - scores.mean(axis=1, keepdims=True)
    spectrum = np.abs(rfft(centred, padded, axis=1)) ** 2
    covariance = irfft(spectrum, padded, axis=1)[:, :length] / length
    within = covariance[:, 0].mean(axis=0) * length / (length - 1)
    pooled = within * (length - 1) / length + scores.mean(axis=1).var(axis=0, ddof=1)
    varies = pooled > 0
    safe = np.where(varies, pooled, 1.0)
    rho = 1 - (within - covariance.mean(axis=0)) / safe
    rho[0] = 1.0
    even = 2 * (length // 2)
    pairs = rho[0:even:2] + rho[1:even:2]
    kept = np.logical_and.accumulate(pairs > 0, axis=0)  # Geyer's initial positive sequence,
    pairs = np.minimum.accumulate(np.where(kept, pairs, 0.0), axis=0)  # made monotone
    first = np.minimum(2 * kept.sum(axis=0), even - 2)  # the first lag left out, half of its pair
    last = np.maximum(np.take_along_axis(rho, first[None], axis=0)[0], 0.0)
    last = np.where(kept.all(axis=0), 0.0, last)
    total = chains * length
    tau = np.maximum(2 * pairs.sum(axis=0) - 1 + last, 1 / np.log10(total))
    return np.where(varies, total / tau, float(total))


def worst_r_hat(draws: Floats) -> float:
    """The largest rank-normalised split R-hat of all quantities, of their bulk and their spread.

    Args:
        draws: ``(chain, draw, quantity)``.

    Returns:
        1 where nothing varies; infinity where parts of chains never move and differ; NaN where
        chains are too short to tell.
    """
    if draws.shape[1] < LEAST:
        return float("nan")
    whole = _split(draws)
    median = np.median(whole, axis=(0, 1), keepdims=True)
    found = [_r_hat(_normalised(x)) for x in (whole, np.abs(whole - median))]
    return float(np.max(found))


def _r_hat(scores: Floats) -> Floats:
    length = scores.shape[1]
    within = scores.var(axis=1, ddof=1).mean(axis=0)
    between = scores.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt((length - 1) / length + between / within)
    return np.where(within > 0, ratio, np.where(between > 0, np.inf, 1.0))
