"""Typing distributions of distributions: their parts, and what these are together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.laws import combined
from gendsl.ir.traversal import distributions
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.library.distributions.spec import DistributionSpec, Parameter
from gendsl.library.distributions.traits import Traits
from gendsl.library.distributions.wrappers import WRAPPERS, WrapperSpec
from gendsl.semantics.context import Context
from gendsl.semantics.report import Poisoned
from gendsl.semantics.supports import found, hull
from gendsl.syntax import ast
from gendsl.types import Index, Size, ValueType, describe_event

__all__ = ["Typing", "type_wrapper", "verify_unmixed"]

Arguments: TypeAlias = list[tuple[Parameter, ir.Expr]]
Event: TypeAlias = tuple[Size, ...]


@dataclass(frozen=True, slots=True)
class Typing:
    """How the parts and the own parameters of a wrapper are typed.

    Attributes:
        distribution: types a part.
        parameters: types and checks the arguments of a call, given what their event shapes say
            of the value's.
    """

    distribution: Callable[[Context, ast.Expr, ValueType | None], ir.Distribution]
    parameters: Callable[
        [Context, DistributionSpec, ast.Call, Callable[[Arguments], Event]], Arguments
    ]


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of a wrapper, its arguments told apart."""

    own: tuple[ast.Argument, ...]
    parts: tuple[ast.Expr, ...]
    axis: ast.Name | None


def type_wrapper(
    ctx: Context, spec: WrapperSpec, call: ast.Call, target: ValueType | None, typing: Typing
) -> ir.Distribution:
    """A distribution of distributions.

    Args:
        ctx: the state of typing.
        spec: its record.
        call: its syntax.
        target: the declared type of the value; None where it was left out.
        typing: of parts and parameters.
    """
    told = _told_apart(ctx, spec, call)
    parts = _parts(ctx, told, target, typing)
    event: Event = target.event if target is not None else _longest([p.type.event for p in parts])

    def shape(typed: Arguments) -> Event:
        nonlocal event
        if spec.joint:
            return ()
        if target is None:
            event = _longest([event, *(a.type.event for _, a in typed)])
        return event

    typed = typing.parameters(ctx, spec, replace(call, arguments=told.own), shape)
    parts = [_of_shape(ctx, told, i, parts, event, typing) for i in range(len(parts))]
    parts = _one_index(ctx, parts)
    args = tuple((p.name, a) for p, a in typed)
    if told.axis is not None:
        _verify_axis(ctx, told.axis, typed, parts[0])
    if spec.joint:
        _verify_weights(ctx, spec, told, typed, parts)
    traits = _combined(ctx, spec, args, tuple(parts), event)
    _verify_whole(ctx, spec, typed, parts[0])
    over = told.axis.id if told.axis is not None else None
    inner = frozenset[str]().union(*(p.type.plates for p in parts)) - {over or ""}
    plates = inner.union(*(a.type.plates for _, a in typed))
    type_ = ValueType(plates, event, traits.support)
    return ir.Distribution(spec.name, args, type_, tuple(parts), over, span=call.span)


# Telling the arguments apart


def _is_distribution(value: ast.Expr) -> bool:
    """Whether an argument is a distribution by its name."""
    function = value.function if isinstance(value, ast.Call) else value
    return isinstance(function, ast.Name) and (
        function.id in DISTRIBUTIONS or function.id in WRAPPERS
    )


def _told_apart(ctx: Context, spec: WrapperSpec, call: ast.Call) -> _Call:
    positional = [a for a in call.arguments if a.keyword is None]
    named = tuple(a for a in call.arguments if a.keyword is not None)
    known = {p.name for p in spec.params}
    by_name = any(a.keyword is not None and a.keyword.id in known for a in named)
    leading = 1 if spec.by_position and not by_name else 0
    own, rest = tuple(positional[:leading]), [a.value for a in positional[leading:]]
    if own and _is_distribution(own[0].value):
        first = spec.forms[0].params[0]
        raise ctx.report.error(
            "GD218",
            f"the {first} of {spec.name} are numbers, but this is a distribution",
            own[0].value.span,
            help=_usage(spec),
        )
    axis = _axis(ctx, spec, rest)
    if axis is not None:
        rest.pop()
    _verify_count(ctx, spec, call, rest, axis)
    for value in rest:
        _verify_part(ctx, spec, value)
    return _Call((*own, *named), tuple(rest), axis)


