"""``gendsl encode``: the codes of rows under a learned guide."""

from __future__ import annotations

import argparse

from gendsl.commands.arguments import Command, Parser
from gendsl.commands.data_options import data_files, declare_data
from gendsl.commands.learned_runs import given_data, learned_run, rows_of
from gendsl.commands.written import declare_output, verify_output, write_dataset

__all__ = ["COMMAND"]


def _declare(parser: Parser) -> None:
    parser.files.add_argument("run", metavar="RUN", help="a folder that `gendsl fit --out` wrote")
    declare_data(parser)
    declare_output(parser, "the codes")
    parser.choices.add_argument(
        "--reconstruct",
        action="store_true",
        help="write what the codes are decoded to, not the codes",
    )


def _run(arguments: argparse.Namespace) -> int:
    verify_output(arguments, data_files(arguments))
    fit = learned_run(arguments.run)
    data, columns = given_data(arguments)
    use = fit.reconstruct if arguments.reconstruct else fit.encode
    found = use(data, columns=columns)
    write_dataset(found, arguments.output, rows_of(fit))
    print(f"wrote {arguments.output}: {', '.join(map(str, found.data_vars))}")
    return 0


COMMAND = Command(
    "encode",
    "RUN -o FILE [--data FILE] [--reconstruct]",
    "Write the codes of rows: of each latent the mean and the standard deviation that the\n"
    "learned guide gives it. Without --data the rows are those of the fit, unless it read\n"
    "them in batches: such rows are not kept.",
    (
        ("gendsl encode run -o codes.csv", "the rows of the fit, a line each"),
        ("gendsl encode run --data x=images.npy -o codes.npz", "other rows, read in batches"),
        ("gendsl encode run --reconstruct -o again.npz", "what the codes are decoded to"),
    ),
    _declare,
    _run,
)
