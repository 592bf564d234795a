"""Typing distributions: which parameterisation, which shapes, which supports."""

from __future__ import annotations

from dataclasses import dataclass

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.library.distributions.spec import DistributionSpec, Form, Parameter
from gendsl.semantics.context import Context
from gendsl.semantics.report import Poisoned
from gendsl.semantics.supports import fits, hull
from gendsl.syntax import ast
from gendsl.types import Index, Interval, Size, Structured, ValueType, describe_event

__all__ = ["type_distribution", "type_log_prob"]

WRAPPERS = ("Mixture", "Censored", "Product", "ZeroInflated", "Hurdle", "Diffusion", "Score",
            "LogDensity")
"""Distributions of the charter that arrive later."""


def type_distribution(ctx: Context, expr: ast.Expr, target: ValueType | None) -> ir.Distribution:
    """The distribution on the right of ``~``.

    Args:
        ctx: the state of typing.
        expr: its syntax.
        target: the declared type of the value; None where it was left out.
    """
    spec, call = _spec(ctx, expr)
    form, given = _arguments(ctx, spec, call)
    typed = _typed_arguments(ctx, spec, given)
    event = _event(ctx, spec, typed, target, call)
    for param, arg in typed:
        _check_shape(ctx, spec, param, arg, event)
        _check_support(ctx, spec, param, arg)
    hulls = {p.name: hull(a.type.support) for p, a in typed}
    sizes = {p.name: a.type.event[len(a.type.event) - p.event_dim :] for p, a in typed}
    support = spec.support_given(hulls, sizes)
    plates = frozenset().union(*(a.type.plates for _, a in typed))
    args = tuple((p.name, a) for p, a in typed)
    del form
    return ir.Distribution(spec.name, args, ValueType(plates, event, support), span=call.span)


def _spec(ctx: Context, expr: ast.Expr) -> tuple[DistributionSpec, ast.Call]:
    if isinstance(expr, ast.Pipe):
        raise ctx.report.error(
            "GD902",
            "flows (`|>`) are part of the language, but this version cannot run them yet",
            expr.span,
        )
    call = ast.Call(expr, (), span=expr.span) if isinstance(expr, ast.Name) else expr
    if not isinstance(call, ast.Call) or not isinstance(call.function, ast.Name):
        raise ctx.report.error(
            "GD213",
            "a distribution is expected after `~`",
            expr.span,
            help="for a fixed relation write `let x = ...`",
        )
    name = call.function.id
    if name in ctx.scope.callables:
        if isinstance(ctx.scope.callables[name], ast.Fn):
            raise ctx.report.error("GD213", f"`{name}` is a function, not a distribution", expr.span)
        raise Poisoned
    if name in WRAPPERS:
        raise ctx.report.error(
            "GD905",
            f"`{name}(...)` is part of the language, but this version cannot run it yet",
            call.span,
        )
    if name not in DISTRIBUTIONS:
        raise ctx.report.error(
            "GD111",
            f"no distribution is called `{name}`",
            call.function.span,
            help=ctx.scope.suggestion(name, DISTRIBUTIONS)
            or "`gendsl explain distributions` lists them",
        )
    return DISTRIBUTIONS[name], call


@dataclass(frozen=True, slots=True)
class _Given:
    param: Parameter
    value: ast.Expr


def _signatures(spec: DistributionSpec) -> str:
    shown = " or ".join(f"`{spec.signature(form)}`" for form in spec.forms)
    meanings = "; ".join(f"{p.name}: {p.meaning}, {p.support}" for p in spec.params)
    return f"{shown} ({meanings})" if meanings else shown


