"""Functions whose arguments are sizes or axes: zeros, ones, full, eye, collect, lags."""

from __future__ import annotations

from gendsl.ir import nodes as ir
from gendsl.semantics.axes import size_of, verify_size
from gendsl.semantics.context import Context
from gendsl.semantics.report import Poisoned
from gendsl.syntax import ast
from gendsl.types import COUNT, Interval, Size, Structured, Support, ValueType

__all__ = ["STRUCTURAL", "structural"]

STRUCTURAL = ("collect", "eye", "full", "lags", "ones", "zeros")
USAGE = {
    "collect": "a value and a plate: `collect(x, p)`",
    "eye": "one size: `eye(D)`",
    "full": "sizes and a value: `full(D, 0.5)`",
    "lags": "a variable and a number of steps: `lags(y, K)`",
    "ones": "sizes: `ones(D)`",
    "zeros": "sizes: `zeros(D)`",
}
MOST_LAGS = 1000


def structural(ctx: Context, name: str, expr: ast.Call) -> ir.Expr:
    """A function whose arguments are sizes or axes."""
    args = [a.value for a in expr.arguments if a.keyword is None]
    count = len(args)
    fits = count == 2 if name in ("collect", "lags") else count >= 1 + (name == "full")
    if count != len(expr.arguments) or not fits or (name == "eye" and count != 1):
        raise ctx.report.error("GD211", f"`{name}` takes {USAGE[name]}", expr.span)
    if name == "collect":
        return _collect(ctx, args, expr)
    if name == "lags":
        return _lags(ctx, args, expr)
    return _filled(ctx, name, args, expr)


def _filled(ctx: Context, name: str, args: list[ast.Expr], expr: ast.Call) -> ir.Expr:
    fill: tuple[ir.Expr, ...] = ()
    plates: frozenset[str] = frozenset()
    support: Support
    if name == "full":
        value = ctx.typed(ctx, args.pop())
        if value.type.event:
            raise ctx.report.error(
                "GD305", f"`full` repeats a scalar, but this is {value.type}", value.span
            )
        fill, support, plates = (value,), value.type.support, value.type.plates
    elif name == "eye":
        support = Structured("correlation")
    else:
        number = 1.0 if name == "ones" else 0.0
        support = Interval(integer=True, lower=number, upper=number)
    sizes = tuple(size_of(ctx, a) for a in args)
    for size, arg in zip(sizes, args, strict=True):
        verify_size(ctx, size, arg)
    event = (sizes[0], sizes[0]) if name == "eye" else sizes
    numbers = tuple(
        ir.SizeNumber(s, ValueType(support=COUNT), span=a.span)
        for s, a in zip(sizes, args, strict=True)
    )
    return ir.Apply(name, (*numbers, *fill), ValueType(plates, event, support), span=expr.span)


def _collect(ctx: Context, args: list[ast.Expr], expr: ast.Call) -> ir.Expr:
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
    value = ctx.typed(ctx, args[0])
    sequences = [p for p in value.type.plates if ctx.scope.is_sequence(p)]
    if not isinstance(value, ir.Reference) or len(sequences) != 1:
        raise _no_sequence(ctx, value, args[0])
    size = size_of(ctx, args[1])
    steps = ctx.sizes.known(size)
    if steps is None or not 1 <= steps <= MOST_LAGS:
        raise ctx.report.error(
            "GD318",
            f"the number of lags is a number from 1 to {MOST_LAGS} that the text determines",
            args[1].span,
            help="declare the dim with its size: `dim K = 5`",
        )
    lagged = tuple(
        ir.Lag(value, sequences[0], k, value.type, span=expr.span) for k in range(1, steps + 1)
    )
    type_ = ValueType(value.type.plates, (size, *value.type.event), value.type.support)
    return ir.Stack(lagged, type_, span=expr.span)


def _no_sequence(ctx: Context, value: ir.Expr, node: ast.Expr) -> Poisoned:
    if not isinstance(value, ir.Reference):
        found, remedy = "this is an expression", "name it with `let` first"
    else:
        over = ", ".join(sorted(value.type.plates)) or "no plate"
        found = f"`{value.name}` is over {over}"
        remedy = f"declare it along a sequence: `{value.name}[t]` with `sequence t`"
    return ctx.report.error(
        "GD317",
        f"`lags` takes a variable of one sequence, but {found}",
        node.span,
        labels=ctx.label(value, "declared here"),
        help=remedy,
    )
