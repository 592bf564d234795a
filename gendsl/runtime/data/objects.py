"""Mappings, records, DataFrames and xarray objects as named arrays and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.runtime.data.arrays import as_array
from gendsl.runtime.data.entries import Array, Entry, RawData, Rows, Table, data_error
from gendsl.runtime.data.ragged import side_by_side

__all__ = [
    "data_of_dataset",
    "data_of_mapping",
    "is_records",
    "table_of_columns",
    "table_of_frame",
    "table_of_records",
    "verify_unique",
]

Naming = Callable[[str], str]


def data_of_mapping(mapping: Mapping[object, object], call: Naming, *, strict: bool) -> RawData:
    """Names to values: arrays, or tables under the name of a plate.

    Args:
        mapping: numbers, lists, arrays, tensors, Series, DataArrays; a DataFrame, a mapping
            or a list of records is a table.
        call: what messages call an entry, from its name.
        strict: every name must be known to the model.
    """
    entries: dict[str, Entry] = {}
    tables: list[Table] = []
    problems: list[Diagnostic] = []
    for key, value in mapping.items():
        try:
            if not isinstance(key, str):
                raise data_error("GD707", f"the key {key!r} is not a name")
            origin = call(key)
            if isinstance(value, pd.DataFrame):
                tables.append(table_of_frame(value, key, origin))
            elif isinstance(value, Mapping):
                tables.append(table_of_columns(value, key, origin, None))
            elif is_records(value):
                tables.append(table_of_records(value, key, origin))
            else:
                entries[key] = _entry(key, value, origin, strict=strict)
        except DataError as error:
            problems.extend(error.diagnostics)
    if problems:
        raise DataError(problems)
    return RawData(entries, tuple(tables))


def _entry(name: str, value: object, origin: str, *, strict: bool) -> Entry:
    if isinstance(value, xr.DataArray):
        dims = tuple(map(str, value.dims))
        coords = _coords(value, origin)
        return Entry(name, as_array(value.values, origin), origin, dims, coords, strict=strict)
    ragged = side_by_side(value)
    if ragged is not None:
        return Entry(name, ragged[0], origin, strict=strict, lengths=ragged[1])
    return Entry(name, as_array(value, origin), origin, strict=strict)


def _coords(value: xr.DataArray, origin: str) -> dict[str, Array]:
    return {
        str(dim): as_array(value.coords[dim].values, f"coordinate `{dim}` of {origin}")
        for dim in value.dims
        if dim in value.coords and value.coords[dim].ndim == 1
    }


def data_of_dataset(dataset: xr.Dataset, called: str) -> RawData:
    """The variables of an xarray Dataset."""
    entries = {}
    for name, value in dataset.data_vars.items():
        origin = f"`{name}` of {called}"
        entries[str(name)] = _entry(str(name), value, origin, strict=False)
    return RawData(entries)


def is_records(value: object) -> bool:
    """Whether a value is a list of objects: a table, row by row."""
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)


def table_of_records(
    records: object, key: str | None, called: str, rows: Rows | None = None
) -> Table:
    """A list of objects; a name that a record lacks is missing in it."""
    assert isinstance(records, Sequence)
    names = dict.fromkeys(name for record in records for name in record)
    columns = {name: [record.get(name) for record in records] for name in names}
    return table_of_columns(columns, key, called, rows)


def table_of_columns(
    columns: Mapping[object, object], key: str | None, called: str, rows: Rows | None
) -> Table:
    """Columns by name, which must be of one length."""
    entries: dict[str, Entry] = {}
    for name, values in columns.items():
        origin = f"column `{name}` of {called}"
        array = as_array(values, origin)
        if array.ndim == 0:
            message = f"{origin} is a single value; a column has one for each row"
            raise data_error("GD704", message)
        entries[str(name)] = Entry(str(name), array, origin, rows=rows)
    counts = {name: len(entry.array) for name, entry in entries.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"`{name}` has {count}" for name, count in counts.items())
        raise data_error("GD704", f"the columns of {called} differ in length: {told}")
    return Table(key, called, entries, next(iter(counts.values()), 0))


def table_of_frame(
    frame: pd.DataFrame, key: str | None, called: str, rows: Rows | None = None
) -> Table:
    """A DataFrame; a named index is a column as well."""
    if isinstance(frame.columns, pd.MultiIndex):
        raise data_error(
            "GD707", f"{called} has columns of several levels", "flatten them to one name each"
        )
    names = [str(c) for c in frame.columns]
    verify_unique(names, called)
    columns: dict[object, object] = {}
    for level in frame.index.names:
        if level is not None and str(level) not in names:
            columns[str(level)] = pd.Series(frame.index.get_level_values(level))
    columns.update({name: frame.iloc[:, at] for at, name in enumerate(names)})
    table = table_of_columns(columns, key, called, rows)
    return Table(key, called, table.columns, len(frame))


def verify_unique(names: Sequence[str], called: str) -> None:
    """Raise if a column name occurs twice."""
    unique, counts = np.unique(np.array(names, dtype=str), return_counts=True)
    twice = [f"`{name}`" for name in unique[counts > 1] if name]
    if twice:
        verb = "occurs" if len(twice) == 1 else "occur"
        raise data_error(
            "GD705",
            f"{', '.join(twice)} {verb} more than once among the columns of {called}",
            "give every column a name of its own",
        )
