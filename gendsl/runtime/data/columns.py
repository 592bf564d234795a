"""The columns of a table that hold one variable."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import replace

import numpy as np

from gendsl.ir.nodes import Variable
from gendsl.runtime.data.arrays import columns_together
from gendsl.runtime.data.entries import Entry, Findings, Table, listed

__all__ = ["columns_of", "side_by_side"]

STYLES = (r"\[(\d+)\]", r"\.(\d+)", r"_(\d+)", r"(\d+)")
"""The ways to number the columns of a matrix: ``X[1]``, ``X.1``, ``X_1``, ``X1``."""


def columns_of(
    variable: Variable,
    table: Table,
    wanted: str | Sequence[str],
    declared: Set[str],
    found: Findings,
) -> list[Entry]:
    """The columns that hold a variable: one of its name, or several that are numbered.

    Args:
        variable: what is sought.
        table: where it is sought.
        wanted: its column, or its columns one by one.
        declared: names of the model, which are never numbered columns of another.
        found: told of columns that are numbered with gaps or in several ways.
    """
    if not isinstance(wanted, str):
        complete = all(name in table.columns for name in wanted)
        return [table.columns[name] for name in wanted] if complete else []
    if wanted in table.columns:
        return [table.columns[wanted]]
    if len(variable.type.event) != 1:
        return []
    styles = [hits for style in STYLES if (hits := _numbered(table, wanted, style, declared))]
    if not styles:
        return []
    first = styles[0][0][0]
    numbers = [number for number, _ in styles[0]]
    gapless = numbers == list(range(first, first + len(numbers)))
    if len(styles) == 1 and first in (0, 1) and gapless:
        return [column for _, column in styles[0]]
    names = [column.name for hits in styles for _, column in hits]
    found.error(
        "GD714",
        f"`{variable.name}` could be several columns of {table.origin} ({listed(names)}), but "
        "they are not numbered in one way, from 0 or 1 and without gaps",
        variable,
        f'name them: columns={{"{variable.name}": ["{names[0]}", ...]}}',
    )
    return [column for hits in styles for _, column in hits]


def _numbered(
    table: Table, wanted: str, style: str, declared: Set[str]
) -> list[tuple[int, Entry]]:
    hits = []
    for name, column in table.columns.items():
        match = re.fullmatch(re.escape(wanted) + style, name)
        if match and name not in declared and len(match[1]) <= 9:
            hits.append((int(match[1]), column))
    return sorted(hits, key=lambda hit: hit[0])


def side_by_side(
    variable: Variable, parts: Sequence[Entry], owner: str, found: Findings
) -> Entry | None:
    """Columns as one matrix-valued entry; None, and an error, if they differ in length."""
    if not parts:
        return Entry(variable.name, np.zeros((0, 0)), owner)
    shapes = {part.array.shape for part in parts}
    if len(shapes) > 1 or parts[0].array.ndim != 1:
        told = listed(f"`{part.name}` has the shape {part.array.shape}" for part in parts)
        message = f"`{variable.name}` should be columns of one length of {owner}, but {told}"
        found.error("GD704", message, variable)
        return None
    origin = f"columns `{parts[0].name}` to `{parts[-1].name}` of {owner}"
    array = columns_together([part.array for part in parts])
    joined = replace(parts[0], name=variable.name, array=array, origin=origin)
    return replace(joined, dims=None, coords={})
