"""Cuts the tokens of a text into statements, so that one mistake does not hide the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gendsl.diagnostics import Diagnostic
from gendsl.source import Source
from gendsl.syntax.automaton import Token, load
from gendsl.syntax.lexing import KEYWORDS, Lexed

__all__ = ["Piece", "begins_line", "foreign_language", "pieces"]

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

RELATIONS = frozenset({"~", "=", ":", "[", "<"})
"""What follows the name that a statement declares."""


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
    foreign = False  # within a block of another language, which is reported once
    for index, token in enumerate(tokens):
        kind = token.kind
        opens = False
        if kind in KEYWORDS:
            opens = begins_line(source, token) if foreign else not _is_name(source, tokens, index)
            if not opens and not foreign:
                problem = problem or _keyword_as_name(token)
        elif kind == "NAME" and current and not foreign and _can_end(tokens[index - 1]):
            # No value follows another: a keyword is missing, or else an operator or a comma.
            distributed = index + 1 < len(tokens) and tokens[index + 1].kind == "~"
            opens = (depth == 0 or distributed) and begins_line(source, token)
        if opens and current:
            yield _piece(first, current, problem)
            current, problem = [], None
        if not current:
            first, depth, foreign = index, 0, foreign_language(tokens[index : index + 2]) != ""
        foreign = foreign or token.text == "{"
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
    before = token.start - 1
    while before >= 0 and source.text[before] in " \t":
        before -= 1
    return before < 0 or source.text[before] == "\n"


def foreign_language(tokens: Sequence[Token]) -> str:
    """The language whose statement begins with `tokens`, or nothing."""
    if len(tokens) > 1 and tokens[1].kind in RELATIONS:
        return ""  # an ordinary name that lacks its keyword
    return FOREIGN_OPENINGS.get(tokens[0].text, "")


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
