"""Random programs, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from gendsl.source import Source
from gendsl.syntax import ast
from gendsl.syntax.lexing import RESERVED

__all__ = ["expressions", "names", "programs", "types"]

Strategy = st.SearchStrategy


def names() -> Strategy[ast.Name]:
    """Names, those of other languages' keywords included."""
    words = st.sampled_from(
        ["mu", "z", "x1", "_", "__class__", "lambda", "None", "obs", "pyro", "self", "real", "Mu"]
    )
    spelt = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True)
    return (words | spelt).filter(lambda word: word not in RESERVED).map(ast.Name)


def _number(text: str) -> ast.NumberExpr:
    plain = text.replace("_", "")
    return ast.NumberExpr(int(plain) if plain.isdigit() else float(plain), text)


def numbers() -> Strategy[ast.NumberExpr]:
    """Numbers as people and programs write them."""
    written = st.sampled_from(["0", "00", "1_000", ".5", "5.", "1e-3", "1E5", "2_0.0_1", "5e-324"])
    integers = st.integers(0, 2**63 - 1).map(str)
    floats = st.floats(0, allow_infinity=False, allow_nan=False).map(repr)
    return (written | integers | floats).map(_number)


def _tuples(items: Strategy, least: int = 0) -> Strategy[tuple]:
    return st.lists(items, min_size=least, max_size=3).map(tuple)


def _chains(operands: Strategy[ast.Expr], operators: str) -> Strategy[ast.Chain]:
    rest = _tuples(st.tuples(st.sampled_from(operators), operands), 1)
    return st.builds(ast.Chain, operands, rest)


def _calls(functions: Strategy, values: Strategy[ast.Expr]) -> Strategy[ast.Call]:
    positional = _tuples(st.builds(ast.Argument, st.none(), values))
    keywords = _tuples(st.builds(ast.Argument, names(), values))
    arguments = st.builds(lambda first, last: first + last, positional, keywords)
    return st.builds(ast.Call, functions, arguments)


def _compound(inner: Strategy[ast.Expr]) -> Strategy[ast.Expr]:
    members = st.builds(ast.Member, inner, names())
    entries = st.builds(ast.IndexItem, st.none() | names(), inner)
    return st.one_of(
        st.builds(ast.ListExpr, _tuples(inner)),
        _calls(names() | members, inner),
        members,
        st.builds(ast.Subscript, inner, _tuples(entries, 1)),
        st.builds(ast.Unary, st.sampled_from(["-", "+", "not"]), inner),
        _chains(inner, "+-"),
        _chains(inner, "*/@"),
        st.builds(ast.Power, inner, inner),
        st.builds(ast.Compare, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), inner, inner),
        st.builds(ast.Bool, st.sampled_from(["and", "or"]), _tuples(inner, 2)),
        st.builds(ast.ConditionalExpr, inner, inner, inner),
    )


def expressions() -> Strategy[ast.Expr]:
    """Expressions of every kind but pipes."""
    return st.recursive(names() | numbers(), _compound, max_leaves=8)


def _named_types() -> Strategy[ast.NamedType]:
    sizes = _tuples(expressions())
    return st.builds(ast.NamedType, names(), sizes, sizes, st.booleans())


def _parameters() -> Strategy[ast.Parameter]:
    return st.builds(ast.Parameter, names(), _named_types())


def types() -> Strategy[ast.TypeExpr]:
    """Types of every kind."""
    return st.one_of(
        _named_types(),
        st.builds(ast.TupleType, _tuples(_named_types(), 2)),
        st.builds(ast.RecordType, _tuples(_parameters(), 1)),
    )


def _distributions() -> Strategy[ast.Expr]:
    return expressions() | st.builds(ast.Pipe, expressions(), _tuples(expressions(), 1))


def _maybe(strategy: Strategy) -> Strategy:
    return st.none() | strategy


def _statements() -> Strategy[ast.Statement]:
    name, expr, type_, dist = names(), expressions(), types(), _distributions()
    target = st.builds(ast.Target, name, _tuples(name | numbers()))
    signature = st.builds(ast.Signature, type_, type_, st.booleans())
    nothing = st.none()
    return st.one_of(
        st.builds(ast.PlateDecl, name, _maybe(name), _maybe(expr), st.booleans()),
        st.builds(ast.DimDecl, name, _maybe(expr)),
        st.builds(ast.Input, target, type_),
        st.builds(ast.Param, target, _maybe(type_), _maybe(expr)),
        st.builds(ast.Latent, target, _maybe(type_), _maybe(dist)),
        st.builds(ast.Observe, target, _maybe(type_), _maybe(dist), nothing),
        st.builds(ast.Observe, target, _maybe(type_), nothing, expr),
        st.builds(ast.Let, target, _maybe(type_), expr),
        st.builds(ast.Net, name, signature, _maybe(expr), _maybe(expr)),
        st.builds(ast.Flow, name, type_, _maybe(type_), _maybe(expr)),
        st.builds(ast.Energy, expr),
        st.builds(ast.Guide, target, dist, nothing),
        st.builds(ast.Guide, target, nothing, expr),
        st.builds(ast.Infer, name | _calls(name, expr)),
        st.builds(ast.Fn, name, _tuples(_parameters()), _maybe(type_), expr),
        st.builds(ast.Use, name, type_, _maybe(type_), nothing),
        st.builds(ast.Use, name, nothing, nothing, signature),
    )


def programs() -> Strategy[ast.Program]:
    """Programs that are right by their syntax; names need not be declared."""
    model = st.builds(ast.ModelDecl, names())
    source = Source("<random>", "")
    return st.builds(
        lambda first, rest: ast.Program((first, *rest), source),
        model,
        st.lists(_statements(), max_size=4),
    )
