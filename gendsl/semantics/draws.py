"""Typing distributions: which shapes, which supports."""

from __future__ import annotations

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.library.distributions.spec import DistributionSpec, Parameter
from gendsl.semantics.aliases import distribution_remedy
from gendsl.semantics.context import Context
from gendsl.semantics.forms import Given, given_arguments
from gendsl.semantics.remedies import shape_origin, support_labels, support_remedy
from gendsl.semantics.report import Poisoned
from gendsl.semantics.supports import fits, found, hull, shown
from gendsl.syntax import ast
from gendsl.types import Index, Interval, Size, Structured, Support, ValueType, describe_event

__all__ = ["LATER", "type_distribution", "type_log_prob"]

LATER = {
    "Mixture": "draw the component: `latent z[n]: index(k) ~ Categorical(w)`, then "
    "`Normal(mu[z], sigma)`; it is summed out exactly",
    "Censored": "",
    "Product": "",
    "ZeroInflated": "draw whether the count is free: `latent on[n] ~ Bernoulli(p)`, then "
    "`Poisson(rate * on)`; it is summed out exactly",
    "Hurdle": "",
    "Diffusion": "",
    "Score": "",
    "LogDensity": "",
}
"""Distributions of the charter that arrive later, and what to write until then."""

Typed = list[tuple[Parameter, ir.Expr]]


def type_distribution(ctx: Context, expr: ast.Expr, target: ValueType | None) -> ir.Distribution:
    """The distribution on the right of ``~``.

    Args:
        ctx: the state of typing.
        expr: its syntax.
        target: the declared type of the value; None where it was left out.
    """
    spec, call = _spec(ctx, expr)
    given = given_arguments(ctx, spec, call)
    typed = _typed_arguments(ctx, spec, given)
    event = _event(ctx, spec, typed, target, call)
    failed = False
    for param, arg in typed:
        try:
            _check_shape(ctx, spec, param, arg, event)
            _check_support(ctx, spec, param, arg)
        except Poisoned:
            failed = True
    if failed:
        raise Poisoned
    support = _support(ctx, spec, typed, call)
    plates = frozenset[str]().union(*(a.type.plates for _, a in typed))
    args = tuple((p.name, a) for p, a in typed)
    return ir.Distribution(spec.name, args, ValueType(plates, event, support), span=call.span)


def _spec(ctx: Context, expr: ast.Expr) -> tuple[DistributionSpec, ast.Call]:
    if isinstance(expr, ast.Pipe):
        raise _flow(ctx, expr)
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
    if name in ctx.scope.callables or name not in DISTRIBUTIONS:
        raise _no_distribution(ctx, call.function, call)
    return DISTRIBUTIONS[name], call


def _flow(ctx: Context, expr: ast.Pipe) -> Poisoned:
    for stage in expr.stages:
        name = stage.function if isinstance(stage, ast.Call) else stage
        if isinstance(name, ast.Name) and name.id in ctx.scope.callables:
            return Poisoned()  # the flow has been reported where it is declared
    return ctx.report.error(
        "GD902",
        "flows (`|>`) are part of the language, but this version cannot run them yet",
        expr.span,
    )


def _no_distribution(ctx: Context, name: ast.Name, call: ast.Call) -> Poisoned:
    word = name.id
    declared = ctx.scope.callables.get(word)
    if declared is not None and not isinstance(declared, ast.Fn):
        return Poisoned()  # nets, flows and `use` have been reported where they are declared
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
    remedy = distribution_remedy(word) or ctx.scope.suggestion(word, DISTRIBUTIONS, LATER)
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
        if isinstance(value.type.support, Index):
            raise ctx.report.error(
                "GD210",
                f"`{value.type.support}` is a category, but the {param.name} of {spec.name} is "
                "a number",
                value.span,
                labels=ctx.label(value, "declared here"),
                help="index a vector of parameters with it: `mu[z]`",
            )
    return typed


