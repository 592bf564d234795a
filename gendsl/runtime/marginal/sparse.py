r"""Normal laws with sparse precisions: evidence, moments and draws from one factor.

For the density $\exp(g^\top u - \tfrac{1}{2} u^\top P u)$ the operation ``gendsl::gaussian``
gives, one after the other, $\tfrac{1}{2} g^\top P^{-1} g - \tfrac{1}{2} \log\det P$, its
derivatives with respect to the entries of $P$ (those off the diagonal stand for two), and the
mean $P^{-1} g$, its derivative with respect to $g$. They come from $P = L D L^\top$, and from the
entries of $P^{-1}$ that the recurrence of Takahashi gives within the pattern of $L$. All is not
a number where $P$ is not positive definite, as far as rounding lets it be told; nor is the
evidence where a square is so large that what it cancels has no digits left.

References:
    Formation of a sparse bus impedance matrix and its application to short circuit study
    (Takahashi, Fagan and Chen, 1973)
    On computing certain elements of the inverse of a sparse matrix (Erisman and Tinney, 1975)
    Gaussian Markov Random Fields (Rue and Held, 2005), section 2.4
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gendsl.runtime.marginal.ordering import order_of
from gendsl.runtime.marginal.plain import draws_plainly, moments_plainly
from gendsl.runtime.native import NotNative
from gendsl.runtime.native.build import loaded
from gendsl.runtime.native.gaussians import SOURCE, SYSTEMS
from gendsl.runtime.native.preamble import PREAMBLE

__all__ = ["System", "draws", "evidence", "moments", "system"]


@dataclass(frozen=True)
class System:
    """The pattern of a precision, and how it is factored.

    Attributes:
        key: names it by content.
        size: of the matrix.
        rows: of its entries, diagonal and below.
        columns: likewise.
        indices: what the machine code is told: see `gendsl.runtime.native.gaussians`.
        room: how many numbers its workspace holds.
        fill: how many entries the factor has below the diagonal.
    """

    key: str
    size: int
    rows: np.ndarray
    columns: np.ndarray
    indices: np.ndarray
    room: int
    fill: int


_FOUND: dict[str, System] = {}


def system(size: int, rows: np.ndarray, columns: np.ndarray) -> System:
    """The system with entries at (rows, columns), each once: the whole diagonal, and below it."""
    content = np.concatenate([[size], rows, columns]).astype(np.int64).tobytes()
    key = "gaussian_" + hashlib.sha256(content).hexdigest()[:20]
    if key in _FOUND:
        return _FOUND[key]
    neighbours: list[set[int]] = [set() for _ in range(size)]
    for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
        if i != j:
            neighbours[i].add(j)
            neighbours[j].add(i)
    order, below = order_of(neighbours)
    starts = np.concatenate([[0], np.cumsum([len(b) for b in below])]).astype(np.int64)
    entries = np.concatenate([np.zeros(0, np.int64), *below])
    of_column = np.repeat(np.arange(size), np.diff(starts))
    by_row = np.lexsort((of_column, entries))
    row_starts = np.concatenate([[0], np.cumsum(np.bincount(entries, minlength=size))])
    place = np.empty(size, dtype=np.int64)
    place[order] = np.arange(size)
    upper, lower = np.minimum(place[rows], place[columns]), np.maximum(place[rows], place[columns])
    at = {pair: k for k, pair in enumerate(zip(of_column.tolist(), entries.tolist(), strict=True))}
    target = [
        at[j, i] if i != j else -1 - j for i, j in zip(lower.tolist(), upper.tolist(), strict=True)
    ]
    parts = [
        [size, len(rows), len(entries)],
        starts, entries, row_starts, of_column[by_row], by_row, order, target, rows, columns,
    ]  # fmt: skip
    indices = np.concatenate([np.asarray(p, dtype=np.int64) for p in parts])
    found = System(key, size, rows, columns, indices, 7 * size + 2 * len(entries), len(entries))
    _FOUND[key] = found
    whole = torch.from_numpy(indices.view(np.float64))
    SYSTEMS[key] = whole, found.room, 1 + len(rows) + size
    return found


@cache
def _library(native: str | None) -> ctypes.CDLL | None:
    """The machine code; None where there is no compiler, or it is switched off."""
    if native == "0":
        return None
    try:
        library = loaded(f"{PREAMBLE}\n{SOURCE.replace('static void gen_', 'void gen_')}")
    except NotNative:
        return None
    library.gen_gaussian.restype = None
    library.gen_gaussian_draw.restype = None
    return library


def moments(of: System, precision: np.ndarray, information: np.ndarray) -> np.ndarray:
    """What ``gendsl::gaussian`` gives: (1 + entries + size) numbers."""
    library = _library(os.environ.get("GENDSL_NATIVE"))
    if library is None:
        return moments_plainly(of.indices, precision, information)
    out, room = np.empty(1 + len(of.rows) + of.size), np.zeros(of.room)
    held = [np.ascontiguousarray(a, dtype=np.float64) for a in (precision, information)]
    arrays = (of.indices, *held, room, out)
    library.gen_gaussian(*(ctypes.c_void_p(a.ctypes.data) for a in arrays))
    return out


def draws(
    of: System, precision: np.ndarray, information: np.ndarray, standard: np.ndarray
) -> np.ndarray:
    """Draws from the laws with these precisions (draw, entry) and information vectors.

    Args:
        of: the pattern.
        precision: (draw, entry).
        information: (draw, size).
        standard: standard normal numbers, (draw, size).
    """
    library = _library(os.environ.get("GENDSL_NATIVE"))
    held = [np.ascontiguousarray(a, np.float64) for a in (precision, information, standard)]
    if library is None:
        return draws_plainly(of.indices, *held)
    out, room = np.empty_like(held[2]), np.zeros(of.room)
    count = ctypes.c_long(len(out))
    arrays = [ctypes.c_void_p(a.ctypes.data) for a in (of.indices, *held, room, out)]
    library.gen_gaussian_draw(count, *arrays)
    return out


def _moments(key: str, precision: Tensor, information: Tensor) -> Tensor:
    """The operation on tensors."""
    return _found(key, precision, information).clone()


def _evidence(key: str, precision: Tensor, information: Tensor) -> Tensor:
    """The first of its numbers, a scalar."""
    return _found(key, precision, information)[0].clone()


_last: list[Any] = []
"""A key, the two arguments, and the numbers."""


def _found(key: str, precision: Tensor, information: Tensor) -> Tensor:
    """The numbers; those of the last arguments are kept, for the gradient follows the value."""
    held = [t.detach().to("cpu", torch.float64).numpy() for t in (precision, information)]
    known = _last and _last[0] == key and all(map(np.array_equal, _last[1:3], held))
    if not known:
        _last[:] = [key, held[0].copy(), held[1].copy(), moments(_FOUND[key], *held)]
    found = torch.from_numpy(_last[3])
    return found.to(precision.device, precision.dtype)


def evidence(of: System, precision: Tensor, information: Tensor) -> Tensor:
    """The evidence, a scalar; it can be differentiated as often as wanted.

    Args:
        of: the pattern.
        precision: its entries, in the order of the pattern.
        information: (size,).
    """
    value: Tensor = torch.ops.gendsl.gaussian_evidence(of.key, precision, information)
    return value


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
    """One operation for the gradient; dense algebra where further derivatives are wanted."""
    precision, information = ctx.saved_tensors
    of = _FOUND[ctx.key]
    if torch.is_grad_enabled():
        by_entry, mean = _slope(of, precision, information)
    else:
        found = torch.ops.gendsl.gaussian(of.key, precision, information)
        by_entry, mean = found[1 : 1 + len(of.rows)], found[1 + len(of.rows) :]
    return None, grad * by_entry, grad * mean


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ANN401
    ctx.key = inputs[0]
    ctx.save_for_backward(*inputs[1:])


# Not by `torch.library.custom_op`, whose first call imports a compiler of seconds.
_OPERATIONS = torch.library.Library("gendsl", "FRAGMENT")
for _name, _function in (("gaussian", _moments), ("gaussian_evidence", _evidence)):
    _OPERATIONS.define(f"{_name}(str key, Tensor precision, Tensor information) -> Tensor")
    _OPERATIONS.impl(_name, _function, "CompositeExplicitAutograd")
torch.library.register_autograd(
    "gendsl::gaussian_evidence", _backward, setup_context=_setup, lib=_OPERATIONS
)


def _slope(of: System, precision: Tensor, information: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient of the evidence in operations that can be differentiated in turn."""
    rows, columns = torch.from_numpy(of.rows), torch.from_numpy(of.columns)
    both = torch.cat([rows, columns]), torch.cat([columns, rows])
    apart = torch.where(rows == columns, 0.5, 1.0).to(precision)
    halves = (precision * apart).repeat(2)
    whole = precision.new_zeros(of.size, of.size).index_put(both, halves, accumulate=True)
    factor, info = torch.linalg.cholesky_ex(whole)
    factor = torch.where(info == 0, factor, torch.nan)
    inverse = torch.cholesky_inverse(factor)
    mean = inverse @ information
    return -apart * (mean[rows] * mean[columns] + inverse[rows, columns]), mean
