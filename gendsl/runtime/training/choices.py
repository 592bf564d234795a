"""Options of things that are chosen by name: their kinds, defaults and checks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gendsl.diagnostics import DataError, Diagnostic, nearest

__all__ = ["Choice", "check_value", "fill", "refuse_option", "unknown"]

Kind = Literal["flag", "count", "natural", "positive", "nonnegative", "share", "fraction"]

_WORDS: dict[str, str] = {
    "flag": "True or False",
    "count": "a whole number from 1",
    "natural": "a whole number from 0",
    "positive": "a positive number",
    "nonnegative": "a number from 0",
    "share": "a number from 0 up to but not including 1",
    "fraction": "a number from 0 to 1",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """An option.

    Attributes:
        name: what users write.
        kind: what it may be: `count` and `natural` are whole numbers from 1 and from 0, `share`
            lies in [0, 1), `fraction` in [0, 1].
        default: what it is when left out.
        meaning: one line for the reference.
    """

    name: str
    kind: Kind
    default: float | bool
    meaning: str


def refuse_option(message: str, remedy: str | None = None) -> DataError:
    """The error about an option of a training."""
    return DataError([Diagnostic("GD851", message, help=remedy)])


def unknown(what: str, name: object, known: Mapping[str, object]) -> DataError:
    """The error about a name that is not in a table."""
    near = nearest(name, known) if isinstance(name, str) else None
    remedy = f"did you mean {near!r}?" if near else f"there are {', '.join(sorted(known))}"
    return refuse_option(f"there is no {what} {name!r}", remedy)


def _fits(kind: Kind, value: object) -> bool:
    if kind == "flag":
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if kind in ("count", "natural"):
        return isinstance(value, int) and value >= (kind == "count")
    if not math.isfinite(value) or value < 0:
        return False
    if kind == "positive":
        return value > 0
    return value < 1 if kind == "share" else kind == "nonnegative" or value <= 1


def check_value(name: str, kind: Kind, value: object, *, of: str = "") -> None:
    """Refuse a value that an option, `of` something, cannot have.

    Raises:
        DataError: GD851.
    """
    if not _fits(kind, value):
        raise refuse_option(f"`{name}`{of} is {_WORDS[kind]}, not {value!r}")


def fill(
    owner: str, choices: tuple[Choice, ...], given: Mapping[str, object]
) -> dict[str, float | bool]:
    """The options of `owner`, defaults filled in.

    Raises:
        DataError: GD851, an unknown option or a value it cannot have.
    """
    known = {choice.name: choice for choice in choices}
    for name in given:
        if name not in known:
            near = nearest(name, known)
            there = f"its options are {', '.join(known)}" if known else "it has none"
            remedy = f"did you mean {near!r}?" if near else there
            raise refuse_option(f"{owner} has no option {name!r}", remedy)
    found: dict[str, float | bool] = {}
    for choice in choices:
        value = given.get(choice.name, choice.default)
        check_value(choice.name, choice.kind, value, of=f" of {owner}")
        assert isinstance(value, int | float)
        found[choice.name] = value
    return found
