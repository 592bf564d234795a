"""Typing ``odeint``: a function of the model as an argument, and what goes with it."""

from __future__ import annotations

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import walk
from gendsl.library.functions import FUNCTIONS
from gendsl.semantics.calls import shape, unknown_function
from gendsl.semantics.context import Context
from gendsl.semantics.functions import check_argument, parameter_type
from gendsl.semantics.report import Poisoned
from gendsl.semantics.supports import hull
from gendsl.syntax import ast
from gendsl.types import REAL, Interval, Size, ValueType

__all__ = ["type_odeint"]

FEWEST = 4
"""The right-hand side, the state at the start, the time of the start, the times."""

USAGE = (
    "write `odeint(f, z0, t0, ts, ...)`, where `f(t, z, ...)` is the slope at time t and state z"
)

OPTIONS = {"rtol": (0.0, 1.0), "atol": (0.0, 1.0), "max_steps": (1.0, 1e9)}
"""The options and their ranges; the tolerances exclude 0."""


def type_odeint(ctx: Context, expr: ast.Call) -> ir.Expr:
    """``odeint(f, z0, t0, ts, args..., rtol = ...)``: the states at the times, by time first."""
    plain = [a.value for a in expr.arguments if a.keyword is None]
    options = tuple(_option(ctx, a) for a in expr.arguments if a.keyword is not None)
    if len(plain) < FEWEST:
        raise ctx.report.error(
            "GD211",
            "`odeint` takes a function, the state at the start, the time of the start and the "
            "times, but "
            f"{len(plain) or 'none'} {'is' if len(plain) < 2 else 'are'} given",
            expr.span,
            help=USAGE,
        )
    fn = _function(ctx, plain[0])
    state, start, times, *args = ctx.all_typed(plain[1:])
    if fn.name.id in ctx.poisoned:
        raise Poisoned
    _verify_count(ctx, fn, plain)
    _verify_scalar(ctx, start)
    _verify_times(ctx, times)
    time, moved, *others = fn.parameters
    _verify_real(ctx, fn, time)
    _verify_real(ctx, fn, moved)
    for parameter, arg in zip((moved, time, *others), (state, start, *args), strict=True):
        check_argument(ctx, fn.name.id, parameter, arg)
    entry = ValueType(times.type.plates, (), hull(times.type.support))
    check_argument(ctx, fn.name.id, time, ir.Select(times, 0, 0, entry, span=times.span))
    function = _lambda(ctx, fn, expr)
    _verify_slope(ctx, fn, function, state)
    given = (state, start, times, *args)
    plates = frozenset[str]().union(*(a.type.plates for a in given))
    type_ = ValueType(plates, (times.type.event[0], *state.type.event), REAL)
    return ir.OdeInt(function, state, start, times, tuple(args), type_, options, span=expr.span)


def _option(ctx: Context, argument: ast.Argument) -> tuple[str, float | int]:
    assert argument.keyword is not None
    word = argument.keyword.id
    if word not in OPTIONS:
        raise ctx.report.error(
            "GD110",
            f"`odeint` has no argument called `{word}`",
            argument.keyword.span,
            help=ctx.scope.suggestion(word, OPTIONS)
            or f"by name it takes {', '.join(OPTIONS)}; everything else is given by position",
        )
    value = argument.value.value if isinstance(argument.value, ast.NumberExpr) else None
    low, high = OPTIONS[word]
    whole = word == "max_steps"
    above = value is not None and (low <= value if whole else low < value)
    if value is None or not above or value > high or (whole and not isinstance(value, int)):
        kind = "a whole number from 1 on" if whole else "a number above 0, and at most 1"
        raise ctx.report.error("GD607", f"`{word}` is {kind}", argument.value.span)
    return word, value


def _function(ctx: Context, node: ast.Expr) -> ast.Fn:
    """The `fn` that the first argument names."""
    if isinstance(node, ast.Name) and node.id not in ctx.locals:
        declared = ctx.scope.callables.get(node.id)
        if isinstance(declared, ast.Fn):
            return declared
        if declared is not None:
            raise Poisoned  # nets, flows and `use` have been reported where they are declared
        if node.id not in FUNCTIONS:
            raise unknown_function(ctx, node)
    raise ctx.report.error(
        "GD108",
        "the first argument of `odeint` is the name of a function that is declared with `fn`",
        node.span,
        help="declare it: `fn slope(t: real, z: real[2]): real[2] = ...`",
    )


