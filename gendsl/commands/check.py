"""``gendsl check``: every mistake of every file. Loads the front end and nothing else."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gendsl.commands.arguments import Command, Parser, one_of
from gendsl.commands.reporting import counted, say, standard_input, stricter
from gendsl.diagnostics import CompileError, Diagnostic, render_all, to_json
from gendsl.frontend import check
from gendsl.source import Source
from gendsl.syntax.reading import read_source, source_from_bytes

__all__ = ["COMMAND"]

Findings = list[tuple[tuple[Diagnostic, ...], Source | None]]


def _declare(parser: Parser) -> None:
    parser.files.add_argument(
        "files", metavar="FILE", nargs="+", help="model files; - reads standard input"
    )
    parser.choices.add_argument(
        "--format",
        type=one_of("text", "json"),
        default="text",
        metavar="text|json",
        help="text for people (on standard error), or a JSON list (on standard output)",
    )
    parser.choices.add_argument("--strict", action="store_true", help="warnings become errors")


def _findings_of(path: str) -> tuple[tuple[Diagnostic, ...], Source | None]:
    """Everything there is to say about a file, and the text that it is about."""
    try:
        if path == "-":
            source = source_from_bytes(standard_input(), "<stdin>")
        else:
            source = read_source(Path(path))
        return check(source).warnings, source
    except CompileError as error:
        return error.diagnostics, error.source


def _run(arguments: argparse.Namespace) -> int:
    found: Findings = []
    for path in arguments.files:
        diagnostics, source = _findings_of(path)
        found.append((stricter(diagnostics) if arguments.strict else diagnostics, source))
    everything = [d for diagnostics, _ in found for d in diagnostics]
    if arguments.format == "json":
        print(json.dumps([to_json(d, s) for ds, s in found for d in ds], indent=2))
    else:
        _print(found, everything)
    return 1 if any(d.severity == "error" for d in everything) else 0


def _print(found: Findings, everything: list[Diagnostic]) -> None:
    for diagnostics, source in found:
        if diagnostics:
            say(render_all(diagnostics, source) + "\n")
    count = len(found)
    checked = f"checked {count} file{'' if count == 1 else 's'}: {counted(everything)}"
    if any(d.severity == "error" for d in everything):
        say(checked)
    else:
        print(checked)


COMMAND = Command(
    "check",
    "FILE... [--format text|json] [--strict]",
    "Find every mistake in model files: syntax, names, types, shapes, supports, structure.\n"
    "No data are needed. The status is 1 if there is an error, 0 if there are only warnings.",
    (
        ("gendsl check model.gen", "what is wrong, where, and what to do"),
        ("gendsl check models/*.gen --strict", "warnings count as errors"),
        ("gendsl check model.gen --format json", "for editors and other programs"),
        ("gendsl explain GD301", "more about a code"),
    ),
    _declare,
    _run,
)
