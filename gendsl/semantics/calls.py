"""Typing functions: elementwise, reductions, and functions of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.library.functions import FUNCTIONS
from gendsl.library.functions.spec import FunctionSpec
from gendsl.semantics import shapes
from gendsl.semantics.context import Context
from gendsl.semantics.declared import value_type
from gendsl.semantics.report import Poisoned
from gendsl.semantics.supports import fits, hull
from gendsl.source import Span
from gendsl.syntax import ast
from gendsl.types import REAL, Index, Size, Structured, ValueType, describe_event

__all__ = [
    "apply",
    "arguments",
    "call_fn",
    "joint_event",
    "nominal_error",
    "reduce",
    "shaped",
    "unknown_function",
]


def unknown_function(ctx: Context, name: ast.Name) -> Poisoned:
    """Report a name that is no function."""
    known = [f for f, spec in FUNCTIONS.items() if spec.operator is None]
    known += list(ctx.scope.callables)
    word = name.id
    if word in ctx.scope.values or word in ctx.scope.axes:
        return ctx.report.error(
            "GD108",
            f"`{word}` is not a function",
            name.span,
            labels=ctx.scope.label(word, "declared here"),
            help=f"use `{word}` or `{word}[...]`; multiplication is written `*`",
        )
    return ctx.report.error(
        "GD109",
        f"no function is called `{word}`",
        name.span,
        help=ctx.scope.suggestion(word, known),
    )


def nominal_error(ctx: Context, span: Span, args: Sequence[ir.Expr]) -> Poisoned:
    """Report arithmetic on categories."""
    culprit = next(a for a in args if isinstance(a.type.support, Index))
    labels = ()
    if isinstance(culprit, ir.Reference):
        labels = ctx.scope.label(culprit.name, f"`{culprit.name}` is `{culprit.type.support}`")
    return ctx.report.error(
        "GD210",
        f"`{culprit.type.support}` is a category: it has no arithmetic and no order",
        span,
        labels=labels,
        help="use it to index, `alpha[g]`, or compare it, `g == 1`; declare numbers as `count`",
    )


def joint_event(ctx: Context, args: Sequence[ir.Expr], span: Span) -> tuple[Size, ...]:
    """The one event shape of elementwise operands: they agree exactly; scalars go with any."""
    chosen: ir.Expr | None = None
    for arg in args:
        if not arg.type.event:
            continue
        if chosen is None:
            chosen = arg
            continue
        a, b = chosen.type.event, arg.type.event
        if len(a) != len(b) or not all(ctx.agree(x, y) for x, y in zip(a, b, strict=True)):
            raise ctx.report.error(
                "GD304",
                f"shapes {describe_event(a)} and {describe_event(b)} do not agree",
                span,
                labels=(*_origin(ctx, chosen), *_origin(ctx, arg)),
                help="shapes agree by the names of their sizes; nothing of size 1 stretches",
            )
    return chosen.type.event if chosen is not None else ()


def _origin(ctx: Context, expr: ir.Expr) -> tuple[Label, ...]:
    shape = describe_event(expr.type.event)
    if isinstance(expr, ir.Reference):
        return ctx.scope.label(expr.name, f"`{expr.name}` has shape {shape}")
    return (Label(expr.span, f"this has shape {shape}"),)


def apply(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> ir.Expr:
    """An elementwise function or operator, its operands checked."""
    spec = FUNCTIONS[name]
    if name == "matmul":
        return shapes.shaped(ctx, name, args, span)
    checked = args[1:] if name == "where" else args
    nominal = [a for a in checked if isinstance(a.type.support, Index)]
    if nominal and not (name == "where" and len({a.type.support for a in checked}) == 1):
        raise nominal_error(ctx, span, args)
    domains = [*spec.domain] if not spec.variadic else list(spec.domain[:1]) * len(args)
    for arg, domain in zip(args, domains, strict=False):
        if not fits(arg.type.support, domain) and _outside(arg, domain):
            raise ctx.report.error(
                "GD402",
                f"`{name}` is defined on {domain}, but this is {arg.type.support}",
                arg.span,
                help="give the value a narrower type, or transform it first",
            )
    event = joint_event(ctx, args, span)
    if spec.event and len(event) < spec.event:
        raise ctx.report.error(
            "GD305", f"`{name}` works on vectors, but this is a scalar", span,
            help="collect a plate into a vector first: `collect(x, p)`",
        )
    plates = frozenset().union(*(a.type.plates for a in args))
    if nominal:
        return ir.Apply(name, args, ValueType(plates, event, nominal[0].type.support), span=span)
    support = spec.range([hull(a.type.support) for a in args])
    return ir.Apply(name, args, ValueType(plates, event, support), span=span)


def _outside(arg: ir.Expr, domain: object) -> bool:
    """Whether no value of `arg` is in `domain`; what merely may leave it is left to run time."""
    given, wanted = hull(arg.type.support), domain
    lower, upper = getattr(wanted, "lower", -1e400), getattr(wanted, "upper", 1e400)
    return given.upper < lower or given.lower > upper


def arguments(ctx: Context, spec: FunctionSpec, expr: ast.Call) -> list[ast.Expr]:
    """The arguments of a call in the order of the function's parameters."""
    values: list[ast.Expr] = [a.value for a in expr.arguments if a.keyword is None]
    named = {a.keyword.id: a for a in expr.arguments if a.keyword is not None}
    for word, argument in named.items():
        if word not in spec.params:
            assert argument.keyword is not None
            raise ctx.report.error(
                "GD110",
                f"`{spec.name}` has no argument called `{word}`",
                argument.keyword.span,
                help=f"it is called as `{signature(spec)}`",
            )
    for param in spec.params[len(values) :]:
        if param in named:
            values.append(named.pop(param).value)
    fixed = len(values) == len(spec.params) or (spec.variadic and len(values) >= 1)
    if not fixed or named:
        raise ctx.report.error(
            "GD211",
            f"`{spec.name}` takes {len(spec.params)} argument"
            f"{'s' if len(spec.params) != 1 else ''}, but {len(expr.arguments)} "
            f"{'are' if len(expr.arguments) != 1 else 'is'} given",
            expr.span,
            help=f"it is called as `{signature(spec)}`",
        )
    return values


