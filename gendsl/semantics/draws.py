"""Typing distributions: which shapes, which supports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.library.distributions.spec import DistributionSpec, Parameter
from gendsl.library.distributions.wrappers import WRAPPERS, WrapperSpec
from gendsl.semantics.aliases import distribution_remedy
from gendsl.semantics.context import Context
from gendsl.semantics.flows import type_pipe
from gendsl.semantics.forms import Given, given_arguments
from gendsl.semantics.parameters import (
    Typed,
    axis_sizes,
    entry_total,
    meets,
    own_shapes,
    own_sizes,
    required,
)
from gendsl.semantics.points import split_points, verify_kernel
from gendsl.semantics.remedies import shape_origin, support_labels, support_remedy
from gendsl.semantics.report import Poisoned
from gendsl.semantics.supports import found, hull, shown
from gendsl.semantics.wrapping import Typing, type_wrapper, verify_unmixed
from gendsl.syntax import ast
from gendsl.types import (
    REAL,
    Index,
    Interval,
    Size,
    Structured,
    Support,
    ValueType,
    describe_event,
)

__all__ = ["KNOWN", "LATER", "type_distribution", "type_log_prob"]

LATER = {
    "Diffusion": "",
    "Score": "",
    "LogDensity": "",
}
"""Distributions of the charter that arrive later, and what to write until then."""

KNOWN: Mapping[str, DistributionSpec] = {**DISTRIBUTIONS, **WRAPPERS}
"""Distributions, and those that are made of others."""


def type_distribution(ctx: Context, expr: ast.Expr, target: ValueType | None) -> ir.Distribution:
    """The distribution on the right of ``~``.

    Args:
        ctx: the state of typing.
        expr: its syntax.
        target: the declared type of the value; None where it was left out.
    """
    if isinstance(expr, ast.Pipe):
        return type_pipe(ctx, expr, target, type_distribution)
    spec, call = _spec(ctx, expr)
    if isinstance(spec, WrapperSpec):
        return type_wrapper(ctx, spec, call, target, Typing(type_distribution, _parameters))
    event: tuple[Size, ...] = ()

    def shape(typed: Typed) -> tuple[Size, ...]:
        nonlocal event
        event = _event(ctx, spec, typed, target, call)
        return event

    typed = _parameters(ctx, spec, call, shape)
    support = _support(ctx, spec, typed, call)
    plates = frozenset[str]().union(*(a.type.plates for _, a in typed))
    args = tuple((p.name, a) for p, a in typed)
    return ir.Distribution(spec.name, args, ValueType(plates, event, support), span=call.span)


def _parameters(
    ctx: Context,
    spec: DistributionSpec,
    call: ast.Call,
    shape: Callable[[Typed], tuple[Size, ...]],
) -> Typed:
    """The arguments of a call, each of a legal shape and support.

    `shape` says the event shape of a draw, from the arguments.
    """
    points, call = split_points(ctx, spec, call)
    given = given_arguments(ctx, spec, call)
    typed = _typed_arguments(replace(ctx, points=points), spec, given)
    for _, arg in typed[:1]:
        verify_kernel(ctx, spec, points, arg)
    event = shape(typed)
    sizes = axis_sizes(spec, typed, event[len(event) - spec.event_dim :])
    failed = False
    for param, arg in typed:
        try:
            _check_shape(ctx, spec, param, arg, event, sizes)
            _check_support(ctx, spec, arg, param.name, required(param, sizes))
        except Poisoned:
            failed = True
    if failed:
        raise Poisoned
    return typed


def _spec(ctx: Context, expr: ast.Expr) -> tuple[DistributionSpec, ast.Call]:
    call = ast.Call(expr, (), span=expr.span) if isinstance(expr, ast.Name) else expr
    if not isinstance(call, ast.Call) or not isinstance(call.function, ast.Name):
        if isinstance(call, ast.Call) or isinstance(expr, ast.Member):
            raise ctx.report.error(
                "GD904",
                "fitted models and Python functions (`use`) are part of the language, but this "
                "version cannot run them yet",
                expr.span,
            )
        raise ctx.report.error(
            "GD213",
            "a distribution is expected here",
            expr.span,
            help="for a fixed relation write `let x = ...`",
        )
    name = call.function.id
    if name in ctx.scope.callables or name not in KNOWN:
        raise _no_distribution(ctx, call.function, call)
    return KNOWN[name], call


def _no_distribution(ctx: Context, name: ast.Name, call: ast.Call) -> Poisoned:
    word = name.id
    declared = ctx.scope.callables.get(word)
    if isinstance(declared, ast.Use):
        return Poisoned()  # it has been reported where it is declared
    if word in LATER:
        return ctx.report.error(
            "GD905",
            f"`{word}(...)` is part of the language, but this version cannot run it yet",
            call.span,
            help=LATER[word] or None,
        )
    kind = ctx.scope.kind(word)
    if kind is not None:
        return ctx.report.error(
            "GD213",
            f"a distribution is expected here, and `{word}` is {kind}",
            name.span,
            labels=ctx.scope.label(word, "declared here"),
            help="for a fixed relation write `let x = ...`",
        )
    with ctx.report.containing():
        ctx.all_typed(a.value for a in call.arguments)  # what is wrong in them is reported too
    if word == "nearest":  # a point, as in a VQ-VAE
        computed = "what it computes is no distribution: `guide k = nearest(x, codebook, p)`"
        message = f"no distribution is called `{word}`"
        raise ctx.report.error("GD111", message, name.span, help=computed)
    remedy = distribution_remedy(word) or ctx.scope.suggestion(word, KNOWN, LATER)
    return ctx.report.unknown(
        "GD111",
        f"no distribution is called `{word}`",
        word,
        name.span,
        remedy or "the reference lists them; `gendsl explain Normal` shows one",
    )


def _typed_arguments(ctx: Context, spec: DistributionSpec, given: list[Given]) -> Typed:
    values = ctx.all_typed(g.value for g in given)
    typed = [(g.param, v) for g, v in zip(given, values, strict=True)]
    for param, value in typed:
        if isinstance(value.type.support, Index) and not isinstance(param.support, Index):
            raise ctx.report.error(
                "GD210",
                f"`{value.type.support}` is a category, but the {param.name} of {spec.name} is "
                "a number",
                value.span,
                labels=ctx.label(value, "declared here"),
                help="index a vector of parameters with it: `mu[z]`",
            )
    return typed


def _event(
    ctx: Context,
    spec: DistributionSpec,
    typed: Typed,
    target: ValueType | None,
    call: ast.Call,
) -> tuple[Size, ...]:
    """The event shape of a draw: as declared, else as the parameters determine it."""
    own = spec.event_dim
    if target is not None:
        if len(target.event) < own:
            raise ctx.report.error(
                "GD319",
                f"a draw of {spec.name} is a {'vector' if own == 1 else 'matrix'}, but the "
                f"declared type is {describe_event(target.event) or 'a scalar'}",
                call.span,
                help=f"declare its size: `{_written_type(spec, target)}`",
            )
        rows = target.event[len(target.event) - own :]
        if own == 2 and len(set(spec.axes)) == 1 and not ctx.sizes.agree(*rows):
            raise ctx.report.error(
                "GD319",
                f"a draw of {spec.name} is a square matrix, but the declared type is "
                f"{describe_event(target.event)}",
                call.span,
                help=f"declare its size: `{_written_type(spec, target)}`",
            )
        return target.event
    lead: tuple[Size, ...] = ()
    for param, arg in typed:
        leading = arg.type.event[: max(0, len(arg.type.event) - param.event_dim)]
        lead = leading if len(leading) > len(lead) else lead
    sizes = axis_sizes(spec, typed)
    tail = tuple(sizes[letter] for letter in spec.axes if letter in sizes)
    if len(tail) < own:
        usual = "simplex[K]` or `real[D]" if own == 1 else _written_type(spec, None)
        raise ctx.report.error(
            "GD320",
            f"the size of this {spec.name} is not determined",
            call.span,
            help=f"declare the type of the variable, such as `{usual}`",
        )
    _verify_no_unit_axis(ctx, (*lead, *tail), typed, call)
    return (*lead, *tail)


def _written_type(spec: DistributionSpec, target: ValueType | None) -> str:
    """A type that a draw may have."""
    if isinstance(spec.support, Structured):
        return f"{spec.support}[{spec.axes[-1]}]"  # square matrices take one size
    word = target.support if target is not None else REAL
    return f"{word}[{', '.join(spec.axes)}]"


def _verify_no_unit_axis(
    ctx: Context, event: tuple[Size, ...], typed: Typed, call: ast.Call
) -> None:
    """An axis of size 1 that nobody wrote down is a column of data taken for a vector."""
    if all(size.value != 1 for size in event):
        return
    cause = next((a for _, a in typed if any(s.value == 1 for s in a.type.event)), None)
    origin = shape_origin(cause) if cause is not None else None
    shape = describe_event(event)
    entry, labels = "x[0]", _shape_labels(ctx, origin) if origin is not None else ()
    if isinstance(origin, ir.Reference):
        entry = f"{origin.name}[0]"
    name = ctx.site.name if ctx.site is not None else "y"
    raise ctx.report.error(
        "GD322",
        f"`{name}` would get the shape {shape} from its distribution, with an axis of size 1",
        origin.span if origin is not None else call.span,
        labels=labels,
        help=f"take the entry, `{entry}`; or write the type, `{name}: real{shape}`, if that is "
        "the shape of the data; nothing of size 1 ever stretches",
    )


def _check_shape(
    ctx: Context,
    spec: DistributionSpec,
    param: Parameter,
    arg: ir.Expr,
    event: tuple[Size, ...],
    sizes: dict[str, Size],
) -> None:
    """A parameter has all of the value's leading event axes or none, then its own."""
    given = arg.type.event
    lead = event[: len(event) - spec.event_dim]
    own = own_sizes(param, sizes)
    accepted = [] if own is None else [own, (*lead, *own)]
    if spec.fills(param.name):
        accepted.append(())  # the same number for every entry
    if any(ctx.agree(given, wanted) for wanted in accepted):
        return
    different = list(dict.fromkeys(describe_event(a) or "a scalar" for a in reversed(accepted)))
    if own is None or (spec.event_dim == 0 and param.event_dim):
        rank = "a vector" if param.event_dim == 1 else "a matrix"
        different = [f"{rank} ({param.meaning})"]
    raise ctx.report.error(
        "GD302",
        f"the {param.name} of {spec.name} should be {' or '.join(different)} here, but it is "
        f"{describe_event(given) or 'a scalar'}",
        arg.span,
        labels=_shape_labels(ctx, arg),
        help=_shape_remedy(param, arg),
    )


