"""Data on disk that are never in memory as a whole: NumPy files and Parquet files.

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
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from gendsl.diagnostics import DataError
from gendsl.runtime.training.batches import Batch, Batching, as_batch, refuse_source

__all__ = ["BlockSource", "NpySource", "ParquetSource"]

BLOCK_BYTES = 1 << 20
WINDOW_BYTES = 1 << 26
"""A block has about so many bytes, as far as the file lets one choose, and so has a window."""

Arrays = dict[str, np.ndarray]


class BlockSource(ABC):
    """Rows that are read in blocks."""

    def __init__(
        self, bounds: np.ndarray, row_bytes: float, device: torch.device | str, dtype: torch.dtype
    ) -> None:
        """Keep where the blocks are.

        Args:
            bounds: the first row of each block, and the number of rows at the end.
            row_bytes: the size of a row in memory.
            device: where batches are wanted.
            dtype: the type of the real numbers in batches.
        """
        self._bounds = bounds
        self._window = max(1, round(WINDOW_BYTES / max(row_bytes, 1e-9)))
        self._device, self._dtype = torch.device(device), dtype

    @abstractmethod
    def read(self, block: int) -> Arrays:
        """The rows of a block, as arrays of the caller's own."""

    @property
    def total(self) -> int:
        """The number of rows."""
        return int(self._bounds[-1])

    @property
    def order(self) -> str:
        """How an epoch is shuffled, in words."""
        blocks = len(self._bounds) - 1
        if len(self._windows(np.arange(blocks))) == 1:
            return "a random permutation of all rows"
        rows = self.total // blocks
        return (
            f"blocks of about {rows} neighbouring rows in random order, the rows of at least "
            f"{min(self._window, self.total)} at a time shuffled among each other"
        )

    def count(self, batching: Batching) -> int:
        """The batches in an epoch."""
        return batching.count(self.total)

    def _windows(self, blocks: np.ndarray) -> list[np.ndarray]:
        """Blocks in order, in groups that have as many rows as a window or a few more."""
        rows = np.diff(self._bounds)[blocks]
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
        blocks = np.arange(len(self._bounds) - 1)
        if batching.shuffled:
            blocks = batching.generator(epoch).permutation(blocks)
        sizes = np.diff(self._bounds)
        for number, window in enumerate(self._windows(blocks)):
            rows = int(sizes[window].sum())
            if skip >= rows:
                skip -= rows
                continue
            found = _joined([self.read(int(block)) for block in window])
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