def signature(spec: FunctionSpec) -> str:
    """``clip(x, lower, upper)``."""
    return f"{spec.name}({', '.join(spec.params)}{', ...' if spec.variadic else ''})"


def reduce(ctx: Context, spec: FunctionSpec, expr: ast.Call) -> ir.Expr:
    """``sum(x, house)`` over a plate or a named event axis, ``sum(x)`` over all event axes."""
    plain = [a.value for a in expr.arguments if a.keyword is None]
    if len(plain) != len(expr.arguments) or len(plain) not in (1, 2):
        raise ctx.report.error(
            "GD211",
            f"`{spec.name}` takes a value, and the axis to reduce",
            expr.span,
            help=f"write `{spec.name}(x, house)` for a plate, `{spec.name}(x)` for event axes",
        )
    value = ctx.typed(ctx, plain[0])
    if isinstance(value.type.support, Index):
        raise nominal_error(ctx, expr.span, (value,))
    support = spec.range([hull(value.type.support)])
    plates, event = value.type.plates, value.type.event
    if len(plain) == 1:
        if not event:
            raise _scalar_reduction(ctx, spec, expr, value)
        return ir.Reduce(spec.name, value, None, ValueType(plates, (), support), span=expr.span)
    axis = _axis(ctx, plain[1], value)
    if isinstance(axis, str):
        kept = ValueType(plates - {axis}, event, support)
    else:
        kept = ValueType(plates, event[:axis] + event[axis + 1 :], support)
    return ir.Reduce(spec.name, value, axis, kept, span=expr.span)


def _scalar_reduction(
    ctx: Context, spec: FunctionSpec, expr: ast.Call, value: ir.Expr
) -> Poisoned:
    over = sorted(value.type.plates)
    return ctx.report.error(
        "GD309",
        f"`{spec.name}` of one value reduces its event axes, but this is a scalar",
        expr.span,
        help=f"name the plate to reduce: `{spec.name}(..., {over[0]})`" if over else None,
    )


def _axis(ctx: Context, node: ast.Expr, value: ir.Expr) -> str | int:
    if isinstance(node, ast.Name):
        if node.id in value.type.plates:
            return node.id
        hits = [i for i, s in enumerate(value.type.event) if s.name == node.id]
        if len(hits) == 1:
            return hits[0]
    have = [*sorted(value.type.plates), *(str(s) for s in value.type.event)]
    raise ctx.report.error(
        "GD310",
        "the value has no such axis to reduce"
        + (f"; it has {', '.join(have)}" if have else "; it is a single scalar"),
        node.span,
        help=ctx.scope.suggestion(node.id, have) if isinstance(node, ast.Name) else None,
    )


def shaped(ctx: Context, spec: FunctionSpec, expr: ast.Call) -> ir.Expr:
    """A function with a shape rule of its own."""
    if spec.name in ("collect", "lags", "zeros", "ones", "full", "eye"):
        return shapes.structural(ctx, spec.name, expr)
    args = ctx.all_typed(arguments(ctx, spec, expr))
    return shapes.shaped(ctx, spec.name, args, expr.span)


def call_fn(ctx: Context, fn: ast.Fn, expr: ast.Call) -> ir.Expr:
    """A function of the model: its body with the arguments put in."""
    name = fn.name.id
    if name in ctx.calls:
        raise ctx.report.error(
            "GD502",
            f"`{name}` calls itself",
            expr.span,
            labels=(Label(fn.name.span, "declared here"),),
            help="functions do not recur; a `sequence` with a lag does",
        )
    if len(expr.arguments) != len(fn.parameters) or any(a.keyword for a in expr.arguments):
        raise ctx.report.error(
            "GD211",
            f"`{name}` takes {len(fn.parameters)} positional arguments, but "
            f"{len(expr.arguments)} are given",
            expr.span,
            labels=(Label(fn.name.span, "declared here"),),
        )
    args = ctx.all_typed([a.value for a in expr.arguments])
    for parameter, arg in zip(fn.parameters, args, strict=True):
        _check_argument(ctx, parameter, arg)
    bound = {p.name.id: a for p, a in zip(fn.parameters, args, strict=True)}
    inner = ctx.inside(name, bound)
    result = inner.typed(inner, fn.value)
    return replace(result, span=expr.span)


def _check_argument(ctx: Context, parameter: ast.Parameter, arg: ir.Expr) -> None:
    wanted, _, _ = value_type(ctx, parameter.type)
    given = arg.type
    same_shape = len(given.event) == len(wanted.event) and all(
        ctx.agree(a, b) for a, b in zip(given.event, wanted.event, strict=True)
    )
    elementwise = not isinstance(wanted.support, Structured) and wanted.support != REAL
    if not same_shape or (elementwise and not fits(given.support, wanted.support)):
        raise ctx.report.error(
            "GD212",
            f"the argument `{parameter.name.id}` is declared {wanted}, but this is {given}",
            arg.span,
            labels=(Label(parameter.name.span, "declared here"),),
        )