def _shape_labels(ctx: Context, arg: ir.Expr) -> tuple[Label, ...]:
    origin = shape_origin(arg)
    if not isinstance(origin, ir.Reference):
        return ()
    shape = describe_event(origin.type.event) or "a scalar"
    return ctx.label(origin, f"`{origin.name}` is {shape}")


def _shape_remedy(param: Parameter, arg: ir.Expr) -> str:
    given, origin = arg.type.event, shape_origin(arg)
    if param.event_dim and not given:
        return "a list is written `[a, b]`; a plate becomes a vector with `collect(x, p)`"
    if [s.value for s in given] == [1] and isinstance(origin, ir.Reference):
        return f"take the entry: `{origin.name}[0]`; nothing of size 1 ever stretches"
    return "shapes agree by the names of their sizes; nothing of size 1 stretches"


def _check_support(
    ctx: Context, spec: DistributionSpec, arg: ir.Expr, name: str, wanted: Support
) -> None:
    if meets(ctx, arg, wanted):
        return
    ctx.blame(arg, wanted)
    total = entry_total(arg) if wanted == Structured("simplex") else None
    told = found(arg) if total is None else f"its entries sum to {total:g}"
    if isinstance(arg, ir.Stack) and wanted == Structured("ordered"):
        told = "its entries are not known to increase"
    raise ctx.report.error(
        "GD401",
        f"the {name} of {spec.name} must be {shown(wanted)}, but {told}",
        arg.span,
        labels=support_labels(ctx, arg),
        help=support_remedy(ctx, arg, wanted),
    )


