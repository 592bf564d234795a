"""Data on disk that are never in memory as a whole, and NumPy files of them.

Such files are read in blocks of neighbouring rows. Each epoch has the blocks in a new random
order; a few blocks at a time, a window, are read and their rows are shuffled among each other.
Rows of a batch are therefore from few places of the file, unless it fits in one window. Where the
order of the file says something (classes one after the other), shuffle the file once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gendsl.runtime.training.batches import Admit, Batch, Batching, as_batch, refuse_source

__all__ = ["Arrays", "BlockSource", "NpySource", "mapped", "settled"]

BLOCK_BYTES = 1 << 20
WINDOW_BYTES = 1 << 26
"""A block has about so many bytes, as far as the file lets one choose, and so has a window."""

Arrays = dict[str, np.ndarray]


class BlockSource(ABC):
    """Rows that are read in blocks."""

    def __init__(
        self,
        bounds: np.ndarray,
        row_bytes: float,
        device: torch.device | str,
        dtype: torch.dtype,
        rows: np.ndarray | None = None,
        admit: Admit | None = None,
    ) -> None:
        """Keep where the blocks are.

        Args:
            bounds: the first row of each block, and the number of rows at the end.
            row_bytes: the size of a row in memory.
            device: where batches are wanted.
            dtype: the type of the real numbers in batches.
            rows: the numbers of the rows that there are for the caller, increasing; all by
                default.
            admit: checks the rows of a block as it is read.
        """
        self._bounds, self._rows, self._admit = bounds, rows, admit
        ends = bounds if rows is None else np.searchsorted(rows, bounds)
        self._ends, self._sizes = ends, np.diff(ends)
        self._window = max(1, round(WINDOW_BYTES / max(row_bytes, 1e-9)))
        self._device, self._dtype = torch.device(device), dtype

    @abstractmethod
    def read(self, block: int, rows: np.ndarray | None) -> Arrays:
        """Rows of a block, counted from its first one, as arrays of the caller's own."""

    def _read(self, block: int) -> Arrays:
        first = int(self._bounds[block])
        if self._rows is None:
            numbers = np.arange(first, int(self._bounds[block + 1]))
            found = self.read(block, None)
        else:
            numbers = self._rows[self._ends[block] : self._ends[block + 1]]
            found = self.read(block, numbers - first)
        return found if self._admit is None else self._admit(found, numbers)

    @property
    def total(self) -> int:
        """The number of rows."""
        return int(self._ends[-1])

    @property
    def order(self) -> str:
        """How an epoch is shuffled, in words."""
        blocks = np.flatnonzero(self._sizes)
        if len(self._windows(blocks)) == 1:
            return "a random permutation of all rows"
        rows = self.total // len(blocks)
        return (
            f"blocks of about {rows} neighbouring rows in random order, the rows of at least "
            f"{min(self._window, self.total)} at a time shuffled among each other"
        )

    def count(self, batching: Batching) -> int:
        """The batches in an epoch."""
        return batching.count(self.total)

    def _windows(self, blocks: np.ndarray) -> list[np.ndarray]:
        """Blocks in order, in groups that have as many rows as a window or a few more."""
        rows = self._sizes[blocks]
        which = (np.cumsum(rows) - rows) // self._window
        return np.split(blocks, np.flatnonzero(np.diff(which)) + 1)

    def batches(self, batching: Batching, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on."""
        size = batching.rows(self.total)
        waiting: list[Arrays] = []
        held = 0
        for rows in self._shuffled(batching, epoch, start * size):
            waiting.append(rows)
            held += _rows(rows)
            if held < size:
                continue
            joined = _joined(waiting)
            whole = held - held % size
            for first in range(0, whole, size):
                yield self._batch(joined, first, first + size)
            waiting = [{name: array[whole:] for name, array in joined.items()}]
            held -= whole
        if held and not batching.drop_partial:
            yield self._batch(_joined(waiting), 0, held)

    def _batch(self, rows: Arrays, first: int, last: int) -> Batch:
        cut = {name: array[first:last] for name, array in rows.items()}
        return as_batch(cut, self._dtype, self._device)

    def _shuffled(self, batching: Batching, epoch: int, skip: int) -> Iterator[Arrays]:
        """The rows of each window after the first `skip` rows of the epoch."""
        blocks = np.flatnonzero(self._sizes)
        if batching.shuffled:
            blocks = batching.generator(epoch).permutation(blocks)
        for number, window in enumerate(self._windows(blocks)):
            rows = int(self._sizes[window].sum())
            if skip >= rows:
                skip -= rows
                continue
            found = _joined([self._read(int(block)) for block in window])
            if batching.shuffled:
                order = batching.generator(epoch, number).permutation(rows)
                found = {name: array[order] for name, array in found.items()}
            yield {name: array[skip:] for name, array in found.items()}
            skip = 0


def _rows(arrays: Mapping[str, np.ndarray]) -> int:
    return len(next(iter(arrays.values())))


def _joined(parts: Sequence[Arrays]) -> Arrays:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def settled(name: str, array: np.ndarray) -> np.ndarray:
    """A type of number that torch has, for `array` or a part of it."""
    if array.dtype.kind not in "biuf":
        raise refuse_source(
            f"{name!r} has entries of type {array.dtype}, which are not numbers",
            "turn them into numbers first",
        )
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        return array.astype(np.int64)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


class NpySource(BlockSource):
    """Arrays in ``.npy`` files, mapped into memory and read a window at a time."""

    def __init__(
        self,
        paths: Mapping[str, str | Path | np.ndarray],
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        rows: np.ndarray | None = None,
        admit: Admit | None = None,
    ) -> None:
        """Map files.

        Args:
            paths: a file, or an array, for each name; all with the same number of rows.
            device: where batches are wanted.
            dtype: the type of the real numbers in batches.
            rows: the numbers of the rows that there are for the caller, increasing.
            admit: checks the rows of a block as it is read.

        Raises:
            DataError: GD852.
        """
        if not paths:
            raise refuse_source("there are no files to train on")
        self._arrays = {
            name: path if isinstance(path, np.ndarray) else mapped(name, Path(path))
            for name, path in paths.items()
        }
        sizes = {name: len(array) for name, array in self._arrays.items()}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{name!r} has {size}" for name, size in sizes.items())
            raise refuse_source(f"the files differ in their number of rows: {told}")
        total = next(iter(sizes.values()))
        row_bytes = sum(array.nbytes for array in self._arrays.values()) / total
        block = max(1, round(BLOCK_BYTES / max(row_bytes, 1e-9)))
        bounds = np.append(np.arange(0, total, block), total)
        super().__init__(bounds, row_bytes, device, dtype, rows, admit)

    def read(self, block: int, rows: np.ndarray | None) -> Arrays:
        """Rows of a block, copied."""
        first = int(self._bounds[block])
        chosen: slice | np.ndarray = slice(first, int(self._bounds[block + 1]))
        if rows is not None:
            chosen = first + rows
        return {name: settled(name, np.array(a[chosen])) for name, a in self._arrays.items()}

    def facts(self) -> dict[str, Any]:
        """Shapes and types."""
        return {name: [list(a.shape), str(a.dtype)] for name, a in self._arrays.items()}


def mapped(name: str, path: Path) -> np.ndarray:
    """The array of a ``.npy`` file, which stays on the disk.

    Raises:
        DataError: GD852, it cannot be read, or has no rows of numbers.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise refuse_source(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        raise refuse_source(f"{path} is no array of numbers in NumPy's format") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise refuse_source(f"{path} holds several arrays", "save each in a .npy file of its own")
    if array.ndim == 0 or len(array) == 0:
        raise refuse_source(f"{path} has no rows")
    settled(name, array[:1])
    return array
