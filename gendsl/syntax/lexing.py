"""Cuts a text into tokens and comments; nothing in it can make this fail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from gendsl.diagnostics import Diagnostic
from gendsl.source import Source, Span
from gendsl.syntax import ast
from gendsl.syntax.automaton import Token, load
from gendsl.syntax.characters import FORBIDDEN, foreign_character, foreign_letters
from gendsl.syntax.foreign import FOREIGN_PATTERN, foreign_sign
from gendsl.syntax.numerals import check_number

__all__ = ["KEYWORDS", "LONGEST_NAME", "RESERVED", "Lexed", "clipped", "tokenize"]

LONGEST_NAME = 255

KEYWORDS = frozenset(
    ("model", "plate", "sequence", "dim", "input", "param", "latent", "observe")
    + ("let", "net", "flow", "energy", "guide", "infer", "fn", "use")
)
"""The words that open a statement."""

RESERVED = KEYWORDS | {"and", "or", "not", "if", "else", "causal"}
"""The words that are no names."""

KINDS = {"word": "NAME", "number": "NUMBER"}


@dataclass(frozen=True, slots=True)
class Lexed:
    """The tokens of a text.

    Attributes:
        tokens: every word and sign, also those that the language does not have.
        comments: every comment.
        problems: findings about single tokens, by the index of the token.
        warnings: findings that do not stop the compiler.
    """

    tokens: list[Token]
    comments: tuple[ast.Comment, ...]
    problems: dict[int, Diagnostic]
    warnings: tuple[Diagnostic, ...]


def clipped(text: str, width: int = 40) -> str:
    """The text, cut where it is too long for a message."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


@cache
def _pattern() -> re.Pattern[str]:
    """Matches one token or stretch of space; numbers and words generously, to be checked."""
    signs = sorted((w for w in load().words if not w[0].isalpha()), key=len, reverse=True)
    parts = {
        "space": r"[ \t\n]+",
        "comment": r"#[^\n]*",
        "word": r"[^\W\d]\w*",
        "number": r"\.?[0-9](?:[eE][+-](?=[0-9])|[\w.])*",
        "foreign": FOREIGN_PATTERN,
        "sign": "|".join(re.escape(sign) for sign in signs),
        "other": r"(?s:.)",
    }
    return re.compile("|".join(f"(?P<{name}>{part})" for name, part in parts.items()))


@cache
def _number_pattern() -> re.Pattern[str]:
    return re.compile(load().patterns["NUMBER"])


def tokenize(source: Source) -> Lexed:
    """The tokens and comments of `source`, with what is wrong with them."""
    text, words = source.text, load().words
    tokens: list[Token] = []
    comments: list[ast.Comment] = []
    problems: dict[int, Diagnostic] = {}
    warnings: list[Diagnostic] = []
    for match in _pattern().finditer(text):
        group = match.lastgroup or ""
        if group == "space":
            continue
        start, end = match.span()
        found = match.group()
        if group == "comment":
            comments.append(_comment(text, found, start, end))
            continue
        if group == "other" and FORBIDDEN.match(found):
            continue  # reported everywhere, comments included
        if group != "sign":
            problem = _problem(group, found, start, end)
            if problem is not None and problem.severity == "warning":
                warnings.append(problem)
            elif problem is not None:
                problems[len(tokens)] = problem
        kind = found if found in words else KINDS.get(group, group)
        tokens.append(Token(kind, found, start, end))
    return Lexed(tokens, tuple(comments), problems, tuple(warnings))


def _problem(group: str, found: str, start: int, end: int) -> Diagnostic | None:
    """What is wrong with a token by itself, if anything."""
    if group == "word":
        if end - start <= LONGEST_NAME and found.isascii():
            return None
        return _check_name(found, Span(start, end))
    if group == "number":
        fits = _number_pattern().fullmatch(found) is not None
        return check_number(found, Span(start, end), fits=fits)
    if group == "foreign":
        return foreign_sign(found, Span(start, end))
    return foreign_character(found, Span(start, end))


def _comment(text: str, found: str, start: int, end: int) -> ast.Comment:
    before = text[text.rfind("\n", 0, start) + 1 : start]
    return ast.Comment(found.rstrip(), not before.strip(), span=Span(start, end))


def _check_name(name: str, span: Span) -> Diagnostic:
    if not name.isascii():
        return foreign_letters(name, span)
    return Diagnostic(
        "GD010",
        f"a name has at most {LONGEST_NAME} characters, but `{clipped(name)}` has {len(name)}",
        span,
        help="choose a shorter name",
    )