def _arguments(
    ctx: Context, spec: DistributionSpec, call: ast.Call
) -> tuple[Form, list[_Given]]:
    """The parameterisation meant, and the argument of each of its parameters."""
    if any(_calls_later(ctx, a.value) for a in call.arguments):
        raise Poisoned  # the net or fitted model has been reported where it is declared
    positional = [a for a in call.arguments if a.keyword is None]
    keywords: dict[str, ast.Argument] = {}
    for argument in call.arguments:
        if argument.keyword is None:
            continue
        word = argument.keyword.id
        if word in keywords:
            raise ctx.report.error(
                "GD214", f"`{word}` is given twice", argument.keyword.span, help=_signatures(spec)
            )
        keywords[word] = argument
    names = {p.name for p in spec.params}
    for word, argument in keywords.items():
        if word not in names and argument.keyword is not None:
            raise ctx.report.error(
                "GD110",
                f"`{spec.name}` has no parameter called `{word}`",
                argument.keyword.span,
                help=ctx.scope.suggestion(word, names) or f"it is {_signatures(spec)}",
            )
    fitting = [f for f in spec.forms if _fits_form(spec, f, len(positional), set(keywords))]
    if not fitting:
        raise ctx.report.error(
            "GD214",
            f"these arguments fit no form of `{spec.name}`",
            call.span,
            help=f"it is {_signatures(spec)}",
        )
    form = fitting[0]
    values = dict(zip(form.params, (a.value for a in positional), strict=False))
    values |= {word: argument.value for word, argument in keywords.items()}
    given = []
    for name in form.params:
        param = spec.parameter(name)
        if name in values:
            given.append(_Given(param, values[name]))
        elif param.default is not None:
            literal = ast.NumberExpr(param.default, f"{param.default:g}", span=call.span)
            given.append(_Given(param, literal))
    return form, given


def _calls_later(ctx: Context, value: ast.Expr) -> bool:
    return (
        isinstance(value, ast.Call)
        and isinstance(value.function, ast.Name)
        and isinstance(ctx.scope.callables.get(value.function.id), (ast.Net, ast.Flow, ast.Use))
    )


def _fits_form(spec: DistributionSpec, form: Form, positional: int, keywords: set[str]) -> bool:
    if positional > len(form.params):
        return False
    taken = set(form.params[:positional])
    if keywords & taken or not keywords <= set(form.params):
        return False
    missing = set(form.params) - taken - keywords
    return all(spec.parameter(m).default is not None for m in missing)


def _typed_arguments(
    ctx: Context, spec: DistributionSpec, given: list[_Given]
) -> list[tuple[Parameter, ir.Expr]]:
    values = ctx.all_typed([g.value for g in given])
    typed = [(g.param, v) for g, v in zip(given, values, strict=True)]
    for param, value in typed:
        if isinstance(value.type.support, Index):
            raise ctx.report.error(
                "GD210",
                f"`{value.type.support}` is a category; the {param.name} of {spec.name} is a "
                "number",
                value.span,
                help="index a vector of parameters with it: `mu[z]`",
            )
    return typed


def _event(
    ctx: Context,
    spec: DistributionSpec,
    typed: list[tuple[Parameter, ir.Expr]],
    target: ValueType | None,
    call: ast.Call,
) -> tuple[Size, ...]:
    """The event shape of a draw: as declared, else as the parameters determine it."""
    own = spec.event_dim
    if target is not None:
        if len(target.event) < own:
            shape = describe_event(target.event) or "a scalar"
            raise ctx.report.error(
                "GD319",
                f"a draw of {spec.name} is a {'vector' if own == 1 else 'matrix'}, but the "
                f"declared type is {shape}",
                call.span,
                help=f"declare its size: `{target.support}[K]`",
            )
        return target.event
    lead: tuple[Size, ...] = ()
    tail: tuple[Size, ...] | None = () if own == 0 else None
    for param, arg in typed:
        event = arg.type.event
        if len(event) > param.event_dim:
            lead = max(lead, event[: len(event) - param.event_dim], key=len)
        if param.name == spec.event_from and len(event) >= param.event_dim:
            tail = event[len(event) - own :]
    if tail is None:
        raise ctx.report.error(
            "GD320",
            f"the size of this {spec.name} is not determined",
            call.span,
            help="declare the type of the variable, such as `simplex[K]` or `real[D]`",
        )
    return (*lead, *tail)


