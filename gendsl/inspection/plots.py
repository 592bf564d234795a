"""Pictures of results: traces, ranks, intervals; and writing them to files."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from math import floor, log10
from pathlib import Path

import numpy as np
import xarray as xr
from arviz_stats.base.array import array_stats as untyped_stats
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from scipy.stats import rankdata

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.inspection.figure import (
    CHAIN_COLOURS,
    FONT,
    INK,
    MUTED,
    Entry,
    Floats,
    chosen,
    density,
    entries,
    entry_labels,
    group,
    new_figure,
    note,
    short,
    tidy,
    whole_ticks,
    write_figure,
)
from gendsl.inspection.predictive_plot import plot_predictive, replicated

__all__ = ["plot_forest", "plot_predictive", "plot_rank", "plot_trace", "save_plots"]

MAX_TRACES = 10
MAX_RANKS = 12
MAX_INTERVALS = 40
KOLMOGOROV = 1.358
"""The 95 % point of the largest deviation of a cumulative share, times the root of the size."""


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
    _name_chains(figure, len(shown[0].values))
    remark = "Left: distribution of each chain. Right: its course"
    remark += "; ticks mark divergent transitions." if diverging.any() else "."
    note(figure, "Trace", remark + _left_out(more, len(shown)))
    return figure


def _name_chains(figure: Figure, chains: int) -> None:
    if chains > 1:
        named = range(min(chains, 8))
        handles = [Line2D([], [], color=_colour(c), lw=2, label=f"chain {c}") for c in named]
        figure.legend(
            handles=handles,
            loc="outside upper right",
            ncols=len(named),
            frameon=False,
            fontsize=FONT - 1,
        )


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
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.set_ylim(bottom=0)
    axes.set_title(short(entry.label, 36), fontsize=FONT, color=INK, loc="left")
    tidy(axes, left=False)


def _draw_course(axes: Axes, entry: Entry, diverging: np.ndarray) -> None:
    draws = np.arange(entry.values.shape[1])
    for chain, course in enumerate(entry.values):
        if entry.discrete:  # chains side by side, so that none hides another
            course = course + (chain - (len(entry.values) - 1) / 2) * 0.7 / len(entry.values)
            axes.plot(draws, course, "|", ms=2.5, color=_colour(chain), alpha=0.75)
        else:
            axes.plot(draws, course, lw=0.5, color=_colour(chain), alpha=0.75)
    axes.set_xlim(0, max(1, len(draws) - 1))
    if diverging.shape == entry.values.shape and diverging.any():
        where = np.flatnonzero(diverging.any(axis=0))
        low, high = axes.get_ylim()
        axes.set_ylim(low - 0.06 * (high - low), high)
        marks = np.full(len(where), 0.03)
        across = axes.get_xaxis_transform()
        axes.plot(where, marks, "|", color=INK, ms=6, mew=1, transform=across, clip_on=False)
    if entry.discrete:
        whole_ticks(axes, 5, vertical=True)
    tidy(axes)


def plot_rank(tree: xr.DataTree, var_names: Sequence[str] | None = None) -> Figure:
    """Where each chain's draws rank among those of all: level where the chains agree.

    Args:
        tree: results with a group ``posterior``.
        var_names: the variables to show; all by default.

    Raises:
        DataError: unknown names, or nothing to plot.

    References:
        Rank-normalization, folding, and localization: an improved R-hat for assessing
        convergence of MCMC (Vehtari, Gelman, Simpson, Carpenter, Bürkner, 2021).
        Graphical test for discrete uniformity and its applications in goodness-of-fit
        evaluation and multiple sample comparison (Säilynoja, Bürkner, Vehtari, 2022).
    """
    shown, more = entries(group(tree, "posterior"), var_names, MAX_RANKS)
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure = new_figure(max(6.0, 3.1 * columns), 1.3 + 1.75 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, entry in zip(grid, shown, strict=False):
        _draw_ranks(axes, entry)
    for axes in grid[len(shown) :]:
        axes.set_visible(False)
    _name_chains(figure, len(shown[0].values))
    remark = (
        "Draws of all chains, from lowest to highest: how far each chain's share of those so far "
        "exceeds what is expected. Chains that agree stay in the grey band (about 95 % of them, "
        "at their effective sample size)."
    )
    note(figure, "Ranks by chain", remark + _left_out(more, len(shown)))
    return figure


def _draw_ranks(axes: Axes, entry: Entry) -> None:
    values = entry.values
    chains, draws = values.shape
    shuffle = np.random.default_rng(0).permutation(values.size)  # breaks ties at random
    ranks = np.empty(values.size)
    ranks[shuffle] = rankdata(values.ravel()[shuffle], method="ordinal") / values.size
    grid = np.linspace(0, 1, min(draws, 200) + 1)
    for chain, own in enumerate(ranks.reshape(values.shape)):
        below = np.searchsorted(np.sort(own), grid, side="right") / draws
        axes.plot(grid, below - grid, color=_colour(chain), lw=1.3)
    reach = KOLMOGOROV * np.sqrt((1 - 1 / chains) / _effective(values))
    axes.axhspan(-reach, reach, color=MUTED, alpha=0.22, lw=0, zorder=0)
    axes.axhline(0, color=MUTED, lw=0.8, zorder=0.5)
    axes.set_xlim(0, 1)
    limit = 1.15 * max(reach, *(abs(y) for y in axes.get_ylim()))
    axes.set_ylim(-limit, limit)
    axes.set_title(short(entry.label, 34), fontsize=FONT, color=INK, loc="left")
    axes.set_xticks([0, 1], ["lowest", "highest"])
    axes.get_xticklabels()[0].set_horizontalalignment("left")
    axes.get_xticklabels()[1].set_horizontalalignment("right")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, symmetric=True))
    tidy(axes)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="x", length=0)


def _effective(values: Floats) -> float:
    """How many independent draws a chain is worth, judged within chains only."""
    chains, draws = values.shape
    if draws < 8:
        return float(draws)
    compute: Callable[..., float] = untyped_stats.ess
    with np.errstate(all="ignore"):
        found = [float(compute(v[None], method="bulk")) for v in values if np.ptp(v) > 0]
    return max(1.0, float(np.mean(found))) if found and np.isfinite(found).all() else float(draws)


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
    grid = figure.subplots(
        len(panels), 1, squeeze=False, height_ratios=[len(p) + 1 for p in panels]
    )
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

MAX_SCALE_RATIO = 25
"""An axis is at most this many times as long as the intervals of each variable on it."""

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
    known = tree["standard_error"].to_dataset() if "standard_error" in tree.children else {}
    rows: list[Interval] = []
    for name in chosen(estimate, names):
        centres = estimate[name].to_numpy().astype(np.float64).ravel()
        errors = known[name].to_numpy().ravel() if name in known else np.zeros(centres.shape)
        for label, centre, error in zip(
            entry_labels(name, estimate[name]), centres, np.nan_to_num(errors), strict=True
        ):
            if np.isfinite(centre):
                rows.append((label, name, centre + error * NORMAL_LEVELS))
    if not rows:
        raise DataError([Diagnostic("GD812", "there is nothing to plot: no finite estimates")])
    return rows[:MAX_INTERVALS], max(0, len(rows) - MAX_INTERVALS)


def _share_scales(rows: list[Interval]) -> list[list[Interval]]:
    """Put variables that follow each other on one axis, as long as every interval is visible."""
    panels: list[list[Interval]] = []
    for _, found in itertools.groupby(rows, key=lambda r: r[1]):
        own = list(found)
        if panels and _visible([*panels[-1], *own]):
            panels[-1] += own
        else:
            panels.append(own)
    return panels


def _visible(rows: list[Interval]) -> bool:
    numbers = np.array([r[2] for r in rows])
    widths = [
        np.median([r[2][-1] - r[2][0] for r in own])
        for _, own in itertools.groupby(rows, key=lambda r: r[1])
    ]
    return bool(np.ptp(numbers) <= MAX_SCALE_RATIO * min(widths))


def _draw_intervals(axes: Axes, rows: list[Interval]) -> None:
    for y, (_, _, (low, lower, middle, upper, high)) in enumerate(rows):
        axes.plot([low, high], [y, y], color=CHAIN_COLOURS[0], lw=1.2, solid_capstyle="butt")
        axes.plot([lower, upper], [y, y], color=CHAIN_COLOURS[0], lw=3.6, solid_capstyle="butt")
        axes.plot(middle, y, "o", color="white", mec=CHAIN_COLOURS[0], mew=1.4, ms=5)
        numbers = "{}  [{}, {}]".format(*_as_text(middle, low, high))
        across = axes.get_yaxis_transform()
        axes.text(1.02, y, numbers, transform=across, va="center", fontsize=FONT - 1, color=INK)
    tidy(axes, left=False)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [short(label, 36) for label, _, _ in rows])
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.grid(visible=True, color="#E3E3E3", lw=0.6)
    axes.set_axisbelow(True)
    low, high = axes.get_xlim()
    if low < 0 < high:
        axes.axvline(0, color=MUTED, lw=0.8, zorder=0.6)
    variables = [v for _, v, _ in rows]
    for y in range(1, len(rows)):
        if variables[y] != variables[y - 1]:
            axes.axhline(y - 0.5, color="#E3E3E3", lw=0.6)


def _as_text(middle: float, low: float, high: float) -> list[str]:
    """Two digits of what the interval leaves uncertain."""
    digits = max(0, 2 - floor(log10(2 * (high - low)))) if high > low else 9
    texts = [format(v, f".{digits}f" if digits < 9 else ".3g") for v in (middle, low, high)]
    return [(t if float(t) else t.removeprefix("-")).replace("-", "−") for t in texts]


def save_plots(tree: xr.DataTree, folder: str | Path) -> list[Path]:
    """Write every plot that the results allow as PNG; each file appears whole or not at all.

    ``trace.png`` and ``rank.png`` need several draws, ``forest.png`` draws or estimates, and
    ``predictive.png`` observed and replicated values of one variable.

    Raises:
        DataError: GD809, the folder cannot be written.
    """
    wanted: dict[str, Callable[[xr.DataTree], Figure]] = {}
    if "posterior" in tree.children:
        sizes = tree["posterior"].sizes
        if tree.attrs.get("kind", "mcmc") == "mcmc" and sizes.get("draw", 0) > 1:
            wanted |= {"trace": plot_trace}
            wanted |= {"rank": plot_rank} if sizes.get("chain", 0) > 1 else {}
    if {"posterior", "estimate"} & set(tree.children):
        wanted["forest"] = plot_forest
    if replicated(tree):
        wanted["predictive"] = plot_predictive
    target = Path(folder)
    written = []
    for name, draw in wanted.items():
        try:
            figure = draw(tree)
        except DataError as error:
            if error.diagnostics[0].code != "GD812":
                raise
            continue  # nothing in the results that this plot could show
        written.append(write_figure(figure, target / f"{name}.png"))
    return written
