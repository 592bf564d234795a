"""Reading a command line: friendly refusals, and help that looks the same on every Python."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from gendsl.diagnostics import nearest
from gendsl.library.methods import USUAL

__all__ = ["Command", "Parser", "UsageError", "number", "one_of", "read_arguments"]


class UsageError(Exception):
    """The command line is not understood; the exit status is 2.

    Attributes:
        message: what is wrong.
        command: the command whose help tells more; empty for ``gendsl`` itself.
    """

    def __init__(self, message: str, command: str = "") -> None:
        """Keep what is wrong and where help is."""
        self.message = message
        self.command = command
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        name: the word after ``gendsl``.
        usage: what follows the name.
        description: what it does, as its help says it.
        examples: pairs of a command line and a remark.
        declare: adds its arguments to a parser.
        run: does it and returns the exit status.
    """

    name: str
    usage: str
    description: str
    examples: tuple[tuple[str, str], ...]
    declare: Callable[[Parser], None]
    run: Callable[[argparse.Namespace], int]


class _Layout(argparse.RawDescriptionHelpFormatter):
    """Help of a fixed width, with options written as ``-o, --out FILE``."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=98)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return str(action.metavar or action.dest)
        names = ", ".join(action.option_strings)
        return f"{names} {action.metavar}" if action.metavar else names


class Parser(argparse.ArgumentParser):
    """A parser that raises `UsageError` instead of ending the process."""

    def __init__(self, command: Command) -> None:
        """Take what the command declares."""
        super().__init__(
            prog=f"gendsl {command.name}",
            usage=f"gendsl {command.name} {command.usage}",
            description=command.description,
            epilog=_examples(command),
            formatter_class=_Layout,
            allow_abbrev=False,
            add_help=False,
        )
        self.command = command
        self.files = self.add_argument_group("arguments")
        self.choices = self.add_argument_group("options")
        command.declare(self)
        self.choices.add_argument("-h", "--help", action="store_true", help="print this help")

    def error(self, message: str) -> NoReturn:
        """Refuse, in our words."""
        message = message.removeprefix("argument ")
        wanted = "the following arguments are required: "
        if message.startswith(wanted):
            message = f"expected {message.removeprefix(wanted)}, but nothing is given"
        raise UsageError(message, self.command.name)

    @property
    def options(self) -> list[str]:
        """Every option as it is written."""
        return [o for a in self._actions for o in a.option_strings]


def _examples(command: Command) -> str:
    lines = ["examples:"]
    for line, remark in command.examples:
        lines += [f"  # {remark}", f"  {line}"]
    return "\n".join(lines)


def read_arguments(command: Command, given: Sequence[str]) -> argparse.Namespace | str:
    """The arguments of a command, or the text of its help if that is asked for.

    Raises:
        UsageError: an unknown option, a missing argument, a malformed value.
    """
    parser = Parser(command)
    before = list(given[: list(given).index("--")]) if "--" in given else list(given)
    if "-h" in before or "--help" in before:
        return parser.format_help()
    _refuse_unknown(parser, before)
    arguments, rest = parser.parse_known_args(list(given))
    if rest:
        raise UsageError(f"there is one argument too many: {rest[0]!r}", command.name)
    return arguments


def _refuse_unknown(parser: Parser, given: Sequence[str]) -> None:
    """Tell of a misspelt option before its value is taken for something else."""
    for word in given:
        option = word.partition("=")[0]
        if not option.startswith("--") or option in parser.options:
            continue
        word = option.removeprefix("--").replace("-", "_")
        meant = f"--{USUAL.get(word, word)}".replace("_", "-")
        near = nearest(meant, [o for o in parser.options if len(o) > 2])
        remedy = f"; did you mean `{near}`?" if near else ""
        raise UsageError(f"there is no option `{option}`{remedy}", parser.command.name)


def one_of(*words: str) -> Callable[[str], str]:
    """The type of an option that is one of some words."""

    def read(text: str) -> str:
        if text in words:
            return text
        near = nearest(text, words)
        remedy = f"; did you mean `{near}`?" if near else ""
        raise argparse.ArgumentTypeError(f"expected {', '.join(words)}, not {text!r}{remedy}")

    return read


def number(
    lower: float, upper: float, *, integer: bool, open_ends: bool = False
) -> Callable[[str], float | int]:
    """The type of an option that is a number in a range."""
    kind = "a whole number" if integer else "a number"
    between = "between {:g} and {:g}" if open_ends else "from {:g} to {:g}"
    expected = f"expected {kind} {between.format(lower, upper)}"

    def read(text: str) -> float | int:
        try:
            value = int(text) if integer else float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{expected}, not {text!r}") from None
        inside = lower < value < upper if open_ends else lower <= value <= upper
        if not inside:
            raise argparse.ArgumentTypeError(f"{expected}, not {text!r}")
        return value

    return read