def _support(ctx: Context, spec: DistributionSpec, typed: Typed, call: ast.Call) -> Support:
    """The support of a draw, from what is known of the parameters."""
    hulls = {p.name: hull(a.type.support) for p, a in typed}
    support = spec.support_given(hulls, own_shapes(typed))
    if isinstance(support, Interval) and support.lower >= support.upper and not support.integer:
        raise ctx.report.error(
            "GD407",
            f"this {spec.name} has no values: its lower end {support.lower:g} is not below its "
            f"upper end {support.upper:g}",
            call.span,
            help=f"it is called as `{spec.signature()}`",
        )
    return support


def type_log_prob(ctx: Context, expr: ast.Call) -> ir.Expr:
    """``log_prob(d, x)``: the log density of a distribution at a value."""
    if len(expr.arguments) != 2 or any(a.keyword for a in expr.arguments):
        raise ctx.report.error(
            "GD211",
            "`log_prob` takes a distribution and a value",
            expr.span,
            help="write `log_prob(Normal(0, 1), x)`",
        )
    value = ctx.typed(ctx, expr.arguments[1].value)
    distribution = type_distribution(ctx, expr.arguments[0].value, value.type)
    _verify_value(ctx, distribution, value)
    verify_unmixed(ctx, distribution, value)
    plates = distribution.type.plates | value.type.plates
    return ir.LogProb(distribution, value, ValueType(plates), span=expr.span)


def _verify_value(ctx: Context, distribution: ir.Distribution, value: ir.Expr) -> None:
    """Verify that a distribution may have a value, as far as the text tells."""
    drawn, given = distribution.type.support, value.type.support
    if isinstance(drawn, Index) or isinstance(given, Index):
        possible = (
            isinstance(drawn, Index)
            and isinstance(given, Index)
            and ctx.sizes.agree(drawn.size, given.size)
        )
    else:
        a, b = hull(drawn), hull(given)
        possible = max(a.lower, b.lower) <= min(a.upper, b.upper)
    if possible:
        return
    raise ctx.report.error(
        "GD403",
        f"a draw of {distribution.name} is {shown(drawn)}, but {found(value)}",
        value.span,
        labels=support_labels(ctx, value),
    )
