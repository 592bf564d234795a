"""How far a guide is from the posterior, and whether its training had come to an end.

References:
    Yes, but did it work? Evaluating variational inference (Yao, Vehtari, Simpson, Gelman, ICML
    2018): the shape k of a Pareto law that is fitted to the largest importance ratios. Below 0.7
    importance weighting would correct the guide; above 1 the ratios have no mean in practice.
    Pareto smoothed importance sampling (Vehtari, Simpson, Gelman, Yao, Gabry, JMLR 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from arviz_stats.base.array import array_stats as untyped_stats
from numpy.typing import NDArray
from scipy.stats import kendalltau, theilslopes

from gendsl.graph.weights import is_weights
from gendsl.runtime.objectives import ObjectiveError
from gendsl.runtime.objectives.multisample import importance
from gendsl.runtime.variational.judging import EVEN, PARETO_HIGH
from gendsl.runtime.variational.learning import Inference

__all__ = ["course", "effective_shares", "pareto_facts", "pareto_shapes"]

array_stats: Any = untyped_stats

Floats = NDArray[np.float64]
Facts = dict[str, float | int | str]

WEIGHED = 1000
"""Draws whose importance ratios are looked at."""

WEIGHED_ROWS = 200
"""Rows whose ratios are looked at, evenly spaced, where rows are weighted by themselves."""

AT_A_TIME, AT_MOST = 400_000, 400_000_000
"""Numbers of a run of the program, and of all runs, for these ratios."""

CHEAP = 10
"""So many products with weights of a network cost as much as another number."""

LEAST, SHARE, BLOCKS = 10, 5, 20
"""Whether a bound rises is told from the last fifth of the epochs, in so many blocks at most."""

UNRELATED = 1e-9
"""Ratios that differ by less are equal but for rounding."""


def course(bounds: Sequence[float]) -> Facts:
    """The trend of the bound at the end, by the test of Mann and Kendall.

    The last fifth of the epochs is taken, in at most 20 blocks whose means are nearly independent.

    Args:
        bounds: of the epochs; NaN for those that have none.

    Returns:
        ``bound_rise``, the slope of Theil and Sen times the length, ``bound_trend_p``, the
        two-sided p-value, and ``bound_epochs``; nothing where there are fewer than 10 epochs.
    """
    known = np.asarray([b for b in bounds if np.isfinite(b)], dtype=np.float64)
    last = known[-max(LEAST, len(known) // SHARE) :]
    if len(last) < LEAST:
        return {}
    blocks = [float(part.mean()) for part in np.array_split(last, min(BLOCKS, len(last)))]
    places = np.arange(len(blocks), dtype=np.float64)
    slope = float(theilslopes(blocks, places)[0])
    p = float(kendalltau(places, blocks).pvalue) if np.ptp(blocks) > 0 else 1.0
    rise = slope * (len(blocks) - 1)
    return {"bound_rise": rise, "bound_trend_p": p, "bound_epochs": len(last)}


def pareto_shapes(log_ratios: Floats) -> Floats:
    """The Pareto k of importance ratios, (draws, groups) to (groups,); inf where undefined."""
    found = np.empty(log_ratios.shape[1])
    for i, ratios in enumerate(log_ratios.T):
        known = ratios[np.isfinite(ratios)]
        wrong = bool(np.isnan(ratios).any() or (ratios == np.inf).any())
        if wrong or len(known) < len(ratios) // 2:
            found[i] = np.inf
        elif np.ptp(known) <= UNRELATED * max(1.0, float(np.abs(known).max())):
            found[i] = 0.0
        else:
            found[i] = _shape(known)
    return np.where(np.isnan(found), np.inf, found)


def effective_shares(log_ratios: Floats) -> Floats:
    """The effective number of draws over their number, (sum r)^2 / (n sum r^2), by group.

    Where ratios hardly vary, a Pareto law that is fitted to the largest of them says nothing of
    the guide, whatever its shape: it is that of tiny excesses.
    """
    top = np.where(np.isfinite(log_ratios), log_ratios, -np.inf).max(0)
    with np.errstate(all="ignore"):
        ratios = np.exp(log_ratios - np.where(np.isfinite(top), top, 0.0))
        share = ratios.sum(0) ** 2 / (len(ratios) * (ratios**2).sum(0))
    return np.where(np.isfinite(share), share, 0.0)


def _shape(log_ratios: Floats) -> float:
    shifted = log_ratios - log_ratios.max()  # it exponentiates, and takes minus its argument
    try:
        with np.errstate(all="ignore"):
            return float(array_stats.psislw(-shifted)[1])
    except ValueError:  # the largest ratios are all the same
        return 0.0


def pareto_facts(inference: Inference) -> Facts:
    """The Pareto k of the guide, given what was learned as points.

    Where all latents stand in the plate of the rows each row has ratios of its own: then
    ``pareto_k`` is the median over rows. Otherwise the ratios are those of all latents jointly.

    Returns:
        ``latents``, how many there are; ``pareto_k``; ``effective_share``; where rows are weighted
        by themselves also ``pareto_rows`` and ``pareto_rows_high``, how many exceed 0.7. Without
        ``pareto_k`` where there are no latents, a guide is a point, or there are too many numbers
        to weigh.
    """
    with torch.no_grad():
        try:
            return _facts(inference)
        except ObjectiveError:
            return {"latents": 1}


def _facts(inference: Inference) -> Facts:
    rows, light = inference.rows, inference.light
    arguments, count = rows.spaced(2)
    probe = light.sites(arguments, 1, count, rows.total)
    facts: Facts = {"latents": len(probe.latents)}
    if probe.points:
        return facts | {"points": ", ".join(f"`{n}`" for n in probe.points)}
    if probe.choices:
        return facts | {"choices": ", ".join(f"`{n}`" for n in probe.choices)}
    if not probe.latents:
        return facts
    by_row = all(site.local for site in probe.latents)
    arguments, count = rows.spaced(WEIGHED_ROWS if by_row else rows.total)
    local, shared = (
        sum(s.value.numel() for s in probe if s.local is way) for way in (True, False)
    )
    used = sum(s.value.numel() for s in probe if is_weights(s.name))  # once a row
    numbers = max(1, shared + local * count // probe.rows + used * count // CHEAP)
    if numbers * WEIGHED > AT_MOST:
        return facts
    whole = np.empty((WEIGHED, count if by_row else 1))
    step = max(1, AT_A_TIME // (numbers * light.times))
    for start in range(0, WEIGHED, step):
        particles = min(step, WEIGHED - start)
        weights = importance(light.sites(arguments, particles, count, rows.total))
        ratios = weights.log_w if by_row else weights.log_w.sum(1, keepdim=True) + weights.shared
        whole[start : start + particles] = ratios.cpu().numpy()
    shapes, shares = pareto_shapes(whole), effective_shares(whole)
    facts["pareto_k"] = float(np.median(shapes))
    facts["effective_share"] = float(np.median(shares))
    if by_row:
        facts["pareto_rows"] = len(shapes)
        facts["pareto_rows_high"] = int(((shapes > PARETO_HIGH) & (shares < EVEN)).sum())
    return facts
