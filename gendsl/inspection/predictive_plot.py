"""Posterior predictive checks: do data that the fitted model makes look like those observed?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gendsl.diagnostics import DataError, Diagnostic, nearest
from gendsl.inspection.figure import (
    ACCENT,
    CHAIN_COLOURS,
    FONT,
    INK,
    MUTED,
    Floats,
    density,
    group,
    new_figure,
    note,
    short,
    tidy,
    whole_ticks,
)

__all__ = ["plot_predictive", "replicated"]

MAX_VARIABLES = 6
MAX_CURVES = 60
MAX_COUNTED = 1000
FEW = 25
"""Below this many values a cumulative distribution is shown, above it a density."""

MAX_BARS = 60
BLUE = CHAIN_COLOURS[0]
REPLICATED = "replicated: 50 % and 90 %"

STATISTICS: dict[str, Callable[[Floats], Floats]] = {
    "mean": lambda v: v.mean(axis=1),
    "sd": lambda v: v.std(axis=1),
    "least": lambda v: v.min(axis=1),
    "largest": lambda v: v.max(axis=1),
}


def replicated(tree: xr.DataTree) -> list[str]:
    """The numeric variables with observed values and replicated ones for the same members."""
    if not {"observed_data", "posterior_predictive"} <= set(tree.children):
        return []
    predicted = tree["posterior_predictive"].data_vars
    return [
        str(name)
        for name, array in tree["observed_data"].data_vars.items()
        if name in predicted
        and {**array.sizes} == {d: predicted[name].sizes.get(d) for d in array.dims}
        and array.dtype.kind in "biuf"
        and bool(np.isfinite(array.to_numpy()).any())
    ]


def plot_predictive(tree: xr.DataTree, observed: str | Sequence[str] | None = None) -> Figure:
    """Observed values against replicated ones, a variable a row.

    Continuous values are shown as densities, or cumulatively where there are few; whole numbers
    and categories as bars with the interval of the replicated frequencies. To the right, where
    four statistics of the observed values fall among those of the replicated data sets.

    Args:
        tree: results with the groups ``observed_data`` and ``posterior_predictive``.
        observed: the variables to show; all by default.

    Raises:
        DataError: unknown names, or nothing to compare.
    """
    names = _chosen(tree, [observed] if isinstance(observed, str) else observed)
    shown = names[:MAX_VARIABLES]
    figure = new_figure(8.6, 0.9 + 2.5 * len(shown))
    grid = figure.subplots(len(shown), 2, squeeze=False, width_ratios=[2.3, 1])
    for (left, right), name in zip(grid, shown, strict=True):
        values, copies = _compared(tree, name)
        array = tree["observed_data"][name]
        nominal = str(array.attrs.get("support", "")).startswith("index")
        if array.dtype.kind in "biu" or _whole(values, copies):
            _draw_frequencies(left, values, copies, nominal=nominal)
        elif values.size < FEW:
            _draw_cumulative(left, values, copies)
        else:
            _draw_densities(left, values, copies)
        title = f"{short(name, 24)}  ({values.size} values)"
        left.set_title(title, fontsize=FONT, color=INK, loc="left")
        _place_legend(left)
        if nominal:
            right.set_visible(False)
        else:
            _draw_statistics(right, values, copies)
    remark = (
        "Blue: data sets drawn from the posterior predictive distribution; orange: observed. "
        "Right: the observed statistic among the replicated ones; p is the share "
        "above it (ties count half)."
    )
    if len(names) > len(shown):
        remark += f" The first {len(shown)} of {len(names)} variables."
    note(figure, "Posterior predictive check", remark)
    return figure


def _place_legend(axes: Axes) -> None:
    """Above the plot, beside the title, where it hides nothing."""
    axes.legend(
        frameon=False,
        fontsize=FONT - 2,
        loc="lower right",
        bbox_to_anchor=(1.01, 0.99),
        ncols=3,
        columnspacing=1.2,
        handlelength=1.4,
        borderaxespad=0,
    )


def _chosen(tree: xr.DataTree, names: Sequence[str] | None) -> list[str]:
    group(tree, "observed_data")
    group(tree, "posterior_predictive")
    known = replicated(tree)
    if not known:
        message = "no variable is both observed and replicated"
        raise DataError([Diagnostic("GD812", message)])
    for name in names or ():
        if name not in known:
            like = nearest(name, known)
            remedy = f"did you mean {like!r}?" if like else f"those that are: {', '.join(known)}"
            message = f"{name!r} is not both observed and replicated"
            raise DataError([Diagnostic("GD811", message, help=remedy)])
    return known if names is None else list(names)


def _compared(tree: xr.DataTree, name: str) -> tuple[Floats, Floats]:
    """The observed values, and replicated data sets a row, where observed values are known."""
    observed = tree["observed_data"][name]
    predicted = tree["posterior_predictive"][name].transpose("chain", "draw", *observed.dims)
    values = observed.to_numpy().astype(np.float64).ravel()
    copies = predicted.to_numpy().astype(np.float64).reshape(-1, values.size)
    modelled = ~np.isnan(copies).all(axis=0)  # the first steps of a series with lags are given
    known = np.isfinite(values) & modelled
    copies = copies[:, known]
    copies = copies[np.isfinite(copies).all(axis=1)]
    if not known.any() or not len(copies):
        raise DataError([Diagnostic("GD812", f"{name!r} has no finite values to compare")])
    return values[known], copies


def _whole(values: Floats, copies: Floats) -> bool:
    return bool(
        (values == np.round(values)).all() and (copies[:50] == np.round(copies[:50])).all()
    )


def _some(copies: Floats, limit: int) -> Floats:
    """At most `limit` data sets, from all chains alike."""
    return copies[:: -(-len(copies) // limit)]


def _range(values: Floats, copies: Floats) -> tuple[float, float]:
    """All that was observed, and what is replicated but for the most extreme."""
    low, high = np.quantile(copies, [0.001, 0.999])
    low, high = min(low, values.min()), max(high, values.max())
    pad = 0.04 * (high - low) or 0.5
    return float(low - pad), float(high + pad)


def _draw_densities(axes: Axes, values: Floats, copies: Floats) -> None:
    low, high = _range(values, copies)
    ends = min(values.min(), copies.min()), max(values.max(), copies.max())
    for i, copy in enumerate(_some(copies, MAX_CURVES)):
        inside = copy[(copy >= low) & (copy <= high)]
        label = "replicated" if i == 0 else None
        curve = density(inside, low, high, ends)
        axes.plot(*curve, color=BLUE, lw=0.6, alpha=0.3, label=label)
    axes.plot(*density(values, low, high, ends), color=ACCENT, lw=2, label="observed")
    axes.set_xlim(low, high)
    axes.set_ylim(bottom=0)
    tidy(axes, left=False)


def _draw_cumulative(axes: Axes, values: Floats, copies: Floats) -> None:
    grid = np.linspace(*_range(values, copies), 300)
    below = np.stack(
        [np.searchsorted(np.sort(c), grid, side="right") for c in _some(copies, MAX_COUNTED)]
    )
    low, lower, upper, high = np.quantile(below / values.size, [0.05, 0.25, 0.75, 0.95], axis=0)
    axes.fill_between(grid, low, high, step="post", color=BLUE, alpha=0.22, lw=0, label=REPLICATED)
    axes.fill_between(grid, lower, upper, step="post", color=BLUE, alpha=0.3, lw=0)
    axes.ecdf(values, color=ACCENT, lw=2, label="observed")
    axes.set_xlim(grid[0], grid[-1])
    axes.set_ylim(0, 1.02)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel("share at or below", fontsize=FONT - 1, color=INK)
    tidy(axes)


def _draw_frequencies(axes: Axes, values: Floats, copies: Floats, *, nominal: bool) -> None:
    """Frequencies of each value, or of cells of equal width where there are many values."""
    low = min(values.min(), np.quantile(copies, 0.001))
    high = max(values.max(), np.quantile(copies, 0.999))
    reach = high - low + 1
    cells = MAX_BARS if nominal or reach <= MAX_BARS else np.clip(2 * np.sqrt(values.size), 12, 40)
    width = max(1, int(np.ceil(reach / cells)))
    edges = np.arange(np.floor(low), high + width + 0.5, width) - 0.5
    centres = (edges[:-1] + edges[1:]) / 2
    counts = np.stack([np.histogram(copy, edges)[0] for copy in _some(copies, MAX_COUNTED)])
    seen = np.histogram(values, edges)[0]
    lower, middle, upper = np.quantile(counts, [0.05, 0.5, 0.95], axis=0)
    thick = (0.86 if len(centres) > 4 else 0.5) * width
    axes.bar(centres, middle, thick, color=BLUE, alpha=0.35, lw=0, label="replicated: median")
    axes.vlines(centres, lower, upper, color=BLUE, lw=1.6, label="90 % interval")
    axes.plot(centres, seen, "o", color=ACCENT, ms=4.5, label="observed")
    if len(centres) > 4 and not nominal:
        axes.set_yscale("function", functions=(np.sqrt, np.square))
        axes.set_ylabel("count, square-root scale", fontsize=FONT - 1, color=INK)
    else:
        axes.set_ylabel("count", fontsize=FONT - 1, color=INK)
    axes.set_ylim(0, 1.08 * max(upper.max(), seen.max(), 1))
    axes.set_xlim(edges[0], edges[-1])
    if len(centres) <= 4:
        axes.set_xticks(centres)
    else:
        whole_ticks(axes)
    whole_ticks(axes, 5, vertical=True)
    tidy(axes)


def _draw_statistics(axes: Axes, values: Floats, copies: Floats) -> None:
    """Each statistic on its own scale: the replicated 50 % and 90 % intervals."""
    row = 0
    for name, statistic in STATISTICS.items():
        seen = float(statistic(values[None, :])[0])
        spread = statistic(copies)
        if np.ptp(spread) == 0 and spread[0] == seen:
            continue  # such as the least of binary values
        low, lower, upper, high = np.quantile(spread, [0.05, 0.25, 0.75, 0.95])
        unit = (high - low) or max(abs(seen - low), 1e-12)
        centre = (low + high) / 2
        place = np.clip((seen - centre) / unit, -1.15, 1.15)
        axes.plot([-0.5, 0.5] if high > low else [0, 0], [row, row], color=BLUE, lw=1.2)
        inner = (np.array([lower, upper]) - centre) / unit
        axes.plot(inner, [row, row], color=BLUE, lw=4, solid_capstyle="butt")
        mark = "o" if abs(place) < 1.15 else (">" if place > 0 else "<")
        axes.plot(place, row, mark, color=ACCENT, ms=6)
        share = float((spread > seen).mean() + (spread == seen).mean() / 2)
        text = f"{name}  {seen:.4g}"
        axes.annotate(text, (-1.2, row - 0.3), fontsize=FONT - 1, color=INK)
        p = f"p = {share:.2f}"
        colour = MUTED if 0.025 <= share <= 0.975 else ACCENT
        axes.annotate(p, (1.2, row - 0.3), fontsize=FONT - 1, color=colour, ha="right")
        row += 1
    axes.set_xlim(-1.25, 1.25)
    axes.set_ylim(len(STATISTICS) - 0.6, -0.75)
    tidy(axes, left=False)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
