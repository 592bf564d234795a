"""Typing ``nearest``: the member of a codebook that is next to each vector."""

from __future__ import annotations

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import walk
from gendsl.semantics.calls import nominal_error, shape
from gendsl.semantics.context import Context
from gendsl.semantics.structural import structural
from gendsl.syntax import ast
from gendsl.types import Index, ValueType

__all__ = ["codebook_of", "type_nearest", "verify_codebook"]

USAGE = (
    "write `nearest(x, codebook, p)` with the plate p of its members, or `nearest(x, table)` "
    "with a matrix that has a vector in each row"
)
MOST = 3
"""Event axes that vectors may have in front of their own."""


def type_nearest(ctx: Context, expr: ast.Call) -> ir.Expr:
    """``nearest(x, codebook, p)``: for each vector of x the nearest member of p."""
    given = [a.value for a in expr.arguments if a.keyword is None]
    if len(given) != len(expr.arguments) or len(given) not in (2, 3):
        raise ctx.report.error(
            "GD211",
            "`nearest` takes vectors, a codebook, and the plate of its members",
            expr.span,
            help=USAGE,
        )
    if len(given) == 3:
        collected = ast.Name("collect", span=expr.span)
        members = (ast.Argument(None, a, span=a.span) for a in given[1:])
        call = ast.Call(collected, tuple(members), span=given[1].span)
        (x,), table = ctx.all_typed(given[:1]), structural(ctx, "collect", call)
    else:
        x, table = ctx.all_typed(given)
    for arg in (x, table):
        if isinstance(arg.type.support, Index):
            raise nominal_error(ctx, arg.span, (arg,))
    vectors, rows = x.type.event, table.type.event
    fits = 1 <= len(vectors) <= 1 + MOST and len(rows) == 2
    if not fits or not ctx.agree(vectors[-1:], rows[1:]):
        raise ctx.report.error(
            "GD302",
            f"`nearest` compares vectors of one size, but these are {shape(x)}, and the "
            f"codebook is {shape(table)}",
            expr.span,
            labels=(*_origin(ctx, x), *_origin(ctx, table)),
            help=USAGE,
        )
    plates = x.type.plates | table.type.plates
    type_ = ValueType(plates, vectors[:-1], Index(rows[0]))
    return ir.Apply("nearest", (x, table), type_, span=expr.span)


def _origin(ctx: Context, expr: ir.Expr) -> tuple[Label, ...]:
    source = expr.value if isinstance(expr, ir.Collect) else expr
    return ctx.label(source, "declared here")


def codebook_of(value: ir.Expr | None) -> str | None:
    """The variable whose members ``nearest(x, codebook, p)`` chooses from; None for all else."""
    if not isinstance(value, ir.Apply) or value.function != "nearest":
        return None
    table = value.args[1]
    source = table.value if isinstance(table, ir.Collect) else table
    return source.name if isinstance(source, ir.Reference) else None


def verify_codebook(ctx: Context, name: str, value: ir.Expr) -> None:
    """Where a guide takes the nearest member of a codebook, gradients reach both.

    That is so if it is all of the guide, and the codebook is a param.
    """
    inside = [e for e in walk(value) if isinstance(e, ir.Apply) and e.function == "nearest"]
    if not inside:
        return
    book = codebook_of(value)
    declared = ctx.scope.values.get(book) if book is not None else None
    if declared is not None and declared.keyword == "param":
        return
    whole = inside[0] is value
    raise ctx.report.error(
        "GD623",
        f"the guide of `{name}` takes the nearest member of a codebook, which is a param by itself"
        if whole
        else f"`nearest` is the whole of a guide; in that of `{name}` more is done with it",
        inside[0].args[1].span if whole else inside[0].span,
        labels=_origin(ctx, inside[0].args[1]),
        help=f"write `guide {name} = nearest(x, codebook, p)` with `param codebook[p]: real[C]`",
    )
