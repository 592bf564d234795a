"""What all plots of results share: entries with labels, colours, small drawing steps.

Figures are drawn without pyplot: no global backend, no global settings, no state.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import secrets
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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
    "FONT",
    "INK",
    "MUTED",
    "PNG_DPI",
    "Entry",
    "Floats",
    "chosen",
    "density",
    "entries",
    "entry_labels",
    "group",
    "new_figure",
    "note",
    "plain",
    "png",
    "short",
    "tidy",
    "whole_ticks",
    "write_figure",
]

Floats = NDArray[np.float64]

# Okabe and Ito's colours, which those who see fewer hues tell apart too.
CHAIN_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
ACCENT = "#D55E00"
INK = "#262626"
MUTED = "#8A8A8A"
FONT = 9.0
PNG_DPI = 150
CHARACTERS = 14.0
"""How many characters of a remark fit in an inch."""

ABRUPT = 0.08
"""A density that is still this high at its end, relative to its peak, stops there."""


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
        remedy = "a point estimate has a forest plot" if "estimate" in tree.children else None
        raise DataError([Diagnostic("GD812", message, help=remedy)])
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
            remedy = f"did you mean {like!r}?" if like else f"they have {', '.join(known)}"
            message = f"the results have no variable {name!r}"
            raise DataError([Diagnostic("GD811", message, help=remedy)])
    return known if names is None else list(names)


def entry_labels(name: str, array: xr.DataArray) -> list[str]:
    """``theta[Choate]``, ``a[x, y]``: one label an entry, in row-major order."""
    sizes = {d: n for d, n in array.sizes.items() if d not in ("chain", "draw")}
    axes = [
        [str(v) for v in array.coords[d].to_numpy()] if d in array.coords else map(str, range(n))
        for d, n in sizes.items()
    ]
    members = (", ".join(entry) for entry in itertools.product(*axes))
    return [f"{name}[{entry}]" if axes else name for entry in members]


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
        flat = array.to_numpy().reshape(*array.shape[:2], -1)
        for i, label in enumerate(entry_labels(name, array)):
            if len(found) >= limit:
                more += flat.shape[-1] - i
                break
            values = flat[..., i].astype(np.float64)
            if np.isfinite(values).all() and (discrete or np.ptp(values) > 0):
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
        remark = textwrap.fill(remark, int(CHARACTERS * figure.get_figwidth()))
        figure.supxlabel(remark, fontsize=FONT - 1, color=MUTED, x=0.01, ha="left")


def whole_ticks(axes: Axes, nbins: int = 8, *, vertical: bool = False) -> None:
    """Ticks at whole numbers only, on the horizontal axis unless `vertical`."""
    axis = axes.yaxis if vertical else axes.xaxis
    axis.set_major_locator(MaxNLocator(integer=True, nbins=nbins))


def density(
    values: Floats, lower: float, upper: float, ends: tuple[float, float] | None = None
) -> tuple[Floats, Floats]:
    """A kernel density on ``[lower, upper]``.

    Where it would end abruptly, as that of a positive quantity does at zero, the mass beyond
    the end is reflected instead of smoothed over it. `ends` are the least and largest possible
    values where they are better known than from `values`.
    """
    grid = np.linspace(lower, upper, 256)
    if np.ptp(values) == 0 or values.size < 3:
        return grid, np.zeros_like(grid)
    thinned = values.ravel()[:: max(1, values.size // 4000)]
    kernel = gaussian_kde(thinned, bw_method=0.9 * thinned.size ** (-1 / 5))
    height = kernel(grid)
    shown = np.ones(grid.shape, dtype=bool)
    least, largest = ends or (thinned.min(), thinned.max())
    for end, outside in ((least, grid < least), (largest, grid > largest)):
        if kernel(end)[0] > ABRUPT * height.max():
            height = height + kernel(2 * end - grid)
            shown &= ~outside
    return grid, np.where(shown, height, 0.0)


def png(figure: Figure) -> bytes:
    """A picture as PNG; equal pictures give equal bytes."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return content.getvalue()


def write_figure(figure: Figure, path: Path) -> Path:
    """Write a picture as PNG, whole or not at all.

    Raises:
        DataError: GD809, the operating system refuses.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(png(figure))
        draft.replace(path)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror or error}"
        raise DataError([Diagnostic("GD809", message)]) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
    return path
