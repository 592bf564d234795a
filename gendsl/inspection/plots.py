"""Pictures of results: traces, ranks, intervals; and writing them to files."""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from arviz_stats.base.array import array_stats as untyped_stats
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import rankdata

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.inspection.figure import (
    ACCENT,
    CHAIN_COLOURS,
    FONT,
    INK,
    MUTED,
    Entry,
    Floats,
    chosen,
    density,
    entries,
    group,
    new_figure,
    note,
    plain,
    short,
    tidy,
    whole_ticks,
)
from gendsl.inspection.predictive_plot import plot_predictive

__all__ = ["plot_forest", "plot_predictive", "plot_rank", "plot_trace", "save_plots"]

MAX_TRACES = 10
MAX_RANKS = 12
MAX_INTERVALS = 40
RANK_BINS = 20
PNG_DPI = 150


def _left_out(more: int, shown: int) -> str:
    return f" The first {shown} quantities; {more} more are not shown." if more else ""


def _colour(chain: int) -> str:
    return CHAIN_COLOURS[chain % len(CHAIN_COLOURS)]


def plot_trace(tree: xr.DataTree, var_names: Sequence[str] | None = None) -> Figure:
    """The distribution and the course of each chain, an entry a row.

    Args:
        tree: results with a group ``posterior``.
        var_names: the variables to show; all by default.

    Raises:
        DataError: unknown names, or nothing to plot.
    """
    shown, more = entries(group(tree, "posterior"), var_names, MAX_TRACES)
    figure = new_figure(9.0, 1.0 + 1.25 * len(shown))
    grid = figure.subplots(len(shown), 2, squeeze=False, width_ratios=[1, 2.2])
    diverging = _divergences(tree)
    for (left, right), entry in zip(grid, shown, strict=True):
        _draw_marginal(left, entry)
        _draw_course(right, entry, diverging)
    grid[-1, 1].set_xlabel("draw", fontsize=FONT, color=INK)
    chains = len(shown[0].values)
    if chains > 1:
        handles = [Line2D([], [], color=_colour(c), lw=2, label=f"chain {c}") for c in range(chains)]
        figure.legend(
            handles=handles[:8],
            loc="outside upper right",
            ncols=min(8, chains),
            frameon=False,
            fontsize=FONT - 1,
        )
    remark = "Left: distribution of each chain. Right: its course"
    remark += "; ticks mark divergent transitions." if diverging.any() else "."
    note(figure, "Trace", remark + _left_out(more, len(shown)))
    return figure


def _divergences(tree: xr.DataTree) -> np.ndarray:
    if "sample_stats" in tree.children and "diverging" in tree["sample_stats"]:
        return np.asarray(tree["sample_stats"]["diverging"].to_numpy())
    return np.zeros((1, 1), dtype=bool)


def _draw_marginal(axes: Axes, entry: Entry) -> None:
    values = entry.values
    if entry.discrete:
        support, inverse = np.unique(values, return_inverse=True)
        chains = len(values)
        inverse = inverse.reshape(values.shape)
        step = min(np.diff(support), default=1.0) * 0.8 / chains
        for chain in range(chains):
            share = np.bincount(inverse[chain], minlength=len(support)) / values.shape[1]
            offset = (chain - (chains - 1) / 2) * step
            axes.bar(support + offset, share, width=step, color=_colour(chain), lw=0)
        axes.set_xlim(support[0] - 0.8, support[-1] + 0.8)
        whole_ticks(axes)
    else:
        pad = 0.05 * np.ptp(values)
        for chain, draws in enumerate(values):
            x, y = density(draws, values.min() - pad, values.max() + pad)
            axes.plot(x, y, color=_colour(chain), lw=1.2)
        axes.margins(x=0)
    axes.set_ylim(bottom=0)
    axes.set_title(short(entry.label, 36), fontsize=FONT, color=INK, loc="left")
    tidy(axes, left=False)


def _draw_course(axes: Axes, entry: Entry, diverging: np.ndarray) -> None:
    draws = np.arange(entry.values.shape[1])
    for chain, course in enumerate(entry.values):
        marker = {"ls": "", "marker": ".", "ms": 2.5} if entry.discrete else {"lw": 0.5}
        axes.plot(draws, course, color=_colour(chain), alpha=0.75, rasterized=True, **marker)
    axes.set_xlim(0, max(1, len(draws) - 1))
    if diverging.shape == entry.values.shape and diverging.any():
        where = np.flatnonzero(diverging.any(axis=0))
        low, high = axes.get_ylim()
        axes.set_ylim(low - 0.06 * (high - low), high)
        marks = np.full(len(where), 0.03)
        across = axes.get_xaxis_transform()
        axes.plot(where, marks, "|", color=INK, ms=6, mew=1, transform=across, clip_on=False)
    if entry.discrete:
        axes.yaxis.get_major_locator().set_params(integer=True)
    tidy(axes)


def plot_rank(tree: xr.DataTree, var_names: Sequence[str] | None = None) -> Figure:
    """Where each chain's draws rank among those of all: flat where the chains agree.

    Args:
        tree: results with a group ``posterior``.
        var_names: the variables to show; all by default.

    Raises:
        DataError: unknown names, or nothing to plot.

    References:
        Rank-normalization, folding, and localization: an improved R-hat for assessing
        convergence of MCMC (Vehtari, Gelman, Simpson, Carpenter, Bürkner, 2021).
    """
    shown, more = entries(group(tree, "posterior"), var_names, MAX_RANKS)
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    chains = len(shown[0].values)
    figure = new_figure(3.1 * columns + 0.4, 1.1 + rows * (0.75 + 0.34 * min(chains, 8)))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, entry in zip(grid, shown, strict=False):
        _draw_ranks(axes, entry)
    for axes in grid[len(shown) :]:
        axes.set_visible(False)
    remark = (
        "Each strip is one chain: the ranks of its draws among all draws. Flat strips agree;\n"
        "grey is where bars fall by chance (about 95 %), given the effective sample size."
    )
    note(figure, "Ranks by chain", remark + _left_out(more, len(shown)))
    return figure


