"""The options that say how to infer: ``--infer``, the options of every method, ``--treat``."""

from __future__ import annotations

import argparse
from dataclasses import replace

from gendsl.commands.arguments import Parser, UsageError, number, one_of
from gendsl.library.methods import METHODS, TREATMENTS, OptionSpec

__all__ = [
    "asked_options",
    "declare_methods",
    "declare_numbers",
    "declare_treatments",
    "treatments",
]


def _every_option() -> dict[str, tuple[OptionSpec, list[str]]]:
    """Every option of every method but the seed, with the methods that have it."""
    found: dict[str, tuple[OptionSpec, list[str]]] = {}
    for method in METHODS.values():
        for option in method.options:
            if option.name == "seed":
                continue
            first, methods = found.setdefault(option.name, (option, []))
            if method.name not in methods:
                methods.append(method.name)
            if option.default != first.default:  # each method has its own
                found[option.name] = (replace(first, default=None), methods)
    return found


def declare_methods(parser: Parser, *, defaults: bool = True) -> None:
    """Add the method and its options to a command; `defaults` are those of a fit."""
    parser.choices.add_argument(
        "--infer",
        metavar="METHOD",
        help=f"{', '.join(METHODS)}; else what the file's `infer` says, else what suits the model",
    )
    for name, (option, methods) in _every_option().items():
        default = ""
        if defaults and option.default is not None:
            shown = option.default if option.words else f"{option.default:g}"
            default = f" ({shown} by default)"
        words = f": {', '.join(option.words)}" if option.words else ""
        kind = number(option.lower, option.upper, integer=option.integer)
        parser.choices.add_argument(
            f"--{name.replace('_', '-')}",
            dest=f"option_{name}",
            type=one_of(*option.words) if option.words else kind,
            metavar="WORD" if option.words else "N" if option.integer else "X",
            help=f"{', '.join(methods)}: {option.meaning}{words}{default}",
        )


def declare_numbers(parser: Parser) -> None:
    """Add ``--device`` and ``--dtype`` to a command."""
    add = parser.choices.add_argument
    add("--device", default="cpu", metavar="DEVICE", help="cpu (the default) or cuda")
    add(
        "--dtype",
        type=one_of("float64", "float32"),
        metavar="TYPE",
        help="float64 (the default, but for networks) or float32",
    )


def declare_treatments(parser: Parser) -> None:
    """Add ``--treat`` to a command."""
    parser.choices.add_argument(
        "--treat",
        metavar="NAME=HOW",
        action="append",
        default=[],
        help=f"what to do with one variable, or with * for all: {', '.join(TREATMENTS)}; may be "
        "repeated",
    )


def asked_options(arguments: argparse.Namespace) -> dict[str, float]:
    """The options of methods that were given."""
    return {
        name.removeprefix("option_"): value
        for name, value in vars(arguments).items()
        if name.startswith("option_") and value is not None
    }


def treatments(given: list[str]) -> dict[str, str]:
    """What ``--treat`` says.

    Raises:
        UsageError: an entry without ``=``, or a name that is given twice.
    """
    found: dict[str, str] = {}
    for entry in given:
        name, equals, treatment = (part.strip() for part in entry.partition("="))
        if not (name and equals and treatment):
            raise UsageError(f"--treat {entry}: expected NAME=HOW, such as alpha=sampled")
        if name in found:
            raise UsageError(f"--treat: `{name}` is given twice")
        found[name] = treatment
    return found
