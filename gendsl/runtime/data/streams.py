"""Rows that are read batch by batch: what they are read from, and how they meet their model.

Names, shapes and the number of rows are known before a row is read. Values are checked as they
come, each time they come.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, SequentialSampler

from gendsl.runtime.data.admitting import Admission
from gendsl.runtime.data.entries import Array, Entry, data_error
from gendsl.runtime.training.batches import Admit, Batching, Source
from gendsl.runtime.training.blocks import NpySource
from gendsl.runtime.training.loaders import DatasetSource, LoaderSource
from gendsl.runtime.training.parquet import ParquetSource, columns_of_numbers
from gendsl.streamed import Streamed

__all__ = [
    "Reader",
    "RowStream",
    "entries_of",
    "in_memory",
    "mapped_arrays",
    "reader_of",
    "verify_bytes",
]

MAX_BYTES = 8 * 2**30
"""Larger data are not read into memory as a whole."""

CHUNK = 10_000
"""Rows at a time when all are read."""


class Reader(Protocol):
    """What rows can be read from."""

    @property
    def origin(self) -> str:
        """What messages call it."""
        ...

    @property
    def ordered(self) -> bool:
        """Whether rows have numbers, so that single ones can be asked for."""
        ...

    def only(self, names: Sequence[str]) -> Reader:
        """The same without what is not among these names."""
        ...

    def open(
        self,
        rows: np.ndarray | None = None,
        admit: Admit | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Source:
        """The rows, or those of these numbers."""
        ...


@dataclass(frozen=True)
class _Arrays:
    """Arrays in memory and arrays that are mapped into it, by name."""

    arrays: Mapping[str, Array]
    origin: str
    ordered: bool = True

    def only(self, names: Sequence[str]) -> Reader:
        return replace(self, arrays={n: self.arrays[n] for n in names})

    def open(
        self,
        rows: np.ndarray | None = None,
        admit: Admit | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Source:
        device = torch.zeros(()).device
        return NpySource(dict(self.arrays), device=device, dtype=dtype, rows=rows, admit=admit)


@dataclass(frozen=True)
class _Parquet:
    """Columns of Parquet files."""

    path: Path
    columns: Sequence[str] | None
    ordered: bool = True

    @property
    def origin(self) -> str:
        return str(self.path)

    def only(self, names: Sequence[str]) -> Reader:
        return replace(self, columns=tuple(names))

    def open(
        self,
        rows: np.ndarray | None = None,
        admit: Admit | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Source:
        device = torch.zeros(()).device
        return ParquetSource(
            self.path, self.columns, device=device, dtype=dtype, rows=rows, admit=admit
        )


@dataclass(frozen=True)
class _Items:
    """A data set of torch, or a loader."""

    source: Dataset[object] | DataLoader[object]
    names: Sequence[str] | None

    @property
    def origin(self) -> str:
        return f"the {type(self.source).__name__}"

    @property
    def ordered(self) -> bool:
        return not isinstance(self.source, DataLoader)

    def only(self, names: Sequence[str]) -> Reader:
        del names  # parts of tuples have places
        return self

    def open(
        self,
        rows: np.ndarray | None = None,
        admit: Admit | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Source:
        device = torch.zeros(()).device
        if isinstance(self.source, DataLoader):
            if rows is not None:
                raise data_error(
                    "GD870",
                    "the rows of a DataLoader cannot be asked for one by one",
                    "give its data set in its place, or hold none out: `held_out=0`",
                )
            return LoaderSource(self.source, self.names, device=device, dtype=dtype, admit=admit)
        return DatasetSource(
            self.source, self.names, device=device, dtype=dtype, rows=rows, admit=admit
        )


def reader_of(given: Streamed) -> Reader:
    """What rows are read from."""
    source = given.source
    if isinstance(source, Dataset | DataLoader):
        return _Items(source, given.names)
    path = Path(source)
    return _Parquet(path, columns_of_numbers(path) if given.names is None else given.names)


def entries_of(reader: Reader) -> dict[str, Entry]:
    """An entry for each name, whose array has the right shape but no contents."""
    source = reader.open()
    probe = reader.open(np.zeros(1, dtype=np.int64)) if reader.ordered else source
    first = next(iter(probe.batches(Batching(1, shuffled=False), 0)))
    found = {}
    for name, tensor in first.items():
        row = tensor.cpu().numpy()[0]
        shape = (source.total, *row.shape)
        origin = f"`{name}` of {reader.origin}"
        found[name] = Entry(name, np.broadcast_to(row, shape), origin, lazy=True)
    return found


def in_memory(reader: Reader) -> dict[str, Entry]:
    """All rows, for what needs them at once.

    Raises:
        DataError: GD706, they are too large for that.
    """
    entries = entries_of(reader)
    verify_bytes(sum(e.array.nbytes for e in entries.values()), reader.origin)
    source = reader.open(dtype=torch.float64)
    parts = list(source.batches(Batching(CHUNK, shuffled=False), 0))
    return {
        name: replace(
            entry, array=np.concatenate([p[name].cpu().numpy() for p in parts]), lazy=False
        )
        for name, entry in entries.items()
    }


def verify_bytes(size: int, origin: str) -> None:
    """Refuse to read so much into memory.

    Raises:
        DataError: GD706.
    """
    if size > MAX_BYTES:
        raise data_error(
            "GD706",
            f"{origin} takes {size / 2**30:.1f} GiB, more than the {MAX_BYTES // 2**30} GiB that "
            "are read into memory",
            "a model whose rows can be taken in batches reads them so under `infer='svi'`",
        )


@dataclass(frozen=True)
class RowStream:
    """The rows of a plate, for a model.

    Attributes:
        plate: whose members they are.
        reader: what they are read from.
        admission: checks them as they come.
        rows: the numbers of those that count; all where it is None.
    """

    plate: str
    reader: Reader
    admission: Admission
    rows: np.ndarray | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The variables whose values come in batches."""
        return tuple(self.admission.columns)

    def batch_size(self, asked: int | None, usual: int) -> int:
        """The rows in a batch: those of a loader, or what is asked for.

        Raises:
            DataError: GD870, a loader has batches of another size.
        """
        source = self.reader.source if isinstance(self.reader, _Items) else None
        own = source.batch_size if isinstance(source, DataLoader) else None
        if own is None:
            return usual if asked is None else asked
        if asked not in (None, own):
            message = f"`batch_size` is {asked}, but {self.reader.origin} has batches of {own}"
            raise data_error("GD870", message, "leave `batch_size` to the loader")
        return int(own)

    def part(self, rows: np.ndarray) -> RowStream:
        """Some of the rows, by increasing numbers.

        Raises:
            DataError: GD870, they have no numbers.
        """
        if not self.reader.ordered:
            self.reader.open(rows)
        return replace(self, rows=rows)

    def open(self, dtype: torch.dtype) -> Source:
        """Batches of values by variable; ``known x`` has those of `x` that are not missing."""
        return _Cast(self.reader.open(self.rows, self.admission, dtype), self.admission, dtype)

    def in_order(self, size: int, most: int | None = None) -> Iterator[dict[str, Tensor]]:
        """Batches in the order of the data; with `most` so many rows, evenly spaced.

        Those of a loader are the first ones of an epoch, in its order.
        """
        stream, dtype = self, torch.get_default_dtype()
        total = self.open(dtype).total
        if most is not None and most < total and self.reader.ordered:
            numbers = np.unique(np.linspace(0, total - 1, most).round().astype(np.int64))
            stream = replace(self, rows=numbers if self.rows is None else self.rows[numbers])
        left = total if most is None else min(most, total)
        for batch in stream.open(dtype).batches(Batching(size, shuffled=False), 0):
            part = {name: tensor[:left] for name, tensor in batch.items()}
            count = len(next(iter(part.values())))
            yield part
            left -= count
            if left <= 0:
                return

    def verify_order(self) -> None:
        """Refuse rows whose order is not that of the results.

        Raises:
            DataError: GD870.
        """
        source = self.reader.source if isinstance(self.reader, _Items) else None
        if isinstance(source, DataLoader) and not isinstance(source.sampler, SequentialSampler):
            raise data_error(
                "GD870",
                f"{self.reader.origin} gives rows in another order each time, so that results "
                "could not be told apart",
                "give its data set, or a loader that does not shuffle",
            )


class _Cast:
    """Numbers of the kind that a program takes."""

    def __init__(self, source: Source, admission: Admission, dtype: torch.dtype) -> None:
        self._source, self._dtype = source, dtype
        self._whole = admission.whole

    @property
    def total(self) -> int:
        return self._source.total

    @property
    def order(self) -> str:
        return self._source.order

    def count(self, batching: Batching) -> int:
        return self._source.count(batching)

    def facts(self) -> dict[str, object]:
        return dict(self._source.facts())

    def batches(
        self, batching: Batching, epoch: int, start: int = 0
    ) -> Iterator[dict[str, Tensor]]:
        for batch in self._source.batches(batching, epoch, start):
            yield {
                name: tensor
                if name in self._whole or tensor.dtype == torch.bool
                else tensor.to(self._dtype)
                for name, tensor in batch.items()
            }


def mapped_arrays(arrays: Mapping[str, Array], origins: Sequence[str]) -> Reader:
    """A reader of arrays, of which some are on the disk."""
    return _Arrays(dict(arrays), " and ".join(dict.fromkeys(origins)))
