"""The shape rules of functions that have one of their own."""

from __future__ import annotations

from collections.abc import Callable

from gendsl.ir import nodes as ir
from gendsl.library.functions import FUNCTIONS
from gendsl.semantics.context import Context
from gendsl.semantics.declared import size_of
from gendsl.semantics.report import Poisoned
from gendsl.semantics.supports import hull
from gendsl.source import Span
from gendsl.syntax import ast
from gendsl.types import (
    BINARY,
    POSITIVE,
    REAL,
    Index,
    Interval,
    Size,
    Structured,
    Support,
    ValueType,
    describe_event,
)

__all__ = ["shaped", "structural"]

Event = tuple[Size, ...]


def shaped(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> ir.Expr:
    """A linear-algebra function of typed arguments."""
    for arg in args:
        if isinstance(arg.type.support, Index):
            raise ctx.report.error(
                "GD210", f"`{arg.type.support}` is a category: it has no arithmetic", arg.span
            )
    event = RULES[name](ctx, name, args, span)
    plates = frozenset().union(*(a.type.plates for a in args))
    support: Support = SUPPORTS.get(name, REAL)
    if name in ("matmul", "dot", "outer"):
        support = _product(args, summed=name != "outer")
    elif name in ("transpose", "concat", "diag"):
        support = _union(args, zero=name == "diag")
    return ir.Apply(name, args, ValueType(plates, event, support), span=span)


SUPPORTS: dict[str, Support] = {"cholesky": Structured("cholesky")}


def _product(args: tuple[ir.Expr, ...], *, summed: bool) -> Interval:
    product = FUNCTIONS["mul"].range([hull(a.type.support) for a in args])
    return hull(FUNCTIONS["sum"].range([hull(product)])) if summed else hull(product)


def _union(args: tuple[ir.Expr, ...], *, zero: bool) -> Interval:
    hulls = [hull(a.type.support) for a in args] + ([Interval(True, 0.0, 0.0)] if zero else [])
    return Interval(
        all(h.integer for h in hulls), min(h.lower for h in hulls), max(h.upper for h in hulls)
    )


def _mismatch(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span, why: str) -> Poisoned:
    shapes = " and ".join(describe_event(a.type.event) or "a scalar" for a in args)
    labels = []
    for arg in args:
        if isinstance(arg, ir.Reference):
            shape = describe_event(arg.type.event) or "a scalar"
            labels += ctx.scope.label(arg.name, f"`{arg.name}` is {shape}")
    shown = {"matmul": "@"}.get(name, name)
    return ctx.report.error(
        "GD302", f"`{shown}` cannot take shapes {shapes}: {why}", span, labels=tuple(labels)
    )


def _matmul(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    a, b = args[0].type.event, args[1].type.event
    if not 1 <= len(a) <= 2 or not 1 <= len(b) <= 2:
        raise _mismatch(ctx, name, args, span, "it multiplies vectors and matrices")
    if not ctx.agree(a[-1], b[0]):
        raise _mismatch(ctx, name, args, span, f"{a[-1]} and {b[0]} differ")
    return a[:-1] + b[1:]


def _vectors(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> tuple[Size, Size]:
    a, b = args[0].type.event, args[1].type.event
    if len(a) != 1 or len(b) != 1:
        raise _mismatch(ctx, name, args, span, "it takes two vectors")
    return a[0], b[0]


def _dot(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    a, b = _vectors(ctx, name, args, span)
    if not ctx.agree(a, b):
        raise _mismatch(ctx, name, args, span, f"{a} and {b} differ")
    return ()


def _outer(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    return _vectors(ctx, name, args, span)


def _transpose(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    event = args[0].type.event
    if len(event) != 2:
        raise _mismatch(ctx, name, args, span, "it takes a matrix")
    return event[1], event[0]


def _square(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    event = args[0].type.event
    if len(event) != 2 or not ctx.agree(event[0], event[1]):
        raise _mismatch(ctx, name, args, span, "it takes a square matrix")
    return event


def _scalar_of_square(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    _square(ctx, name, args, span)
    return ()


def _solve(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    event = _square(ctx, name, args, span)
    right = args[1].type.event
    if not 1 <= len(right) <= 2 or not ctx.agree(event[1], right[0]):
        raise _mismatch(ctx, name, args, span, "the right side must have as many rows")
    return right


def _diag(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    event = args[0].type.event
    if len(event) != 1:
        raise _mismatch(ctx, name, args, span, "it takes a vector and gives a diagonal matrix")
    return event[0], event[0]


def _concat(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    total, rest = Size(()), args[0].type.event[1:]
    for arg in args:
        event = arg.type.event
        same = len(event) == len(rest) + 1
        if not same or not all(ctx.agree(a, b) for a, b in zip(event[1:], rest, strict=True)):
            raise _mismatch(ctx, name, args, span, "all but the first axis must agree")
        total = total + event[0]
    return (total, *rest)


Rule = Callable[[Context, str, tuple[ir.Expr, ...], Span], Event]
RULES: dict[str, Rule] = {
    "matmul": _matmul,
    "dot": _dot,
    "outer": _outer,
    "transpose": _transpose,
    "diag": _diag,
    "cholesky": _square,
    "inverse": _square,
    "solve": _solve,
    "det": _scalar_of_square,
    "logdet": _scalar_of_square,
    "trace": _scalar_of_square,
    "concat": _concat,
}
"""Event shape of the result; every `Kind.SHAPED` record but the structural ones has a rule."""


def structural(ctx: Context, name: str, expr: ast.Call) -> ir.Expr:
    """Functions whose arguments are sizes or axes: zeros, ones, full, eye, collect, lags."""
    args = [a.value for a in expr.arguments if a.keyword is None]
    if len(args) != len(expr.arguments) or not args:
        raise ctx.report.error("GD211", f"`{name}` takes positional arguments", expr.span)
    if name == "collect":
        return _collect(ctx, args, expr)
    if name == "lags":
        return _lags(ctx, args, expr)
    return _filled(ctx, name, args, expr)


def _filled(ctx: Context, name: str, args: list[ast.Expr], expr: ast.Call) -> ir.Expr:
    fill: tuple[ir.Expr, ...] = ()
    support: Support = {"ones": Interval(True, 1.0, 1.0), "zeros": Interval(True, 0.0, 0.0)}.get(
        name, BINARY
    )
    plates: frozenset[str] = frozenset()
    if name == "full":
        value = ctx.typed(ctx, args[-1])
        fill, args, support, plates = (value,), args[:-1], value.type.support, value.type.plates
    sizes = tuple(size_of(ctx, a) for a in args)
    event = (sizes[0], sizes[0]) if name == "eye" else sizes
    if name == "eye":
        support = Structured("correlation")
    numbers = tuple(
        ir.SizeNumber(s, ValueType(support=POSITIVE), span=a.span)
        for s, a in zip(sizes, args, strict=True)
    )
    return ir.Apply(name, (*numbers, *fill), ValueType(plates, event, support), span=expr.span)


def _collect(ctx: Context, args: list[ast.Expr], expr: ast.Call) -> ir.Expr:
    if len(args) != 2:
        raise ctx.report.error(
            "GD211", "`collect` takes a value and a plate: `collect(x, p)`", expr.span
        )
    value, plate = ctx.typed(ctx, args[0]), args[1]
    if not isinstance(plate, ast.Name) or plate.id not in value.type.plates:
        have = sorted(value.type.plates)
        raise ctx.report.error(
            "GD310",
            "the value has no such plate to collect"
            + (f"; it has {', '.join(have)}" if have else "; it has none"),
            plate.span,
            help=ctx.scope.suggestion(plate.id, have) if isinstance(plate, ast.Name) else None,
        )
    name = plate.id
    event = (Size.named(name), *value.type.event)
    type_ = ValueType(value.type.plates - {name}, event, value.type.support)
    return ir.Collect(value, name, type_, span=expr.span)


def _lags(ctx: Context, args: list[ast.Expr], expr: ast.Call) -> ir.Expr:
    """``lags(y, K)``: the last K values of y, nearest first, as a vector."""
    sequences = []
    value: ir.Expr | None = None
    if len(args) == 2:
        value = ctx.typed(ctx, args[0])
        sequences = [p for p in value.type.plates if ctx.scope.is_sequence(p)]
    if value is None or not isinstance(value, ir.Reference) or len(sequences) != 1:
        raise ctx.report.error(
            "GD317", "`lags(y, K)` takes a variable of one sequence and a number of steps",
            expr.span,
        )
    size = size_of(ctx, args[1])
    steps = ctx.known(size)
    if steps is None or steps < 1:
        raise ctx.report.error(
            "GD318",
            "the number of lags must be known from the text and be at least 1",
            args[1].span,
            help="declare the dim with its size: `dim K = 5`",
        )
    lagged = tuple(
        ir.Lag(value, sequences[0], k, value.type, span=expr.span) for k in range(1, steps + 1)
    )
    type_ = ValueType(value.type.plates, (size, *value.type.event), value.type.support)
    return ir.Stack(lagged, type_, span=expr.span)
