"""``gendsl generate``: new rows from a learned model."""

from __future__ import annotations

import argparse

from gendsl.commands.arguments import Command, Parser, number
from gendsl.commands.data_options import data_files, declare_data
from gendsl.commands.learned_runs import given_data, learned_run, rows_of
from gendsl.commands.written import declare_output, verify_output, write_dataset

__all__ = ["COMMAND"]


def _declare(parser: Parser) -> None:
    parser.files.add_argument("run", metavar="RUN", help="a folder that `gendsl fit --out` wrote")
    declare_data(parser)
    declare_output(parser, "the rows")
    add = parser.choices.add_argument
    add(
        "--rows",
        type=number(1, 10**9, integer=True),
        default=1,
        metavar="N",
        help="how many (1 by default)",
    )
    add(
        "--seed",
        type=number(0, 2**32 - 1, integer=True),
        metavar="N",
        help="of the draws (the fit's by default)",
    )


def _run(arguments: argparse.Namespace) -> int:
    verify_output(arguments, data_files(arguments))
    fit = learned_run(arguments.run)
    data, _ = given_data(arguments)
    found = fit.generate(arguments.rows, data, seed=arguments.seed)
    write_dataset(found, arguments.output, rows_of(fit))
    print(f"wrote {arguments.output}: {', '.join(map(str, found.data_vars))}")
    return 0


COMMAND = Command(
    "generate",
    "RUN --rows N -o FILE [--data FILE] [--seed N]",
    "Write new rows: latents from their prior, observed variables from the learned model.\n"
    "--data holds inputs for them, where the model has inputs.",
    (
        ("gendsl generate run --rows 100 -o new.npz", "a hundred new rows"),
        ("gendsl generate run --rows 2 --data inputs.csv -o new.csv", "given inputs"),
    ),
    _declare,
    _run,
)
