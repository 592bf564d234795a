"""The options that say where data are: ``--data``, ``--column``, ``--index-base``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gendsl.commands.arguments import Parser, UsageError, one_of
from gendsl.diagnostics import DataError, Diagnostic

if TYPE_CHECKING:
    from gendsl.ir import nodes as ir
    from gendsl.runtime.data import RawData

__all__ = ["data_files", "declare_data", "mapped_columns", "read_given"]


def declare_data(parser: Parser) -> None:
    """Add the options to a command."""
    parser.choices.add_argument(
        "--data",
        metavar="[NAME=]FILE",
        action="append",
        default=[],
        help="a .csv, .tsv, .json, .npy, .npz, .parquet or .nc file, or a folder of .parquet "
        "files; NAME= says whose members its rows are, where its columns leave that open, or "
        "which variable a .npy file holds; may be repeated",
    )
    parser.choices.add_argument(
        "--column",
        metavar="NAME=COLUMN",
        action="append",
        default=[],
        help='for a name of the model the column that holds it, as in y="log radon"; for a '
        "matrix its columns, X=a,b,c; may be repeated",
    )
    parser.choices.add_argument(
        "--index-base",
        type=one_of("0", "1"),
        metavar="0|1",
        help="1 if the numbers in index columns count from 1",
    )


def read_given(arguments: argparse.Namespace, model: ir.Model) -> RawData:
    """What the files hold.

    Raises:
        DataError: every file that cannot be read, and why; or the model needs data and no file
            is named.
    """
    needed = [v.name for v in model.of_role("input", "observed")]
    if needed and not arguments.data:
        message = f"no data are given; the model needs {', '.join(needed)}"
        raise DataError([Diagnostic("GD710", message, help="name a file: --data FILE")])
    from gendsl.runtime.data import RawData, read_data

    return read_data(arguments.data) if arguments.data else RawData()


def data_files(arguments: argparse.Namespace) -> list[str]:
    """The names under which the files of ``--data`` may stand on the disk."""
    return [n for source in arguments.data for n in (source, source.partition("=")[2]) if n]


def mapped_columns(arguments: argparse.Namespace, data: RawData) -> dict[str, str | list[str]]:
    """What ``--column`` says: commas part the columns of a matrix, unless one is called so.

    Raises:
        UsageError: an entry without ``=``, or a name that is mapped twice.
    """
    known = {*data.entries, *(name for table in data.tables for name in table.columns)}
    found: dict[str, str | list[str]] = {}
    for text in arguments.column:
        name, sign, column = text.partition("=")
        name = name.strip()
        if not (name and sign and column):
            raise UsageError(f"--column: expected NAME=COLUMN, not {text!r}")
        if name in found:
            raise UsageError(f"--column: `{name}` is given twice")
        parted = [part.strip() for part in column.split(",")]
        found[name] = column if column in known or len(parted) == 1 else parted
    return found
