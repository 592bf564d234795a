"""Typing expressions: syntax to typed IR."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from gendsl.diagnostics import InternalCompilerError, Label
from gendsl.ir import nodes as ir
from gendsl.library.functions import CURVES, FUNCTIONS, OPERATORS
from gendsl.library.functions.spec import FunctionSpec, Kind
from gendsl.semantics import (
    calls,
    codebooks,
    draws,
    flows,
    functions,
    nets,
    odes,
    points,
    subscripts,
)
from gendsl.semantics.context import Context
from gendsl.semantics.names import type_name
from gendsl.semantics.report import Poisoned
from gendsl.semantics.supports import hull
from gendsl.syntax import ast
from gendsl.types import BINARY, Index, Interval, Size, Structured, Support, ValueType

__all__ = ["type_expression"]

DEEPEST = 201
"""The parser lets expressions nest 200 deep; bodies of functions could exceed that."""

LATER_FUNCTIONS = ("nearest",)
"""Functions of the charter that later versions bring."""


def type_expression(ctx: Context, expr: ast.Expr) -> ir.Expr:
    """The typed form of `expr`.

    Raises:
        Poisoned: a mistake in it has been reported.
    """
    ctx.nesting.level += 1
    if ctx.outermost is not None:
        ctx.nesting.written += 1
    try:
        if ctx.nesting.level > DEEPEST:
            raise functions.too_large(ctx, expr)
        return _typed(ctx, expr)
    finally:
        ctx.nesting.level -= 1


def _typed(ctx: Context, expr: ast.Expr) -> ir.Expr:  # noqa: C901 - one case for each kind
    match expr:
        case ast.NumberExpr(value=value):
            return _constant(value, expr)
        case ast.Name():
            return type_name(ctx, expr)
        case ast.Call():
            return _call(ctx, expr)
        case ast.Subscript():
            return subscripts.type_subscript(ctx, expr)
        case ast.ListExpr(items=items):
            return _stack(ctx, ctx.all_typed(items), expr)
        case ast.Unary():
            return _unary(ctx, expr)
        case ast.Chain():
            return _chain(ctx, expr)
        case ast.Power(base=base, exponent=exponent):
            return calls.apply(ctx, "pow", ctx.all_typed([base, exponent]), expr.span)
        case ast.Compare(op=op, left=left, right=right):
            return _compare(ctx, OPERATORS[op], ctx.all_typed([left, right]), expr)
        case ast.Bool(op=op, operands=operands):
            return calls.apply(ctx, op, ctx.all_typed(operands), expr.span)
        case ast.ConditionalExpr(then=then, condition=condition, otherwise=otherwise):
            args = ctx.all_typed([condition, then, otherwise])
            return calls.apply(ctx, "where", args, expr.span)
        case ast.Member():
            return _member(ctx, expr)
        case ast.Pipe():
            raise InternalCompilerError("the parser lets `|>` stand only after a distribution")
        case _:
            assert_never(expr)


def _member(ctx: Context, expr: ast.Member | ast.Call) -> ir.Expr:
    part = nets.type_part(ctx, expr) if isinstance(expr, ast.Member) else None
    if part is not None:
        return part
    owner: ast.Expr = expr
    while isinstance(owner, (ast.Member, ast.Call)):
        owner = owner.value if isinstance(owner, ast.Member) else owner.function
    if not isinstance(owner, ast.Name) or owner.id not in ctx.scope.callables:
        ctx.typed(ctx, owner)  # a name that is not declared is reported as such
    raise ctx.report.error(
        "GD904",
        "fitted models and Python functions (`use`) are part of the language, but this version "
        "cannot run them yet",
        expr.span,
    )


def _constant(value: float, expr: ast.Expr) -> ir.Constant:
    support = Interval(isinstance(value, int), float(value), float(value))
    return ir.Constant(value, ValueType(support=support), span=expr.span)


def _unary(ctx: Context, expr: ast.Unary) -> ir.Expr:
    operand = ctx.typed(ctx, expr.operand)
    if expr.op == "+" and not isinstance(operand.type.support, Index):
        return operand
    if expr.op == "-" and isinstance(operand, ir.Constant):
        return _constant(-operand.value, expr)
    return calls.apply(ctx, "not" if expr.op == "not" else "neg", (operand,), expr.span)


def _chain(ctx: Context, expr: ast.Chain) -> ir.Expr:
    typed = ctx.all_typed([expr.first, *(operand for _, operand in expr.rest)])
    terms = [typed[0]]
    additive = expr.rest[0][0] in "+-"
    name, inverse = ("add", "neg") if additive else ("mul", "reciprocal")
    for (op, operand), value in zip(expr.rest, typed[1:], strict=True):
        if op == "@":
            span = expr.first.span.to(operand.span)
            left = calls.apply(ctx, name, tuple(terms), span) if len(terms) > 1 else terms[0]
            terms = [calls.apply(ctx, "matmul", (left, value), span)]
        elif op in "-/":
            terms.append(_inverse(ctx, inverse, value))
        else:
            terms.append(value)
    return calls.apply(ctx, name, tuple(terms), expr.span) if len(terms) > 1 else terms[0]


def _inverse(ctx: Context, inverse: str, value: ir.Expr) -> ir.Expr:
    known = hull(value.type.support)
    if inverse == "reciprocal" and known.lower == known.upper == 0:
        raise ctx.report.error("GD402", "this divides by zero", value.span)
    return calls.apply(ctx, inverse, (value,), value.span)


def _compare(ctx: Context, name: str, args: tuple[ir.Expr, ...], expr: ast.Compare) -> ir.Expr:
    left, right = (a.type.support for a in args)
    nominal = [s for s in (left, right) if isinstance(s, Index)]
    if not nominal:
        return calls.apply(ctx, name, args, expr.span)
    if name not in ("eq", "ne"):
        raise calls.nominal_error(ctx, expr.span, args)
    literal = any(isinstance(a, ir.Constant) and isinstance(a.value, int) for a in args)
    if not literal and left != right:
        other = right if nominal[0] is left else left
        raise ctx.report.error(
            "GD208",
            f"a value that is {nominal[0]} is compared with one that is {other}",
            expr.span,
            help="compare members of the same plate, or a member and its literal number",
        )
    event = calls.joint_event(ctx, args, expr.span)
    plates = args[0].type.plates | args[1].type.plates
    return ir.Apply(name, args, ValueType(plates, event, BINARY), span=expr.span)


def _stack(ctx: Context, items: tuple[ir.Expr, ...], expr: ast.ListExpr) -> ir.Expr:
    if not items:
        raise ctx.report.error(
            "GD209", "an empty list has no type", expr.span, help="a vector of zeros is `zeros(D)`"
        )
    first = items[0].type
    for item, node in zip(items[1:], expr.items[1:], strict=True):
        if not ctx.agree(item.type.event, first.event):
            raise ctx.report.error(
                "GD303",
                f"entries of a list have one shape, but this one is "
                f"{calls.shape(item)} and the first is {calls.shape(items[0])}",
                node.span,
                labels=(Label(expr.items[0].span, "the first entry"),),
            )
    plates = frozenset[str]().union(*(i.type.plates for i in items))
    event = (Size.of(len(items)), *first.event)
    type_ = ValueType(plates, event, _common(ctx, items))
    return ir.Stack(items, type_, span=expr.span)


def _common(ctx: Context, items: tuple[ir.Expr, ...]) -> Support:
    """The support of the entries of a list: one category, one structure, or any numbers."""
    first = items[0].type.support
    same = all(i.type.support == first for i in items)
    if same and isinstance(first, (Index, Structured)):
        return first
    for item in items:
        if isinstance(item.type.support, Index):
            raise calls.nominal_error(ctx, item.span, (item,))
    hulls = [hull(i.type.support) for i in items]
    lower, upper = min(h.lower for h in hulls), max(h.upper for h in hulls)
    return Interval(all(h.integer for h in hulls), lower, upper)


def _call(ctx: Context, expr: ast.Call) -> ir.Expr:
    if not isinstance(expr.function, ast.Name):
        return _member(ctx, expr)
    name = expr.function.id
    if name in ctx.scope.callables:
        declared = ctx.scope.callables[name]
        if isinstance(declared, ast.Fn):
            return functions.type_call(ctx, name, expr)
        if isinstance(declared, ast.Net):
            return nets.type_net_call(ctx, expr)
        if isinstance(declared, ast.Flow):
            raise flows.not_applied(ctx, expr)
        ctx.all_typed(a.value for a in expr.arguments)
        raise Poisoned  # `use` has been reported where they are declared
    if name in OWN_FORMS:
        return OWN_FORMS[name](ctx, expr)
    spec = FUNCTIONS.get(name)
    if spec is None or spec.operator is not None:
        raise _no_function(ctx, expr, expr.function)
    typer = _typer(spec)
    if typer is not None:
        return typer(ctx, spec, expr)
    args = calls.arguments(ctx, spec, expr)
    return calls.apply(ctx, name, ctx.all_typed(args), expr.span)


OWN_FORMS = {
    "log_prob": draws.type_log_prob,
    "nearest": codebooks.type_nearest,
    "odeint": odes.type_odeint,
}
"""Functions whose arguments are not all expressions."""


def _typer(
    spec: FunctionSpec,
) -> Callable[[Context, FunctionSpec, ast.Call], ir.Expr] | None:
    """What types a call, by how the function treats shapes; None for elementwise ones."""
    if spec.kind is Kind.REDUCTION:
        return calls.reduce
    if spec.kernel:
        return points.covariance
    if spec in CURVES:
        return points.basis
    return calls.shaped if spec.kind is Kind.SHAPED else None


def _no_function(ctx: Context, expr: ast.Call, function: ast.Name) -> Poisoned:
    name = function.id
    if name in draws.KNOWN or name in draws.LATER:
        return ctx.report.error(
            "GD106",
            f"`{name}` is a distribution; a value is expected here",
            expr.span,
            help=f"name a draw of it, `latent x ~ {name}(...)`, and use `x` here; its log "
            f"density at a value is `log_prob({name}(...), value)`",
        )
    if name in LATER_FUNCTIONS:
        return ctx.report.error(
            "GD913",
            f"`{name}` is part of the language, but this version cannot run it yet",
            expr.span,
        )
    error = calls.unknown_function(ctx, function)
    ctx.all_typed(a.value for a in expr.arguments)
    return error
