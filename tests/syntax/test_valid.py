"""The golden programs parse, and their trees and spans are exact."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from lark import Lark
from strategies import programs

from gendsl.syntax import ast
from gendsl.syntax.parser import parse
from gendsl.syntax.printer import format_program
from gendsl.syntax.reading import read_source, source_from_text
from gendsl.syntax.table import GRAMMAR

FOLDER = Path(__file__).parents[1] / "golden" / "valid"
PROGRAMS = sorted(FOLDER.glob("*.gen"))
every_program = pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)

NODES = {kind for kind in vars(ast).values() if isinstance(kind, type)} & set(
    ast.Node.__subclasses__()
)


def nodes(node: object) -> Iterator[ast.Node]:
    """Every node of a tree."""
    if isinstance(node, ast.Node):
        yield node
        for field in dataclasses.fields(node):
            yield from nodes(getattr(node, field.name))
    elif isinstance(node, tuple):
        for item in node:
            yield from nodes(item)


def expression(text: str) -> ast.Expr:
    """The tree of an expression by itself."""
    statement = parse(source_from_text(f"model M let x = ({text})")).statements[1]
    assert isinstance(statement, ast.Let)
    return statement.value


def test_every_node_kind_occurs():
    found = {type(node) for path in PROGRAMS for node in nodes(parse(read_source(path)))}
    assert found == NODES


def test_kitchen_sink_has_every_node_kind():
    tree = parse(read_source(FOLDER / "kitchen_sink.gen"))
    assert {type(node) for node in nodes(tree)} == NODES


def check_spans(program: ast.Program) -> None:
    source = program.source
    for node in nodes(program):
        text = source.slice(node.span)
        if isinstance(node, ast.Name):
            assert text == node.id
        elif isinstance(node, ast.Comment):
            assert text.rstrip() == node.text
        elif isinstance(node, ast.ModelDecl):
            assert parse(source_from_text(text)).statements == (node,)
        elif isinstance(node, ast.Statement):
            assert parse(source_from_text(f"model M {text}")).statements[1] == node
        elif isinstance(node, ast.Expr) and not isinstance(node, ast.Pipe):
            assert expression(text) == node
        elif isinstance(node, ast.TypeExpr):
            assert parse(source_from_text(f"model M use x: {text}")).statements[1].type == node
        elif isinstance(node, ast.Target):
            assert parse(source_from_text(f"model M latent {text}")).statements[1].target == node


@every_program
def test_spans_cover_exactly_their_text(path):
    check_spans(parse(read_source(path)))


@settings(max_examples=25, deadline=None)
@given(programs())
def test_spans_of_random_programs(program):
    check_spans(parse(source_from_text(format_program(program))))


@every_program
def test_lark_accepts_the_same(path):
    lark = Lark(GRAMMAR.read_text("utf-8"), parser="lalr", lexer="basic", start="program")
    tree = lark.parse(read_source(path).text)
    assert len(parse(read_source(path)).statements) == len(tree.children)


def test_the_comment_above_the_model_is_its_documentation():
    text = "# licence\n\n# Eight schools:\n#   partial pooling\nmodel A  # trailing\n"
    assert parse(source_from_text(text)).statements[0].doc == "Eight schools:\n  partial pooling"


def test_no_comment_no_documentation():
    assert parse(source_from_text("# far above\n\nmodel A")).statements[0].doc == ""


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("-a ** 2", "(-(a ** 2))"),
        ("a ** -b ** c", "(a ** (-(b ** c)))"),
        ("-a * b", "((-a) * b)"),
        ("a + b * c - d", "(a + (b * c) - d)"),
        ("a @ b * c", "(a @ b * c)"),
        ("not a == b", "(not (a == b))"),
        ("a or b and not c", "(a or (b and (not c)))"),
        ("a if b else c if d else e", "(a if b else (c if d else e))"),
        ("a or b if c < d else e", "((a or b) if (c < d) else e)"),
        ("-x[0].y(1)", "(-x[0].y(1))"),
    ],
)
def test_precedence(text, tree):
    assert expression(text) == expression(tree)


@pytest.mark.parametrize("name", ["lambda", "None", "__init__", "pyro", "torch", "self", "obs"])
def test_words_of_python_are_names(name):
    program = parse(source_from_text(f"model M latent {name} ~ Normal({name}, {name}={name})"))
    assert program.statements[1].target.name.id == name


@pytest.mark.parametrize(
    "text",
    [
        "let a = b input c: real",
        "energy\nx plate\np",
        "let a = [1, 2,]",
        "let a = f(1,)",
        "net f: (real[L]) -> real",
        "param w infer nuts",
        "observe data ~ Normal(0, 1)",
    ],
)
def test_accepted(text):
    parse(source_from_text(f"model M {text}"))
