"""The two ways in: files named on the command line, and objects of Python."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from torch.utils.data import DataLoader, Dataset

from gendsl.binarised import Binarised
from gendsl.diagnostics import DataError, Diagnostic
from gendsl.runtime.data.entries import Entry, RawData, Table, data_error
from gendsl.runtime.data.files import EXTENSIONS, lazy_array, read_file
from gendsl.runtime.data.objects import (
    data_of_dataset,
    data_of_mapping,
    is_records,
    table_of_frame,
    table_of_records,
)
from gendsl.runtime.data.streams import Reader, entries_of, reader_of
from gendsl.streamed import Streamed

__all__ = ["raw_data", "read_data"]

FOR_PLATE = re.compile(r"([^\W\d]\w*)=(.+)", re.DOTALL)


def read_data(sources: Sequence[str]) -> RawData:
    """The data of the options ``--data FILE``, ``--data plate=FILE`` and ``--data x=FILE.npy``.

    Several sources are read together: a table for each plate, say, and a JSON file with the
    scalars. CSV and TSV files have a header; an empty cell, ``NA`` or ``NaN`` is a missing
    value. A JSON file is an object of names and (nested lists of) numbers with ``null`` where
    one is missing, or a list of objects, which is a table. NPZ and NetCDF files hold named
    arrays. Names that the model does not know are passed over with a note.

    Raises:
        DataError: every file that cannot be read, and why.
    """
    problems: list[Diagnostic] = []
    parts: list[RawData] = []
    for source in sources:
        match = None if Path(source).exists() else FOR_PLATE.fullmatch(source)
        try:
            parts.append(read_file(match[2], match[1]) if match else read_file(source))
        except DataError as error:
            problems.extend(error.diagnostics)
    if problems:
        raise DataError(problems)
    return _joined(parts)


def _joined(parts: Sequence[RawData]) -> RawData:
    entries: dict[str, Entry] = {}
    tables: dict[str, Table] = {}
    loose: list[Table] = []
    problems: list[Diagnostic] = []
    readers: list[Reader] = []
    for part in parts:
        readers += [part.reader] if part.reader is not None else []
        for name, entry in part.entries.items():
            if name in entries:
                both = f"{entries[name].origin} and {entry.origin}"
                problems.append(Diagnostic("GD705", f"`{name}` is given twice: {both}"))
            entries[name] = entry
        for table in part.tables:
            if table.key is None:
                loose.append(table)
            elif table.key in tables:
                both = f"{tables[table.key].origin} and {table.origin}"
                message = f"there are two tables for `{table.key}`: {both}"
                problems.append(Diagnostic("GD705", message))
            else:
                tables[table.key] = table
    if len(readers) > 1:
        both = " and ".join(reader.origin for reader in readers)
        problems.append(Diagnostic("GD870", f"the rows would be read from both {both}"))
    if problems:
        raise DataError(problems)
    return RawData(entries, (*tables.values(), *loose), readers[0] if readers else None)


def raw_data(obj: object) -> RawData:
    """Data given in Python.

    Args:
        obj: a dict from names to numbers, nested lists, arrays, tensors, Series, DataArrays,
            or (under the name of a plate) DataFrames or paths of tables, or (under the name of a
            variable) paths of ``.npy`` files; a DataFrame; an xarray Dataset; a path or a list of
            paths as for `read_data`; a `Streamed`, a torch Dataset or a DataLoader.

    Raises:
        DataError: it is none of these, or holds something else.
    """
    if isinstance(obj, RawData):
        return obj
    if isinstance(obj, Streamed | Dataset | DataLoader):
        reader = reader_of(obj if isinstance(obj, Streamed) else Streamed(obj))
        return RawData(entries_of(reader), reader=reader)
    if isinstance(obj, xr.Dataset):
        return data_of_dataset(obj, "the Dataset")
    if isinstance(obj, pd.DataFrame):
        return RawData(tables=(table_of_frame(obj, None, "the DataFrame"),))
    if isinstance(obj, Mapping):
        return _of_mapping(obj)
    if isinstance(obj, str | PathLike):
        return read_data([str(obj)])
    if is_records(obj):
        return RawData(tables=(table_of_records(obj, None, "the list of records"),))
    if isinstance(obj, list | tuple) and all(isinstance(o, str | PathLike) for o in obj):
        return read_data([str(o) for o in obj])
    raise data_error(
        "GD707",
        f"data of type {type(obj).__name__} have no names to match with the model",
        "give a dict such as {'y': values}, a DataFrame, a Dataset, or the path of a file",
    )


def _of_mapping(obj: Mapping[object, object]) -> RawData:
    """Values by name; the path of a file is the table of the plate that it stands under."""
    paths = {k: v for k, v in obj.items() if isinstance(k, str) and _is_path(v)}
    mapped = {k: v for k, v in obj.items() if isinstance(k, str) and isinstance(v, np.memmap)}
    values = {
        k: np.asarray(v) if isinstance(v, Binarised) else v
        for k, v in obj.items()
        if k not in paths and k not in mapped
    }
    lazy = {k: lazy_array(k, v, f"key {k!r}", strict=True) for k, v in mapped.items()}
    problems: list[Diagnostic] = []
    parts = [RawData(lazy)] if lazy else []
    for key, path in paths.items():
        try:
            parts.append(read_file(str(path), key))
        except DataError as error:
            problems.extend(error.diagnostics)
    try:
        parts.append(data_of_mapping(values, lambda name: f"key {name!r}", strict=True))
    except DataError as error:
        problems.extend(error.diagnostics)
    if problems:
        raise DataError(problems)
    return _joined(parts)


def _is_path(value: object) -> bool:
    """Whether a value is the path of a data file; other text may be a label."""
    if isinstance(value, PathLike):
        return True
    return isinstance(value, str) and Path(value).suffix.lower() in EXTENSIONS
