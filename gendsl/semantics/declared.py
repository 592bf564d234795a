"""Sizes and types as the text writes them: type expressions to `ValueType`."""

from __future__ import annotations

from math import inf

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.semantics.context import Context, Declared
from gendsl.syntax import ast
from gendsl.types import (
    BINARY,
    COUNT,
    INTEGER,
    POSITIVE,
    REAL,
    STRUCTURED_EVENT_DIM,
    UNIT,
    Index,
    Interval,
    Size,
    Structured,
    Support,
    ValueType,
)

__all__ = ["TYPE_WORDS", "declared_type", "size_of", "value_type"]

PLAIN = {
    "real": REAL,
    "positive": POSITIVE,
    "unit": UNIT,
    "integer": INTEGER,
    "count": COUNT,
    "binary": BINARY,
}
BOUNDED = {"real", "integer", "ordered"}
SQUARE = {"covariance", "correlation"}
TYPE_WORDS = (*PLAIN, "index", *(k for k in STRUCTURED_EVENT_DIM if k != "cholesky"))
"""Every word that may start a type."""


def size_of(ctx: Context, expr: ast.Expr) -> Size:
    """A size: a whole number, an axis, or sums and products of them."""
    match expr:
        case ast.NumberExpr(value=int() as value):
            return Size.of(value)
        case ast.Name(id=name):
            if name in ctx.scope.axes:
                return Size.named(name)
            raise _unknown_size(ctx, expr)
        case ast.Chain(first=first, rest=rest) if all(op in "+-*" for op, _ in rest):
            total = size_of(ctx, first)
            for op, operand in rest:
                part = size_of(ctx, operand)
                if op == "*":
                    total = total * part
                else:
                    total = total + (part if op == "+" else Size.of(-1) * part)
            return total
        case _:
            raise ctx.report.error(
                "GD306",
                "a size is a whole number, the name of an axis, or sums and products of them",
                expr.span,
                help="declare `dim D` and use `D`",
            )


def _unknown_size(ctx: Context, name: ast.Name) -> Exception:
    word = name.id
    if word in ctx.scope.values:
        return ctx.report.error(
            "GD307",
            f"a size cannot depend on the value of `{word}`",
            name.span,
            labels=ctx.scope.label(word, f"`{word}` is a {ctx.scope.values[word].keyword}"),
            help="random or data-dependent sizes are not supported; use a larger plate and a mask",
        )
    return ctx.report.error(
        "GD103",
        f"no axis is called `{word}`",
        name.span,
        help=ctx.scope.suggestion(word, ctx.scope.axes) or f"declare it: `dim {word}`",
    )


def _bound(ctx: Context, expr: ast.Expr) -> tuple[float | None, ir.Expr | None]:
    """A bound as a number, or as an expression that depends on other quantities."""
    match expr:
        case ast.Name(id="inf"):
            return inf, None
        case ast.Unary(op="-", operand=ast.Name(id="inf")):
            return -inf, None
        case ast.NumberExpr(value=value):
            return float(value), None
        case ast.Unary(op="-", operand=ast.NumberExpr(value=value)):
            return -float(value), None
        case _:
            return None, ctx.typed(ctx, expr)


def _interval(
    ctx: Context, type_: ast.NamedType, *, integer: bool
) -> tuple[Interval, ir.Expr | None, ir.Expr | None]:
    lower, low = _bound(ctx, type_.arguments[0])
    upper, high = _bound(ctx, type_.arguments[1])
    low_hull = low.type.support.lower if low and isinstance(low.type.support, Interval) else -inf
    high_hull = high.type.support.upper if high and isinstance(high.type.support, Interval) else inf
    interval = Interval(
        integer, low_hull if lower is None else lower, high_hull if upper is None else upper
    )
    if low is None and high is None and interval.lower >= interval.upper:
        raise ctx.report.error(
            "GD201",
            f"`{type_.name.id}` has a lower bound of {interval.lower:g}, which is not below "
            f"its upper bound {interval.upper:g}",
            type_.span,
            help="write the smaller bound first",
        )
    return interval, low, high


def _check_word(ctx: Context, type_: ast.NamedType) -> None:
    word = type_.name.id
    if word not in TYPE_WORDS:
        raise ctx.report.error(
            "GD104",
            f"no type is called `{word}`",
            type_.name.span,
            help=ctx.scope.suggestion(word, TYPE_WORDS) or f"the types are {', '.join(TYPE_WORDS)}",
        )
    wanted = {"index": 1}.get(word, 2 if word in BOUNDED and type_.arguments else 0)
    if len(type_.arguments) != wanted:
        rule = {
            "index": "`index` takes the number of categories, or a plate: `index(county)`",
        }.get(word, f"`{word}` takes a lower and an upper bound: `{word}(0, 1)`")
        if word not in BOUNDED and word != "index":
            rule = f"`{word}` takes no bounds"
        raise ctx.report.error("GD202", rule, type_.span, help="use `inf` for no bound")


def _structured(ctx: Context, type_: ast.NamedType, event: tuple[Size, ...]) -> Support:
    word = type_.name.id
    if word == "ordered" and type_.arguments:
        interval, low, high = _interval(ctx, type_, integer=False)
        if low is not None or high is not None:
            raise ctx.report.error("GD202", "bounds of `ordered` are numbers", type_.span)
        support = Structured("ordered", interval.lower, interval.upper)
    else:
        support = Structured(word)
    if len(event) < (1 if word in SQUARE else support.event_dim):
        raise ctx.report.error(
            "GD203",
            f"`{word}` needs a size",
            type_.span,
            help=f"write `{word}[K]` with `dim K`, a plate, or a number",
        )
    return support


def value_type(
    ctx: Context, type_: ast.NamedType
) -> tuple[ValueType, ir.Expr | None, ir.Expr | None]:
    """The event shape and support of a type, with bounds that are expressions."""
    _check_word(ctx, type_)
    word = type_.name.id
    event = tuple(size_of(ctx, s) for s in type_.shape)
    for size, expr in zip(event, type_.shape, strict=True):
        known = ctx.known(size)
        if known is not None and known < 0:
            raise ctx.report.error("GD308", f"a size cannot be negative ({known})", expr.span)
    low: ir.Expr | None = None
    high: ir.Expr | None = None
    support: Support
    if word == "index":
        support = Index(size_of(ctx, type_.arguments[0]))
    elif word in PLAIN:
        support = PLAIN[word]
        if type_.arguments:
            support, low, high = _interval(ctx, type_, integer=word == "integer")
    else:
        support = _structured(ctx, type_, event)
        if word in SQUARE and len(event) == 1:
            event = (event[0], event[0])
    return ValueType(frozenset(), event, support), low, high


def declared_type(
    ctx: Context, type_: ast.TypeExpr | None, axes: tuple[str, ...], *, missing_ok: bool
) -> Declared:
    """The declared type of a value over `axes`; type None if it was left out."""
    if type_ is None:
        return Declared(axes, None)
    if not isinstance(type_, ast.NamedType):
        raise ctx.report.error(
            "GD204",
            "a value has one type; tuples and records belong to nets",
            type_.span,
            help="declare one variable for each entry",
        )
    if type_.optional and not missing_ok:
        raise ctx.report.error(
            "GD205",
            "`?` (values may be missing) stands on `observe` only",
            type_.span,
            labels=(Label(type_.name.span, "this value must be known"),),
            help="declare the variable with `observe` and give it a distribution",
        )
    value, low, high = value_type(ctx, type_)
    typed = ValueType(frozenset(axes), value.event, value.support)
    return Declared(axes, typed, True, type_.optional, low, high)
