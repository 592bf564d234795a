"""Which rows can stay where they are, and which data must be in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from gendsl.ir.nodes import Model, Variable
from gendsl.runtime.data.admitting import Admission
from gendsl.runtime.data.arrays import as_array
from gendsl.runtime.data.entries import Array, Entry, Findings, RawData
from gendsl.runtime.data.streams import (
    Reader,
    RowStream,
    in_memory,
    mapped_arrays,
    verify_bytes,
)

__all__ = ["Given", "row_stream", "wholly"]


def wholly(data: RawData) -> RawData:
    """The same data, all of them in memory.

    Raises:
        DataError: GD706, they are too large for that.
    """
    entries: dict[str, Entry] = {}
    for name, entry in data.entries.items():
        if entry.lazy and data.reader is None:
            verify_bytes(entry.array.nbytes, entry.origin)
            entry = replace(entry, array=as_array(entry.array, entry.origin), lazy=False)
        entries[name] = entry
    if data.reader is not None:
        entries |= in_memory(data.reader)
    return RawData(entries, data.tables)


@dataclass(frozen=True)
class Given:
    """What data say so far.

    Attributes:
        model: what they are for.
        arrays: the entry of each variable.
        values: of variables whose values have been checked; those that are rows are taken out.
        missing: which of these are missing.
        sizes: of all axes.
        base: what numbers of index variables count from.
        reader: what rows are read from whose entries have no contents.
    """

    model: Model
    arrays: Mapping[str, Entry]
    values: dict[str, Array]
    missing: dict[str, Array]
    sizes: Mapping[str, int]
    base: int
    reader: Reader | None


def row_stream(given: Given, found: Findings) -> RowStream | None:
    """The rows that are read in batches: those of the largest plate that stands first in some."""
    model, sizes = given.model, given.sizes
    lazy = {n: e for n, e in given.arrays.items() if e.lazy}
    firsts = {n: model.variable(n).axes[:1] for n in lazy}
    plates = [axes[0] for axes in firsts.values() if axes]
    plate = max(plates, key=lambda name: sizes[name], default="")
    rows = [n for n in lazy if firsts[n] == (plate,)]
    others = [n for n in lazy if n not in rows]
    if given.reader is not None:
        for name in others:
            _tell_no_rows(model.variable(name), lazy[name], plate, found)
    elif others:
        _read_now(given, others)
    joined = _rows_in_memory(given, plate, found)
    if found.errors or not rows:
        return None
    arrays = {n: lazy[n].array for n in rows} | joined
    origins = {n: given.arrays[n].origin for n in arrays}
    bases = dict.fromkeys(rows, given.base) | dict.fromkeys(joined, 0)
    if given.reader is None:
        columns = {n: n for n in arrays}
        reader = mapped_arrays(arrays, [lazy[n].origin for n in rows])
    else:
        columns = {n: lazy[n].name for n in rows}
        reader = given.reader.only(list(columns.values()))
    return RowStream(plate, reader, _admission(given, columns, origins, bases))


def _admission(
    given: Given, columns: Mapping[str, str], origins: Mapping[str, str], bases: Mapping[str, int]
) -> Admission:
    model, sizes = given.model, dict(given.sizes)
    shapes = {}
    for name in columns:
        variable = model.variable(name)
        event = tuple(s.evaluate(sizes) for s in variable.type.event)
        shapes[name] = (*(sizes[a] for a in variable.axes[1:]), *event)
    lacking = frozenset(n for n in columns if model.variable(n).optional)
    return Admission(model, columns, origins, shapes, sizes, bases, lacking)


def _read_now(given: Given, names: list[str]) -> None:
    """Take values of other plates, or of none, into memory."""
    for name in names:
        entry, variable = given.arrays[name], given.model.variable(name)
        verify_bytes(entry.array.nbytes, entry.origin)
        array = entry.array if variable.axes else entry.array[None]
        bases = {name: given.base}
        admission = _admission(given, {name: name}, {name: entry.origin}, bases)
        if not variable.axes:
            shape = tuple(s.evaluate(dict(given.sizes)) for s in variable.type.event)
            admission = replace(admission, shapes={name: shape})
        found = admission({name: array}, np.arange(len(array)))
        value = found[name] if name in admission.whole else found[name].astype(np.float64)
        given.values[name] = value if variable.axes else value[0]
        known = found.get(f"known {name}")
        if known is not None and not known.all():
            given.missing[name] = ~known if variable.axes else ~known[0]


def _rows_in_memory(given: Given, plate: str, found: Findings) -> dict[str, Array]:
    """Values that have to be read with the rows, though they are in memory."""
    joined: dict[str, Array] = {}
    for name in [n for n in given.values if plate in given.model.variable(n).axes]:
        variable, entry = given.model.variable(name), given.arrays[name]
        if given.reader is not None:
            found.error(
                "GD870",
                f"`{name}` ({entry.origin}) has a value for each `{plate}`, whose rows are read "
                f"from {given.reader.origin}",
                variable,
                "put it among these rows",
            )
        elif variable.axes[0] != plate:
            _tell_no_rows(variable, entry, plate, found)
        else:
            values = given.values.pop(name)
            if name in given.missing:
                values = values.astype(np.float64)
                values[given.missing.pop(name)] = np.nan
            joined[name] = values
    return joined


def _tell_no_rows(variable: Variable, entry: Entry, plate: str, found: Findings) -> None:
    found.error(
        "GD870",
        f"`{variable.name}` ({entry.origin}) cannot be read in batches: the members of `{plate}` "
        "are not its first axis",
        variable,
        "give all data in memory",
    )
