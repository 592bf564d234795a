"""Typing names: what a name means where a value is expected."""

from __future__ import annotations

from dataclasses import replace

from gendsl.ir import nodes as ir
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.library.distributions.wrappers import WRAPPERS
from gendsl.library.functions import FUNCTIONS
from gendsl.semantics.context import Context
from gendsl.semantics.report import Poisoned
from gendsl.source import NOWHERE
from gendsl.syntax import ast
from gendsl.types import COUNT, Interval, Size, ValueType

__all__ = ["type_name"]

CONSTANTS = {
    "pi": "write `3.141592653589793`",
    "e": "write `exp(1)`",
    "inf": "`inf` stands only as a bound in a type, such as `real(0, inf)`",
    "infinity": "`inf` stands only as a bound in a type, such as `real(0, inf)`",
    "nan": "a value that may be missing has `?` after its type: `observe y[n]: real?`",
    "na": "a value that may be missing has `?` after its type: `observe y[n]: real?`",
    "none": "a value that may be missing has `?` after its type: `observe y[n]: real?`",
    "true": "write `1`",
    "false": "write `0`",
}
"""Words that stand for values in other systems."""


def type_name(ctx: Context, expr: ast.Name) -> ir.Expr:
    """A name where a value is expected: an argument, a variable, a plate, a size."""
    word = expr.id
    local = ctx.locals.get(word)
    if local is not None:
        return replace(local, span=expr.span) if local.span == NOWHERE else local
    if ctx.calls and (word in ctx.scope.values or ctx.scope.is_plate(word)):
        raise ctx.report.error(
            "GD105",
            f"`{word}` is not visible inside the function `{ctx.calls[-1]}`",
            expr.span,
            labels=ctx.scope.label(word, "declared in the model"),
            help="a function sees its arguments, sizes and other functions: hand it over as an "
            "argument",
        )
    if word in ctx.scope.values:
        return ir.Reference(word, _type_of(ctx, expr), span=expr.span)
    if word in ctx.scope.axes:
        return _axis(ctx, expr)
    raise _unknown(ctx, expr)


def _axis(ctx: Context, expr: ast.Name) -> ir.Expr:
    """A plate's name is the member's number; a dim's is its size."""
    word = expr.id
    count = ctx.sizes.known(Size.named(word))
    if ctx.scope.is_plate(word):
        support = (
            COUNT
            if count is None
            else Interval(integer=True, lower=0.0, upper=float(max(count - 1, 0)))
        )
        return ir.MemberNumber(word, ValueType(frozenset({word}), (), support), span=expr.span)
    support = (
        COUNT if count is None else Interval(integer=True, lower=float(count), upper=float(count))
    )
    return ir.SizeNumber(Size.named(word), ValueType(support=support), span=expr.span)


def _type_of(ctx: Context, expr: ast.Name) -> ValueType:
    word = expr.id
    if word in ctx.poisoned or word in ctx.scope.ambiguous:
        raise Poisoned
    declared = ctx.declared.get(word)
    type_ = declared.type if declared is not None else None
    if type_ is None and declared is not None:
        type_ = _assumed(ctx, word)
    if type_ is None:
        raise ctx.report.error(
            "GD207",
            f"the type of `{word}` is needed here before its equation determines it",
            expr.span,
            labels=ctx.scope.label(word, "declare its type here, such as `: real`"),
            help="a recursion needs a declared type, or a base case such as `z[0]`",
        )
    return type_


def _assumed(ctx: Context, word: str) -> ValueType | None:
    """The type of a variable that its own equation refers to, by a lag.

    A distribution of scalars with a fixed support determines it by name alone, and a `let` is
    taken for a real number; that it turns out to be a scalar is verified when the equation has
    been typed.
    """
    statement = ctx.scope.values[word].statements[-1]
    if isinstance(statement, ast.Let):
        assumed = ValueType(frozenset(ctx.declared[word].axes))
        ctx.assumed[word] = assumed
        return assumed
    call = getattr(statement, "distribution", None)
    if not isinstance(call, ast.Call) or not isinstance(call.function, ast.Name):
        return None
    spec = DISTRIBUTIONS.get(call.function.id)
    if spec is None or spec.event_dim or callable(spec.support):
        return None
    assumed = ValueType(frozenset(ctx.declared[word].axes), (), spec.support)
    ctx.assumed[word] = assumed
    return assumed


def _unknown(ctx: Context, expr: ast.Name) -> Poisoned:
    word = expr.id
    known = FUNCTIONS.get(word)
    if word in DISTRIBUTIONS or word in WRAPPERS:
        return ctx.report.error(
            "GD106",
            f"`{word}` is a distribution; a value is expected here",
            expr.span,
            help=f"name a draw of it, `latent x ~ {word}(...)`, and use `x` here",
        )
    if word in ctx.scope.callables or (known is not None and known.operator is None):
        return ctx.report.error(
            "GD106",
            f"`{word}` is a function; a value is expected here",
            expr.span,
            help=f"call it: `{word}(...)`",
        )
    return ctx.report.unknown(
        "GD107",
        f"nothing called `{word}` is declared",
        word,
        expr.span,
        None if ctx.report.is_unknown(word) else _remedy(ctx, word),
    )


def _remedy(ctx: Context, word: str) -> str:
    values = () if ctx.calls else ctx.scope.values
    near = ctx.scope.suggestion(word, ctx.locals, ctx.scope.axes, values)
    if near or word.casefold() in CONSTANTS:
        return near or CONSTANTS[word.casefold()]
    if ctx.calls:
        return f"a function sees its arguments: add `{word}: real` to them"
    return f"declare it, for example `input {word}: real` or `latent {word} ~ Normal(0, 1)`"
