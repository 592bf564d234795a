"""Functions of the model: `fn` declarations and their calls, which put the body in place."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import children
from gendsl.semantics.calls import bound_arguments
from gendsl.semantics.context import Context
from gendsl.semantics.declared import value_type
from gendsl.semantics.order import called
from gendsl.semantics.remedies import support_remedy
from gendsl.semantics.report import Poisoned
from gendsl.semantics.sorting import sorted_by_need
from gendsl.semantics.supports import fits, found
from gendsl.syntax import ast
from gendsl.types import Index, Structured, Support, ValueType

__all__ = [
    "accepts",
    "check_argument",
    "parameter_type",
    "too_large",
    "type_call",
    "verify_functions",
]

MOST_OPERATIONS = 20_000
DEEPEST = 200
MOST_WRITTEN = 100_000
"""Bodies are put in place of calls: a result with more operations, or deeper, is refused, and so
are calls beyond a total for the whole model."""


def verify_functions(ctx: Context) -> None:
    """Type every `fn` once with its declared arguments, so that unused ones are checked too."""
    declared = {n: f for n, f in ctx.scope.callables.items() if isinstance(f, ast.Fn)}
    needs = {
        name: {n.id: n for n in called(fn.value) if n.id in declared}
        for name, fn in declared.items()
    }
    found_order = sorted_by_need(needs)
    for circle in found_order.circles:
        first, second = circle[0], circle[1 % len(circle)]
        path = " -> ".join([*circle[:6], first])
        ctx.report.error(
            "GD502",
            f"`{first}` calls itself" + (f": {path}" if len(circle) > 1 else ""),
            needs[first][second].span,
            labels=(Label(declared[first].name.span, "declared here"),),
            help="functions do not recur; a `let` along a sequence does, with a lag",
        )
    ctx.poisoned |= found_order.circular
    for name in found_order.order:
        if name in found_order.circular:
            continue
        try:
            _verify(ctx, declared[name])
        except Poisoned:
            ctx.poisoned.add(name)


def _verify(ctx: Context, fn: ast.Fn) -> None:
    arguments: dict[str, ir.Expr] = {}  # spans come from where the arguments are used
    for parameter in fn.parameters:
        type_ = parameter_type(ctx, parameter)
        name = parameter.name.id
        if name in arguments:
            raise ctx.report.error(
                "GD101", f"the argument `{name}` is declared twice", parameter.name.span
            )
        arguments[name] = ir.Reference(name, type_)
    inner = ctx.inside(fn.name.id, arguments, None)
    result = inner.typed(inner, fn.value)
    _verify_result(ctx, fn, result)


def parameter_type(ctx: Context, parameter: ast.Parameter) -> ValueType:
    """The declared type of an argument of a `fn`."""
    type_, low, high = value_type(ctx, parameter.type)
    if low is not None or high is not None:
        raise ctx.report.error(
            "GD202", "the bounds of an argument's type are numbers", parameter.type.span
        )
    if parameter.type.optional:
        raise ctx.report.error(
            "GD205",
            "`?` (values may be missing) stands on `observe` only",
            parameter.type.span,
        )
    return type_


def _verify_result(ctx: Context, fn: ast.Fn, result: ir.Expr) -> None:
    if fn.result is None:
        return
    if not isinstance(fn.result, ast.NamedType):
        raise ctx.report.error(
            "GD204",
            "a function returns one value; tuples and records belong to nets",
            fn.result.span,
            help="declare one function for each value, or return a vector",
        )
    wanted, _, _ = value_type(ctx, fn.result)
    same = ctx.agree(result.type.event, wanted.event)
    if same and accepts(ctx, wanted.support, result):
        return
    raise ctx.report.error(
        "GD303" if not same else "GD404",
        f"`{fn.name.id}` is declared to return {wanted}, but its body is "
        f"{ValueType(frozenset(), result.type.event, result.type.support)}",
        fn.value.span,
        labels=(Label(fn.result.span, "declared here"),),
        help=None
        if not same
        else "the type of a body is proved: make it wider, or compute a "
        "value that is surely of this type",
    )


def accepts(ctx: Context, wanted: Support, given: ir.Expr) -> bool:
    """Whether a value may stand for an argument, or a result, of this support."""
    support = given.type.support
    if isinstance(wanted, Index) and isinstance(support, Index):
        return ctx.sizes.agree(wanted.size, support.size)
    if isinstance(wanted, Structured) and wanted.event_dim == 2:  # checked as they come
        return not isinstance(support, Index)
    if isinstance(wanted, Structured) and not isinstance(given, ir.Reference):
        return not isinstance(support, Index)
    return fits(support, wanted)


def type_call(ctx: Context, name: str, expr: ast.Call) -> ir.Expr:
    """A function of the model: its body with the arguments put in."""
    fn = ctx.scope.callables[name]
    assert isinstance(fn, ast.Fn)
    params = [p.name.id for p in fn.parameters]
    args = ctx.all_typed(bound_arguments(ctx, name, params, expr))
    if name in ctx.poisoned:
        raise Poisoned
    if ctx.nesting.written > MOST_WRITTEN:
        raise Poisoned  # reported when the bound was passed
    for parameter, arg in zip(fn.parameters, args, strict=True):
        check_argument(ctx, name, parameter, arg)
    inner = ctx.inside(name, dict(zip(params, args, strict=True)), ctx.outermost or expr)
    result = replace(inner.typed(inner, fn.value), span=expr.span)
    operations, depth = _weight(ctx, result)
    if not ctx.calls:
        ctx.nesting.written += operations
    if operations > MOST_OPERATIONS or depth > DEEPEST or ctx.nesting.written > MOST_WRITTEN:
        raise too_large(ctx, expr)
    return result


def too_large(ctx: Context, expr: ast.Expr) -> Poisoned:
    """Report a call that stands for too much, where the outermost call is."""
    return ctx.report.error(
        "GD511",
        "this call stands for too many operations: bodies of functions are put in place of "
        "their calls",
        (ctx.outermost or expr).span,
        help="name what is used several times with `let`",
    )


def _weight(ctx: Context, expr: ir.Expr) -> tuple[int, int]:
    """How many operations an expression stands for when written out, and how deep they nest."""
    stack = [expr]
    while stack:
        inner = stack[-1]
        if id(inner) in ctx.weights:
            stack.pop()
            continue
        parts = children(inner)
        waiting = [p for p in parts if id(p) not in ctx.weights]
        if waiting:
            stack.extend(waiting)
            continue
        stack.pop()
        known = [ctx.weights[id(p)] for p in parts]
        total = reduce(lambda n, w: n + w[1], known, 1)
        deepest = reduce(lambda n, w: max(n, w[2]), known, 0)
        ctx.weights[id(inner)] = inner, total, 1 + deepest
    return ctx.weights[id(expr)][1:]


def check_argument(ctx: Context, name: str, parameter: ast.Parameter, arg: ir.Expr) -> None:
    """Verify that a value may stand for an argument of the `fn` called `name`."""
    wanted = parameter_type(ctx, parameter)
    same = ctx.agree(arg.type.event, wanted.event)
    if same and accepts(ctx, wanted.support, arg):
        return
    told = found(arg)
    if not same:
        told = f"this is {ValueType(frozenset(), arg.type.event, arg.type.support)}"
    labels = [Label(parameter.name.span, f"`{name}` declares it here")]
    if isinstance(arg, ir.Reference):
        labels += ctx.label(arg, f"`{arg.name}` is declared here")
    raise ctx.report.error(
        "GD212",
        f"the argument `{parameter.name.id}` of `{name}` is {wanted}, but {told}",
        arg.span,
        labels=tuple(labels),
        help=support_remedy(ctx, arg, wanted.support) if same else None,
    )