def _verify_count(ctx: Context, fn: ast.Fn, plain: list[ast.Expr]) -> None:
    wanted, given = len(fn.parameters), len(plain) - 2
    if wanted == given:
        return
    name = fn.name.id
    names = ", ".join(p.name.id for p in fn.parameters)
    raise ctx.report.error(
        "GD211",
        f"`{name}` takes {wanted} argument{'s' if wanted != 1 else ''}, but `odeint` gives it "
        f"{given}: the time, the state" + (f", and {given - 2} more" if given > 2 else ""),
        plain[0].span,
        labels=(Label(fn.name.span, f"declared here: `{name}({names})`"),),
        help="the arguments after the times are handed over to the function, in order",
    )


def _verify_scalar(ctx: Context, start: ir.Expr) -> None:
    if start.type.event:
        raise ctx.report.error(
            "GD302",
            f"the time of the start is a single number, but this has shape {shape(start)}",
            start.span,
            labels=ctx.label(start, "declared here"),
        )


def _verify_times(ctx: Context, times: ir.Expr) -> None:
    if len(times.type.event) == 1:
        return
    plates = sorted(times.type.plates)
    remedy = f"`collect(..., {plates[0]})`, and `odeint(...)[{plates[0]}]`" if plates else "`[t]`"
    raise ctx.report.error(
        "GD302",
        f"the times are a vector, but this is {times.type}",
        times.span,
        labels=ctx.label(times, "declared here"),
        help=f"make it one: {remedy}" if not times.type.event else None,
    )


def _verify_real(ctx: Context, fn: ast.Fn, parameter: ast.Parameter) -> None:
    """Times and states move continuously: their types are intervals of real numbers."""
    type_ = parameter_type(ctx, parameter)
    is_time = parameter is fn.parameters[0]
    support = type_.support
    real = isinstance(support, Interval) and not support.integer
    if real and not (is_time and type_.event):
        return
    what = "the time, a `real`" if is_time else "the state, which is `real`"
    event = "" if is_time else "[" + ", ".join(map(str, type_.event)) + "]" if type_.event else ""
    raise ctx.report.error(
        "GD212",
        f"the argument `{parameter.name.id}` of `{fn.name.id}` is {what}, but it is declared "
        f"{type_}",
        parameter.type.span,
        help=f"declare it `{parameter.name.id}: real{event}`",
    )


def _lambda(ctx: Context, fn: ast.Fn, call: ast.Call) -> ir.Lambda:
    """The function with its declared arguments, typed on its own."""
    name = fn.name.id
    types = [parameter_type(ctx, p) for p in fn.parameters]
    params = tuple(ir.Reference(p.name.id, t) for p, t in zip(fn.parameters, types, strict=True))
    inner = ctx.inside(name, {p.name: p for p in params}, ctx.outermost or call)
    body = inner.typed(inner, fn.value)
    later = next((e for e in walk(body) if e.type.plates or isinstance(e, ir.OdeInt)), None)
    if later is not None:
        what = "another one" if isinstance(later, ir.OdeInt) else "plates"
        raise ctx.report.error(
            "GD913",
            f"a right-hand side of `odeint` with {what} in it is part of the language, but "
            "this version cannot run it yet",
            later.span,
            help="hand it over as an argument: what does not change along the solution is "
            "computed outside",
        )
    return ir.Lambda(name, params, body, span=fn.span)


def _verify_slope(ctx: Context, fn: ast.Fn, function: ir.Lambda, state: ir.Expr) -> None:
    wanted, given = state.type.event, function.body.type.event
    if ctx.agree(wanted, given):
        return
    raise ctx.report.error(
        "GD303",
        f"the slope of a state has its shape, but `{fn.name.id}` gives {_shown(given)} and the "
        f"state is {_shown(wanted)}",
        function.body.span,
        labels=(Label(state.span, "the state at the start"),),
        help="one entry for each entry of the state: its derivative by time",
    )


def _shown(event: tuple[Size, ...]) -> str:
    return f"real[{', '.join(map(str, event))}]" if event else "a scalar"