def _check_shape(
    ctx: Context,
    spec: DistributionSpec,
    param: Parameter,
    arg: ir.Expr,
    event: tuple[Size, ...],
) -> None:
    """A parameter has all of the value's leading event axes or none, then its own."""
    shape = arg.type.event
    if not shape:
        return
    own = _own_sizes(spec, param, event, shape)
    lead = event[: len(event) - spec.event_dim]
    for wanted in ((*lead, *own), own):
        same = len(shape) == len(wanted)
        if same and all(ctx.agree(a, b) for a, b in zip(shape, wanted, strict=True)):
            return
    labels: tuple[Label, ...] = ()
    if isinstance(arg, ir.Reference):
        shown = describe_event(shape)
        labels = ctx.scope.label(arg.name, f"`{arg.name}` has shape {shown}")
    full = describe_event((*lead, *own)) or "a scalar"
    raise ctx.report.error(
        "GD302",
        f"the {param.name} of {spec.name} should be {full}, or a scalar, but it is "
        f"{describe_event(shape)}",
        arg.span,
        labels=labels,
        help="shapes agree by the names of their sizes; nothing of size 1 stretches",
    )


def _own_sizes(
    spec: DistributionSpec, param: Parameter, event: tuple[Size, ...], shape: tuple[Size, ...]
) -> tuple[Size, ...]:
    if param.event_dim == 0:
        return ()
    if spec.event_dim == 0:  # Categorical: its own axis is not one of the value's
        return shape[len(shape) - param.event_dim :]
    tail = event[len(event) - spec.event_dim :]
    return (tail[-1],) * param.event_dim if len(tail) < param.event_dim else tail


def _check_support(ctx: Context, spec: DistributionSpec, param: Parameter, arg: ir.Expr) -> None:
    given, wanted = arg.type.support, param.support
    if isinstance(wanted, Interval):
        ok = fits(given, wanted)
    elif isinstance(wanted, Structured) and wanted.kind == "simplex":
        ok = given == wanted or not _surely_not_simplex(arg)
    else:  # matrices: what cannot be proved is checked where it is computed
        ok = isinstance(given, Structured) or not isinstance(arg, ir.Constant)
    if ok:
        return
    if isinstance(arg, ir.Constant):
        found = f"it is {arg.value:g}"
    elif isinstance(arg, ir.Reference):
        found = f"`{arg.name}` is {given}"
    else:
        found = f"this is {given}"
    raise ctx.report.error(
        "GD401",
        f"the {param.name} of {spec.name} must be {wanted}, but {found}",
        arg.span,
        labels=_support_labels(ctx, arg),
        help=_support_remedy(arg, param),
    )


def _surely_not_simplex(arg: ir.Expr) -> bool:
    """A variable of another type; an expression may well sum to one."""
    return isinstance(arg, (ir.Reference, ir.Constant)) and not isinstance(
        arg.type.support, Structured
    )


def _support_labels(ctx: Context, arg: ir.Expr) -> tuple[Label, ...]:
    if isinstance(arg, ir.Reference):
        return ctx.scope.label(arg.name, f"`{arg.name}` gets its support here")
    return ()


def _support_remedy(arg: ir.Expr, param: Parameter) -> str:
    wanted = param.support
    if isinstance(arg, ir.Constant):
        return f"give a value that is {wanted}"
    if isinstance(wanted, Structured) and wanted.kind == "simplex":
        return "declare it `simplex[K]`, or use `softmax(...)`, or pass `logits =`"
    if wanted == Interval(lower=0.0):
        if isinstance(arg, ir.Reference):
            return (
                f"declare it positive: `{arg.name}: positive`, or give it a positive "
                "distribution such as HalfNormal(5)"
            )
        return "make it positive, for example with `exp(...)`"
    if wanted == Interval(lower=0.0, upper=1.0):
        return "declare it `unit`, use `inv_logit(...)`, or pass `logits =`"
    return f"declare it `{wanted}`"


def type_log_prob(ctx: Context, expr: ast.Call) -> ir.Expr:
    """``log_prob(d, x)``: the log density of a distribution at a value."""
    if len(expr.arguments) != 2:
        raise ctx.report.error(
            "GD211", "`log_prob` takes a distribution and a value", expr.span,
            help="write `log_prob(Normal(0, 1), x)`",
        )
    value = ctx.typed(ctx, expr.arguments[1].value)
    distribution = type_distribution(ctx, expr.arguments[0].value, value.type)
    plates = distribution.type.plates | value.type.plates
    return ir.LogProb(distribution, value, ValueType(plates), span=expr.span)
