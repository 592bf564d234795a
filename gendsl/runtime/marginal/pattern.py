"""Where a symmetric matrix has entries, from a few products with it.

The columns are thrown into random classes. Three products for a class, with the sums of its
columns weighted by 1, by their numbers and by random weights, tell of every row that just one of
them meets which one that is, and the entry; the other weights tell whether it was just one. What
is found is taken off, also in its mirror image, which lays open further entries: so the full rows
of a few columns that touch everything come from the others (Goodrich and Mitzenmacher, Invertible
Bloom lookup tables, 2011; Curtis, Powell and Reid, On the estimation of sparse Jacobian matrices,
1974).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["Products", "find_pattern"]

Products = Callable[[np.ndarray], np.ndarray]
"""Directions (count, size) to their products with the matrix."""

SMALL = 192
"""Matrices up to this size are multiplied out."""

CLASSES = (16, 16, 64, 64, 256)
"""How many classes there are, each time anew."""

CHUNK = 64
"""So many products are computed at once."""

LEAST = 1e-11
"""What is smaller than this, relative to the terms it is a difference of, is rounding."""

ALIKE = 1e-7
"""How well ratios of products must agree with weights."""


def find_pattern(multiply: Products, size: int, most: int) -> set[tuple[int, int]] | None:
    """The places (row, column) of the entries below the diagonal, and of the whole diagonal.

    Args:
        multiply: with the matrix.
        size: of it.
        most: the largest matrix that is multiplied out where nothing else helps.

    Returns:
        None where that does not help either.
    """
    if size > SMALL:
        rng = np.random.default_rng(size)
        peel = _Peel(size)
        for classes in CLASSES:
            if 3 * classes < size and peel.round(multiply, classes, rng):
                return peel.places()
        if size > most:
            return None
    return _multiplied_out(multiply, size)


def _multiplied_out(multiply: Products, size: int) -> set[tuple[int, int]]:
    found = {(k, k) for k in range(size)}
    for start in range(0, size, CHUNK):
        count = min(CHUNK, size - start)
        directions = np.zeros((count, size))
        directions[np.arange(count), np.arange(count) + start] = 1.0
        columns, rows = np.nonzero(multiply(directions))
        pairs = zip((columns + start).tolist(), rows.tolist(), strict=True)
        found |= {(max(p), min(p)) for p in pairs}
    return found


class _Peel:
    """The entries found so far: rows, columns and values, both of each pair."""

    def __init__(self, size: int) -> None:
        """Nothing is known."""
        self.size = size
        self.keys = np.zeros(0, dtype=np.int64)
        self.values = np.zeros(0)

    def places(self) -> set[tuple[int, int]]:
        """Below the diagonal, and on it."""
        rows, columns = np.divmod(self.keys, self.size)
        low = rows >= columns
        found = set(zip(rows[low].tolist(), columns[low].tolist(), strict=True))
        return found | {(k, k) for k in range(self.size)}

    def round(self, multiply: Products, classes: int, rng: np.random.Generator) -> bool:
        """Find more entries with so many classes; whether all are found."""
        of = rng.integers(0, classes, self.size)
        weights = rng.uniform(1, 2, self.size)
        scales = np.stack([np.ones(self.size), np.arange(1.0, self.size + 1), weights])
        directions = np.zeros((3, classes, self.size))
        directions[:, of, np.arange(self.size)] = scales
        flat = directions.reshape(3 * classes, self.size)
        pieces = [multiply(flat[k : k + CHUNK]) for k in range(0, len(flat), CHUNK)]
        left = np.concatenate(pieces).reshape(3, classes, self.size)
        size_of = np.abs(left)
        fresh = np.arange(len(self.keys))
        while True:
            rows, columns = np.divmod(self.keys[fresh], self.size)
            for k in range(3):
                terms = scales[k, columns] * self.values[fresh]
                np.subtract.at(left[k], (of[columns], rows), terms)
                np.maximum.at(size_of[k], (of[columns], rows), np.abs(terms))
            open_ = np.abs(left[0]) > LEAST * size_of[0]
            before = len(self.keys)
            self._take(left, open_, of, weights)
            fresh = np.arange(before, len(self.keys))
            if not len(fresh):
                return not (np.abs(left) > LEAST * size_of).any()

    def _take(
        self, left: np.ndarray, open_: np.ndarray, of: np.ndarray, weights: np.ndarray
    ) -> None:
        """Take for entries what only one column of a class can have left."""
        where = np.nonzero(open_)
        one, numbered, weighted = (part[where] for part in left)
        number = numbered / one
        column = np.rint(number).astype(np.int64) - 1
        legal = (column >= 0) & (column < self.size)
        column = np.where(legal, column, 0)
        legal &= np.abs(number - column - 1) <= ALIKE * (1 + np.abs(number))
        legal &= of[column] == where[0]
        legal &= np.abs(weighted - weights[column] * one) <= ALIKE * np.abs(one)
        row, column, value = where[1][legal], column[legal], one[legal]
        keys = np.concatenate([row * self.size + column, column * self.size + row])
        keys, first = np.unique(keys, return_index=True)
        new = ~np.isin(keys, self.keys)
        self.keys = np.concatenate([self.keys, keys[new]])
        self.values = np.concatenate([self.values, np.tile(value, 2)[first][new]])
