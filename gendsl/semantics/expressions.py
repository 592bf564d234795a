"""Typing expressions: syntax to typed IR."""

from __future__ import annotations

from collections.abc import Sequence

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.library.functions import FUNCTIONS, OPERATORS
from gendsl.library.functions.spec import Kind
from gendsl.semantics import calls, draws, subscripts
from gendsl.semantics.context import Context
from gendsl.semantics.report import Poisoned
from gendsl.semantics.supports import hull
from gendsl.syntax import ast
from gendsl.types import COUNT, BINARY, Index, Interval, Size, ValueType, describe_event

__all__ = ["type_expression"]

LATER_FUNCTIONS = ("odeint", "nearest")
"""Functions of the charter that later versions bring."""


def type_expression(ctx: Context, expr: ast.Expr) -> ir.Expr:
    """The typed form of `expr`.

    Raises:
        Poisoned: a mistake in it has been reported.
    """
    match expr:
        case ast.NumberExpr(value=value):
            return _constant(value, expr)
        case ast.Name():
            return _name(ctx, expr)
        case ast.Unary():
            return _unary(ctx, expr)
        case ast.Chain():
            return _chain(ctx, expr)
        case ast.Power(base=base, exponent=exponent):
            args = ctx.all_typed([base, exponent])
            return calls.apply(ctx, "pow", args, expr.span)
        case ast.Compare(op=op, left=left, right=right):
            return _compare(ctx, op, ctx.all_typed([left, right]), expr)
        case ast.Bool(op=op, operands=operands):
            return calls.apply(ctx, op, ctx.all_typed(list(operands)), expr.span)
        case ast.ConditionalExpr(then=then, condition=condition, otherwise=otherwise):
            args = ctx.all_typed([condition, then, otherwise])
            return calls.apply(ctx, "where", args, expr.span)
        case ast.ListExpr(items=items):
            return _stack(ctx, ctx.all_typed(list(items)), expr)
        case ast.Subscript():
            return subscripts.type_subscript(ctx, expr)
        case ast.Call():
            return _call(ctx, expr)
        case ast.Member():
            raise ctx.report.error(
                "GD904",
                "members of fitted models (`use`) cannot be run by this version yet",
                expr.span,
            )
        case ast.Pipe():
            raise ctx.report.error(
                "GD206",
                "`|>` stands after a distribution only, on the right of `~`",
                expr.span,
                help="to apply a function to a value, call it: `f(x)`",
            )


def _constant(value: float, expr: ast.Expr) -> ir.Constant:
    support = Interval(isinstance(value, int), float(value), float(value))
    return ir.Constant(value, ValueType(support=support), span=expr.span)


def _name(ctx: Context, expr: ast.Name) -> ir.Expr:
    word = expr.id
    if word in ctx.locals:
        return ctx.locals[word]
    if ctx.calls and word in ctx.scope.values:
        raise ctx.report.error(
            "GD105",
            f"`{word}` is not visible inside the function `{ctx.calls[-1]}`",
            expr.span,
            labels=ctx.scope.label(word, "declared in the model"),
            help="a function sees its arguments, sizes and other functions: pass it in",
        )
    if word in ctx.scope.values:
        if word in ctx.poisoned:
            raise Poisoned
        type_ = ctx.declared[word].type if word in ctx.declared else None
        type_ = type_ or provisional_type(ctx, word)
        if type_ is None:
            raise ctx.report.error(
                "GD207",
                f"the type of `{word}` is needed here before its equation determines it",
                expr.span,
                labels=ctx.scope.label(word, "declare its type here, such as `: real`"),
                help="a recursion needs a declared type, or a base case such as `z[0]`",
            )
        return ir.Reference(word, type_, span=expr.span)
    if ctx.scope.is_plate(word):
        count = ctx.known(Size.named(word))
        support = COUNT if count is None else Interval(True, 0.0, float(max(count - 1, 0)))
        return ir.MemberNumber(word, ValueType(frozenset({word}), (), support), span=expr.span)
    if word in ctx.scope.axes:
        return ir.SizeNumber(Size.named(word), ValueType(support=COUNT), span=expr.span)
    raise _unknown(ctx, expr)


def provisional_type(ctx: Context, word: str) -> ValueType | None:
    """The type of a variable that a lag mentions before its equation has been typed.

    A distribution of scalars with a fixed support determines it by name alone.
    """
    statement = ctx.scope.values[word].statements[-1]
    call = getattr(statement, "distribution", None)
    name = call.function.id if isinstance(call, ast.Call) and isinstance(
        call.function, ast.Name) else None
    spec = DISTRIBUTIONS.get(name) if name is not None else None
    if spec is None or spec.event_dim or callable(spec.support) or word not in ctx.declared:
        return None
    return ValueType(frozenset(ctx.declared[word].axes), (), spec.support)


def _unknown(ctx: Context, expr: ast.Name) -> Poisoned:
    word = expr.id
    if word in ctx.scope.callables or word in FUNCTIONS or word in DISTRIBUTIONS:
        kind = "distribution" if word in DISTRIBUTIONS else "function"
        return ctx.report.error(
            "GD106",
            f"`{word}` is a {kind}; a value is expected here",
            expr.span,
            help=f"call it: `{word}(...)`" if kind == "function" else "it stands after `~`",
        )
    near = ctx.scope.suggestion(word, [*ctx.scope.values, *ctx.scope.axes, *ctx.locals])
    return ctx.report.error(
        "GD107",
        f"nothing called `{word}` is declared",
        expr.span,
        help=near or f"declare it, for example `input {word}: real` or `latent {word} ~ ...`",
    )


