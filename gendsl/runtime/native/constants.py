"""The constants of a tape: arrays that the compiled function is given.

The numbers are not in the source, so that new data of the same shapes find the function in the
cache.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import prod

import numpy as np
import torch
from torch import Tensor

from gendsl.runtime.native.loops import View, contiguous, literal

__all__ = ["PANEL", "Constants", "plain_number"]

PANEL = 32
"""Rows of a panel of a matrix."""

LARGE = 1_000_000
"""Larger arrays are not compared with others."""


def plain_number(value: float) -> bool:
    """Whether it is likely to stem from the program and not from the data."""
    return not np.isfinite(value) or (abs(value) <= 16 and value * 2 == int(value * 2))


class Constants:
    """Arrays by name, without repetitions.

    Attributes:
        arrays: double or int32, flat, in the order in which the function is given them.
    """

    def __init__(self) -> None:
        """Start with none."""
        self.arrays: list[np.ndarray] = []
        self._names: dict[str, int] = {}
        self._found: dict[object, View | str] = {}
        self._held: list[Tensor] = []
        self._scalars: list[float] = []

    def finished(self) -> list[np.ndarray]:
        """All arrays, that of the single numbers last."""
        return [*self.arrays, np.array(self._scalars or [0.0])]

    def declarations(self, pattern: str = "{type} *{name} = ({type} *)c[{place}];") -> list[str]:
        """In C; `pattern` says how."""
        names = {**self._names, "kk": len(self.arrays)}
        return [
            pattern.format(type=f"const {'int' if n[0] == 'n' else 'double'}", name=n, place=k)
            for n, k in names.items()
        ]

    def scalar(self, value: float) -> View:
        """A number of the data."""
        self._scalars.append(float(value))
        return View("kk", len(self._scalars) - 1, (), ())

    def number(self, value: Tensor) -> View | str:
        """A tensor without axes: numbers of the program are printed."""
        key = ("number", _place(value))
        if key not in self._found:
            self._held.append(value)
            number = float(value)
            self._found[key] = literal(number) if plain_number(number) else self.scalar(number)
        return self._found[key]

    def view(self, value: Tensor) -> View:
        """A tensor as an array in memory."""
        key = ("view", _place(value))
        if key not in self._found:
            self._held.append(value)
            self._found[key] = self._viewed(value)
        found = self._found[key]
        assert isinstance(found, View)
        return found

    def _viewed(self, value: Tensor) -> View:
        shape = tuple(value.shape)
        if value.numel() > 1 and value.stride() != () and bool((value == _first(value)).all()):
            first = float(_first(value))
            name = self.scalar(first)
            return View(name.buffer, name.offset, shape, (0,) * len(shape))
        # An axis of stride 0, and a transposed matrix, show the storage that is there already.
        size = value.untyped_storage().nbytes() // value.element_size()
        if 0 < size <= 4 * value.numel() + 64 and value.device.type == "cpu":
            whole = torch.empty(0, dtype=value.dtype).set_(value.untyped_storage())
            buffer = self._stored(whole, ("storage", whole.data_ptr(), value.dtype, size))
            return View(buffer, int(value.storage_offset()), shape, tuple(value.stride()))
        return View(self._stored(value, None), 0, shape, contiguous(shape))

    def _stored(self, value: Tensor, key: object) -> str:
        found = self._found.get(key) if key is not None else None
        if found is None:
            flat = value.detach().cpu().contiguous().numpy().astype(np.float64).reshape(-1)
            found = self.array(flat)
            if key is not None:
                self._found[key] = found
        assert isinstance(found, str)
        return found

    def array(self, flat: np.ndarray) -> str:
        """The name of an array, perhaps of an equal one."""
        key: object = None
        if flat.size <= LARGE:
            digest = hashlib.blake2b(flat.tobytes(), digest_size=16).digest()
            key = ("array", flat.dtype.kind, flat.size, digest)
        found = self._found.get(key) if key is not None else None
        if found is None:
            found = f"{'n' if flat.dtype.kind == 'i' else 'c'}{len(self.arrays)}"
            self._names[found] = len(self.arrays)
            self.arrays.append(flat)
            if key is not None:
                self._found[key] = found
        assert isinstance(found, str)
        return found

    def holds(self, view: View) -> bool:
        """Whether a view shows a constant array."""
        return view.buffer in self._names

    def values(self, view: View) -> np.ndarray:
        """The numbers that a view of a constant shows."""
        flat = self.arrays[self._names[view.buffer]]
        strides = [s * flat.itemsize for s in view.strides]
        return np.lib.stride_tricks.as_strided(
            flat[view.offset :], view.shape, strides, writeable=False
        )

    def index(self, values: np.ndarray) -> View:
        """Whole numbers, as an array of them."""
        flat = np.ascontiguousarray(values).astype(np.int32).reshape(-1)
        return View(self.array(flat), 0, values.shape, contiguous(values.shape))

    def inverse(self, view: View) -> View:
        """One over each entry."""
        moving = [a for a, stride in enumerate(view.strides) if stride]
        key = ("inverse", view)
        if key not in self._found:
            cut = _cut(view, moving)
            with np.errstate(divide="ignore"):
                name = self.array(np.ascontiguousarray(1 / self.values(cut)).reshape(-1))
            self._found[key] = _spread(name, view, moving, contiguous(cut.shape))
        found = self._found[key]
        assert isinstance(found, View)
        return found

    def arranged(self, view: View, order: Sequence[int]) -> View:
        """The same numbers with the axes in another order in memory."""
        key = ("arranged", view, tuple(order))
        if key not in self._found:
            moving = [a for a in order if view.strides[a]]
            cut = _cut(view, moving)
            name = self.array(np.ascontiguousarray(self.values(cut)).reshape(-1))
            self._found[key] = _spread(name, view, moving, contiguous(cut.shape))
        found = self._found[key]
        assert isinstance(found, View)
        return found

    def panels(self, view: View) -> str:
        """A matrix as panels of rows, each by columns; the last is filled with zeros."""
        key = ("panels", view)
        if key not in self._found:
            rows, columns = view.shape
            count = -(-rows // PANEL)
            whole = np.zeros((count * PANEL, columns))
            whole[:rows] = self.values(view)
            parts = whole.reshape(count, PANEL, columns).transpose(0, 2, 1)
            self._found[key] = self.array(np.ascontiguousarray(parts).reshape(-1))
        found = self._found[key]
        assert isinstance(found, str)
        return found


def _cut(view: View, axes: Sequence[int]) -> View:
    """Some axes alone."""
    shape = tuple(view.shape[a] for a in axes)
    return View(view.buffer, view.offset, shape, tuple(view.strides[a] for a in axes))


def _spread(name: str, like: View, axes: Sequence[int], strides: Sequence[int]) -> View:
    """A new array in the shape of another, which does not move along other axes than these."""
    own = dict(zip(axes, strides, strict=True))
    return View(name, 0, like.shape, tuple(own.get(a, 0) for a in range(len(like.shape))))


def _first(value: Tensor) -> Tensor:
    return value[(0,) * value.dim()]


def _place(value: Tensor) -> tuple[object, ...]:
    """Where the numbers of a tensor are; equal for tensors that show the same."""
    where = (value.untyped_storage().data_ptr(), value.storage_offset(), value.dtype)
    return (*where, tuple(value.shape), tuple(value.stride()), prod(value.shape))