def _draw_ranks(axes: Axes, entry: Entry) -> None:
    values = entry.values
    chains, draws = values.shape
    shuffle = np.random.default_rng(0).permutation(values.size)  # breaks ties at random
    ranks = np.empty(values.size)
    ranks[shuffle] = rankdata(values.ravel()[shuffle], method="ordinal") - 0.5
    bins = min(RANK_BINS, max(4, draws // 10))
    edges = np.linspace(0, values.size, bins + 1)
    expected = draws / bins
    spread = 2 * np.sqrt((1 - 1 / bins) / expected * max(1.0, values.size / _effective(values)))
    for chain, own in enumerate(ranks.reshape(values.shape)):
        base = chains - 1 - chain
        height = 0.42 * np.histogram(own, edges)[0] / expected
        axes.bar(
            edges[:-1],
            np.minimum(height, 0.92),
            width=np.diff(edges),
            bottom=base,
            align="edge",
            color=_colour(chain),
            alpha=0.85,
            edgecolor="white",
            lw=0.4,
        )
        low, high = (base + min(0.92, 0.42 * max(0.0, 1 + s * spread)) for s in (-1, 1))
        axes.fill_between([0, values.size], low, high, color=MUTED, alpha=0.35, lw=0)
        axes.plot([0, values.size], [base + 0.42] * 2, color=INK, lw=0.7)
    axes.set_xlim(0, values.size)
    axes.set_ylim(0, chains)
    axes.set_title(short(entry.label, 34), fontsize=FONT, color=INK, loc="left")
    axes.set_xticks([0, values.size], ["lowest", "highest"])
    tidy(axes, left=False)
    axes.set_yticks(np.arange(chains) + 0.42, [str(c) for c in reversed(range(chains))])
    axes.tick_params(axis="y", length=0)
    axes.spines["bottom"].set_visible(False)


def _effective(values: Floats) -> float:
    """The number of independent draws that the draws are worth."""
    if values.shape[1] < 8 or np.ptp(values) == 0:
        return float(values.size)
    compute: Callable[..., float] = untyped_stats.ess
    with np.errstate(all="ignore"):
        found = float(compute(values, method="bulk"))
    return found if np.isfinite(found) and found > 0 else float(values.size)


def plot_forest(tree: xr.DataTree, var_names: Sequence[str] | None = None) -> Figure:
    """Intervals of every entry: half of the probability, and nine tenths of it.

    Args:
        tree: results with a group ``posterior``, or ``estimate`` and ``standard_error``.
        var_names: the variables to show; all by default.

    Raises:
        DataError: unknown names, or nothing to plot.
    """
    point = "estimate" in tree.children
    rows, more = _estimates(tree, var_names) if point else _intervals(tree, var_names)
    panels = _share_scales(rows)
    figure = new_figure(7.2, 1.0 + 0.27 * len(rows) + 0.35 * len(panels))
    grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[len(p) + 1 for p in panels])
    for axes, panel in zip(grid[:, 0], panels, strict=True):
        _draw_intervals(axes, panel)
    remark = (
        "Dot: estimate. Thick, thin: 50 % and 90 % intervals of the normal approximation."
        if point
        else "Dot: median. Thick, thin: equal-tailed 50 % and 90 % intervals."
    )
    if len(panels) > 1:
        remark += " Panels differ in scale."
    title = "Estimates" if point else "Posterior intervals"
    note(figure, title, remark + _left_out(more, len(rows)))
    return figure


Interval = tuple[str, str, Floats]
"""A label, its variable, and the five numbers of its interval."""

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
NORMAL_LEVELS = np.array([-1.6449, -0.6745, 0.0, 0.6745, 1.6449])


def _intervals(tree: xr.DataTree, names: Sequence[str] | None) -> tuple[list[Interval], int]:
    posterior = group(tree, "posterior")
    if names is None:
        names = [
            str(n)
            for n, a in posterior.data_vars.items()
            if not (a.dtype.kind in "biu" and str(a.attrs.get("support", "")).startswith("index"))
        ]
    shown, more = entries(posterior, names, MAX_INTERVALS)
    return [(e.label, e.variable, _five(e)) for e in shown if not e.nominal], more


def _five(entry: Entry) -> Floats:
    if entry.discrete:
        return np.quantile(entry.values, LEVELS, method="inverted_cdf")
    return np.quantile(entry.values, LEVELS)


def _estimates(tree: xr.DataTree, names: Sequence[str] | None) -> tuple[list[Interval], int]:
    estimate = group(tree, "estimate")
    errors = tree["standard_error"].to_dataset() if "standard_error" in tree.children else estimate
    errors = errors if errors is not estimate else xr.zeros_like(estimate)
    spread = estimate.expand_dims(chain=1, draw=2).copy()
    rows: list[Interval] = []
    more = 0
    for name in chosen(estimate, names):
        error = errors[name] if name in errors else xr.zeros_like(estimate[name])
        reach = np.nan_to_num(error.to_numpy().astype(np.float64)).ravel()
        labels = _labels(name, spread[name])
        for label, centre, e in zip(labels, estimate[name].to_numpy().ravel(), reach, strict=True):
            if len(rows) < MAX_INTERVALS:
                rows.append((label, name, centre + e * NORMAL_LEVELS))
            else:
                more += 1
    return rows, more
