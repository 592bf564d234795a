"""Typing the functions of the table: elementwise ones and reductions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.library.functions import FUNCTIONS
from gendsl.library.functions.spec import FunctionSpec, Kind
from gendsl.semantics import shapes
from gendsl.semantics.aliases import function_remedy
from gendsl.semantics.context import Context
from gendsl.semantics.definite import definite
from gendsl.semantics.remedies import support_labels, support_remedy
from gendsl.semantics.report import Poisoned
from gendsl.semantics.supports import fits, found, hull, shown
from gendsl.source import Span
from gendsl.syntax import ast
from gendsl.types import POSITIVE, REAL, Index, Interval, Size, ValueType, describe_event

__all__ = [
    "apply",
    "arguments",
    "bound_arguments",
    "joint_event",
    "nominal_error",
    "reduce",
    "shape",
    "shaped",
    "unknown_function",
    "verify_domain",
]


def unknown_function(ctx: Context, name: ast.Name) -> Poisoned:
    """Report a name that is no function."""
    word = name.id
    kind = ctx.scope.kind(word)
    if kind is not None or word in ctx.locals:
        return ctx.report.error(
            "GD108",
            f"`{word}` is {kind or 'an argument'}, not a function",
            name.span,
            labels=ctx.scope.label(word, "declared here"),
            help=f"to multiply write `{word} * (...)`; to index write `{word}[...]`",
        )
    known = [f for f, spec in FUNCTIONS.items() if spec.operator is None]
    remedy = function_remedy(word) or ctx.scope.suggestion(word, known, ctx.scope.callables)
    return ctx.report.unknown(
        "GD109",
        f"no function is called `{word}`",
        word,
        name.span,
        remedy
        or f"declare it: `fn {word}(x: real): real = ...`; if it is to be learned, "
        f"`net {word}: real -> real = mlp(hidden=[64])`",
    )


def nominal_error(ctx: Context, span: Span, args: Iterable[ir.Expr]) -> Poisoned:
    """Report arithmetic on categories."""
    culprit = next(a for a in args if isinstance(a.type.support, Index))
    ctx.blame(culprit, "arithmetic")
    labels: tuple[Label, ...] = ()
    shown_name = "g"
    if isinstance(culprit, ir.Reference):
        shown_name = culprit.name
        labels = ctx.label(culprit, f"`{culprit.name}` is `{culprit.type.support}`")
    return ctx.report.error(
        "GD210",
        f"`{culprit.type.support}` is a category: it has no arithmetic and no order",
        span,
        labels=labels,
        help=f"use it to index, `alpha[{shown_name}]`, or compare it, `{shown_name} == 1`; "
        "whole numbers to compute with are declared `count` or `integer`",
    )


def shape(expr: ir.Expr) -> str:
    """The event shape of a value, for messages."""
    return describe_event(expr.type.event) or "a scalar"


def joint_event(ctx: Context, args: Sequence[ir.Expr], span: Span) -> tuple[Size, ...]:
    """The one event shape of elementwise operands: they agree exactly; scalars go with any."""
    chosen: ir.Expr | None = None
    for arg in args:
        if not arg.type.event:
            continue
        if chosen is None:
            chosen = arg
        elif not ctx.agree(chosen.type.event, arg.type.event):
            raise ctx.report.error(
                "GD304",
                f"shapes {shape(chosen)} and {shape(arg)} do not agree",
                span,
                labels=(*_origin(ctx, chosen), *_origin(ctx, arg)),
                help=_shape_remedy(ctx, chosen.type.event, arg.type.event),
            )
    return chosen.type.event if chosen is not None else ()


def _origin(ctx: Context, expr: ir.Expr) -> tuple[Label, ...]:
    if isinstance(expr, ir.Reference):
        return ctx.label(expr, f"`{expr.name}` has shape {shape(expr)}")
    return (Label(expr.span, f"this has shape {shape(expr)}"),)


def _shape_remedy(ctx: Context, a: tuple[Size, ...], b: tuple[Size, ...]) -> str:
    if len(a) == len(b):
        x, y = next((x, y) for x, y in zip(a, b, strict=True) if not ctx.sizes.agree(x, y))
        known = ctx.sizes.known(x)
        if x.name and y.name and known is not None and known == ctx.sizes.known(y):
            return (
                f"`{x}` and `{y}` are two names, although both are {known}; if they are one "
                f"axis, declare it once, or write `dim {y} = {x}`"
            )
        if bool(x.name) != bool(y.name):
            named, number = (x, y) if x.name else (y, x)
            if number.value is not None and ctx.sizes.known(named) is None:
                return f"if `{named}` is always {number}, say so: `dim {named} = {number}`"
    return "shapes agree by the names of their sizes; nothing of size 1 stretches"


def apply(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> ir.Expr:
    """An elementwise function or operator, its operands checked."""
    spec = FUNCTIONS[name]
    if name == "matmul":
        return shapes.shaped(ctx, name, args, span)
    numbers = args[1:] if name == "where" else args
    nominal = [a.type.support for a in numbers if isinstance(a.type.support, Index)]
    chosen = name == "where" and all(a.type.support == nominal[0] for a in numbers if nominal)
    if nominal and not chosen:
        raise nominal_error(ctx, span, numbers)
    for position, arg in enumerate(args):
        if not (nominal and position):
            verify_domain(ctx, spec, position, arg)
    if name == "pow":
        _verify_power(ctx, *args)
    event = joint_event(ctx, args, span)
    if spec.event and len(event) < spec.event:
        raise ctx.report.error(
            "GD305",
            f"`{name}` works on vectors, but this is a scalar",
            span,
            help="collect a plate into a vector first: `collect(x, p)`",
        )
    plates = frozenset[str]().union(*(a.type.plates for a in args))
    support = nominal[0] if nominal else definite(name, args)
    if support is None:
        support = spec.range([hull(a.type.support) for a in args])
    return ir.Apply(name, args, ValueType(plates, event, support), span=span)


def verify_domain(ctx: Context, spec: FunctionSpec, position: int, arg: ir.Expr) -> None:
    """Verify that a function is defined at every value that an argument may have."""
    domain = spec.domain_of(position)
    given = arg.type.support
    if isinstance(given, Index):
        raise nominal_error(ctx, arg.span, (arg,))
    if domain == REAL or fits(hull(given), domain) or _touches(hull(given), domain):
        return
    ctx.blame(arg, domain)
    word = spec.operator if spec.operator in ("and", "or", "not", "if") else spec.name
    part = "the condition of `if`" if word == "if" else f"the argument of `{word}`"
    if spec.kind is Kind.SHAPED and len(spec.params) > 1:
        part = f"the {spec.params[position]} of `{word}`"
    raise ctx.report.error(
        "GD402",
        f"{part} must be {shown(domain)}, but {found(arg)}",
        arg.span,
        labels=support_labels(ctx, arg),
        help=support_remedy(ctx, arg, domain),
    )


def _touches(given: Interval, domain: Interval) -> bool:
    """Whether a constant lies on the bound of a real domain: the result is then a limit."""
    return not domain.integer and given.lower == given.upper == domain.lower


def _verify_power(ctx: Context, base: ir.Expr, exponent: ir.Expr) -> None:
    """Verify that a power is a number: a negative base needs a whole exponent."""
    below, power = hull(base.type.support), hull(exponent.type.support)
    whole = power.integer or (power.lower == power.upper and float(power.lower).is_integer())
    if below.lower >= 0 or whole:
        return
    ctx.blame(base, POSITIVE)
    raise ctx.report.error(
        "GD402",
        f"the base of a power that is not whole must be positive, but {found(base)}",
        base.span,
        labels=support_labels(ctx, base),
        help=support_remedy(ctx, base, POSITIVE),
    )


def bound_arguments(
    ctx: Context,
    name: str,
    params: Sequence[str],
    expr: ast.Call,
    *,
    variadic: bool = False,
    further: Sequence[str] = (),
) -> list[ast.Expr]:
    """The arguments of a call, given by position or by name, in the order of `params`.

    Those of `further` are given by name alone.
    """
    values: list[ast.Expr] = [a.value for a in expr.arguments if a.keyword is None]
    named: dict[str, ast.Argument] = {}
    shown = [*(p for p in params if p not in further), *(f"{p} = ..." for p in further)]
    signature = f"it is called as `{name}({', '.join(shown)}{', ...' if variadic else ''})`"
    for argument in expr.arguments:
        if argument.keyword is None:
            continue
        word = argument.keyword.id
        if word not in params:
            raise ctx.report.error(
                "GD110",
                f"`{name}` has no argument called `{word}`",
                argument.keyword.span,
                help=signature,
            )
        if word in named or word in params[: len(values)]:
            raise ctx.report.error(
                "GD211", f"`{word}` is given twice", argument.keyword.span, help=signature
            )
        named[word] = argument
    values += [named[p].value for p in params[len(values) :] if p in named]
    given = len(expr.arguments)
    if len(values) == given and (given == len(params) or (variadic and given >= 1 and not named)):
        return values
    count = f"{len(params)} argument{'s' if len(params) != 1 else ''}"
    if variadic:
        count = "one argument or more"
    raise ctx.report.error(
        "GD211",
        f"`{name}` takes {count}, but {given or 'none'} {'is' if given < 2 else 'are'} given",
        expr.span,
        help=signature,
    )


def arguments(ctx: Context, spec: FunctionSpec, expr: ast.Call) -> list[ast.Expr]:
    """The arguments of a call in the order of the function's parameters."""
    return bound_arguments(ctx, spec.name, spec.params, expr, variadic=spec.variadic)


