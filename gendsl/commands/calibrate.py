"""``gendsl calibrate``: whether the posteriors of a model are what they claim to be."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gendsl.commands.arguments import Command, Parser, UsageError, number
from gendsl.commands.data_options import declare_data, mapped_columns
from gendsl.commands.method_options import (
    asked_options,
    declare_methods,
    declare_numbers,
    declare_treatments,
    treatments,
)
from gendsl.commands.reporting import checked_model, say

if TYPE_CHECKING:
    from gendsl.calibration import Calibration

__all__ = ["COMMAND"]

INTERRUPTED = 130


def _declare(parser: Parser) -> None:
    parser.files.add_argument("file", metavar="FILE", help="the model file")
    add = parser.choices.add_argument
    add(
        "--replications",
        type=number(1, 10**6, integer=True),
        default=200,
        metavar="N",
        help="how many data sets are drawn and fitted (200 by default)",
    )
    add(
        "--size",
        metavar="PLATE=N",
        action="append",
        default=[],
        help="the size of a plate, sequence or dim that no input has; may be repeated",
    )
    declare_data(parser)
    add(
        "--quantity",
        metavar="NAME",
        action="append",
        help="rank this latent, let or single entry; lp: the log density of all; log_likelihood. "
        "May be repeated; by default all latents and both densities, of large ones a few entries",
    )
    add(
        "--kept",
        type=number(1, 10**4, integer=True),
        default=99,
        metavar="N",
        help="thinned draws of a fit among which the truth is ranked (99 by default)",
    )
    declare_methods(parser, defaults=False)
    declare_treatments(parser)
    _declare_running(parser)


def _declare_running(parser: Parser) -> None:
    """The options that say how it is run and kept."""
    add = parser.choices.add_argument
    add(
        "--seed",
        type=number(0, 2**32 - 1, integer=True),
        default=0,
        metavar="N",
        help="of all random numbers (0 by default): the same seed gives the same ranks",
    )
    declare_numbers(parser)
    add("--cores", type=number(1, 4096, integer=True), metavar="N", help="processes at most")
    add("--out", metavar="DIR", help="keep each replication in this folder as soon as it is done")
    add("--resume", action="store_true", help="go on with the calibration in that folder")
    add("--quiet", action="store_true", help="print the result and nothing else")
    add("--strict", action="store_true", help="warnings become errors")


def _run(arguments: argparse.Namespace) -> int:
    if arguments.out == "":
        raise UsageError("--out: expected the name of a folder")
    if arguments.resume and arguments.out is None:
        raise UsageError("--resume goes on with the calibration in a folder: --out DIR is missing")
    sizes, treat = _sizes(arguments.size), treatments(arguments.treat)
    checked = checked_model(arguments.file, strict=arguments.strict)
    from gendsl.compiler import replan
    from gendsl.model import Model
    from gendsl.runtime.data import RawData, read_data

    data = read_data(arguments.data) if arguments.data else RawData()
    model = Model(replan(checked))
    calibration = model.calibrate(
        data,
        replications=arguments.replications,
        quantities=arguments.quantity,
        kept=arguments.kept,
        sizes=sizes,
        infer=arguments.infer,
        treat=treat,
        columns=mapped_columns(arguments, data),
        index_base=int(arguments.index_base or 0),
        seed=arguments.seed,
        dtype=arguments.dtype or "float64",
        device=arguments.device,
        cores=arguments.cores,
        progress=not arguments.quiet,
        out=arguments.out,
        resume=arguments.resume,
        **asked_options(arguments),
    )
    print(calibration)
    _tell_next(arguments, calibration)
    return INTERRUPTED if calibration.interrupted else calibration.verdict.exit_status


def _tell_next(arguments: argparse.Namespace, calibration: Calibration) -> None:
    out = arguments.out
    if calibration.interrupted:
        done = f"{len(calibration.records)} of {calibration.replications} replications are done"
        kept = f"; --resume goes on with {out}" if out is not None else ""
        say(f"gendsl: interrupted; {done}{kept}")
    elif arguments.quiet:
        return
    elif out is None:
        print("\nnot kept: with --out DIR the ranks can be plotted, and more added to them")
    else:
        print(f"\nwrote {out}: the model, its inputs, the ranks and how they came about")
        print(f"next: gendsl plot {out}")


def _sizes(given: list[str]) -> dict[str, int]:
    """What ``--size`` says.

    Raises:
        UsageError: an entry that is not NAME=N, or a name that is given twice.
    """
    found: dict[str, int] = {}
    for entry in given:
        name, _, size = (part.strip() for part in entry.partition("="))
        if not name or not size.isdecimal():
            raise UsageError(f"--size {entry}: expected PLATE=N, such as patient=50")
        if name in found:
            raise UsageError(f"--size: `{name}` is given twice")
        found[name] = int(size)
    return found


COMMAND = Command(
    "calibrate",
    "FILE [--size PLATE=N] [--data FILE] [--replications N] [--out DIR] [options]",
    "Draw parameters and data from a model, fit the data, and rank the true parameters among the\n"
    "draws of the posterior, again and again (simulation-based calibration). If model and method\n"
    "are right, the ranks are uniform. Data supply inputs and sizes alone. Fits are short unless\n"
    "options say otherwise: 2 chains of 500 draws, more where too few of these are independent.\n"
    "An interrupt keeps what is done. The status is 3 if the verdict is `do not trust`.",
    (
        ("gendsl calibrate model.gen --size patient=50", "200 replications"),
        (
            "gendsl calibrate model.gen --data data.csv --replications 500 --out cal",
            "at the inputs in data.csv, kept in cal/",
        ),
        (
            "gendsl calibrate model.gen --data data.csv --replications 1000 --out cal --resume",
            "500 more, or the rest after an interrupt",
        ),
    ),
    _declare,
    _run,
)
