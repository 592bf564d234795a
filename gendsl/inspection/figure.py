"""What all plots of results share: entries with labels, colours, small drawing steps.

Figures are drawn without pyplot: no global backend, no global settings, no state.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy.stats import gaussian_kde

from gendsl.diagnostics import DataError, Diagnostic, nearest

__all__ = [
    "ACCENT",
    "CHAIN_COLOURS",
    "INK",
    "MUTED",
    "Entry",
    "density",
    "entries",
    "group",
    "new_figure",
    "note",
    "plain",
    "short",
    "tidy",
]

Floats = NDArray[np.float64]

# Okabe and Ito's colours, which those who see fewer hues tell apart too.
CHAIN_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
ACCENT = "#D55E00"
INK = "#262626"
MUTED = "#8A8A8A"
FONT = 9.0


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One number of one variable.

    Attributes:
        label: ``theta[Choate]``.
        variable: the variable's name.
        values: the draws, ``(chain, draw)``.
        discrete: whether they are whole numbers.
        nominal: whether they are categories.
    """

    label: str
    variable: str
    values: Floats
    discrete: bool
    nominal: bool


def group(tree: xr.DataTree, name: str) -> xr.Dataset:
    """The group `name`.

    Raises:
        DataError: GD812, there is none.
    """
    if name not in tree.children:
        has = ", ".join(sorted(tree.children)) or "nothing"
        message = f"the results have no group {name!r}, which this plot needs; they hold {has}"
        raise DataError([Diagnostic("GD812", message)])
    return tree[name].to_dataset()


def chosen(dataset: xr.Dataset, names: Sequence[str] | None) -> list[str]:
    """`names`, or all of the dataset.

    Raises:
        DataError: GD811, an unknown name.
    """
    known = [str(n) for n in dataset.data_vars]
    for name in names or ():
        if name not in known:
            like = nearest(name, known)
            remedy = f"did you mean {like!r}?" if like else f"there are {', '.join(known)}"
            message = f"the results have no variable {name!r}"
            raise DataError([Diagnostic("GD811", message, help=remedy)])
    return known if names is None else list(names)


def entries(
    dataset: xr.Dataset, names: Sequence[str] | None, limit: int
) -> tuple[list[Entry], int]:
    """The first `limit` entries that vary and are finite, and how many more there are."""
    found: list[Entry] = []
    more = 0
    for name in chosen(dataset, names):
        array = dataset[name].transpose("chain", "draw", ...)
        discrete = array.dtype.kind in "biu"
        nominal = discrete and str(array.attrs.get("support", "")).startswith("index")
        axes = [
            [str(v) for v in array.coords[d].to_numpy()] if d in array.coords else range(size)
            for d, size in list(array.sizes.items())[2:]
        ]
        flat = array.to_numpy().reshape(*array.shape[:2], -1)
        for i, members in enumerate(itertools.product(*axes)):
            if len(found) >= limit:
                more += flat.shape[-1] - i
                break
            values = flat[..., i].astype(np.float64)
            if np.isfinite(values).all() and (discrete or np.ptp(values) > 0):
                label = f"{name}[{', '.join(map(str, members))}]" if members else name
                found.append(Entry(label, name, values, discrete, nominal))
    if not found:
        raise DataError([Diagnostic("GD812", "there is nothing to plot: no draws that vary")])
    return found, more


def new_figure(width: float, height: float) -> Figure:
    """A figure with its own canvas, laid out so that no label is cut."""
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.05)  # type: ignore[union-attr, call-arg]
    return figure


def tidy(axes: Axes, *, left: bool = True) -> None:
    """Remove what carries no information."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.spines["left"].set_visible(left)
    axes.tick_params(labelsize=FONT - 1, colors=INK, color=MUTED, length=3)
    if not left:
        axes.set_yticks([])


def plain(text: str) -> str:
    """Text as it stands: a dollar sign in a label does not start mathematics."""
    return text.replace("$", r"\$")


def short(text: str, width: int = 28) -> str:
    """Text for narrow places, cut in its middle."""
    if len(text) > width:
        half = (width - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    return plain(text)


def note(figure: Figure, title: str, remark: str = "") -> None:
    """The title, and below the plot what the reader must know to read it."""
    figure.suptitle(title, fontsize=FONT + 2, color=INK, x=0.01, ha="left", fontweight="bold")
    if remark:
        figure.supxlabel(remark, fontsize=FONT - 1, color=MUTED, x=0.01, ha="left")


def whole_ticks(axes: Axes) -> None:
    """Ticks at whole numbers only."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))


def density(values: Floats, lower: float, upper: float, points: int = 256) -> tuple[Floats, Floats]:
    """A kernel density on ``[lower, upper]``; mass beyond the ends of the data is reflected.

    Reflecting keeps the density of a positive quantity from sagging at zero.
    """
    grid = np.linspace(lower, upper, points)
    if np.ptp(values) == 0 or values.size < 3:
        return grid, np.zeros_like(grid)
    thinned = values.ravel()[:: max(1, values.size // 4000)]
    low, high = thinned.min(), thinned.max()
    kernel = gaussian_kde(thinned, bw_method=0.9 * thinned.size ** (-1 / 5))
    total = kernel(grid) + kernel(2 * low - grid) + kernel(2 * high - grid)
    return grid, np.where((grid < low) | (grid > high), 0.0, total)