def reduce(ctx: Context, spec: FunctionSpec, expr: ast.Call) -> ir.Expr:
    """``sum(x, house)`` over a plate or a named event axis, ``sum(x)`` over all event axes."""
    plain = [a.value for a in expr.arguments if a.keyword is None]
    name = spec.name
    if len(plain) != len(expr.arguments) or len(plain) not in (1, 2):
        raise ctx.report.error(
            "GD211",
            f"`{name}` takes a value, and the axis to reduce",
            expr.span,
            help=f"write `{name}(x, house)` for a plate, `{name}(x)` for all event axes",
        )
    value = ctx.typed(ctx, plain[0])
    verify_domain(ctx, spec, 0, value)
    support = spec.range([hull(value.type.support)])
    plates, event = value.type.plates, value.type.event
    if len(plain) == 1:
        if not event:
            raise _scalar_reduction(ctx, spec, expr, value)
        return ir.Reduce(name, value, None, ValueType(plates, (), support), span=expr.span)
    axis = _axis(ctx, name, plain[1], value)
    if isinstance(axis, str):
        kept = ValueType(plates - {axis}, event, support)
    else:
        kept = ValueType(plates, event[:axis] + event[axis + 1 :], support)
    return ir.Reduce(name, value, axis, kept, span=expr.span)


