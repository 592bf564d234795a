"""Parses a text into its syntax tree, or reports everything that is wrong with it."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from gendsl.diagnostics import CompileError, Diagnostic
from gendsl.source import Source
from gendsl.syntax import ast
from gendsl.syntax.automaton import NESTING_LIMIT, TooDeep, Unexpected, load
from gendsl.syntax.brackets import check_brackets
from gendsl.syntax.builder import ACTIONS, Refused
from gendsl.syntax.characters import check_characters, visible
from gendsl.syntax.lexing import Lexed, tokenize
from gendsl.syntax.mistakes import explain
from gendsl.syntax.opening import check_opening, explain_opening
from gendsl.syntax.reading import check_not_empty, check_size
from gendsl.syntax.statements import Piece, pieces

__all__ = ["parse", "parse_with_warnings"]


def parse(source: Source) -> ast.Program:
    """The syntax tree of `source`.

    Raises:
        CompileError: the text is no model; it holds every independent finding.
    """
    return parse_with_warnings(source)[0]


def parse_with_warnings(source: Source) -> tuple[ast.Program, tuple[Diagnostic, ...]]:
    """The syntax tree of `source`, and the warnings about its text.

    Raises:
        CompileError: as `parse` does.
    """
    check_size(source)
    invisible = check_characters(source)
    lexed = tokenize(source)
    if not invisible:
        check_not_empty(source, lexed.tokens)
    found = invisible + list(lexed.warnings)
    statements: list[ast.Statement] = []
    cut = pieces(source, lexed)
    for piece in cut:
        result = _statement(source, lexed, piece)
        if isinstance(result, Diagnostic):
            found.append(result)
        elif result is not None:
            statements.append(result)
    found += check_opening(cut)
    if any(d.severity == "error" for d in found):
        found.sort(key=lambda d: (d.span.start if d.span else 0, d.code))
        raise CompileError(found, visible(source) if invisible else source)
    return _program(source, statements, lexed.comments), lexed.warnings


def _statement(source: Source, lexed: Lexed, piece: Piece) -> ast.Statement | Diagnostic | None:
    """The statement that a piece of the text spells, or what is wrong with it."""
    if piece.problem is not None:
        return piece.problem
    if piece.keyword is None and (
        piece.tokens[0].kind == "NAME" or piece.first not in lexed.problems
    ):
        return explain_opening(source, piece)
    for index in range(piece.first, piece.first + len(piece.tokens)):
        if index in lexed.problems:
            return lexed.problems[index]
    automaton = load()
    try:
        finding = check_brackets(piece.tokens)
        if finding is not None:
            return finding
        statement = cast("ast.Statement", automaton.run(piece.tokens, ACTIONS))
    except Unexpected as unexpected:
        return explain(source, automaton, piece, unexpected.index)
    except TooDeep as deep:
        return Diagnostic(
            "GD014",
            f"this expression nests deeper than {NESTING_LIMIT} levels",
            deep.span,
            help="name its parts with `let`",
        )
    except Refused as refused:
        return refused.diagnostic
    return statement


def _program(
    source: Source, statements: list[ast.Statement], comments: tuple[ast.Comment, ...]
) -> ast.Program:
    first = statements[0]
    if isinstance(first, ast.ModelDecl):
        statements[0] = replace(first, doc=_doc(source, first, comments))
    return ast.Program(tuple(statements), source, comments)


def _doc(source: Source, model: ast.ModelDecl, comments: tuple[ast.Comment, ...]) -> str:
    """The comment lines directly above `model`, without their hash signs."""
    own = {
        source.position(c.span.start)[0]: c.text
        for c in comments
        if c.own_line and c.span.start < model.span.start
    }
    number = source.position(model.span.start)[0] - 1
    lines: list[str] = []
    while number in own:
        lines.append(own[number].lstrip("#").removeprefix(" "))
        number -= 1
    return "\n".join(reversed(lines))
