"""Python syntax trees: small constructors, and templates filled with expressions."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import TypeVar

from gendsl.source import Span

__all__ = [
    "CHUNK",
    "assign",
    "attribute",
    "call",
    "fill",
    "index",
    "join",
    "mark",
    "name",
    "number",
    "run",
    "slice_from",
    "span_of",
    "text",
    "tuple_of",
]

CHUNK = 64
"""Longer sums are emitted in chunks, so that no tree grows deep."""


Code = TypeVar("Code", bound=ast.AST)


def mark(code: Code, span: Span) -> Code:
    """Remember which place of the model text `code` comes from, if it does not know yet."""
    if span_of(code) is None:
        code.gen_span = span  # type: ignore[attr-defined]
    return code


def span_of(code: ast.AST) -> Span | None:
    """The place of the model text that `code` comes from."""
    found: Span | None = getattr(code, "gen_span", None)
    return found


def assign(target: str, value: ast.expr, span: Span) -> ast.stmt:
    """``target = value``."""
    return mark(ast.Assign([ast.Name(target, ast.Store())], value), span)


def run(value: ast.expr, span: Span) -> ast.stmt:
    """``value`` as a statement."""
    return mark(ast.Expr(value), span)


def name(identifier: str) -> ast.Name:
    """A name that is read."""
    return ast.Name(identifier, ast.Load())


def number(value: float) -> ast.expr:
    """A number; a negative one as a unary minus, infinity as ``math.inf``."""
    if value != value or value in (float("inf"), float("-inf")):
        inf = attribute(name("math"), "inf")
        return inf if value > 0 else ast.UnaryOp(ast.USub(), inf)
    if value < 0:
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(value)


def text(value: str) -> ast.Constant:
    """A string constant."""
    return ast.Constant(value)


def attribute(value: ast.expr | str, *path: str) -> ast.expr:
    """``value.a.b``."""
    result: ast.expr = name(value) if isinstance(value, str) else value
    for part in path:
        result = ast.Attribute(result, part, ast.Load())
    return result


def call(function: ast.expr | str, *args: ast.expr, **keywords: ast.expr | None) -> ast.Call:
    """``function(args, key=value)``; dots in a string are attributes; None is left out."""
    if isinstance(function, str):
        head, *path = function.split(".")
        function = attribute(head, *path)
    given = [ast.keyword(k, v) for k, v in keywords.items() if v is not None]
    return ast.Call(function, list(args), given)


def tuple_of(items: Sequence[ast.expr]) -> ast.Tuple:
    """``(a, b)``."""
    return ast.Tuple(list(items), ast.Load())


def slice_from(lower: int | None, upper: int | None = None) -> ast.Slice:
    """``lower:upper``."""
    low = number(lower) if lower is not None else None
    return ast.Slice(low, number(upper) if upper is not None else None)


def index(value: ast.expr, *items: ast.expr) -> ast.expr:
    """``value[a, b]``."""
    key = items[0] if len(items) == 1 else tuple_of(items)
    return ast.Subscript(value, key, ast.Load())


def join(op: ast.operator, terms: Sequence[ast.expr]) -> ast.expr:
    """``a + b + ...`` from the left, in chunks where there are many."""
    if len(terms) > CHUNK:
        chunks = [join(op, terms[i : i + CHUNK]) for i in range(0, len(terms), CHUNK)]
        return join(op, chunks)
    total = terms[0]
    for term in terms[1:]:
        total = ast.BinOp(total, op, term)
    return total


class _Filler(ast.NodeTransformer):
    def __init__(self, values: Mapping[str, ast.expr], tensors: frozenset[str]) -> None:
        self.values, self.tensors = values, tensors

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace a parameter by its value."""
        return self.values.get(node.id, node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Leave out ``torch.as_tensor`` around what is a tensor already."""
        inner = node.args[0] if len(node.args) == 1 else None
        if inner is not None and ast.unparse(node.func) == "torch.as_tensor":
            names = {n.id for n in ast.walk(inner) if isinstance(n, ast.Name)}
            if names & self.tensors:
                return self.visit(inner)  # type: ignore[no-any-return]
        return self.generic_visit(node)


def fill(
    template: str, values: Mapping[str, ast.expr], tensors: frozenset[str] = frozenset()
) -> ast.expr:
    """The expression `template`, its names replaced by `values`; precedence is kept.

    Templates come from the tables, never from a user.

    Args:
        template: a Python expression.
        values: what stands for its names.
        tensors: the names whose values are tensors and not numbers.
    """
    tree = ast.parse(template, mode="eval").body
    for node in ast.walk(tree):
        for attr in ("lineno", "col_offset", "end_lineno", "end_col_offset"):
            if hasattr(node, attr):
                delattr(node, attr)
    filled = _Filler(values, tensors).visit(tree)
    assert isinstance(filled, ast.expr)
    return filled
