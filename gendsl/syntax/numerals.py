"""Numbers: Python's decimal integers and floats, within 64 bits."""

from __future__ import annotations

from math import isinf

from gendsl.diagnostics import Diagnostic
from gendsl.source import Span

__all__ = ["check_number", "number_value"]

LARGEST = 2**63 - 1
DIGITS = len(str(LARGEST))
MOST_DIGITS = 308
"""Every whole number of so many digits is a float."""
SHOWN = 40
"""Longer numbers are cut in messages."""


def number_value(text: str) -> int | float:
    """The value of a well-formed number within range."""
    digits = text.replace("_", "")
    return int(digits) if digits.isdigit() else float(digits)


def check_number(text: str, span: Span, *, fits: bool) -> Diagnostic | None:
    """The finding about a number as it was written, if there is one.

    `fits` says whether the grammar takes all of it for a number.
    """
    shown = text if len(text) <= SHOWN else f"{text[: SHOWN // 2]}…{text[-5:]}"
    if not fits:
        return Diagnostic("GD007", f"`{shown}` is not a number", span, help=_malformed(text))
    digits = text.replace("_", "")
    if digits.isdigit():
        return _check_integer(digits, shown, span)
    value = float(digits)
    if isinf(value):
        return Diagnostic(
            "GD008",
            f"`{shown}` is larger than the largest float, about 1.8e308",
            span,
            help="write `inf` where infinity is meant",
        )
    mantissa = digits.lower().partition("e")[0]
    if value == 0 and any(digit in "123456789" for digit in mantissa):
        return Diagnostic(
            "GD009",
            f"`{shown}` is smaller than the smallest float and becomes 0",
            span,
            help="write `0`, or work with logarithms",
            severity="warning",
        )
    return None


def _check_integer(digits: str, shown: str, span: Span) -> Diagnostic | None:
    significant = digits.lstrip("0") or "0"
    if len(significant) <= DIGITS and int(significant) <= LARGEST:
        return None
    return Diagnostic(
        "GD008",
        f"the integer `{shown}` does not fit in 64 bits; the largest is {LARGEST}",
        span,
        help=_as_float(significant),
    )


def _as_float(digits: str) -> str:
    if len(digits) <= SHOWN:
        return f"write it as a float, `{digits}.0`"
    if len(digits) <= MOST_DIGITS:
        return f"write it as a float, about `{digits[0]}.{digits[1:4]}e{len(digits) - 1}`"
    return "work with its logarithm: no float is that large"


def _malformed(text: str) -> str:
    """What was probably meant by `text`."""
    plain = text.replace("_", "")
    prefix, rest = plain[:2].lower(), plain[2:]
    if prefix in ("0x", "0o", "0b"):
        base = {"0x": 16, "0o": 8, "0b": 2}[prefix]
        try:
            return f"numbers are decimal; this one would be {int(rest[:SHOWN], base)}"
        except ValueError:
            return "numbers are decimal"
    if plain.isdigit() and plain.startswith("0"):
        return f"a whole number has no leading zeros: `{plain.lstrip('0')[:SHOWN]}`"
    if plain.count(".") > 1:
        return "a number has at most one decimal point"
    if plain[-1:] in ("e", "E"):
        return f"digits are missing after the exponent sign, as in `{plain[:SHOWN]}3`"
    head = plain.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    if head != plain and head.replace(".", "", 1).isdigit():
        return (
            f"a product needs its sign, `{head[:SHOWN]} * {plain[len(head) :][:SHOWN]}`; "
            "a name does not begin with a digit"
        )
    return "numbers are written as in Python: `7`, `1_000`, `0.5`, `1e-3`"
