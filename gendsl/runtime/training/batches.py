"""Batches of rows: what a source of data gives, and the source for data in memory."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from gendsl.diagnostics import DataError, Diagnostic

__all__ = [
    "Admit",
    "ArraySource",
    "Batch",
    "Batching",
    "Source",
    "as_batch",
    "refuse_source",
]

Batch = dict[str, Tensor]
"""Tensors whose first axis is the rows."""

Admit = Callable[[Mapping[str, np.ndarray], np.ndarray | None], dict[str, np.ndarray]]
"""Checks rows as they are read and gives what batches hold of them; the second argument has the
numbers of the rows, None where nobody knows them."""

RESERVE = 0.5
"""Data are kept on a GPU if they take at most this share of its free memory."""


def refuse_source(message: str, remedy: str | None = None) -> DataError:
    """The error about data that cannot be trained on."""
    return DataError([Diagnostic("GD852", message, help=remedy)])


@dataclass(frozen=True, slots=True)
class Batching:
    """How the rows of an epoch are cut into batches.

    Attributes:
        size: rows in a batch; None for all of them.
        seed: the order of the rows follows from it and the number of the epoch alone.
        drop_partial: leave out a last batch with fewer rows.
        shuffled: False for the order of the data.
    """

    size: int | None = None
    seed: int = 0
    drop_partial: bool = False
    shuffled: bool = True

    def rows(self, total: int) -> int:
        """The rows in a full batch of `total`."""
        return total if self.size is None else min(self.size, total)

    def count(self, total: int) -> int:
        """The batches in an epoch over `total` rows."""
        rows = self.rows(total)
        return total // rows if self.drop_partial else -(-total // rows)

    def generator(self, *where: int) -> np.random.Generator:
        """The random numbers of an epoch, or of a part of it."""
        return np.random.default_rng([self.seed, *where])


class Source(Protocol):
    """Rows of named arrays, which may be read any number of times."""

    @property
    def total(self) -> int:
        """The number of rows."""
        ...

    @property
    def order(self) -> str:
        """How an epoch is shuffled, in words."""
        ...

    def count(self, batching: Batching) -> int:
        """The batches in an epoch."""
        ...

    def batches(self, batching: Batching, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on, the same ones whenever asked."""
        ...

    def facts(self) -> dict[str, Any]:
        """What a resumed run must find again: plain values."""
        ...


def as_batch(
    rows: Mapping[str, Tensor | np.ndarray], dtype: torch.dtype, device: torch.device
) -> Batch:
    """Tensors of a batch: real numbers as `dtype`, whole ones as int64, flags as they are."""
    found = {}
    for name, value in rows.items():
        tensor = torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        if tensor.dtype.is_floating_point:
            target = dtype
        else:
            target = torch.bool if tensor.dtype == torch.bool else torch.int64
        found[name] = tensor.to(device=device, dtype=target, non_blocking=device.type == "cuda")
    return found


def _plain(name: str, value: object) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach()
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise refuse_source(
            f"{name!r} has entries of type {array.dtype}, which are not numbers",
            "turn them into numbers first",
        )
    if not array.flags.writeable or not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))  # torch shares what may be written
    if array.dtype in (np.uint16, np.uint32, np.uint64):
        array = array.astype(np.int64)
    return torch.from_numpy(np.asarray(array, order="C"))


def _total(tensors: Mapping[str, Tensor]) -> int:
    if not tensors:
        raise refuse_source("there are no arrays to train on")
    sizes = {}
    for name, tensor in tensors.items():
        if tensor.ndim == 0:
            raise refuse_source(f"{name!r} is a single number; the first axis must be the rows")
        sizes[name] = tensor.shape[0]
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name!r} has {size}" for name, size in sizes.items())
        raise refuse_source(f"the arrays differ in their number of rows: {told}")
    total = next(iter(sizes.values()))
    if total == 0:
        raise refuse_source("the arrays have no rows")
    return total


def _place(tensors: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """The data on the device if they fit there, else in memory from which copies are quick."""
    if device.type != "cuda":
        return {name: tensor.to(device) for name, tensor in tensors.items()}
    needed = sum(t.numel() * t.element_size() for t in tensors.values() if t.device != device)
    if needed <= RESERVE * torch.cuda.mem_get_info(device)[0]:
        return {name: tensor.to(device) for name, tensor in tensors.items()}
    return {name: t if t.is_cuda else t.pin_memory() for name, t in tensors.items()}


class ArraySource:
    """Rows in memory, in a new random order each epoch.

    The data are put on the device once, where they take at most half of its free memory, and
    batches are gathered there.

    Example:
        >>> source = ArraySource({"x": np.arange(4.0)})
        >>> [b["x"].tolist() for b in source.batches(Batching(3, shuffled=False), epoch=0)]
        [[0.0, 1.0, 2.0], [3.0]]
    """

    def __init__(
        self,
        arrays: Mapping[str, object],
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Keep arrays or tensors whose first axis is the rows.

        Args:
            arrays: numbers or flags, all with the same number of rows, at least one.
            device: where batches are wanted.
            dtype: the type of the real numbers in batches.

        Raises:
            DataError: GD852.
        """
        tensors = {name: _plain(name, value) for name, value in arrays.items()}
        self._total = _total(tensors)
        self._device, self._dtype = torch.device(device), dtype
        for name, tensor in tensors.items():
            if tensor.is_floating_point() and tensor.element_size() > dtype.itemsize:
                tensors[name] = tensor.to(dtype)
        self._tensors = _place(tensors, self._device)

    @property
    def total(self) -> int:
        """The number of rows."""
        return self._total

    @property
    def order(self) -> str:
        """How an epoch is shuffled, in words."""
        return "a random permutation of all rows"

    def count(self, batching: Batching) -> int:
        """The batches in an epoch."""
        return batching.count(self._total)

    def facts(self) -> dict[str, Any]:
        """Names, shapes, types and sums of the contents."""
        found = {}
        for name, tensor in self._tensors.items():
            content = tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
            found[name] = [list(tensor.shape), str(tensor.dtype), zlib.crc32(content.data)]
        return found

    def batches(self, batching: Batching, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on.

        A batch of all rows has them in the order of the data.
        """
        rows, count = batching.rows(self._total), batching.count(self._total)
        permuted = batching.shuffled and rows < self._total
        order = self._permutation(batching, epoch) if permuted else None
        for number in range(start, count):
            span = slice(number * rows, min((number + 1) * rows, self._total))
            if order is None:
                found = {name: tensor[span] for name, tensor in self._tensors.items()}
            else:
                found = {
                    name: tensor.index_select(0, order[tensor.device.type][span])
                    for name, tensor in self._tensors.items()
                }
            yield as_batch(found, self._dtype, self._device)

    def _permutation(self, batching: Batching, epoch: int) -> dict[str, Tensor]:
        order = torch.from_numpy(batching.generator(epoch).permutation(self._total))
        devices = {tensor.device for tensor in self._tensors.values()}
        return {device.type: order.to(device) for device in devices}
