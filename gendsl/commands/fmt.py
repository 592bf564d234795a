"""``gendsl fmt``: the canonical layout. Only files that parse are touched."""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path

from gendsl.commands.arguments import Command, Parser, UsageError
from gendsl.commands.output import replace_file
from gendsl.commands.reporting import say, show_error, standard_input
from gendsl.diagnostics import CompileError, InternalCompilerError
from gendsl.source import Source
from gendsl.syntax.parser import parse
from gendsl.syntax.printer import format_program
from gendsl.syntax.reading import read_source, source_from_bytes, source_from_text

__all__ = ["COMMAND", "formatted"]


def _declare(parser: Parser) -> None:
    parser.files.add_argument(
        "files", metavar="FILE", nargs="+", help="model files; - reads standard input and prints"
    )
    parser.choices.add_argument(
        "--check", action="store_true", help="write nothing; status 1 if a file would change"
    )
    parser.choices.add_argument(
        "--diff", action="store_true", help="write nothing; print what would change"
    )


def formatted(source: Source) -> str:
    """The canonical text, verified to say the same.

    Raises:
        CompileError: the text does not parse.
    """
    program = parse(source)
    text = format_program(program)
    again = parse(source_from_text(text, source.name))
    if again != program or len(again.comments) != len(program.comments):
        raise InternalCompilerError("the formatted text would mean something else")
    return text


def _run(arguments: argparse.Namespace) -> int:
    if "-" in arguments.files and len(arguments.files) > 1:
        raise UsageError("`-` (standard input) stands alone")
    failed, changed = 0, []
    for path in arguments.files:
        try:
            if _one(path, check=arguments.check, diff=arguments.diff):
                changed.append(path)
        except CompileError as error:
            show_error(error)
            say(f"{path} is left as it is\n")
            failed += 1
    would = "would change" if arguments.check or arguments.diff else "changed"
    for path in changed if arguments.files != ["-"] else ():
        say(f"{would} {path}")
    if not changed and not failed and arguments.files != ["-"]:
        count = len(arguments.files)
        say("1 file is in order" if count == 1 else f"{count} files are in order")
    return 1 if failed or (arguments.check and changed) else 0


def _one(path: str, *, check: bool, diff: bool) -> bool:
    """Format a file; whether its text changes, or would."""
    if path == "-":
        data = standard_input()
        source = source_from_bytes(data, "<stdin>")
    else:
        source = read_source(Path(path))
        data = Path(path).read_bytes()
    text = formatted(source)
    changed = text.encode("utf-8") != data
    if diff:
        _show_difference(source, text)
    elif path == "-" and not check:
        sys.stdout.write(text)
    elif changed and not check:
        replace_file(Path(path), text.encode("utf-8"))
    return changed


def _show_difference(source: Source, text: str) -> None:
    before, after = source.text.splitlines(keepends=True), text.splitlines(keepends=True)
    for line in difflib.unified_diff(before, after, source.name, f"{source.name} (formatted)"):
        sys.stdout.write(line if line.endswith("\n") else f"{line}\n\\ no newline at the end\n")


COMMAND = Command(
    "fmt",
    "FILE... [--check] [--diff]",
    "Write model files in the canonical layout: one way to write a model, comments kept.\n"
    "A file that does not parse is left as it is. The meaning never changes: that is verified.",
    (
        ("gendsl fmt model.gen", "in place"),
        ("gendsl fmt --check models/*.gen", "for continuous integration"),
        ("gendsl fmt --diff model.gen", "only look"),
        ("gendsl fmt - < model.gen > tidy.gen", "as a filter"),
    ),
    _declare,
    _run,
)
