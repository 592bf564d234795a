"""Tables in text files: CSV and TSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from gendsl.runtime.data.arrays import as_array
from gendsl.runtime.data.entries import Entry, Rows, Table, data_error, listed
from gendsl.runtime.data.objects import verify_unique

__all__ = ["MISSING", "table_of_text"]

MISSING = ("", "NA", "NaN", "nan")
"""The cells that stand for a missing value."""

TRUTH = {"true": 1, "false": 0}


def table_of_text(text: str, separator: str, key: str | None, called: str) -> Table:
    """The table in a text whose first line names the columns.

    Every row must have as many cells as the header. Blank lines are passed over; where there
    is only one column, a blank line between others is a missing value.
    """
    records = _records(text, separator, called)
    while records and records[-1][2]:
        records.pop()
    if not records:
        raise data_error("GD703", f"{called} is empty", "the first line names the columns")
    head = next(at for at, (_, _, blank) in enumerate(records) if not blank)
    header = [
        cell.strip() for cell in next(_reader(_from_line(text, records[head][0]), separator))
    ]
    _check_header(header, separator, called)
    body = records[head + 1 :]
    _check_widths(body, len(header), called)
    first_line = records[head + 1][0] if body else 0
    frame = _frame(text, first_line, len(body), len(header), separator, called)
    keep = np.array([not blank or len(header) == 1 for _, _, blank in body], dtype=bool)
    rows = Rows(lines=np.array([line for line, *_ in body], dtype=np.int64)[keep])
    columns: dict[str, Entry] = {}
    for at, name in enumerate(header):
        if name:
            origin = f"column `{name}` of {called}"
            array = as_array(_truth(frame.iloc[:, at][keep]), origin)
            columns[name] = Entry(name, array, origin, rows=rows)
    return Table(key, called, columns, int(keep.sum()))


Record = tuple[int, int, bool]
"""The first line of a row, its number of cells, and whether it is blank."""


def _reader(text: str, separator: str) -> Iterator[list[str]]:
    file = io.StringIO(text)
    return csv.reader(file, delimiter=separator, strict=True, skipinitialspace=True)


def _from_line(text: str, number: int) -> str:
    return text.split("\n", number - 1)[-1]


def _records(text: str, separator: str, called: str) -> list[Record]:
    if '"' not in text:
        lines = enumerate(text.split("\n"), start=1)
        return [(at, line.count(separator) + 1, not line.strip(" ")) for at, line in lines]
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True, skipinitialspace=True)
    records: list[Record] = []
    line = 1
    try:
        for cells in reader:
            # A row of separators alone is a row of missing values, not a blank line.
            records.append((line, len(cells), len(cells) <= 1 and not "".join(cells).strip()))
            line = reader.line_num + 1
    except csv.Error as error:
        raise data_error(
            "GD703",
            f"{called} cannot be read from line {line} on: {error}",
            "look for a quotation mark that is opened and not closed",
        ) from error
    return records


def _check_header(header: list[str], separator: str, called: str) -> None:
    verify_unique(header, called)
    if len(header) == 1:
        for other, word in ((",", "commas"), (";", "semicolons"), ("\t", "tabs")):
            if other != separator and other in header[0]:
                wanted = "commas" if separator == "," else "tabs"
                raise data_error(
                    "GD703",
                    f"the cells of {called} are separated by {word}, expected {wanted}",
                    f"save it with {wanted}, and with points in decimal numbers",
                )
    if all(re.fullmatch(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", cell, re.IGNORECASE) for cell in header):
        raise data_error(
            "GD703",
            f"the first line of {called} holds numbers, expected the names of the columns",
            "put a line of names above the numbers",
        )


def _check_widths(body: list[Record], width: int, called: str) -> None:
    wrong = [(line, cells) for line, cells, blank in body if not blank and cells != width]
    if wrong:
        told = listed((f"line {line} has {cells}" for line, cells in wrong), 5)
        raise data_error(
            "GD704",
            f"{called} has {width} column{'s' * (width != 1)}, but {told}",
            "text with commas in it belongs in quotation marks",
        )


def _frame(
    text: str, first_line: int, length: int, width: int, separator: str, called: str
) -> pd.DataFrame:
    if length == 0:
        return pd.DataFrame({at: np.zeros(0) for at in range(width)})
    try:
        frame = pd.read_csv(
            io.StringIO(_from_line(text, first_line)),
            sep=separator,
            header=None,
            names=list(range(width)),
            index_col=False,
            nrows=length,
            skip_blank_lines=False,
            skipinitialspace=True,
            keep_default_na=False,
            na_values=list(MISSING),
            low_memory=False,
        )
    except (pd.errors.ParserError, ValueError, OverflowError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise data_error("GD703", f"{called} cannot be read: {reason}") from error
    if len(frame) != length:
        raise data_error("GD703", f"{called} cannot be read: its rows cannot be told apart")
    return frame


def _truth(column: pd.Series[object]) -> pd.Series[object]:
    """Yes-or-no text as numbers; anything else as it is."""
    if column.dtype == np.bool_ or column.dtype.kind in "iuf":
        return column
    values = column.to_numpy(dtype=object, na_value=None)
    words = [v if v is None else TRUTH.get(str(v).casefold()) for v in values]
    if any(w is None and v is not None for w, v in zip(words, values, strict=True)):
        return column
    return pd.Series(words, dtype=object)
