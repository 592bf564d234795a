"""``gendsl fit``: from a model and data to a posterior, or to the reason why there is none."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gendsl.commands.arguments import Command, Parser, UsageError, number
from gendsl.commands.data_options import data_files, declare_data, mapped_columns, read_given
from gendsl.commands.method_options import (
    asked_options,
    declare_methods,
    declare_numbers,
    declare_treatments,
    treatments,
)
from gendsl.commands.plan_text import brief_plan, decided
from gendsl.commands.reporting import checked_model, show_findings
from gendsl.commands.results_text import show_summary

if TYPE_CHECKING:
    from gendsl.compiler import Compiled
    from gendsl.fit import Fit
    from gendsl.runtime.data import BoundData

__all__ = ["COMMAND"]


def _declare(parser: Parser) -> None:
    parser.files.add_argument("file", metavar="FILE", help="the model file")
    declare_data(parser)
    declare_methods(parser)
    add = parser.choices.add_argument
    add(
        "--seed",
        type=number(0, 2**32 - 1, integer=True),
        metavar="N",
        help="of all random numbers (0 by default): the same seed gives the same result",
    )
    declare_numbers(parser)
    declare_treatments(parser)
    add("--cores", type=number(1, 4096, integer=True), metavar="N", help="processes at most")
    add("--out", metavar="DIR", help="keep the result in this folder")
    add("--checkpoint", metavar="DIR", help="keep checkpoints of a training in this folder")
    add("--resume", action="store_true", help="go on with the newest checkpoint there")
    add("--overwrite", action="store_true", help="replace an earlier result in that folder")
    add("--quiet", action="store_true", help="print the summary and nothing else")
    add("--strict", action="store_true", help="warnings become errors")


def _run(arguments: argparse.Namespace) -> int:
    if arguments.out == "":
        raise UsageError("--out: expected the name of a folder")
    compiled = _compiled(arguments)
    _verify_out(arguments)
    bound = _bound(compiled, arguments)
    fit = _fitted(compiled, bound, arguments)
    if arguments.out is not None:
        fit.save(arguments.out, overwrite=arguments.overwrite)
    summary = fit.summary()
    show_summary(summary)
    if not arguments.quiet:
        _tell_next(arguments, fit)
    return summary.verdict.exit_status


def _compiled(arguments: argparse.Namespace) -> Compiled:
    """The compiled model, with the method and options of the command line."""
    checked = checked_model(arguments.file, strict=arguments.strict)
    from gendsl.compiler import replan

    given, treat = asked_options(arguments), treatments(arguments.treat)
    return replan(checked, arguments.infer, given, treat)


def _verify_out(arguments: argparse.Namespace) -> None:
    if arguments.out is not None:
        from gendsl.runtime.checkpoint import verify_target

        verify_target(arguments.out, overwrite=arguments.overwrite)


def _bound(compiled: Compiled, arguments: argparse.Namespace) -> BoundData:
    """The data, matched with the model and checked."""
    data = read_given(arguments, compiled.checked.ir)
    from gendsl.fitting import reads_batches
    from gendsl.model import Model
    from gendsl.runtime.backend import resolve_device

    resolve_device(arguments.device)
    bound = Model(compiled).bind(
        data,
        columns=mapped_columns(arguments, data),
        index_base=int(arguments.index_base or 0),
        lazily=reads_batches(compiled.plan),
    )
    if not arguments.quiet:
        show_findings(bound.notes, compiled.checked.ir.source)
    return bound


def _fitted(compiled: Compiled, bound: BoundData, arguments: argparse.Namespace) -> Fit:
    from gendsl.fit import FitSettings
    from gendsl.fitting import checkpoint_folder, run_fit

    seed = arguments.seed
    if seed is None:
        seed = int(compiled.plan.options.get("seed") or 0)  # as the file's `infer` says
    if not arguments.quiet:
        print(f"{brief_plan(compiled.plan, bound.sizes, seed)}\n", flush=True)
    settings = FitSettings(
        seed,
        arguments.dtype or "",
        arguments.device,
        arguments.cores,
        not arguments.quiet,
        int(arguments.index_base or 0),
        checkpoint_folder(compiled.plan, arguments.checkpoint, resume=arguments.resume),
        arguments.resume,
    )
    fit = run_fit(compiled, bound, settings)
    found = "" if arguments.quiet else decided(compiled.plan, fit.plan)
    if found:
        print(f"{found}\n")
    return fit


def _tell_next(arguments: argparse.Namespace, fit: Fit) -> None:
    out = arguments.out
    if out is None:
        print("\nnot kept: with --out DIR the result can be plotted and used to predict")
        return
    print(f"\nwrote {out}: the model, its data, the results and how they came about")
    print(f"next: gendsl plot {out}")
    if not data_files(arguments):
        return
    plate, model = fit.tree.attrs.get("rows_of"), fit.compiled.checked.ir
    if plate is not None and any(plate in v.axes for v in model.of_role("latent")):
        print(f"      gendsl encode {out} --data NEW -o codes.npz")
    if "training" in fit.tree.children and (plate is not None or model.nets):
        print(f"      gendsl score {out} --data NEW")
    if not any(plate in v.axes for v in model.of_role("latent")):
        print(f"      gendsl predict {out} --data NEW.csv")


COMMAND = Command(
    "fit",
    "FILE --data FILE [--out DIR] [options]",
    "Infer what is unknown in a model from data, and say whether to trust the result.\n"
    "Everything is checked before anything is sampled or written. The status is 3 if the verdict\n"
    "is `do not trust`.",
    (
        ("gendsl fit model.gen --data data.csv --out run", "keep the result in run/"),
        (
            "gendsl fit radon.gen --data house=houses.csv --data county=counties.csv",
            "a table for each plate",
        ),
        (
            'gendsl fit model.gen --data data.csv --column y="log radon"',
            "a column of another name",
        ),
        ("gendsl fit model.gen --data data.csv --infer map", "another method"),
        ("gendsl fit model.gen --data data.csv --chains 4 --draws 2000 --seed 1", "its options"),
        (
            "gendsl fit vae.gen --data x=images.npy --batch-size 256 --checkpoint kept --out run",
            "networks, on rows that are read in batches",
        ),
    ),
    _declare,
    _run,
)
