"""The axes of every array: how many, in which order, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from math import prod

import numpy as np

from gendsl.ir.nodes import Model, Variable
from gendsl.runtime.data.entries import Entry, Findings, is_text, offenders, show
from gendsl.types import Index, Size

__all__ = ["arrange", "expected_shape"]


def expected_shape(variable: Variable, sizes: Mapping[str, int]) -> str:
    """The declared shape with names: ``(house=919, D)``; sizes where they are known."""
    parts = [Size.named(axis) for axis in variable.axes]
    return f"({', '.join(_axis_text(size, sizes) for size in (*parts, *variable.type.event))})"


def _axis_text(size: Size, sizes: Mapping[str, int]) -> str:
    if size.value is not None or not size.names <= sizes.keys():
        return str(size)
    return f"{size}={size.evaluate(sizes)}"


def arrange(model: Model, variable: Variable, entry: Entry, found: Findings) -> Entry | None:
    """The entry with its axes in the order of the declaration, or None after an error.

    Labelled axes are matched by name, in whatever order they come; others by position. No
    axis is ever added or dropped.
    """
    if entry.dims is not None:
        named = _by_name(model, variable, entry, found)
        if named is None:
            return None
        entry = named
    rank = len(variable.axes) + len(variable.type.event)
    if entry.array.ndim != rank:
        _tell_rank(variable, entry, rank, found)
        return None
    if is_text(entry.array) and not isinstance(variable.type.support, Index):
        return _numbers(variable, entry, found)
    return entry


def _tell_rank(variable: Variable, entry: Entry, rank: int, found: Findings) -> None:
    shape = entry.array.shape
    expected = expected_shape(variable, {})
    remedy = None
    if entry.array.ndim == 0:
        remedy = "a single number is never repeated: give one for each member"
    elif len(shape) > rank and 1 in shape:
        at = shape.index(1)
        where = ", ".join("0" if i == at else ":" for i in range(len(shape)))
        remedy = f"an axis of length 1 is never dropped: pass {variable.name}[{where}]"
    elif rank == 0 and shape == (1,):
        remedy = "give the number itself, not a list"
    elif rank and prod(shape):
        remedy = _reshaped(variable, shape, rank)
    has = f"the shape {shape}" if shape else "no axes"
    found.error(
        "GD720",
        f"`{variable.name}` ({entry.origin}) has {has}, expected {expected or 'a number'}",
        variable,
        remedy,
    )


def _reshaped(variable: Variable, shape: tuple[int, ...], rank: int) -> str | None:
    """How an array might be given the number of axes that is expected."""
    if len(shape) > rank:
        kept = (*shape[: rank - 1], prod(shape[rank - 1 :]))
        text = ", ".join(map(str, kept))
        return f"if its last axes are one, flatten them: `{variable.name}.reshape({text})`"
    own = len(shape) - len(variable.axes)
    if own != 1 or not variable.type.event:
        return None
    text = ", ".join([*map(str, shape[:-1]), *map(str, variable.type.event)])
    return f"if its last axis is several, part it: `{variable.name}.reshape({text})`"


def _by_name(model: Model, variable: Variable, entry: Entry, found: Findings) -> Entry | None:
    """Labelled axes in the declared order."""
    assert entry.dims is not None
    names = [*variable.axes, *(size.name or "" for size in variable.type.event)]
    known = {axis.name for axis in model.axes}
    dims = list(entry.dims)
    if all(re.fullmatch(r"dim_\d+", dim) for dim in dims):
        return replace(entry, dims=None)
    order: list[int] = []
    # Event axes need not have a name: they take the dims that no axis claims, in order.
    free = [at for at, dim in enumerate(dims) if dim not in names]
    for place, name in enumerate(names):
        if name in dims and names.count(name) == 1:
            order.append(dims.index(name))
        elif place >= len(variable.axes) and free and dims[free[0]] not in known:
            order.append(free.pop(0))
    if len(order) != len(names) or len(order) != len(dims):
        found.error(
            "GD725",
            f"`{variable.name}` ({entry.origin}) has the dims ({', '.join(dims)}), expected "
            f"({', '.join(n or str(s) for n, s in _named_sizes(variable))}) in any order",
            variable,
            "rename its dims to the names of the model",
        )
        return None
    return replace(entry, array=entry.array.transpose(order), dims=None)


def _named_sizes(variable: Variable) -> list[tuple[str, Size]]:
    return [(a, Size.named(a)) for a in variable.axes] + [
        (size.name or "", size) for size in variable.type.event
    ]


def _numbers(variable: Variable, entry: Entry, found: Findings) -> Entry | None:
    """An error that lists the text among the numbers; a column without numbers may be empty."""
    bad = np.array([isinstance(v, str) and not _is_number(v) for v in entry.array.ravel()])
    every = np.array([isinstance(v, str) for v in entry.array.ravel()])
    bad = (bad if bad.any() else every).reshape(entry.array.shape)
    places = offenders(entry, variable.name, bad, lambda p: f"is {show(entry.array[p])}")
    decimal = any(re.fullmatch(r"-?\d+,\d+", v) for v in entry.array[bad].tolist())
    remedy = "an empty cell, NA or NaN marks a missing value"
    if entry.rows is None:
        remedy = "give numbers, with None or NaN where one is missing"
    if decimal:
        remedy = "decimal numbers are written with a point"
    found.error(
        "GD715",
        f"`{variable.name}` ({entry.origin}) is {variable.type.support}, but there is text in "
        f"it: {places}",
        variable,
        remedy,
    )
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
