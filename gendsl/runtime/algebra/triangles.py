"""Orthogonal elimination of constant matrices, when data are bound."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["centre", "eliminated", "triangle"]

NOTHING = 1e-13
"""Columns of which orthogonalisation leaves a smaller part were spanned by those before them."""

FAR = 1e3
"""So many times the spread that the unknowns leave, and numbers would cancel."""

BLOCK = 2048
"""Rows that are reduced at once, so that they stay in fast memory."""


def triangle(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """R, q and the squared rest such that ``|A b + c|^2 = |R b + q|^2 + rest`` for every b.

    By Householder reflections, block of rows by block of rows (Golub and Van Loan, 2013,
    section 5.2); the cross products A'A, whose condition is the square of A's, are never formed.

    Args:
        rows: A and c side by side, of shape (n, d + 1).
    """
    whole = rows.numpy(force=True)
    width = whole.shape[1]
    kept: np.ndarray = np.zeros((0, width))
    block = max(BLOCK, 4 * width)
    for start in range(0, len(whole), block):
        rows_now = np.vstack([kept, whole[start : start + block]])
        kept = np.asarray(np.linalg.qr(rows_now, mode="r"))
    d = min(width - 1, len(kept))
    rest = float(kept[d:, -1] @ kept[d:, -1])
    r = torch.as_tensor(np.ascontiguousarray(kept[:d, :-1]), dtype=rows.dtype)
    q = torch.as_tensor(np.ascontiguousarray(kept[:d, -1]), dtype=rows.dtype)
    return r, q, torch.tensor(rest, dtype=rows.dtype)


def eliminated(
    left: Tensor, right: Tensor, group: Tensor, groups: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Triangles of the columns `left` within groups of rows, and what they leave of `right`.

    Modified Gram-Schmidt, each step twice (Giraud et al. 2005, Numerische Mathematik 101).

    Args:
        left: shape (n, k).
        right: shape (n, m).
        group: the group of each row.
        groups: how many.

    Returns:
        The triangles (groups, k, k), their rows of the columns of `right` (groups, k, m), and
        the part of `right` that is orthogonal to `left` in every group.
    """
    n, k = left.shape
    inner = left.new_zeros(groups, k, k)
    outer = left.new_zeros(groups, k, right.shape[1])
    columns = [left[:, j].clone() for j in range(k)]

    def sums(values: Tensor) -> Tensor:
        return values.new_zeros(groups, *values.shape[1:]).index_add_(0, group, values)

    for j in range(k):
        before = sums(left[:, j] ** 2).sqrt()
        for _ in range(2):
            for i in range(j):
                share = sums(columns[i] * columns[j])
                inner[:, i, j] += share
                columns[j] = columns[j] - share[group] * columns[i]
        length = sums(columns[j] ** 2).sqrt()
        length = torch.where(length > NOTHING * before, length, torch.zeros_like(length))
        inner[:, j, j] = length
        inverse = torch.where(length > 0, 1 / length, torch.zeros_like(length))
        columns[j] = columns[j] * inverse[group]
        for _ in range(2):
            share = sums(columns[j][:, None] * right)
            outer[:, j] += share
            right = right - share[group] * columns[j][:, None]
    return inner, outer, right


def centre(
    left: Tensor, right: Tensor, group: Tensor, groups: int
) -> tuple[Tensor, Tensor] | None:
    """The unknowns (groups, k) and (m - 1,) with the least sum of squares.

    Around them no large numbers cancel, however far from 0 the data are. None where these are not
    far from 0, compared with what the unknowns leave of them. Arguments as for `eliminated`; the
    last column of `right` has no unknown.
    """
    constants = right[:, -1]
    inner, outer, rest = eliminated(left, right, group, groups)
    if not _far(constants, rest[:: max(1, len(rest) // max(BLOCK, 8 * rest.shape[1]))], FAR / 4):
        return None  # some rows are enough to see that
    r, q, squared = triangle(rest)
    if not _far(constants, rest, FAR, squared):
        return None
    shared = torch.as_tensor(-np.linalg.lstsq(r.numpy(), q.numpy(), rcond=None)[0])
    k = left.shape[1]
    own = left.new_zeros(groups, k)
    for j in reversed(range(k)):
        line = outer[:, j, -1] + outer[:, j, :-1] @ shared
        line = line + (inner[:, j, j + 1 :] * own[:, j + 1 :]).sum(1)
        pivot = inner[:, j, j]
        own[:, j] = torch.where(pivot > 0, -line / torch.where(pivot > 0, pivot, 1.0), 0.0)
    return own, shared


def _far(constants: Tensor, rest: Tensor, times: float, squared: Tensor | None = None) -> bool:
    """Whether constants are so many times as large as what the unknowns leave of these rows."""
    left = triangle(rest)[2] if squared is None else squared
    return bool(constants.any()) and bool(
        constants.abs().max() > times * (left / len(rest)).sqrt()
    )