def _usage(spec: WrapperSpec) -> str:
    return "it is called as " + " or ".join(f"`{c}`" for c in spec.calls)


def _axis(ctx: Context, spec: WrapperSpec, rest: list[ast.Expr]) -> ast.Name | None:
    """The plate that is mixed over: a name after one distribution."""
    if spec.over is None or len(rest) < 2 or not isinstance(rest[-1], ast.Name):
        return None
    last = rest[-1]
    if _is_distribution(last) or last.id in ctx.scope.callables:
        return None
    if ctx.scope.is_plate(last.id):
        return last
    kind = ctx.scope.kind(last.id)
    message = f"{spec.name} takes distributions, or one of them and a plate; no plate is called "
    if kind is not None:
        message = f"{spec.name} takes distributions, or one of them and a plate, and this is "
    near = ctx.scope.suggestion(last.id, ctx.scope.plates())
    plate = (
        f"declare it with `plate {last.id}`, and write `mu[{last.id}]` for vectors of that size"
    )
    raise ctx.report.error(
        "GD218",
        message + (kind if kind is not None else f"`{last.id}`"),
        last.span,
        labels=ctx.scope.label(last.id, "declared here"),
        help=plate if last.id in ctx.scope.axes else near or _usage(spec),
    )


def _verify_count(
    ctx: Context, spec: WrapperSpec, call: ast.Call, rest: list[ast.Expr], axis: ast.Name | None
) -> None:
    if axis is not None and len(rest) != 1:
        raise ctx.report.error(
            "GD218",
            f"a plate stands after one distribution, whose members are mixed, and here are "
            f"{len(rest)}",
            axis.span,
            help=_usage(spec),
        )
    enough = axis is not None or spec.least <= len(rest)
    if enough and (spec.most is None or len(rest) <= spec.most):
        return
    wanted = "one distribution" if spec.most == 1 else "two distributions or more"
    given = f"{len(rest)} are given" if rest else "none is given"
    raise ctx.report.error(
        "GD218",
        f"{spec.name} is made of {wanted}, but {'1 is given' if len(rest) == 1 else given}",
        call.span,
        help=_usage(spec),
    )


def _verify_part(ctx: Context, spec: WrapperSpec, value: ast.Expr) -> None:
    """A part that is no call, or a call of something that is known and no distribution."""
    function = value.function if isinstance(value, ast.Call) else value
    if isinstance(function, ast.Member):
        return  # reported as what is to come
    kind = ctx.scope.kind(function.id) if isinstance(function, ast.Name) else None
    declared = isinstance(function, ast.Name) and isinstance(
        ctx.scope.callables.get(function.id), ast.Use
    )
    if declared or (isinstance(function, ast.Name) and kind is None):
        return
    name = f"`{function.id}`" if isinstance(function, ast.Name) else "this"
    what = f"{name} is {kind}" if kind is not None else f"{name} is a number"
    zero = isinstance(value, ast.NumberExpr) and value.value == 0
    remedy = "for more zeros write `ZeroInflated(probs, d)` or `Hurdle(probs, d)`"
    raise ctx.report.error(
        "GD213",
        f"{spec.name} is made of distributions, and {what}",
        value.span,
        labels=ctx.scope.label(function.id, "declared here")
        if isinstance(function, ast.Name)
        else (),
        help=remedy if zero else _usage(spec),
    )


# Parts


def _parts(
    ctx: Context, told: _Call, target: ValueType | None, typing: Typing
) -> list[ir.Distribution]:
    done: list[ir.Distribution] = []
    for value in told.parts:
        with ctx.report.containing():
            done.append(typing.distribution(ctx, value, target))
    if len(done) < len(told.parts):
        with ctx.report.containing():
            ctx.all_typed(a.value for a in told.own)
        raise Poisoned
    return done


def _longest(events: list[Event]) -> Event:
    return max(events, key=len)


def _of_shape(
    ctx: Context,
    told: _Call,
    number: int,
    parts: list[ir.Distribution],
    event: Event,
    typing: Typing,
) -> ir.Distribution:
    """A part whose draws have the shape of the whole."""
    part = parts[number]
    if ctx.agree(part.type.event, event):
        return part
    if len(part.type.event) < len(event):
        type_ = replace(part.type, event=event)
        return typing.distribution(ctx, told.parts[number], type_)
    raise ctx.report.error(
        "GD218",
        f"a draw of this {part.name} is {describe_event(part.type.event)}, but others are "
        f"{describe_event(event)}",
        part.span,
        labels=tuple(Label(p.span, "another part") for p in parts if p is not part)[:1],
        help="the parts have one shape; shapes agree by the names of their sizes",
    )