def _unary(ctx: Context, expr: ast.Unary) -> ir.Expr:
    operand = ctx.typed(ctx, expr.operand)
    if expr.op == "+":
        return operand
    if expr.op == "-" and isinstance(operand, ir.Constant):
        value = -operand.value
        support = Interval(isinstance(value, int), float(value), float(value))
        return ir.Constant(value, ValueType(support=support), span=expr.span)
    return calls.apply(ctx, "neg" if expr.op == "-" else "not", (operand,), expr.span)


def _chain(ctx: Context, expr: ast.Chain) -> ir.Expr:
    typed = ctx.all_typed([expr.first, *(operand for _, operand in expr.rest)])
    total, terms = typed[0], [typed[0]]
    additive = expr.rest[0][0] in "+-"
    name, inverse = ("add", "neg") if additive else ("mul", "reciprocal")
    for (op, operand), value in zip(expr.rest, typed[1:], strict=True):
        if op == "@":
            total = calls.apply(ctx, name, tuple(terms), expr.span) if len(terms) > 1 else terms[0]
            span = expr.first.span.to(operand.span)
            terms = [calls.apply(ctx, "matmul", (total, value), span)]
        elif op in "-/":
            terms.append(calls.apply(ctx, inverse, (value,), operand.span))
        else:
            terms.append(value)
    return calls.apply(ctx, name, tuple(terms), expr.span) if len(terms) > 1 else terms[0]


def _compare(ctx: Context, op: str, args: tuple[ir.Expr, ...], expr: ast.Compare) -> ir.Expr:
    left, right = (a.type.support for a in args)
    nominal = [s for s in (left, right) if isinstance(s, Index)]
    if not nominal:
        return calls.apply(ctx, OPERATORS[op], args, expr.span)
    if OPERATORS[op] not in ("eq", "ne"):
        raise calls.nominal_error(ctx, expr.span, args)
    same = left == right or all(
        isinstance(s, Index) or isinstance(a, ir.Constant)
        for s, a in zip((left, right), args, strict=True)
    )
    if len(nominal) == 2 and left != right or not same:
        raise ctx.report.error(
            "GD208",
            f"a member of `{nominal[0]}` is compared with a value of `{right}`",
            expr.span,
            help="compare members of the same plate, or a member and a literal number",
        )
    event = calls.joint_event(ctx, args, expr.span)
    plates = args[0].type.plates | args[1].type.plates
    return ir.Apply(OPERATORS[op], args, ValueType(plates, event, BINARY), span=expr.span)


def _stack(ctx: Context, items: tuple[ir.Expr, ...], expr: ast.ListExpr) -> ir.Expr:
    if not items:
        raise ctx.report.error("GD209", "an empty list has no type", expr.span)
    first = items[0].type
    for item, node in zip(items[1:], expr.items[1:], strict=True):
        same = len(item.type.event) == len(first.event) and all(
            ctx.agree(a, b) for a, b in zip(item.type.event, first.event, strict=True)
        )
        if not same:
            raise ctx.report.error(
                "GD303",
                f"entries of a list have one shape, but this one is "
                f"{_shape(item.type.event)} and the first is {_shape(first.event)}",
                node.span,
                labels=(Label(expr.items[0].span, "the first entry"),),
            )
    plates = frozenset().union(*(i.type.plates for i in items))
    hulls = [hull(i.type.support) for i in items]
    support = Interval(
        all(h.integer for h in hulls), min(h.lower for h in hulls), max(h.upper for h in hulls)
    )
    event = (Size.of(len(items)), *first.event)
    return ir.Stack(items, ValueType(plates, event, support), span=expr.span)


def _shape(event: Sequence[Size]) -> str:
    return describe_event(tuple(event)) or "a scalar"


def _call(ctx: Context, expr: ast.Call) -> ir.Expr:
    if not isinstance(expr.function, ast.Name):
        raise ctx.report.error(
            "GD904", "fitted models (`use`) cannot be run by this version yet", expr.span
        )
    name = expr.function.id
    if name in ctx.scope.callables:
        declared = ctx.scope.callables[name]
        if isinstance(declared, ast.Fn):
            return calls.call_fn(ctx, declared, expr)
        raise Poisoned  # nets, flows and `use` have been reported where they are declared
    if name == "log_prob":
        return draws.type_log_prob(ctx, expr)
    if name in DISTRIBUTIONS:
        raise ctx.report.error(
            "GD106",
            f"`{name}` is a distribution; a value is expected here",
            expr.span,
            help=f"name a draw of it: `latent x ~ {name}(...)`, and use `x` here",
        )
    if name in LATER_FUNCTIONS:
        raise ctx.report.error(
            "GD913",
            f"`{name}` is part of the language, but this version cannot run it yet",
            expr.span,
        )
    spec = FUNCTIONS.get(name)
    if spec is None or spec.operator is not None:
        raise calls.unknown_function(ctx, expr.function)
    if spec.kind is Kind.REDUCTION:
        return calls.reduce(ctx, spec, expr)
    if spec.kind is Kind.SHAPED:
        return calls.shaped(ctx, spec, expr)
    args = calls.arguments(ctx, spec, expr)
    return calls.apply(ctx, name, ctx.all_typed(args), expr.span)
