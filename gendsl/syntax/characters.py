"""Characters that a model text may not contain, and what was probably meant by them."""

from __future__ import annotations

import re
import unicodedata

from gendsl.diagnostics import Diagnostic
from gendsl.source import Source, Span

__all__ = ["FORBIDDEN", "check_characters", "foreign_character", "foreign_letters", "visible"]

FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Characters that are not seen, or that change how others are seen: nowhere, not in comments."""

BIDIRECTIONAL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"

LOOK_ALIKES = dict(
    zip(
        "АВСЕНІЈКМОРЅТХУаеорсухіјѕһԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧοικνυ",
        "ABCEHIJKMOPSTXYaeopcyxijshqwABEZHIKMNOPTYXoikvu",
        strict=True,
    )
)
"""Cyrillic and Greek letters that look like Latin ones."""

GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta",
    "η": "eta", "θ": "theta", "κ": "kappa", "λ": "lambda_", "μ": "mu", "µ": "mu", "ν": "nu",
    "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "phi", "ϕ": "phi",
    "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma_", "Δ": "Delta", "Θ": "Theta",
    "Λ": "Lambda", "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip
"""How the letters of formulas are spelt."""

SIGNS = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "×": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/",
    "∼": "~", "～": "~", "˜": "~", "≤": "<=", "≥": ">=", "≠": "!=", "→": "->", "∞": "inf",
    "²": "** 2", "³": "** 3", "√": "sqrt(…)", "∑": "sum(…)", "（": "(", "）": ")", "，": ",",
    "：": ":", "＝": "=", "［": "[", "］": "]", "\u00a0": "an ordinary space",
    "\u3000": "an ordinary space", "\u2009": "an ordinary space", "\u202f": "an ordinary space",
    "“": "no quotes", "”": "no quotes", "‘": "no quotes", "’": "no quotes",
}  # fmt: skip
"""Signs that a word processor or a formula has, and what the language writes instead."""


def _named(character: str) -> str:
    """The character by its code point and Unicode name."""
    name = unicodedata.name(character, "an unnamed character")
    return f"U+{ord(character):04X} {name}"


def check_characters(source: Source) -> list[Diagnostic]:
    """A finding for each line that holds a forbidden character."""
    found: list[Diagnostic] = []
    seen = -1
    for match in FORBIDDEN.finditer(source.text):
        line = source.position(match.start())[0]
        if line == seen:
            continue
        seen = line
        character = match.group()
        why = (
            "changes the direction of the text, so that it reads differently from what it says"
            if character in BIDIRECTIONAL
            else "cannot be seen"
        )
        found.append(
            Diagnostic(
                "GD004",
                f"the character {_named(character)} {why}",
                Span(*match.span()),
                help="delete it; such characters are refused everywhere, comments included",
            )
        )
    return found


def visible(source: Source) -> Source:
    """The source as messages may show it, with a mark for each forbidden character."""
    return Source(source.name, FORBIDDEN.sub("\ufffd", source.text))


def foreign_letters(name: str, span: Span) -> Diagnostic:
    """The finding about a name with letters that are not ASCII."""
    at, letter = next((i, c) for i, c in enumerate(name) if not c.isascii())
    spelt = "".join(_ascii(c) for c in name)
    remedy = f"write `{spelt[:40]}`" if spelt.isascii() and spelt.isidentifier() else None
    if letter in LOOK_ALIKES and not any(c in GREEK for c in name):
        remedy = f"it looks like the Latin letter `{LOOK_ALIKES[letter]}`; {remedy}"
    return Diagnostic(
        "GD005",
        f"a name consists of ASCII letters, digits and underscores, but this one has "
        f"{_named(letter)}",
        Span(span.start + at, span.start + at + 1),
        help=remedy or "spell the name with ASCII letters; comments may hold any letters",
    )


def _ascii(letter: str) -> str:
    """The ASCII spelling of a letter, or the letter itself where there is none."""
    if letter.isascii():
        return letter
    if letter in GREEK:
        return GREEK[letter]
    if letter in LOOK_ALIKES:
        return LOOK_ALIKES[letter]
    plain = unicodedata.normalize("NFKD", letter)
    return "".join(c for c in plain if c.isascii()) or letter


def foreign_character(character: str, span: Span) -> Diagnostic:
    """The finding about a character that no token of the language has."""
    if character.isascii():
        return Diagnostic(
            "GD006",
            f"`{character}` is not a sign of the language",
            span,
            help="delete it",
        )
    meant = SIGNS.get(character)
    remedy = "signs and names are ASCII; only comments may hold other characters"
    if meant is not None:
        remedy = f"write {meant}" if " " in meant and meant[0] in "an" else f"write `{meant}`"
    return Diagnostic(
        "GD005", f"{_named(character)} is not a character of the language", span, help=remedy
    )
