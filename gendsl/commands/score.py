"""``gendsl score``: how probable rows are under a fit."""

from __future__ import annotations

import argparse

from gendsl.commands.arguments import Command, Parser, UsageError, number, one_of
from gendsl.commands.data_options import declare_data
from gendsl.commands.learned_runs import given_data

__all__ = ["COMMAND"]


def _declare(parser: Parser) -> None:
    parser.files.add_argument("run", metavar="RUN", help="a folder that `gendsl fit --out` wrote")
    declare_data(parser)
    add = parser.choices.add_argument
    add(
        "--particles",
        type=number(1, 10**7, integer=True),
        default=200,
        metavar="N",
        help="draws for each row of a bound (200 by default); of other fits, of the posterior",
    )
    add(
        "--rows",
        type=one_of("all", "trained", "held_out"),
        default="all",
        metavar="all|trained|held_out",
        help="which of the rows of the fit, where some were held out",
    )
    add(
        "--seed",
        type=number(0, 2**32 - 1, integer=True),
        metavar="N",
        help="of the draws (the fit's by default)",
    )


def _run(arguments: argparse.Namespace) -> int:
    from gendsl.model import load_fit
    from gendsl.scored_fit import ScoredFit

    fit = load_fit(arguments.run)
    data, columns = given_data(arguments)
    particles, seed = arguments.particles, arguments.seed
    if isinstance(fit, ScoredFit):
        rows = arguments.rows
        print(fit.score(data, particles=particles, seed=seed, columns=columns, rows=rows))
        return 0
    if data is None:
        raise UsageError("this fit is judged by rows that it has not seen: --data FILE")
    print(fit.evaluate(data, draws=particles, seed=seed, columns=columns))
    return 0


COMMAND = Command(
    "score",
    "RUN [--data FILE] [--particles N] [--rows all|trained|held_out]",
    "Print how probable rows are: for learned models bounds on their log likelihood, in nats a\n"
    "row, with the terms and what each number is; for others the log predictive density of rows\n"
    "that the fit has not seen.",
    (
        ("gendsl score run", "the rows of the fit, where the run has them"),
        ("gendsl score run --data x=images.npy", "those of a fit that read them in batches"),
        ("gendsl score run --rows held_out", "those that were held out"),
        ("gendsl score run --data x=test.npy --particles 1000", "other rows, a tighter bound"),
    ),
    _declare,
    _run,
)
