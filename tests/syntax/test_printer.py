"""The formatter keeps the meaning and the comments, and is stable."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import expressions, programs, types

from gendsl.syntax import ast
from gendsl.syntax.lexing import tokenize
from gendsl.syntax.parser import parse
from gendsl.syntax.printer import format_expr, format_program, format_type
from gendsl.syntax.reading import read_source, source_from_text

FOLDER = Path(__file__).parents[1] / "golden" / "valid"
PROGRAMS = sorted(FOLDER.glob("*.gen"))


def formatted(text: str) -> str:
    return format_program(parse(source_from_text(text)))


def check_format(text: str) -> None:
    program = parse(source_from_text(text))
    once = format_program(program)
    again = parse(source_from_text(once))
    assert program == again
    assert Counter(c.text for c in program.comments) == Counter(c.text for c in again.comments)
    assert once == format_program(again)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_golden_programs(path):
    check_format(read_source(path).text)


@settings(max_examples=150, deadline=None)
@given(programs())
def test_random_programs(program):
    text = format_program(program)
    assert program == parse(source_from_text(text))
    assert text == formatted(text)


@settings(deadline=None)
@given(expressions())
def test_expressions(expr):
    program = parse(source_from_text(f"model M let x = {format_expr(expr)}"))
    assert program.statements[1] == ast.Let(ast.Target(ast.Name("x")), None, expr)


@settings(deadline=None)
@given(types())
def test_types(type_):
    program = parse(source_from_text(f"model M input x: {format_type(type_)}"))
    assert program.statements[1] == ast.Input(ast.Target(ast.Name("x")), type_)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PROGRAMS), st.integers(0, 2**32))
def test_comments_and_layout_anywhere(path, seed):
    choose = random.Random(seed)
    gaps = [" ", "\n", "  ", "\n\n", "\n\n\n", " # note\n", "\n# own\n", "\n\n# a\n\n#b\n "]
    source = read_source(path)
    text = "".join(t.text + choose.choice(gaps) for t in tokenize(source).tokens)
    check_format(choose.choice(gaps) + text)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("plate a\nplate b\n", "plate a  plate b\n"),
        ("plate a\n\nplate b\n", "plate a\n\nplate b\n"),
        ("plate a # one\nplate b\n", "plate a  # one\nplate b\n"),
        ("dim A\n# two\nsequence b\n", "dim A\n# two\nsequence b\n"),
        ("dim A dim B # two\n", "dim A  dim B  # two\n"),
        ("plate a latent x latent y", "plate a\nlatent x\nlatent y\n"),
        ("let a=x[ p = 3 ]", "let a = x[p=3]\n"),
        ("let a=x[ t - 1 ]", "let a = x[t-1]\n"),
        ("let a = x[t-1, b+c]", "let a = x[t-1, b + c]\n"),
        ("param W:real[D,H]=0", "param W: real[D, H] = 0\n"),
        ("energy -( a+b )", "energy -(a + b)\n"),
        ("let a=b**2", "let a = b ** 2\n"),
        ("let a = ((b) + (c * d))", "let a = b + c * d\n"),
        ("let a = (b + c) + d", "let a = (b + c) + d\n"),
        ("let a = 1_000.0_0", "let a = 1_000.0_0\n"),
        ("observe x~N(0,scale = 1)|>f|>g(c)", "observe x ~ N(0, scale=1) |> f |> g(c)\n"),
        ("let a = # why\n  b", "# why\nlet a = b\n"),
        ("let a = b\n\n\n\n# end", "let a = b\n\n# end\n"),
        ("infer nuts( )", "infer nuts()\n"),
        ("net f:A->causal B=c~D", "net f: A -> causal B = c ~ D\n"),
        ("flow f:real[2]|(real,index(k))", "flow f: real[2] | (real, index(k))\n"),
    ],
)
def test_canonical_form(written, canonical):
    assert formatted(f"model M\n{written}") == f"model M\n{canonical}"


def test_long_lists_of_axes_are_broken():
    lines = formatted("model M " + " ".join(f"plate number_{i}" for i in range(40))).splitlines()
    assert len(lines) > 2
    assert max(map(len, lines)) <= 99


def test_deepest_expression():
    text = f"model M\nlet a = {'f(' * 200}1{')' * 200}\n"
    assert formatted(text) == text
