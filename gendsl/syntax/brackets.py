"""Checks that the brackets of a statement match, before anything else is asked of it."""

from __future__ import annotations

from collections.abc import Sequence

from gendsl.diagnostics import Diagnostic, Label
from gendsl.source import Span
from gendsl.syntax.automaton import NESTING_LIMIT, Token

__all__ = ["check_brackets"]

PARTNERS = {"(": ")", "[": "]"}


def check_brackets(tokens: Sequence[Token]) -> Diagnostic | None:
    """The first finding about the brackets of a statement, if there is one."""
    opened: list[Token] = []
    for token in tokens:
        if token.kind in PARTNERS:
            opened.append(token)
            if len(opened) > NESTING_LIMIT:
                return _too_deep(token)
        elif token.kind in (")", "]"):
            if not opened:
                return Diagnostic(
                    "GD013",
                    f"`{token.text}` closes nothing: no bracket of this statement is open",
                    token.span,
                    help="delete it, or open the bracket that it closes",
                )
            if PARTNERS[opened[-1].kind] != token.kind:
                return _mismatch(opened, token)
            opened.pop()
    return _unclosed(opened, tokens[-1]) if opened else None


def _too_deep(token: Token) -> Diagnostic:
    return Diagnostic(
        "GD014",
        f"brackets nest deeper than {NESTING_LIMIT} levels",
        token.span,
        help="name parts of the expression with `let`",
    )


def _mismatch(opened: Sequence[Token], closing: Token) -> Diagnostic:
    innermost = opened[-1]
    expected = PARTNERS[innermost.kind]
    if any(PARTNERS[token.kind] == closing.kind for token in opened):
        return Diagnostic(
            "GD012",
            f"`{innermost.text}` is never closed",
            innermost.span,
            (Label(closing.span, f"`{expected}` was expected before this"),),
            help=f"close it with `{expected}`",
        )
    return Diagnostic(
        "GD013",
        f"`{closing.text}` does not close `{innermost.text}`",
        closing.span,
        (Label(innermost.span, "opened here"),),
        help=f"write `{expected}`",
    )


def _unclosed(opened: Sequence[Token], last: Token) -> Diagnostic:
    innermost = opened[-1]
    expected = PARTNERS[innermost.kind]
    around = len(opened) - 1
    extra = ""
    if around:
        extra = f", nor {'is' if around == 1 else 'are'} the {around} around it"
    closers = "".join(PARTNERS[token.kind] for token in reversed(opened))
    return Diagnostic(
        "GD012",
        f"`{innermost.text}` is never closed{extra}",
        innermost.span,
        (Label(Span(last.end, last.end), f"`{expected}` was expected here at the latest"),),
        help=f"close with `{closers[:20]}`",
    )