def _settled(name: str, array: np.ndarray) -> np.ndarray:
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
        paths: Mapping[str, str | Path],
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Map files.

        Args:
            paths: a file for each name; all with the same number of rows.
            device: where batches are wanted.
            dtype: the type of the real numbers in batches.

        Raises:
            DataError: GD852.
        """
        if not paths:
            raise refuse_source("there are no files to train on")
        self._arrays = {name: _mapped(name, Path(path)) for name, path in paths.items()}
        sizes = {name: len(array) for name, array in self._arrays.items()}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{name!r} has {size}" for name, size in sizes.items())
            raise refuse_source(f"the files differ in their number of rows: {told}")
        total = next(iter(sizes.values()))
        row_bytes = sum(array.nbytes for array in self._arrays.values()) / total
        block = max(1, round(BLOCK_BYTES / max(row_bytes, 1e-9)))
        bounds = np.append(np.arange(0, total, block), total)
        super().__init__(bounds, row_bytes, device, dtype)

    def read(self, block: int) -> Arrays:
        """The rows of a block, copied."""
        span = slice(int(self._bounds[block]), int(self._bounds[block + 1]))
        return {name: _settled(name, np.array(a[span])) for name, a in self._arrays.items()}

    def facts(self) -> dict[str, Any]:
        """Shapes and types."""
        return {name: [list(a.shape), str(a.dtype)] for name, a in self._arrays.items()}


def _mapped(name: str, path: Path) -> np.ndarray:
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
    _settled(name, array[:1])
    return array


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    return any(is_one(kind) for is_one in lists)


class ParquetSource(BlockSource):
    """Columns of a Parquet file, read by row groups.

    A column of lists that all have the same length becomes an array with one more axis.
    """

    def __init__(
        self,
        path: str | Path,
        columns: Sequence[str] | None = None,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Open a file.

        Args:
            path: the file.
            columns: which columns; None for all.
            device: where batches are wanted.
            dtype: the type of the real numbers in batches.

        Raises:
            DataError: GD852.
        """
        self._path = Path(path)
        self._shapes: dict[str, tuple[int, ...]] = {}
        try:
            self._file = pq.ParquetFile(self._path)
        except OSError as error:
            raise refuse_source(f"cannot read {path}: {error}") from error
        except pa.ArrowException as error:
            raise refuse_source(f"{path} is no Parquet file: {error}") from error
        there = self._file.schema_arrow.names
        self._columns = list(there if columns is None else columns)
        for name in self._columns:
            if name not in there:
                raise refuse_source(f"{path} has no column {name!r}", f"it has {', '.join(there)}")
            self._check(name)
        about = self._file.metadata
        groups = [about.row_group(i) for i in range(about.num_row_groups)]
        bounds = np.cumsum([0, *(group.num_rows for group in groups)])
        if bounds[-1] == 0 or not self._columns:
            raise refuse_source(f"{path} has no rows or no columns")
        row_bytes = sum(group.total_byte_size for group in groups) / float(bounds[-1])
        super().__init__(bounds, row_bytes, device, dtype)

    def _check(self, name: str) -> None:
        """Refuse what the file says of a column before any row is read."""
        kind = self._file.schema_arrow.field(name).type
        while _is_list(kind):
            kind = kind.value_type
        types = pa.types
        if not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)):
            raise refuse_source(
                f"column {name!r} of {self._path} has entries of type {kind}, not numbers",
                "turn them into numbers first",
            )
        about = self._file.metadata
        for number in range(about.num_row_groups):
            group = about.row_group(number)
            for part in (group.column(i) for i in range(group.num_columns)):
                told = part.statistics
                if part.path_in_schema == name and told is not None and told.null_count:
                    raise self._incomplete(name)

    def _incomplete(self, name: str) -> DataError:
        return refuse_source(
            f"column {name!r} of {self._path} has missing entries",
            "fill them, or leave the rows out",
        )

    def _ragged(self, name: str) -> DataError:
        return refuse_source(
            f"column {name!r} of {self._path} has lists of different lengths",
            "cut or fill them to one length",
        )

    def read(self, block: int) -> Arrays:
        """The rows of a row group.

        Raises:
            DataError: GD852, entries that are missing or no numbers.
        """
        table = self._file.read_row_group(block, columns=self._columns)
        columns = {name: table.column(name).combine_chunks() for name in self._columns}
        found = {name: self._array(name, column) for name, column in columns.items()}
        for name, array in found.items():
            if self._shapes.setdefault(name, array.shape[1:]) != array.shape[1:]:
                raise self._ragged(name)
        return found

    def _array(self, name: str, values: Any) -> np.ndarray:  # noqa: ANN401
        """The entries of a column; lists of lists become further axes."""
        if values.null_count:
            raise self._incomplete(name)
        shape = [len(values)]
        while _is_list(values.type):
            lengths = np.diff(values.offsets) if hasattr(values, "offsets") else None
            if lengths is not None and np.ptp(lengths):
                raise self._ragged(name)
            inner = values.flatten()
            shape.append(len(inner) // len(values))
            values = inner
            if values.null_count:
                raise self._incomplete(name)
        return _settled(name, values.to_numpy(zero_copy_only=False).reshape(shape))

    def facts(self) -> dict[str, Any]:
        """Columns and types."""
        schema = self._file.schema_arrow
        return {name: str(schema.field(name).type) for name in self._columns}
