"""Which part of the data supplies which variable, and which columns are labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gendsl.diagnostics import nearest
from gendsl.ir.nodes import Model, Variable
from gendsl.runtime.data.columns import columns_of, side_by_side
from gendsl.runtime.data.entries import Entry, Findings, RawData, Table, listed
from gendsl.runtime.data.leftovers import Leftovers, tell_leftovers
from gendsl.types import Index

__all__ = ["Columns", "Purpose", "Supply", "match"]

Columns = Mapping[str, str | Sequence[str]]
Purpose = Literal["fit", "predict", "simulate"]
Candidate = tuple[Table | None, Entry]
"""What could supply a variable, and the table it stands in."""


@dataclass(slots=True, eq=False)
class Supply:
    """What the data say about each name of the model.

    Attributes:
        values: by variable.
        labels: by plate, sequence or dim: the labels of its members.
        counts: by axis: an integer of its name.
        rows: the tables whose rows are a plate: (plate, number of rows, origin).
    """

    values: dict[str, Entry] = field(default_factory=dict)
    labels: dict[str, Entry] = field(default_factory=dict)
    counts: dict[str, Entry] = field(default_factory=dict)
    rows: list[tuple[str, int, str]] = field(default_factory=list)


def match(
    model: Model, data: RawData, columns: Columns, purpose: Purpose, found: Findings
) -> Supply:
    """Give every input and observed variable its data.

    Names must be equal, or be mapped by `columns`. A table given for a plate supplies the
    variables with just that plate; a table given alone belongs to the plate of the variables
    that are found in it, of which there may be only one. A variable with one event axis may
    stand in numbered columns (``X1``, ``X_1``, ``X.1``, ``X[1]``, counted from 0 or 1).
    """
    return _Matcher(model, data, columns, found).run(purpose)


class _Matcher:
    def __init__(self, model: Model, data: RawData, columns: Columns, found: Findings) -> None:
        self.model, self.found, self.columns = model, found, columns
        self.plates = {axis.name for axis in model.axes if axis.kind != "dim"}
        self.variables = {v.name: v for v in model.of_role("input", "observed")}
        self.declared = {v.name for v in model.variables} | {a.name for a in model.axes}
        self.entries = dict(data.entries)
        self.tables: list[Table] = []
        self.used: set[Entry] = set()
        self.lost: set[str] = set()
        self.supply = Supply()
        for table in data.tables:
            self._place_table(table)

    def run(self, purpose: Purpose) -> Supply:
        self._check_columns()
        candidates = {name: self._candidates(v) for name, v in self.variables.items()}
        plates = {id(table): self._plate_of(table, candidates) for table in self.tables}
        absent = [
            variable
            for name, variable in self.variables.items()
            if not self._choose(variable, candidates[name], plates)
        ]
        self.found.broken.update(v.name for v in absent if v.name in self.lost)
        absent = [v for v in absent if v.name not in self.lost]
        for table in self.tables:
            plate = plates[id(table)]
            if plate is not None:
                self.supply.rows.append((plate, table.length, table.origin))
                self._find_labels(table, plate)
        self._find_axis_entries()
        lengths = {a.lengths for a in self.model.axes}  # which other data have
        absent = [v for v in absent if v.name not in lengths]
        needed = [v for v in absent if v.role == "input" or purpose == "fit"]
        given = [(entry, _owner(entry)) for entry in self.entries.values()]
        given += [
            (entry, table.origin) for table in self.tables for entry in table.columns.values()
        ]
        optional = [v for v in absent if v not in needed]
        left = Leftovers(needed, optional, given, self.used, self.columns)
        tell_leftovers(self.model, left, self.found)
        return self.supply

    def _place_table(self, table: Table) -> None:
        if table.key is None or table.key in self.plates:
            self.tables.append(table)
        elif table.key in self.variables:
            parts = list(table.columns.values())
            variable = self.variables[table.key]
            joined = side_by_side(variable, parts, table.origin, self.found)
            if joined is not None:
                self.entries[table.key] = joined
        else:
            self.lost.update(table.columns)
            close = nearest(table.key, self.plates)
            plates = listed(f"`{name}`" for name in sorted(self.plates)) or "none"
            self.found.error(
                "GD711",
                f"{table.origin} is a table for `{table.key}`, which is no plate of the model",
                help=f"did you mean `{close}`?" if close else f"its plates are {plates}",
            )

    def _check_columns(self) -> None:
        known = self.variables.keys() | {axis.name for axis in self.model.axes}
        for name in self.columns:
            if name not in known:
                close = nearest(name, known)
                self.found.error(
                    "GD711",
                    f"`columns` maps `{name}`, which is no input or observed variable",
                    help=f"did you mean `{close}`?" if close else None,
                )

    def _candidates(self, variable: Variable) -> list[Candidate]:
        wanted = self.columns.get(variable.name, variable.name)
        names = [wanted] if isinstance(wanted, str) else list(wanted)
        hits: list[Candidate] = []
        if names and all(name in self.entries for name in names):
            parts = [self.entries[name] for name in names]
            self.used.update(parts)
            hits += self._joined(variable, None, parts, whole=isinstance(wanted, str))
        for table in self.tables:
            parts = columns_of(variable, table, wanted, self.declared, self.found)
            whole = len(parts) == 1 and parts[0].name == wanted
            self.used.update(parts)
            if parts:
                hits += self._joined(variable, table, parts, whole=whole)
        return hits

    def _joined(
        self, variable: Variable, table: Table | None, parts: Sequence[Entry], *, whole: bool
    ) -> list[Candidate]:
        if whole:
            return [(table, parts[0])]
        owner = "the data" if table is None else table.origin
        joined = side_by_side(variable, parts, owner, self.found)
        return [] if joined is None else [(table, joined)]

    def _plate_of(self, table: Table, candidates: Mapping[str, list[Candidate]]) -> str | None:
        """The plate that the rows of a table are."""
        if table.key is not None:
            return table.key
        over: dict[str, list[Variable]] = {}
        for name, hits in candidates.items():
            variable = self.variables[name]
            elsewhere = any(t is None or variable.axes == (t.key,) for t, _ in hits)
            if elsewhere or not any(t is table for t, _ in hits):
                continue
            if len(variable.axes) == 1:
                over.setdefault(variable.axes[0], []).append(variable)
            else:
                self._tell_no_column(variable, table)
        if len(over) > 1:
            self._tell_several_plates(table, over)
            return None
        if over:
            return next(iter(over))
        named = [name for name in table.columns if name in self.plates]
        return named[0] if len(named) == 1 else None

    def _tell_no_column(self, variable: Variable, table: Table) -> None:
        axes = ", ".join(f"`{a}`" for a in variable.axes)
        over = f"the axes {axes}, but the rows of a table are one axis" if axes else "no plate"
        self.found.error(
            "GD713",
            f"`{variable.name}` cannot be a column of {table.origin}: it has {over}",
            variable,
            f"give it as an array: `{variable.name}` in a dict, a JSON or an NPZ file",
        )

    def _tell_several_plates(self, table: Table, over: Mapping[str, list[Variable]]) -> None:
        told = " and ".join(
            f"{listed(f'`{v.name}`' for v in group)} over `{plate}`"
            for plate, group in over.items()
        )
        files = " ".join(f"--data {plate}=FILE" for plate in over)
        keys = ", ".join(f'"{plate}": frame' for plate in over)
        self.found.error(
            "GD713",
            f"the rows of {table.origin} cannot be members of several plates: it has {told}",
            next(iter(over.values()))[0],
            f"give a table for each plate: {files} (in Python: {{{keys}}})",
        )
        self.found.broken.update(v.name for group in over.values() for v in group)
        self.found.broken.update(over)

    def _choose(
        self,
        variable: Variable,
        candidates: Sequence[Candidate],
        plates: Mapping[int, str | None],
    ) -> bool:
        """Settle where a variable's data come from; False if there are none."""
        if variable.name in self.found.broken:
            return True
        fitting = [
            entry for t, entry in candidates if t is None or variable.axes == (plates[id(t)],)
        ]
        if len(fitting) > 1:
            told = " and ".join(entry.origin for entry in fitting)
            self.found.error("GD705", f"`{variable.name}` is given twice: {told}", variable)
        elif fitting:
            self.supply.values[variable.name] = fitting[0]
        elif candidates:
            table, entry = candidates[0]
            plate = plates[id(table)]
            over = ", ".join(f"`{a}`" for a in variable.axes) or "no plate"
            self.found.error(
                "GD713",
                f"{entry.origin} has one value for each `{plate}`, but `{variable.name}` is "
                f"declared over {over}",
                variable,
            )
        return bool(candidates)

    def _find_labels(self, table: Table, plate: str) -> None:
        """The column with the members' labels: the plate's name, or that of an index to it."""
        wanted = self.columns.get(plate, plate)
        names = [wanted] if isinstance(wanted, str) else []
        for variable in self.variables.values():
            support = variable.type.support
            mapped = self.columns.get(variable.name, variable.name)
            is_index = isinstance(support, Index) and support.size.name == plate
            if is_index and plate not in variable.axes and isinstance(mapped, str):
                names.append(mapped)
        for name in names:
            column = table.columns.get(name)
            if column is not None and column not in self.supply.values.values():
                self.used.add(column)
                self.supply.labels.setdefault(plate, column)
                return

    def _find_axis_entries(self) -> None:
        for axis in self.model.axes:
            wanted = self.columns.get(axis.name, axis.name)
            entry = self.entries.get(wanted) if isinstance(wanted, str) else None
            if entry is None or entry in self.used:
                continue
            self.used.add(entry)
            if entry.array.ndim == 0:
                self.supply.counts[axis.name] = entry
            elif entry.array.ndim == 1:
                self.supply.labels.setdefault(axis.name, entry)
            else:
                self.found.error(
                    "GD720",
                    f"{entry.origin} has shape {entry.array.shape}, expected the size of "
                    f"`{axis.name}` or a list of the labels of its members",
                    axis,
                )


def _owner(entry: Entry) -> str:
    return entry.origin.partition(" of ")[2] or "the data"
