"""Sizes as the text writes them, and the axes that have them."""

from __future__ import annotations

from gendsl.diagnostics import Label
from gendsl.semantics.context import Context
from gendsl.semantics.report import Poisoned
from gendsl.semantics.sizes import MOST_TERMS
from gendsl.semantics.sorting import sorted_by_need
from gendsl.syntax import ast
from gendsl.types import Size

__all__ = ["resolve_axes", "size_of", "verify_size"]

MOST_FACTORS = 8
"""A size with a longer product is refused."""

LARGEST = 2**53
"""Larger sizes are not exact as numbers of the model."""


def size_of(ctx: Context, expr: ast.Expr) -> Size:
    """A size: a whole number, an axis, or sums and products of them."""
    match expr:
        case ast.NumberExpr(value=int() as value):
            return Size.of(value)
        case ast.Name(id=name):
            if name in ctx.scope.axes:
                return Size.named(name)
            raise _unknown(ctx, expr)
        case ast.Unary(op="-", operand=operand):
            return Size.of(-1) * size_of(ctx, operand)
        case ast.Chain(first=first, rest=rest) if all(op in "+-*" for op, _ in rest):
            total = size_of(ctx, first)
            for op, operand in rest:
                total = _combined(ctx, total, op, size_of(ctx, operand), expr)
            return total
        case _:
            raise ctx.report.error(
                "GD306",
                "a size is a whole number, the name of an axis, or sums and products of them",
                expr.span,
                help="declare `dim D` and use `D`",
            )


def _combined(ctx: Context, total: Size, op: str, part: Size, expr: ast.Expr) -> Size:
    if len(total.terms) * len(part.terms) <= MOST_TERMS:
        total = total * part if op == "*" else total + (part if op == "+" else Size.of(-1) * part)
        if all(len(n) <= MOST_FACTORS and abs(c) <= LARGEST for n, c in total.terms):
            return total
    raise _too_large(ctx, expr)


def _too_large(ctx: Context, expr: ast.Expr) -> Poisoned:
    return ctx.report.error(
        "GD308",
        "this size is too large to be computed with",
        expr.span,
        help="declare a `dim` without a size: the data then say how large it is",
    )


def _unknown(ctx: Context, name: ast.Name) -> Poisoned:
    word = name.id
    kind = ctx.scope.kind(word)
    if kind is not None:
        return ctx.report.error(
            "GD307",
            f"a size cannot depend on the value of `{word}`",
            name.span,
            labels=ctx.scope.label(word, f"`{word}` is {kind}"),
            help="random or data-dependent sizes are not supported; declare a larger axis and "
            "mask what is not used",
        )
    return ctx.report.unknown(
        "GD103",
        f"no plate or dim is called `{word}`",
        word,
        name.span,
        ctx.scope.suggestion(word, ctx.scope.axes) or f"declare it: `dim {word}`",
    )


def verify_size(ctx: Context, size: Size, expr: ast.Expr) -> None:
    """Verify that a size that the text determines is one."""
    known = ctx.sizes.known(size)
    if known is None or 0 <= known <= LARGEST:
        return
    if known > LARGEST:
        raise _too_large(ctx, expr)
    raise ctx.report.error(
        "GD308",
        f"a size cannot be negative, and this one is {known}",
        expr.span,
        help="a size of 0 is legal and contributes nothing",
    )


def resolve_axes(ctx: Context) -> dict[str, Size]:
    """The declared sizes of axes; what they say is noted in ``ctx.sizes``."""
    declared: dict[str, Size] = {}
    for name, axis in ctx.scope.axes.items():
        with ctx.report.containing():
            if axis.size is not None:
                declared[name] = size_of(ctx, axis.size)
    needs = {name: sorted(size.names & declared.keys()) for name, size in declared.items()}
    found = sorted_by_need(needs)
    for circle in found.circles:
        _report_circle(ctx, circle)
    for name in (n for n in found.order if n not in found.circular):
        size = ctx.sizes.canonical(declared[name])
        node = ctx.scope.axes[name].size
        assert node is not None
        with ctx.report.containing():
            if size.names & ctx.sizes.symbolic.keys():
                raise _too_large(ctx, node)
            verify_size(ctx, size, node)
            known = ctx.sizes.known(size)
            if known is not None:
                ctx.sizes.numbers[name] = known
            if size.names:
                ctx.sizes.symbolic[name] = size
    return declared


def _report_circle(ctx: Context, circle: list[str]) -> None:
    first = circle[0]
    node = ctx.scope.axes[first].size
    assert node is not None
    message = f"the size of `{first}` depends on itself"
    if len(circle) > 1:
        message = f"these sizes depend on one another: {' -> '.join([*circle[:8], first])}"
    labels = tuple(
        Label(ctx.scope.axes[n].name.span, f"`{n}` is declared here") for n in circle[1:4]
    )
    ctx.report.error("GD501", message, node.span, labels=labels, help="give one of them a number")
