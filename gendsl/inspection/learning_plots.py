"""Pictures of learned models: courses of trainings, grids of images, codes of rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.inspection.figure import (
    CHAIN_COLOURS,
    FONT,
    INK,
    MUTED,
    group,
    new_figure,
    note,
    short,
    tidy,
)

__all__ = ["as_images", "plot_codes", "plot_images", "plot_training"]

COLOURS = (*CHAIN_COLOURS, "#F0E442", "#000000", "#999999", "#882255")
POINTS = 5000
"""Of more rows than this some are shown, evenly spaced."""

CHANNELS = (1, 3)


def _no_picture(message: str, remedy: str | None = None) -> DataError:
    return DataError([Diagnostic("GD871", message, help=remedy)])


def plot_training(tree: xr.DataTree) -> Figure:
    """The means over epochs of the bound, of its terms and of what else was told, a panel each.

    Raises:
        DataError: GD812, nothing was trained by steps.
    """
    course = group(tree, "training")
    apart = [n for n in map(str, course.data_vars) if not n.startswith("held_out ")]
    columns = min(3, len(apart))
    rows = -(-len(apart) // columns)
    figure = new_figure(3.2 * columns, 1.0 + 1.9 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, name in zip(grid, apart, strict=False):
        epochs = course["epoch"].to_numpy()
        axes.plot(epochs, course[name].to_numpy(), color=CHAIN_COLOURS[0], lw=1.3)
        held = f"held_out {name}"
        if held in course:
            values = course[held].to_numpy()
            there = np.isfinite(values)
            axes.plot(epochs[there], values[there], color=CHAIN_COLOURS[1], lw=1.3)
        axes.set_title(short(name, 34), fontsize=FONT, color=INK, loc="left")
        axes.set_xlabel("epoch", fontsize=FONT - 1, color=INK)
        tidy(axes)
    for axes in grid[len(apart) :]:
        axes.set_visible(False)
    remark = "Means over the rows of each epoch, in nats a row where they are densities."
    if any(str(n).startswith("held_out ") for n in course.data_vars):
        remark += " Orange: rows held out."
    note(figure, "Training", remark)
    return figure


def as_images(
    name: str, values: np.ndarray, height: int | None = None, width: int | None = None
) -> np.ndarray:
    """Rows of values as pictures, (row, height, width) or (row, height, width, 3).

    Args:
        name: of the variable.
        values: (row, event): a vector, a matrix, or one with 1 or 3 channels first or last.
        height: of a picture; guessed only where a vector is a square.
        width: of a picture.

    Raises:
        DataError: GD871.
    """
    event = values.shape[1:]
    if len(event) == 1:
        return _unrolled(name, values, height, width)
    if len(event) == 3 and event[-1] in CHANNELS:
        found = values
    elif len(event) == 3 and event[0] in CHANNELS:
        found = np.moveaxis(values, 1, -1)
    elif len(event) == 2:
        found = values[..., None]
    else:
        raise _no_picture(f"a value of `{name}` has the shape {event}, which is no picture")
    if (height or found.shape[1], width or found.shape[2]) != found.shape[1:3]:
        shape = f"{found.shape[1]} by {found.shape[2]}"
        raise _no_picture(f"pictures of `{name}` are {shape}, not {height} by {width}")
    return found[..., 0] if found.shape[-1] == 1 else found


def _unrolled(name: str, values: np.ndarray, height: int | None, width: int | None) -> np.ndarray:
    size = values.shape[1]
    if height is None and width is None:
        height = width = isqrt(size)
        if height * height != size:
            message = f"a value of `{name}` has {size} numbers, which is no square"
            raise _no_picture(message, "say how they are laid out: `height` and `width`")
    elif height is None or width is None:
        known = height or width
        assert known is not None
        height, width = height or size // known, width or size // known
    for channels in CHANNELS:
        if height * width * channels == size:
            shape = (len(values), height, width) if channels == 1 else (-1, height, width, 3)
            return values.reshape(shape)
    raise _no_picture(f"a value of `{name}` has {size} numbers, not {height} by {width}")


def plot_images(title: str, rows: Sequence[tuple[str, np.ndarray]], remark: str = "") -> Figure:
    """A grid of pictures on one scale of grey.

    Args:
        title: of the figure.
        rows: what each row of the grid is called, and its pictures.
        remark: below the grid.
    """
    columns = max(len(images) for _, images in rows)
    low = min(float(np.nanmin(images)) for _, images in rows)
    high = max(float(np.nanmax(images)) for _, images in rows)
    figure = new_figure(max(4.0, 0.75 * columns), 0.8 + 0.75 * len(rows))
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for line, (name, images) in zip(grid, rows, strict=True):
        for axes, image in zip(line, images, strict=False):
            _draw_image(axes, image, low, high)
        for axes in line[len(images) :]:
            axes.set_visible(False)
        line[0].set_ylabel(short(name, 14), fontsize=FONT - 1, color=INK)
    note(figure, title, remark)
    return figure


def _draw_image(axes: Axes, image: np.ndarray, low: float, high: float) -> None:
    if image.ndim == 3:  # colours lie between 0 and 1
        axes.imshow((image - low) / max(high - low, 1e-12), interpolation="nearest")
    else:
        axes.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color(MUTED)


def plot_codes(
    name: str, codes: np.ndarray, labels: np.ndarray | None = None, called: str = ""
) -> Figure:
    """The first two numbers of each row's code.

    Args:
        name: of the latent.
        codes: (row, number), 2 numbers or more.
        labels: of the rows; those with few values have a colour each, others a scale.
        called: what the labels are.

    Raises:
        DataError: GD871, a code has one number, or there are not as many labels as rows.
    """
    if codes.shape[1] < 2:
        message = f"a code of `{name}` is one number; a scatter plot needs two"
        raise _no_picture(message, "`var_names` chooses another latent")
    if labels is not None and len(labels) != len(codes):
        raise _no_picture(f"there are {len(codes)} rows, but {len(labels)} labels")
    chosen = np.unique(np.linspace(0, len(codes) - 1, min(POINTS, len(codes))).round().astype(int))
    figure = new_figure(5.6, 5.0)
    axes = figure.subplots()
    x, y = codes[chosen, 0], codes[chosen, 1]
    if labels is None:
        axes.scatter(x, y, s=6, lw=0, color=CHAIN_COLOURS[0], alpha=0.7)
    else:
        _draw_labelled(figure, axes, (x, y), labels[chosen], called)
    axes.set_xlabel(f"{name}[0]", fontsize=FONT, color=INK)
    axes.set_ylabel(f"{name}[1]", fontsize=FONT, color=INK)
    tidy(axes)
    more = f" The first two of {codes.shape[1]} numbers." if codes.shape[1] > 2 else ""
    note(figure, "Codes", f"The guide's mean of `{name}` for each row.{more}")
    return figure


def _draw_labelled(
    figure: Figure,
    axes: Axes,
    points: tuple[np.ndarray, np.ndarray],
    labels: np.ndarray,
    name: str,
) -> None:
    kinds = np.unique(labels)
    if len(kinds) > len(COLOURS):
        if labels.dtype.kind not in "biuf":
            raise _no_picture(f"there are {len(kinds)} different labels, too many for colours")
        drawn = axes.scatter(*points, c=labels, s=6, lw=0, cmap="viridis", alpha=0.8)
        figure.colorbar(drawn, ax=axes, label=name)
        return
    handles = []
    for kind, colour in zip(kinds, COLOURS, strict=False):
        own = labels == kind
        axes.scatter(points[0][own], points[1][own], s=6, lw=0, color=colour, alpha=0.8)
        handles.append(
            Line2D([], [], marker="o", ls="", ms=4, color=colour, label=short(str(kind)))
        )
    axes.legend(handles=handles, title=name, frameon=False, fontsize=FONT - 1, loc="best")
