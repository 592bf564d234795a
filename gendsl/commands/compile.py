"""``gendsl compile``: the Pyro program, and its data, to run without gendsl."""

from __future__ import annotations

import argparse
from pathlib import Path

from gendsl.commands.arguments import Command, Parser, UsageError
from gendsl.commands.data_options import data_files, declare_data, mapped_columns, read_given
from gendsl.commands.output import deliver, draft_of, verify_target
from gendsl.commands.reporting import checked_model, say, show_findings
from gendsl.compiler import Compiled, replan

__all__ = ["COMMAND"]


def _declare(parser: Parser) -> None:
    parser.files.add_argument("file", metavar="FILE", help="the model file")
    parser.choices.add_argument(
        "-o", "--output", metavar="FILE", help="write the program to a file (else it is printed)"
    )
    declare_data(parser)
    parser.choices.add_argument(
        "--save-data", metavar="FILE.npz", help="write the data as the program's arguments"
    )
    parser.choices.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.choices.add_argument("--strict", action="store_true", help="warnings become errors")


def _run(arguments: argparse.Namespace) -> int:
    _verify_usage(arguments)
    inputs = [arguments.file, *data_files(arguments)]
    for target in (arguments.output, arguments.save_data):
        verify_target(target, overwrite=arguments.overwrite, inputs=inputs)
    compiled = replan(checked_model(arguments.file, strict=arguments.strict))
    if arguments.save_data is not None:
        _save_data(compiled, arguments)
    if deliver(compiled.program.source, arguments.output):
        say(f"wrote {arguments.output}")
    _tell(compiled, arguments)
    return 0


def _verify_usage(arguments: argparse.Namespace) -> None:
    if arguments.data and arguments.save_data is None:
        raise UsageError(
            "`--data` needs `--save-data FILE.npz`, where they are written", "compile"
        )
    if arguments.save_data is not None:
        if Path(arguments.save_data).suffix != ".npz":
            raise UsageError("--save-data: expected a name that ends in .npz")
        if arguments.save_data == arguments.output:
            raise UsageError("program and data cannot be one file")


def _save_data(compiled: Compiled, arguments: argparse.Namespace) -> None:
    """Write sizes, inputs, observed values and masks under the names of the arguments."""
    import numpy as np
    import torch

    from gendsl.model import Model
    from gendsl.runtime.program import executable
    from gendsl.runtime.stored_files import write_arrays

    data = read_given(arguments, compiled.checked.ir)
    bound = Model(compiled).bind(
        data, columns=mapped_columns(arguments, data), index_base=int(arguments.index_base or 0)
    )
    show_findings(bound.notes, compiled.checked.ir.source)
    model, cpu = compiled.checked.ir, torch.device("cpu")
    ready = executable(compiled.program, model, bound, torch.float64, cpu, nets={})
    given = ((n, v) for n, v in ready.arguments.items() if n != compiled.program.nets)
    arrays = {n: np.asarray(v) for n, v in given if v is not None}
    with draft_of(Path(arguments.save_data)) as draft:
        write_arrays(arrays, draft)
    say(f"wrote {arguments.save_data}: {', '.join(arrays)}")


def _tell(compiled: Compiled, arguments: argparse.Namespace) -> None:
    if compiled.program.uses_runtime:
        say("note: this program needs gendsl installed: it imports gendsl.runtime")
    if arguments.output not in (None, "-") and arguments.save_data is not None:
        say(f"run it with: python {arguments.output} {arguments.save_data}")


COMMAND = Command(
    "compile",
    "FILE [-o model.py] [--data FILE --save-data data.npz]",
    "Write the Pyro program that a model stands for: to read, to change, to run without gendsl.",
    (
        ("gendsl compile model.gen", "print it"),
        (
            "gendsl compile model.gen -o model.py --data data.csv --save-data data.npz",
            "then: python model.py data.npz",
        ),
    ),
    _declare,
    _run,
)