def _one_index(ctx: Context, parts: list[ir.Distribution]) -> list[ir.Distribution]:
    """The parts, with one way to write a number of categories that is the same."""
    first = parts[0].type.support

    def same(part: ir.Distribution) -> ir.Distribution:
        own = part.type.support
        if isinstance(first, Index) and isinstance(own, Index):
            if ctx.sizes.agree(first.size, own.size):
                return replace(part, type=replace(part.type, support=first))
        return part

    return [same(p) for p in parts]


# What they are together


def _combined(
    ctx: Context,
    spec: WrapperSpec,
    args: tuple[tuple[str, ir.Expr], ...],
    parts: tuple[ir.Distribution, ...],
    event: Event,
) -> Traits:
    result = combined(spec.name, args, parts, len(event))
    if isinstance(result, Traits):
        return result
    labels: tuple[Label, ...] = ()
    if result.kind == "differs" and result.part:
        labels = (Label(parts[0].span, f"{parts[0].name} is the first part"),)
    raise ctx.report.error(
        "GD218" if result.kind == "differs" else "GD219",
        f"{spec.name} {result.reason}",
        parts[result.part].span,
        labels=labels,
        help=result.remedy,
    )


def _verify_whole(
    ctx: Context, spec: WrapperSpec, typed: Arguments, part: ir.Distribution
) -> None:
    """Bounds of whole numbers are whole numbers."""
    if not spec.moves or not hull(part.type.support).integer:
        return
    for param, arg in typed:
        if hull(param.support).integer or hull(arg.type.support).integer:
            continue
        raise ctx.report.error(
            "GD401",
            f"the {param.name} of {spec.name} must be a whole number, like a draw of "
            f"{part.name}, but {found(arg)}",
            arg.span,
        )


def _verify_weights(
    ctx: Context, spec: WrapperSpec, told: _Call, typed: Arguments, parts: list[ir.Distribution]
) -> None:
    (param, weights) = typed[0]
    given = weights.type.event[-1]
    wanted = Size.of(len(parts)) if told.axis is None else Size.named(told.axis.id)
    if ctx.sizes.agree(given, wanted):
        return
    whole = f"of {len(parts)} distributions has {len(parts)} {param.name}"
    if told.axis is not None:
        whole = f"over `{told.axis.id}` has as many {param.name} as that has members"
    raise ctx.report.error(
        "GD218",
        f"a {spec.name} {whole}, and here are {given}",
        weights.span,
        labels=ctx.label(weights, "declared here"),
        help=f"declare them `simplex[{wanted}]`",
    )


def _verify_axis(ctx: Context, axis: ast.Name, typed: Arguments, part: ir.Distribution) -> None:
    """The plate is one of the part alone."""
    plate = axis.id
    if plate not in part.type.plates:
        raise ctx.report.error(
            "GD218",
            f"nothing in this {part.name} varies over `{plate}`, so its members are all the same",
            part.span,
            labels=ctx.scope.label(plate, "the plate that is mixed over"),
            help=f"declare a parameter over it; the entries of a vector become members by "
            f"`mu[{plate}]`",
        )
    spread = next((a for _, a in typed if plate in a.type.plates), None)
    if spread is not None:
        raise ctx.report.error(
            "GD218",
            f"the weights vary over `{plate}`, the plate that is mixed over",
            spread.span,
            labels=ctx.label(spread, "declared here"),
            help=f"they are one vector: `simplex[{plate}]`",
        )
    if ctx.site is not None and plate in ctx.site.plates:
        raise ctx.report.error(
            "GD218",
            f"`{ctx.site.name}` is declared over `{plate}`, and this mixes over it",
            axis.span,
            labels=(Label(ctx.site.span, "declared here"),),
            help=f"leave `{plate}` out on the left, or on the right",
        )


def verify_unmixed(ctx: Context, distribution: ir.Distribution, value: ir.Expr) -> None:
    """Verify that a value has no plate that its distribution mixes over."""
    for inner in distributions(distribution):
        if inner.over is not None and inner.over in value.type.plates:
            raise ctx.report.error(
                "GD218",
                f"the value varies over `{inner.over}`, and this mixes over it",
                value.span,
                labels=(Label(inner.span, "mixed here"),),
            )
