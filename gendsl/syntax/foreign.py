"""Signs of other languages, and what the language writes instead."""

from __future__ import annotations

from gendsl.diagnostics import Diagnostic
from gendsl.source import Span

__all__ = ["FOREIGN_PATTERN", "foreign_sign"]

FOREIGN_PATTERN = "|".join(
    (
        r'"""[\s\S]*?(?:"""|\Z)',
        r"'''[\s\S]*?(?:'''|\Z)",
        r'"[^"\n]*"?',
        r"'[^'\n]*'?",
        r"`[^`\n]*`?",
        r"/\*[\s\S]*?(?:\*/|\Z)",
        r"//[^\n]*",
        r":=|&&|\|\||=>|\.\.\.|[+\-*/]=|%|&|\^|;|\{|\}|\$|\\|!(?!=)",
    )
)
"""Matches what other languages have and this one has not."""

MEANT: tuple[tuple[str, str, str], ...] = (
    # beginning, what it is, remedy
    ('"', "text in quotes is not part of the language", "names are written without quotes"),
    ("'", "text in quotes is not part of the language", "names are written without quotes"),
    ("`", "backquotes are not part of the language", "names are written without them"),
    ("//", "`//` is not a sign of the language", "a comment begins with `#`; division is `/`"),
    ("/*", "`/*` is not a sign of the language", "a comment runs from `#` to the line end"),
    (":=", "`:=` is not a sign of the language", "definitions are written `let name = value`"),
    ("&&", "`&&` is not a sign of the language", "write `and`"),
    ("&", "`&` is not a sign of the language", "write `and`"),
    ("||", "`||` is not a sign of the language", "write `or`"),
    ("=>", "`=>` is not a sign of the language", "a comparison is `>=`, the type of a net `->`"),
    ("...", "`...` is not a sign of the language", "write the values or the axes out"),
    ("%", "`%` is not a sign of the language", "there is no remainder of a division"),
    ("^", "`^` is not a sign of the language", "a power is written `**`"),
    (";", "`;` is not a sign of the language", "delete it; a statement ends where another begins"),
    (
        "{",
        "braces are not part of the language",
        "there are no blocks; statements follow one another",
    ),
    (
        "}",
        "braces are not part of the language",
        "there are no blocks; statements follow one another",
    ),
    ("$", "`$` is not a sign of the language", "a part of a model is written `p.part`"),
    ("\\", "`\\` is not a sign of the language", "delete it; line ends mean nothing here"),
    ("!", "`!` is not a sign of the language", "write `not`"),
)


def foreign_sign(text: str, span: Span) -> Diagnostic:
    """The finding about a sign of another language."""
    if text in ("+=", "-=", "*=", "/="):
        return Diagnostic(
            "GD006",
            f"`{text}` is not a sign of the language",
            span,
            help="a name is declared once; recursion along a sequence is `let s[t] = s[t-1] + …`",
        )
    for beginning, message, remedy in MEANT:
        if text.startswith(beginning):
            shown = span if "\n" not in text else Span(span.start, span.start + len(beginning))
            return Diagnostic("GD006", message, shown, help=remedy)
    raise AssertionError(f"no remedy for {text!r}")