def _scalar_reduction(
    ctx: Context, spec: FunctionSpec, expr: ast.Call, value: ir.Expr
) -> Poisoned:
    over = sorted(value.type.plates)
    return ctx.report.error(
        "GD309",
        f"`{spec.name}` of one argument reduces its event axes, but this is a scalar",
        expr.span,
        help=f"name the plate to reduce: `{spec.name}(..., {over[0]})`" if over else None,
    )


def _axis(ctx: Context, function: str, node: ast.Expr, value: ir.Expr) -> str | int:
    have = [*sorted(value.type.plates), *(str(s) for s in value.type.event)]
    shown_axes = f"; it has {', '.join(have)}" if have else "; it is a single scalar"
    remedy = "axes are reduced by name; without one, all event axes are"
    if isinstance(node, ast.Name):
        if node.id in value.type.plates:
            return node.id
        hits = [i for i, s in enumerate(value.type.event) if s.name == node.id]
        if len(hits) == 1:
            return hits[0]
        remedy = ctx.scope.suggestion(node.id, have) or remedy
    if function in ("min", "max") and not (
        isinstance(node, ast.Name) and node.id in ctx.scope.axes
    ):
        remedy = f"the {function}imum of two values is `{function}imum(a, b)`"
    raise ctx.report.error(
        "GD310",
        f"`{function}` reduces an axis of its first argument, and there is no such one"
        f"{shown_axes}",
        node.span,
        help=remedy,
    )


def shaped(ctx: Context, spec: FunctionSpec, expr: ast.Call) -> ir.Expr:
    """A function with a shape rule of its own."""
    if spec.name in shapes.STRUCTURAL:
        return shapes.structural(ctx, spec.name, expr)
    args = ctx.all_typed(arguments(ctx, spec, expr))
    for position, arg in enumerate(args if spec.domain else ()):
        verify_domain(ctx, spec, position, arg)
    return shapes.shaped(ctx, spec.name, args, expr.span)
