"""Paths between the codes of two rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.ir import nodes as ir
from gendsl.types import Interval

__all__ = ["PATHS", "one_row", "path"]

PATHS = ("linear", "spherical")

PARALLEL = 1e-6
"""An angle, in radians, below which a spherical path is a straight line."""


def one_row(
    model: ir.Model, plate: str | None, codes: Mapping[str, np.ndarray], which: str
) -> dict[str, np.ndarray]:
    """The code of one row, each latent over its axes and event with one member of the rows.

    Raises:
        DataError: GD872, there are several rows.
    """
    found = dict(codes)
    for name, values in found.items():
        variable = model.variable(name)
        if plate not in variable.axes:
            continue
        place, rank = variable.axes.index(plate), len(variable.axes) + len(variable.type.event)
        if values.ndim == rank - 1:
            found[name] = np.expand_dims(values, place)
        elif values.ndim == rank and values.shape[place] != 1:
            rows = values.shape[place]
            message = f"`{which}` is the code of one row, but `{name}` has {rows} rows"
            remedy = f"take one, such as `codes.isel({plate}=0)`"
            raise DataError([Diagnostic("GD872", message, help=remedy)])
    return found


def path(
    model: ir.Model,
    plate: str | None,
    a: Mapping[str, np.ndarray],
    b: Mapping[str, np.ndarray],
    steps: int,
    how: str,
) -> dict[str, np.ndarray]:
    """Codes from `a` to `b`, both included, as so many rows.

    A linear path is a straight line. A spherical one turns evenly from one direction to the
    other, and its length changes evenly (White 2016): codes in between are as far from 0 as draws
    from a standard normal prior are.

    Raises:
        DataError: GD872, a latent has other categories at the end, or no such path.
    """
    share = np.linspace(0.0, 1.0, steps)
    found = {}
    for name in a:
        variable = model.variable(name)
        support = variable.type.support
        if plate not in variable.axes:
            found[name] = a[name]
            continue
        place = variable.axes.index(plate)
        one, two = (np.moveaxis(v[name], place, 0)[0] for v in (a, b))
        numbers = isinstance(support, Interval) and not support.integer
        if not numbers and not np.array_equal(one, two):
            message = f"there is no path between values of `{name}`, which is {support}"
            raise DataError([Diagnostic("GD872", message, variable.span)], model.source)
        straight = how == "linear" or not numbers
        weights = (1 - share, share) if straight else _turned(one, two, share, variable)
        rows = [u * one + w * two for u, w in zip(*weights, strict=True)]
        found[name] = np.stack(rows, axis=place)
    return found


def _turned(
    one: np.ndarray, two: np.ndarray, share: np.ndarray, variable: ir.Variable
) -> tuple[np.ndarray, np.ndarray]:
    """The weights of two vectors along the arc between their directions."""
    lengths = float(np.linalg.norm(one)), float(np.linalg.norm(two))
    if min(lengths) == 0.0:
        message = f"a spherical path needs directions, but `{variable.name}` is 0 at one end"
        raise DataError([Diagnostic("GD872", message, help="take a linear path")])
    cosine = float((one * two).sum()) / (lengths[0] * lengths[1])
    angle = float(np.arccos(np.clip(cosine, -1.0, 1.0)))
    if angle < PARALLEL:
        return 1 - share, share
    if angle > np.pi - PARALLEL:
        message = f"the two values of `{variable.name}` are opposite: no arc is the shortest"
        raise DataError([Diagnostic("GD872", message, help="take a linear path")])
    length = (1 - share) * lengths[0] + share * lengths[1]
    first = np.sin((1 - share) * angle) / np.sin(angle) * length / lengths[0]
    second = np.sin(share * angle) / np.sin(angle) * length / lengths[1]
    return first, second
