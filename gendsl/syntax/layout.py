"""Arranges formatted statements on lines, with their comments and blank lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gendsl.source import Source, Span
from gendsl.syntax import ast

__all__ = ["arranged"]

WIDTH = 99
"""Declarations that share a line stay within this many columns."""


@dataclass(slots=True)
class _Line:
    """A statement or comments of their own, on one line of the result.

    Attributes:
        text: the text of the line.
        span: what it covers in the source.
        shares: whether declarations may follow on the same line.
        trailing: the comment at its end.
    """

    text: str
    span: Span
    shares: bool = False
    trailing: str = ""


def arranged(program: ast.Program, texts: Sequence[str]) -> str:
    """The text of a program from the texts of its statements."""
    lines: list[_Line] = []
    blank_before: list[bool] = []
    end = 0
    for line in _lines(program, texts):
        blank = bool(lines) and _has_blank_line(program.source, end, line.span.start)
        end = max(end, line.span.end)
        if lines and not blank and _may_share(lines[-1], line):
            lines[-1].text += f"  {line.text}"
            lines[-1].trailing = line.trailing
            lines[-1].span = lines[-1].span.to(line.span)
            continue
        lines.append(line)
        blank_before.append(blank)
    written = (f"{line.text}  {line.trailing}".rstrip() for line in lines)
    return "".join(
        f"\n{text}\n" if blank else f"{text}\n"
        for text, blank in zip(written, blank_before, strict=True)
    )


def _may_share(last: _Line, line: _Line) -> bool:
    if not (last.shares and line.shares) or last.trailing:
        return False
    return len(last.text) + 2 + len(line.text) <= WIDTH


def _lines(program: ast.Program, texts: Sequence[str]) -> Iterator[_Line]:
    """The statements and comments in order; a comment inside a statement moves above it."""
    comments = list(program.comments)
    at = 0
    for index, (statement, text) in enumerate(zip(program.statements, texts, strict=True)):
        while at < len(comments) and comments[at].span.start < statement.span.end:
            yield _Line(comments[at].text, comments[at].span)
            at += 1
        line = _Line(text, statement.span, isinstance(statement, ast.PlateDecl | ast.DimDecl))
        following = program.statements[index + 1 : index + 2]
        limit = following[0].span.start if following else None
        if at < len(comments) and _trails(program.source, comments[at], statement, limit):
            line.trailing = comments[at].text
            line.span = line.span.to(comments[at].span)
            at += 1
        yield line
    for comment in comments[at:]:
        yield _Line(comment.text, comment.span)


def _trails(
    source: Source, comment: ast.Comment, statement: ast.Statement, limit: int | None
) -> bool:
    """Whether `comment` ends the line on which `statement` ends, before the next statement."""
    if comment.own_line or (limit is not None and comment.span.start > limit):
        return False
    return "\n" not in source.text[statement.span.end : comment.span.start]


def _has_blank_line(source: Source, start: int, end: int) -> bool:
    """Whether the source has an empty line between two places with nothing else between them."""
    return any(not line.strip() for line in source.text[start:end].split("\n")[1:-1])
