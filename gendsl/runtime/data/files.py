"""Data files by their extension: CSV, TSV, JSON, NPY, NPZ, Parquet and NetCDF."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xarray as xr

from gendsl.diagnostics import DataError
from gendsl.runtime.data.arrays import as_array
from gendsl.runtime.data.delimited import table_of_text
from gendsl.runtime.data.entries import Entry, RawData, Rows, Table, data_error
from gendsl.runtime.data.objects import (
    data_of_dataset,
    data_of_mapping,
    is_records,
    table_of_columns,
    table_of_records,
    verify_unique,
)
from gendsl.runtime.data.streams import MAX_BYTES, entries_of, reader_of
from gendsl.runtime.training.blocks import mapped
from gendsl.streamed import Streamed

__all__ = ["EXTENSIONS", "lazy_array", "read_file"]

STREAMED_BYTES = 2**30
"""Parquet files that are larger, unpacked, are read in batches where the model allows it."""


def read_file(path: str, key: str | None = None) -> RawData:
    """What a file holds.

    Args:
        path: the file; its extension says what it is.
        key: the plate whose members are the rows; of a ``.npy`` file the variable, which its
            name says otherwise.

    Raises:
        DataError: it is missing, unreadable, damaged, too large or of no known kind.
    """
    file = Path(path)
    read = EXTENSIONS.get(file.suffix.lower())
    if file.is_dir():
        if not any(file.glob("*.parquet")):
            raise data_error("GD701", f"{path} is a folder, expected a data file")
        return _streamed(file)
    if not file.exists():
        raise data_error("GD701", f"there is no file {path}")
    if read is None:
        known = ", ".join(EXTENSIONS)
        what = f"a {file.suffix} file" if file.suffix else "without an extension"
        raise data_error("GD702", f"{path} is {what}, expected one of {known}")
    try:
        size = file.stat().st_size
        if file.suffix.lower() not in (".npy", ".parquet"):
            _verify_bytes(size, path)
        if size == 0:
            raise data_error("GD703", f"{path} is empty")
        file.open("rb").close()  # the readers below do not all say that they may not read it
        data = read(file, path, key)
    except OSError as error:
        reason = error.strerror or "it is damaged or not what its extension says"
        raise data_error("GD701", f"{path} cannot be read: {reason}") from error
    except MemoryError as error:
        raise data_error("GD706", f"{path} does not fit into memory") from error
    if key is not None and not (data.tables or read in (_npy, _parquet)):
        raise data_error(
            "GD703",
            f"{path} holds arrays, expected a table for the plate `{key}`",
            "give it without the name of the plate",
        )
    return data


def _verify_bytes(size: int, path: str) -> None:
    if size > MAX_BYTES:
        raise data_error(
            "GD706",
            f"{path} takes {size / 2**30:.1f} GiB, more than the {MAX_BYTES // 2**30} GiB that "
            "are read into memory",
        )


def _text(file: Path, path: str) -> str:
    raw = file.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise data_error(
            "GD703", f"{path} is not UTF-8 at byte {error.start}", "save it as UTF-8"
        ) from error
    if "\0" in text:
        raise data_error("GD703", f"{path} is not a text file: it holds a NUL character")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _csv(file: Path, path: str, key: str | None) -> RawData:
    return RawData(tables=(table_of_text(_text(file, path), ",", key, path),))


def _tsv(file: Path, path: str, key: str | None) -> RawData:
    return RawData(tables=(table_of_text(_text(file, path), "\t", key, path),))


def _unique_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise KeyError(name)
        found[name] = value
    return found


def _json(file: Path, path: str, key: str | None) -> RawData:
    try:
        value = json.loads(_text(file, path), object_pairs_hook=_unique_names)
    except KeyError as error:
        message = f"`{error.args[0]}` occurs more than once in one object of {path}"
        raise data_error("GD705", message) from error
    except RecursionError as error:
        raise data_error("GD703", f"{path} is nested too deeply") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise data_error("GD703", f"{path} is not JSON: {error.msg} at {place}") from error
    except ValueError as error:
        raise data_error("GD703", f"{path} holds a number of too many digits") from error
    if is_records(value):
        return RawData(tables=(table_of_records(value, key, path, Rows("record")),))
    if not isinstance(value, dict):
        raise data_error(
            "GD703",
            f"{path} holds neither an object of names and values nor a list of objects",
            'write it as {"y": [1, 2]}, or as [{"y": 1}, {"y": 2}]',
        )
    if key is not None:
        return RawData(tables=(table_of_columns(value, key, path, Rows()),))
    return data_of_mapping(value, lambda name: f"`{name}` of {path}", strict=False)


def _npz(file: Path, path: str, key: str | None) -> RawData:
    del key
    try:
        with zipfile.ZipFile(file) as packed:
            _verify_bytes(sum(info.file_size for info in packed.infolist()), path)
        with np.load(file, allow_pickle=False) as arrays:
            values: dict[object, object] = {name: arrays[name] for name in arrays.files}
    except (DataError, MemoryError):
        raise
    except Exception as error:  # a damaged file makes NumPy fail in many ways
        if "allow_pickle" in str(error):
            raise data_error(
                "GD703",
                f"{path} holds Python objects, which are never loaded",
                "save plain arrays of numbers or text",
            ) from error
        raise data_error("GD703", f"{path} is damaged or is not an NPZ file") from error
    return data_of_mapping(values, lambda name: f"`{name}` of {path}", strict=False)


def lazy_array(name: str, array: np.ndarray, origin: str, *, strict: bool = False) -> Entry:
    """An entry that stays where it is on the disk.

    Raises:
        DataError: it does not hold numbers.
    """
    if array.dtype.kind not in "biuf":
        raise data_error("GD707", f"{origin} has values of type {array.dtype}, not numbers")
    return Entry(name, array, origin, strict=strict, lazy=True)


def _npy(file: Path, path: str, key: str | None) -> RawData:
    """An array that is mapped into memory; without a name it has that of the file."""
    name = file.stem if key is None else key
    return RawData({name: lazy_array(name, mapped(name, file), path, strict=key is not None)})


def _streamed(file: Path) -> RawData:
    reader = reader_of(Streamed(file))
    return RawData(entries_of(reader), reader=reader)


def _parquet(file: Path, path: str, key: str | None) -> RawData:
    try:
        if _unpacked(file) > STREAMED_BYTES:
            return _streamed(file)
        table = pq.read_table(file)
        verify_unique(table.column_names, path)
        columns: dict[str, Entry] = {}
        for at, name in enumerate(table.column_names):
            origin = f"column `{name}` of {path}"
            column = table.column(at)
            nested = pa.types.is_nested(column.type)
            values = column.to_pylist() if nested else column.to_pandas()
            columns[name] = Entry(name, as_array(values, origin), origin, rows=Rows())
    except (DataError, MemoryError):
        raise
    except Exception as error:  # a damaged file makes Arrow fail in many ways
        raise data_error("GD703", f"{path} is damaged or is not a Parquet file") from error
    return RawData(tables=(Table(key, path, columns, table.num_rows),))


def _unpacked(file: Path) -> int:
    metadata = pq.read_metadata(file)
    return sum(metadata.row_group(at).total_byte_size for at in range(metadata.num_row_groups))


def _netcdf(file: Path, path: str, key: str | None) -> RawData:
    del key
    with _silent_cleanup():
        dataset = _dataset(file, path)
    if dataset is None:
        raise data_error("GD703", f"{path} is damaged or is not a NetCDF-4 file")
    return data_of_dataset(dataset, path)


def _dataset(file: Path, path: str) -> xr.Dataset | None:
    try:
        with xr.open_dataset(file, engine="h5netcdf") as dataset:
            _verify_bytes(dataset.nbytes, path)
            return dataset.load()
    except (DataError, MemoryError):
        raise
    except Exception:  # a damaged file makes h5netcdf fail in many ways
        return None


@contextmanager
def _silent_cleanup() -> Iterator[None]:
    """Keep h5netcdf's files, when they could not be opened, from writing to standard error."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    try:
        yield
    finally:
        sys.unraisablehook = hook


EXTENSIONS = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".json": _json,
    ".npy": _npy,
    ".npz": _npz,
    ".parquet": _parquet,
    ".nc": _netcdf,
}