def _own_shapes(typed: Typed) -> dict[str, tuple[Size, ...]]:
    """The sizes of the parameters' own event axes; those given as scalars have none."""
    return {
        p.name: a.type.event[len(a.type.event) - p.event_dim :]
        for p, a in typed
        if len(a.type.event) >= p.event_dim > 0
    }


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
                help=f"declare its size: `{_vector_type(spec, target)}[K]`",
            )
        return target.event
    lead: tuple[Size, ...] = ()
    for param, arg in typed:
        leading = arg.type.event[: max(0, len(arg.type.event) - param.event_dim)]
        lead = leading if len(leading) > len(lead) else lead
    tail = spec.event_sizes(_own_shapes(typed))
    if len(tail) < own:
        raise ctx.report.error(
            "GD320",
            f"the size of this {spec.name} is not determined",
            call.span,
            help="declare the type of the variable, such as `simplex[K]` or `real[D]`",
        )
    _verify_no_unit_axis(ctx, (*lead, *tail), typed, call)
    return (*lead, *tail)


def _vector_type(spec: DistributionSpec, target: ValueType) -> Support:
    return spec.support if isinstance(spec.support, Structured) else target.support


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
    ctx: Context, spec: DistributionSpec, param: Parameter, arg: ir.Expr, event: tuple[Size, ...]
) -> None:
    """A parameter has all of the value's leading event axes or none, then its own."""
    given = arg.type.event
    lead = event[: len(event) - spec.event_dim]
    own = _own_sizes(spec, param, event, given)
    accepted = [own, (*lead, *own)]
    if spec.event_dim and param.event_dim == 1 and isinstance(param.support, Interval):
        accepted.append(())  # the same number for every entry
    if any(ctx.agree(given, wanted) for wanted in accepted):
        return
    different = list(dict.fromkeys(describe_event(a) or "a scalar" for a in reversed(accepted)))
    if spec.event_dim == 0 and param.event_dim:
        different = ["a vector with one entry for each category"]
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


def _own_sizes(
    spec: DistributionSpec, param: Parameter, event: tuple[Size, ...], given: tuple[Size, ...]
) -> tuple[Size, ...]:
    if param.event_dim == 0:
        return ()
    if spec.event_dim == 0:  # Categorical: its own axis is not one of the value's
        return given[max(0, len(given) - param.event_dim) :] or (Size(()),)
    tail = event[len(event) - spec.event_dim :]
    return (tail[-1],) * param.event_dim if len(tail) < param.event_dim else tail


def _check_support(ctx: Context, spec: DistributionSpec, param: Parameter, arg: ir.Expr) -> None:
    given, wanted = arg.type.support, param.support
    if isinstance(wanted, Interval):
        ok = fits(given, wanted)
    elif isinstance(wanted, Structured) and wanted.kind == "simplex":
        computed = not isinstance(arg, (ir.Reference, ir.Constant))
        ok = given == wanted or (computed and hull(given).lower >= 0)
    else:  # matrices: what cannot be proved is checked where it is computed
        ok = True
    if isinstance(arg, ir.Stack) and isinstance(wanted, Structured):
        ok = _may_be_simplex(arg) if wanted.kind == "simplex" else ok
    if ok:
        return
    ctx.blame(arg, wanted)
    told = found(arg) if _total(arg) is None else f"its entries sum to {_total(arg):g}"
    raise ctx.report.error(
        "GD401",
        f"the {param.name} of {spec.name} must be {shown(wanted)}, but {told}",
        arg.span,
        labels=support_labels(ctx, arg),
        help=support_remedy(ctx, arg, wanted),
    )


def _may_be_simplex(arg: ir.Stack) -> bool:
    """Whether literal entries are not negative and sum to one."""
    return _total(arg) is None or (hull(arg.type.support).lower >= 0 and _total(arg) == 1)


def _total(arg: ir.Expr) -> float | None:
    """The sum of literal entries, rounded as people write them."""
    if not isinstance(arg, ir.Stack) or not all(isinstance(i, ir.Constant) for i in arg.items):
        return None
    return round(sum(i.value for i in arg.items if isinstance(i, ir.Constant)), 6)


def _support(ctx: Context, spec: DistributionSpec, typed: Typed, call: ast.Call) -> Support:
    """The support of a draw, from what is known of the parameters."""
    hulls = {p.name: hull(a.type.support) for p, a in typed}
    support = spec.support_given(hulls, _own_shapes(typed))
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
