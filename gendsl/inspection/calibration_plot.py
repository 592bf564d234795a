"""Pictures of a calibration: how the ranks of true values are spread.

References:
    Graphical test for discrete uniformity and its applications in goodness-of-fit evaluation and
    multiple sample comparison (Säilynoja, Bürkner, Vehtari, 2022).
    Validating Bayesian inference algorithms with simulation-based calibration (Talts, Betancourt,
    Simpson, Vehtari, Gelman, 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy.stats import binom

from gendsl.inspection.figure import (
    ACCENT,
    CHAIN_COLOURS,
    FONT,
    INK,
    MUTED,
    new_figure,
    note,
    short,
    tidy,
)

__all__ = ["Panel", "plot_ecdf", "plot_histogram"]

MAX_PANELS = 24
MAX_BARS = 25
RARE = 0.05
BAND = 0.95

Band = tuple[Sequence[float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One quantity.

    Attributes:
        label: its name.
        ranks: of the true values, from 0.
        p_value: of uniform ranks.
    """

    label: str
    ranks: NDArray[np.int64]
    p_value: float


def plot_ecdf(panels: Sequence[Panel], largest: int, band: Band) -> Figure:
    """The ECDF of ranks less that of uniform ones, with a simultaneous band.

    Args:
        panels: what to show.
        largest: the greatest possible rank.
        band: the ends of the band, for the shares of ranks below 1, ..., `largest`.
    """
    places = np.concatenate([[0.0], np.arange(1, largest + 1) / (largest + 1), [1.0]])
    low, high = (np.concatenate([[0.0], np.asarray(b), [1.0]]) - places for b in band)

    def draw(axes: Axes, panel: Panel) -> None:
        below = np.cumsum(np.bincount(panel.ranks, minlength=largest + 1)) / len(panel.ranks)
        line = np.concatenate([[0.0], below]) - places
        outside = bool(((line < low - 1e-9) | (line > high + 1e-9)).any())
        axes.fill_between(places, low, high, color=MUTED, alpha=0.22, lw=0)
        axes.plot(places, line, color=ACCENT if outside else CHAIN_COLOURS[0], lw=1.3)
        axes.axhline(0, color=MUTED, lw=0.8, zorder=0.5)
        limit = 1.15 * max(np.abs(line).max(), np.abs(low).max(), np.abs(high).max())
        axes.set_ylim(-limit, limit)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 1], ["lowest rank", "highest"])
        axes.get_xticklabels()[0].set_horizontalalignment("left")
        axes.get_xticklabels()[1].set_horizontalalignment("right")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, symmetric=True))

    remark = (
        "How far the share of true values of low rank exceeds what is expected. Uniform ranks "
        f"stay in the grey band as a whole with a probability of {100 * BAND:g} %, for each "
        "quantity alone; lines that leave it are orange. Above on the left and below on the "
        "right: posteriors too narrow."
    )
    return _grid(panels, "Calibration: ranks of true values", remark, draw)


def plot_histogram(panels: Sequence[Panel], largest: int, band: Band) -> Figure:
    """How often each range of ranks occurs.

    Args:
        panels: what to show.
        largest: the greatest possible rank.
        band: not used; as for `plot_ecdf`.
    """
    count = len(panels[0].ranks) if panels else 0
    bars = _bars(largest + 1, count)
    edges = np.linspace(0, largest + 1, bars + 1)
    tail = (1 - BAND) / 2
    low, high = binom.ppf([tail, 1 - tail], count, 1 / bars)

    def draw(axes: Axes, panel: Panel) -> None:
        found = np.histogram(panel.ranks, edges - 0.5)[0]
        middle = (edges[:-1] + edges[1:]) / 2
        axes.axhspan(low, high, color=MUTED, alpha=0.22, lw=0, zorder=0)
        axes.axhline(count / bars, color=MUTED, lw=0.8, zorder=0.5)
        colour = ACCENT if panel.p_value < RARE else CHAIN_COLOURS[0]
        axes.bar(middle, found, 0.86 * (edges[1] - edges[0]), color=colour, lw=0)
        axes.set_xlim(0, largest + 1)
        axes.set_ylim(0, 1.1 * max(found.max(), high, 1))
        axes.set_xticks([0, largest + 1], ["lowest rank", "highest"])
        axes.get_xticklabels()[0].set_horizontalalignment("left")
        axes.get_xticklabels()[1].set_horizontalalignment("right")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))

    remark = (
        f"Ranks of {count} true values among posterior draws. Uniform ranks stay in the grey band "
        f"with a probability of {100 * BAND:g} %, for each bar alone. Quantities whose ECDF has a "
        f"p-value below {RARE:g} are orange. High at both ends: posteriors too narrow."
    )
    return _grid(panels, "Calibration: histogram of ranks", remark, draw)


def _bars(values: int, count: int) -> int:
    """The largest number of bars of equal width that leaves some ranks in each."""
    most = max(1, min(MAX_BARS, values, count // 8))
    return next(b for b in range(most, 0, -1) if values % b == 0)


def _grid(
    panels: Sequence[Panel], title: str, remark: str, draw: Callable[[Axes, Panel], None]
) -> Figure:
    """The first panels, some in a row."""
    shown = panels[:MAX_PANELS]
    columns = min(4, max(1, len(shown)))
    rows = -(-len(shown) // columns)
    figure = new_figure(max(6.0, 2.7 * columns), 1.3 + 1.75 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(grid, shown, strict=False):
        draw(axes, panel)
        name = short(panel.label, 24)
        axes.set_title(name, fontsize=FONT, color=INK, loc="left")
        colour = ACCENT if panel.p_value < RARE else MUTED
        told = f"p = {panel.p_value:.2g}"
        axes.set_title(told, fontsize=FONT - 1, color=colour, loc="right")
        tidy(axes)
        axes.tick_params(axis="x", length=0)
    for axes in grid[len(shown) :]:
        axes.set_visible(False)
    more = len(panels) - len(shown)
    remark += f" {more} more quantities are not shown." if more else ""
    note(figure, title, remark)
    return figure
