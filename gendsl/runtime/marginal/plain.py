"""Sparse normal laws in numpy: what the machine code does, where there is no compiler.

Arguments and results are those of the C of `gendsl.runtime.native.gaussians`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import numpy as np

__all__ = ["draws_plainly", "moments_plainly"]

Arrays = tuple[np.ndarray, ...]

PIVOT, SQUARE = 1e-14, 1e15
"""A pivot this small beside its entry of P is nothing but rounding error, and so is a density that
a quadratic form as large has to cancel."""


@dataclass(frozen=True)
class _Layout:
    """The arrays that the indices hold."""

    size: int
    starts: np.ndarray
    entries: np.ndarray
    row_starts: np.ndarray
    row_columns: np.ndarray
    row_places: np.ndarray
    order: np.ndarray
    target: np.ndarray
    rows: np.ndarray
    columns: np.ndarray


def _layout(indices: np.ndarray) -> _Layout:
    size, count, fill = indices[:3].tolist()
    lengths = (size + 1, fill, size + 1, fill, fill, size, count, count, count)
    ends = list(accumulate(lengths, initial=3))
    parts = [indices[a:b] for a, b in zip(ends, ends[1:], strict=False)]
    return _Layout(size, *parts)


def _factored(a: _Layout, precision: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """L below the diagonal, and D; None where P is not certainly positive definite."""
    lower, diagonal, work = np.zeros(len(a.entries)), np.zeros(a.size), np.zeros(a.size)
    on = a.target < 0
    diagonal[-1 - a.target[on]] = precision[on]
    lower[a.target[~on]] = precision[~on]
    for j in range(a.size):
        own = slice(a.starts[j], a.starts[j + 1])
        rows = a.entries[own]
        work[rows] = lower[own]
        least = PIVOT * diagonal[j]
        for q in range(a.row_starts[j], a.row_starts[j + 1]):
            k, place = a.row_columns[q], a.row_places[q]
            factor = lower[place] * diagonal[k]
            diagonal[j] -= factor * lower[place]
            rest = slice(place + 1, a.starts[k + 1])
            work[a.entries[rest]] -= factor * lower[rest]
        if not (diagonal[j] > max(0.0, least) and np.isfinite(diagonal[j])):
            return None
        lower[own] = work[rows] / diagonal[j]
    return lower, diagonal


def _forward(a: _Layout, lower: np.ndarray, y: np.ndarray) -> None:
    for j in range(a.size):
        own = slice(a.starts[j], a.starts[j + 1])
        y[a.entries[own]] -= lower[own] * y[j]


def _backward(a: _Layout, lower: np.ndarray, y: np.ndarray) -> None:
    for j in range(a.size - 1, -1, -1):
        own = slice(a.starts[j], a.starts[j + 1])
        y[j] -= lower[own] @ y[a.entries[own]]


def _inverse(a: _Layout, lower: np.ndarray, diagonal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The entries of the inverse in the pattern of L: below the diagonal, and on it."""
    off, on = np.zeros(len(a.entries)), np.zeros(a.size)
    held, total = np.zeros(a.size), np.zeros(a.size)
    for j in range(a.size - 1, -1, -1):
        own = slice(a.starts[j], a.starts[j + 1])
        rows = a.entries[own]
        held[rows], total[rows] = lower[own], 0.0
        for p in range(a.starts[j], a.starts[j + 1]):
            k = a.entries[p]
            deep = slice(a.starts[k], a.starts[k + 1])
            total[a.entries[deep]] += lower[p] * off[deep]
            total[k] += on[k] * lower[p] + off[deep] @ held[a.entries[deep]]
        off[own] = -total[rows]
        on[j] = 1 / diagonal[j] + lower[own] @ total[rows]
        held[rows] = 0.0
    return off, on


def moments_plainly(
    indices: np.ndarray, precision: np.ndarray, information: np.ndarray
) -> np.ndarray:
    """The evidence, its derivatives with respect to the entries, and the mean."""
    a = _layout(indices)
    found = _factored(a, precision)
    if found is None or not np.isfinite(information).all():
        return np.full(1 + len(a.rows) + a.size, np.nan)
    lower, diagonal = found
    y = information[a.order]
    _forward(a, lower, y)
    square = float(y @ (y / diagonal))
    value = 0.5 * square - 0.5 * float(np.log(diagonal).sum()) if square <= SQUARE else np.nan
    y /= diagonal
    _backward(a, lower, y)
    mean = np.empty(a.size)
    mean[a.order] = y
    off, on = _inverse(a, lower, diagonal)
    diagonals = a.target < 0
    inverse = np.empty(len(a.rows))
    inverse[diagonals], inverse[~diagonals] = (
        on[-1 - a.target[diagonals]],
        off[a.target[~diagonals]],
    )
    by_entry = -np.where(diagonals, 0.5, 1.0) * (mean[a.rows] * mean[a.columns] + inverse)
    return np.concatenate([[value], by_entry, mean])


def draws_plainly(
    indices: np.ndarray, precision: np.ndarray, information: np.ndarray, standard: np.ndarray
) -> np.ndarray:
    """A draw for each row: the mean, plus standard normals times a root of the covariance."""
    a = _layout(indices)
    out = np.full_like(standard, np.nan)
    for p, g, noise, to in zip(precision, information, standard, out, strict=True):
        found = _factored(a, p)
        if found is None:
            continue
        lower, diagonal = found
        y = g[a.order]
        _forward(a, lower, y)
        y = y / diagonal + noise[a.order] / np.sqrt(diagonal)
        _backward(a, lower, y)
        to[a.order] = y
    return out
