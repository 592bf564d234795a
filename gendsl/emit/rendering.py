"""Python syntax trees to text, with lines that people can read."""

from __future__ import annotations

import ast

__all__ = ["rendered"]

WIDTH = 96
INDENT = 4
OPENING, CLOSING = "([{", ")]}"


def rendered(node: ast.stmt) -> str:
    """The text of a statement; long lines are broken inside their brackets."""
    text = ast.unparse(ast.fix_missing_locations(node))
    return "\n".join(broken for line in text.splitlines() for broken in _broken(line))


def _broken(line: str) -> list[str]:
    """A line, as several if it is too long and has a bracket to break it in."""
    if len(line) <= WIDTH or line.lstrip().startswith(('"""', "'''")):
        return [line]
    place = _widest_bracket(line)
    if place is None:
        return [line]
    start, end = place
    margin = " " * (len(line) - len(line.lstrip()))
    inner = margin + " " * INDENT
    parts = _parts(line[start + 1 : end])
    tail = "," if len(parts) > 1 else ""
    lines = [line[: start + 1]]
    for part in parts:
        lines += _broken(f"{inner}{part}{tail}")
    return [*lines, f"{margin}{line[end:]}"]


def _brackets(line: str) -> list[tuple[int, int]]:
    """Where the outermost brackets open and close; strings are skipped."""
    found, stack, quote = [], [], ""
    for at, character in enumerate(line):
        if quote:
            quote = "" if character == quote and line[at - 1] != "\\" else quote
        elif character in "'\"":
            quote = character
        elif character in OPENING:
            stack.append(at)
        elif character in CLOSING and stack:
            start = stack.pop()
            if not stack:
                found.append((start, at))
    return found


def _widest_bracket(line: str) -> tuple[int, int] | None:
    """The outermost bracket that holds most; None if it holds hardly anything."""
    widest = max(_brackets(line), key=lambda ends: ends[1] - ends[0], default=None)
    return widest if widest is not None and widest[1] - widest[0] > INDENT else None


def _parts(inside: str) -> list[str]:
    """What stands between commas outside all brackets."""
    nested = [range(a, b) for a, b in _brackets(inside)]
    quote, parts, start = "", [], 0
    for at, character in enumerate(inside):
        if quote:
            quote = "" if character == quote and inside[at - 1] != "\\" else quote
        elif character in "'\"":
            quote = character
        elif character == "," and not any(at in span for span in nested):
            parts.append(inside[start:at].strip())
            start = at + 1
    return [*parts, inside[start:].strip()]
