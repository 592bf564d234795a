"""``gendsl predict``: draws of what a model observes, for new data."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gendsl.commands.arguments import Command, Parser, UsageError, number
from gendsl.commands.data_options import data_files, declare_data, mapped_columns, read_given
from gendsl.commands.output import replace_file, verify_target

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["COMMAND"]

SHOWN = 20
"""Rows that are printed; a file has all."""


def _declare(parser: Parser) -> None:
    parser.files.add_argument("run", metavar="RUN", help="a folder that `gendsl fit --out` wrote")
    declare_data(parser)
    add = parser.choices.add_argument
    add("-o", "--output", metavar="FILE", help="every row to a .csv, or every draw to a .nc file")
    add("--overwrite", action="store_true", help="replace the file if it exists")
    add(
        "--draws",
        type=number(1, 10**7, integer=True),
        metavar="N",
        help="draws of the posterior to use (all up to 1000 by default)",
    )
    add(
        "--seed",
        type=number(0, 2**32 - 1, integer=True),
        metavar="N",
        help="of the predictions (the fit's by default)",
    )


def _run(arguments: argparse.Namespace) -> int:
    output = arguments.output
    if output is not None and Path(output).suffix not in (".csv", ".nc"):
        raise UsageError("-o: expected a name that ends in .csv or .nc")
    verify_target(output, overwrite=arguments.overwrite, inputs=data_files(arguments))
    _verify_outside(arguments)
    from gendsl.commands.predicted import prediction_table
    from gendsl.model import load_fit

    fit = load_fit(arguments.run)
    data = read_given(arguments, fit.compiled.checked.ir)
    predictions = fit.predict(
        data,
        draws=arguments.draws,
        seed=arguments.seed,
        columns=mapped_columns(arguments, data),
        index_base=None if arguments.index_base is None else int(arguments.index_base),
    ).to_dataset()
    model = fit.compiled.checked.ir
    table = prediction_table(predictions, [v.name for v in model.of_role("observed")])
    if output is not None:
        _write(output, predictions, table)
    _print(table)
    if output is not None:
        what = "every row" if output.endswith(".csv") else "every draw"
        print(f"\nwrote {output}: {what}")
    return 0


def _verify_outside(arguments: argparse.Namespace) -> None:
    """A run's files have sums: nothing else is written among them."""
    if arguments.output is not None:
        folder = Path(arguments.output).resolve().parent
        if folder == Path(arguments.run).resolve():
            raise UsageError("-o: predictions go elsewhere than into the run's folder")


def _write(output: str, predictions: xr.Dataset, table: pd.DataFrame) -> None:
    if output.endswith(".csv"):
        text = table.drop(columns="entry").to_csv(index=False, float_format="%.10g")
        replace_file(Path(output), text.encode("utf-8"))
        return
    from xarray import DataTree

    from gendsl.runtime.checkpoint import save_tree

    save_tree(DataTree.from_dict({"predictions": predictions}), output)


def _print(table: pd.DataFrame) -> None:
    columns = [c for c in ("mean", "sd", "5%", "95%", "mode", "P(mode)") if c in table]
    rows = [["", *columns]]
    for _, row in table.head(SHOWN).iterrows():
        rows.append([str(row["entry"]), *(_cell(row[c]) for c in columns)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]
        print("  ".join(cells).rstrip())
    if len(table) > SHOWN:
        print(f"… and {len(table) - SHOWN} more rows; -o FILE.csv writes all")


def _cell(value: float) -> str:
    return "–" if value != value else f"{value:.4g}"


COMMAND = Command(
    "predict",
    "RUN --data FILE [-o predictions.csv] [--draws N] [--seed N]",
    "Predict what the model observes, for new data: a row an entry, with mean, sd and the ends\n"
    "of the 90 % interval. Members that the fit knew keep what was learned of them; new ones are\n"
    "drawn from the population.",
    (
        ("gendsl predict run --data new.csv", "print the first rows"),
        ("gendsl predict run --data new.csv -o predictions.csv", "all rows"),
        ("gendsl predict run --data new.csv -o draws.nc --draws 4000", "all draws, for ArviZ"),
    ),
    _declare,
    _run,
)
