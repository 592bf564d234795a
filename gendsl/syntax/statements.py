"""Cuts the tokens of a text into statements, so that one mistake does not hide the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gendsl.diagnostics import Diagnostic
from gendsl.source import Source
from gendsl.syntax.automaton import Token, load
from gendsl.syntax.lexing import KEYWORDS, Lexed

__all__ = ["FOREIGN_OPENINGS", "Piece", "begins_line", "is_foreign_program", "pieces"]

CLOSERS = frozenset({")", "]", "?"})
EXPRESSION_STARTS = frozenset({"NAME", "NUMBER", "(", "[", "-", "+", "not"})

FOREIGN_OPENINGS = {
    "data": "Stan",
    "parameters": "Stan",
    "transformed": "Stan",
    "generated": "Stan",
    "functions": "Stan",
    "import": "Python",
    "from": "Python",
    "def": "Python",
    "class": "Python",
    "with": "Python",
    "for": "Python",
    "while": "Python",
    "return": "Python",
}
"""First words of other languages' statements."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that should be one statement.

    Attributes:
        keyword: the keyword that opens it; None where there is none.
        first: the index of its first token in the whole text.
        tokens: its tokens, at least one.
        problem: what was found wrong while cutting.
    """

    keyword: str | None
    first: int
    tokens: list[Token] = field(default_factory=list)
    problem: Diagnostic | None = None


def pieces(source: Source, lexed: Lexed) -> list[Piece]:
    """The tokens, cut before each keyword, and before each line that lacks one."""
    return list(_pieces(source, lexed.tokens))


def _pieces(source: Source, tokens: Sequence[Token]) -> Iterator[Piece]:
    first, depth = 0, 0
    current: list[Token] = []
    problem: Diagnostic | None = None
    for index, token in enumerate(tokens):
        kind = token.kind
        opens = False
        if kind in KEYWORDS:
            opens = not _is_name(source, tokens, index)
            if not opens:
                problem = problem or _keyword_as_name(token)
        elif kind == "NAME" and depth == 0 and current and _can_end(tokens[index - 1]):
            opens = begins_line(source, token) and not is_foreign_program(current)
        if opens and current:
            yield _piece(first, current, problem)
            current, problem = [], None
        if not current:
            first, depth = index, 0
        if kind in ("(", "["):
            depth += 1
        elif kind in (")", "]"):
            depth -= 1
        current.append(token)
    if current:
        yield _piece(first, current, problem)


def _piece(first: int, tokens: list[Token], problem: Diagnostic | None) -> Piece:
    kind = tokens[0].kind
    return Piece(kind if kind in KEYWORDS else None, first, tokens, problem)


def _can_end(token: Token) -> bool:
    """Whether a statement may end with `token`."""
    return token.kind in CLOSERS or token.kind not in load().words


def begins_line(source: Source, token: Token) -> bool:
    """Whether only space stands before `token` on its line."""
    start = source.text.rfind("\n", 0, token.start) + 1
    return not source.text[start : token.start].strip()


def is_foreign_program(tokens: Sequence[Token]) -> bool:
    """Whether `tokens` begin a block of another language, to be reported once."""
    return tokens[0].text in FOREIGN_OPENINGS


def _is_name(source: Source, tokens: Sequence[Token], index: int) -> bool:
    """Whether the keyword at `index` stands where only a name makes sense.

    A keyword that opens a statement follows something complete, and a name follows it.
    """
    if index == 0:
        return False
    before, keyword = tokens[index - 1], tokens[index]
    if before.kind == ".":
        return True
    if _can_end(before):
        return False
    if index + 1 == len(tokens):
        return not begins_line(source, keyword)
    after = tokens[index + 1]
    if keyword.kind == "energy" and after.kind in EXPRESSION_STARTS:
        return not begins_line(source, keyword)
    return after.kind != "NAME"


def _keyword_as_name(token: Token) -> Diagnostic:
    return Diagnostic(
        "GD011",
        f"`{token.text}` is a keyword and cannot be a name",
        token.span,
        help=f"choose another name, such as `{token.text}_`",
    )
