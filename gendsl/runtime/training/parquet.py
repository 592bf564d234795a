"""Parquet files whose rows are read a few groups at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from gendsl.diagnostics import DataError
from gendsl.runtime.training.batches import Admit, refuse_source
from gendsl.runtime.training.blocks import Arrays, BlockSource, settled

__all__ = ["ParquetSource", "columns_of_numbers"]


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    return any(is_one(kind) for is_one in lists)


class ParquetSource(BlockSource):
    """Columns of a Parquet file, or of all such files in a folder, read by row groups.

    A column of lists that all have the same length becomes an array with one more axis.
    """

    def __init__(
        self,
        path: str | Path,
        columns: Sequence[str] | None = None,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        rows: np.ndarray | None = None,
        admit: Admit | None = None,
    ) -> None:
        """Open files.

        Args:
            path: the file, or a folder whose files are one after the other in the order of
                their names.
            columns: which columns; None for all.
            device: where batches are wanted.
            dtype: the type of the real numbers in batches.
            rows: the numbers of the rows that there are for the caller, increasing.
            admit: checks the rows of a group as it is read, missing entries included; without it
                these are refused.

        Raises:
            DataError: GD852.
        """
        self._path = Path(path)
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._files = [_opened(file) for file in _files(self._path)]
        there = self._files[0].schema_arrow.names
        self._columns = list(there if columns is None else columns)
        for file in self._files:
            for name in self._columns:
                if name not in file.schema_arrow.names:
                    has = ", ".join(file.schema_arrow.names)
                    raise refuse_source(f"{path} has no column {name!r}", f"it has {has}")
                self._check(name, file, gaps=admit is not None)
        self._groups = [
            (file, number) for file in self._files for number in range(file.num_row_groups)
        ]
        groups = [file.metadata.row_group(number) for file, number in self._groups]
        bounds = np.cumsum([0, *(group.num_rows for group in groups)])
        if bounds[-1] == 0 or not self._columns:
            raise refuse_source(f"{path} has no rows or no columns")
        row_bytes = sum(group.total_byte_size for group in groups) / float(bounds[-1])
        super().__init__(bounds, row_bytes, device, dtype, rows, admit)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self._columns)

    def _check(self, name: str, file: pq.ParquetFile, *, gaps: bool) -> None:
        """Refuse what a file says of a column before any row is read."""
        kind = file.schema_arrow.field(name).type
        if not _is_number(kind):
            raise refuse_source(
                f"column {name!r} of {self._path} has entries of type {kind}, not numbers",
                "turn them into numbers first",
            )
        for number in () if gaps else range(file.num_row_groups):
            group = file.metadata.row_group(number)
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

    def read(self, block: int, rows: np.ndarray | None) -> Arrays:
        """Rows of a row group.

        Raises:
            DataError: GD852, entries that are missing or no numbers.
        """
        file, number = self._groups[block]
        table = file.read_row_group(number, columns=self._columns)
        if rows is not None:
            table = table.take(pa.array(rows))
        columns = {name: table.column(name).combine_chunks() for name in self._columns}
        found = {name: self._array(name, column) for name, column in columns.items()}
        for name, array in found.items():
            if self._shapes.setdefault(name, array.shape[1:]) != array.shape[1:]:
                raise self._ragged(name)
        return found

    def _array(self, name: str, values: Any) -> np.ndarray:  # noqa: ANN401
        """The entries of a column; lists of lists become further axes."""
        self._verify_whole(name, values)
        shape = [len(values)]
        while _is_list(values.type):
            lengths = np.diff(values.offsets) if hasattr(values, "offsets") else None
            if lengths is not None and np.ptp(lengths):
                raise self._ragged(name)
            inner = values.flatten()
            shape.append(len(inner) // len(values))
            values = inner
            self._verify_whole(name, values)
        array = np.require(values.to_numpy(zero_copy_only=False), requirements="W")
        return settled(name, array.reshape(shape))

    def _verify_whole(self, name: str, values: Any) -> None:  # noqa: ANN401
        if values.null_count and (self._admit is None or _is_list(values.type)):
            raise self._incomplete(name)

    def facts(self) -> dict[str, Any]:
        """Columns and types."""
        schema = self._files[0].schema_arrow
        return {name: str(schema.field(name).type) for name in self._columns}


def columns_of_numbers(path: Path) -> list[str]:
    """The names of the columns that hold numbers, or lists of them.

    Raises:
        DataError: GD852.
    """
    schema = _opened(_files(path)[0]).schema_arrow
    return [name for name in schema.names if _is_number(schema.field(name).type)]


def _is_number(kind: pa.DataType) -> bool:
    while _is_list(kind):
        kind = kind.value_type
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(path.glob("*.parquet"))
    if not found:
        raise refuse_source(f"there are no .parquet files in the folder {path}")
    return found


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except OSError as error:
        raise refuse_source(f"cannot read {path}: {error}") from error
    except pa.ArrowException as error:
        raise refuse_source(f"{path} is no Parquet file: {error}") from error
