"""Typing covariance functions, and bases of curves: functions of points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gendsl.ir import nodes as ir
from gendsl.library.distributions.spec import DistributionSpec
from gendsl.library.functions.spec import FunctionSpec
from gendsl.semantics.axes import size_of, verify_size
from gendsl.semantics.calls import bound_arguments, verify_domain
from gendsl.semantics.context import Context
from gendsl.semantics.parameters import meets
from gendsl.semantics.report import Poisoned
from gendsl.semantics.supports import hull
from gendsl.syntax import ast
from gendsl.types import COUNT, REAL, Index, Size, Structured, ValueType, describe_event

__all__ = ["basis", "covariance", "split_points", "verify_kernel"]

Event = tuple[Size, ...]
MOST_DEGREE = 20


def _verify_points(ctx: Context, what: str, points: ir.Expr, node: ast.Expr) -> None:
    """Verify that `points` lists points of the line, real[N], or of a space, real[N, D]."""
    if isinstance(points.type.support, Index):
        raise ctx.report.error(
            "GD210",
            f"`{points.type.support}` is a category: it has no distances",
            node.span,
            labels=ctx.label(points, "declared here"),
        )
    if len(points.type.event) in (1, 2):
        return
    over = sorted(points.type.plates)
    shape = describe_event(points.type.event) or "a scalar"
    raise ctx.report.error(
        "GD302",
        f"the points of `{what}` are a vector, or a matrix with one row a point, but this is "
        f"{shape}" + (f" over {', '.join(over)}" if over else ""),
        node.span,
        labels=ctx.label(points, "declared here"),
        help=f"gather the plate into a vector: `collect(x, {over[0]})`"
        if over and not points.type.event
        else None,
    )


def covariance(ctx: Context, spec: FunctionSpec, expr: ast.Call) -> ir.Expr:
    """A covariance function: of `ctx.points`, where the call does not say of which."""
    params = spec.params
    keywords = {a.keyword.id for a in expr.arguments if a.keyword is not None}
    given = len(expr.arguments) - len(keywords & set(spec.optional))
    short = given == len(params) - 1 and params[0] not in keywords
    if short and ctx.points is None:
        raise _pointless(ctx, spec, expr)
    own = params[1:] if short else params
    further = tuple(p for p in spec.optional if p in keywords)
    nodes = bound_arguments(ctx, spec.name, (*own, *further), expr, further=spec.optional)
    inner = replace(ctx, points=None)
    values = inner.all_typed(nodes)
    if short:
        assert ctx.points is not None
        values = (ctx.points, *values)
        nodes = [expr, *nodes]
    for position, (value, node) in enumerate(zip(values, nodes, strict=True)):
        if position == 0 or position >= len(params):
            _verify_points(ctx, spec.name, value, node)
        else:
            verify_domain(ctx, spec, position, value)
    _verify_scales(ctx, spec, values, nodes)
    rows = values[0].type.event[0]
    columns = rows if len(values) == len(params) else values[-1].type.event[0]
    support = spec.range([hull(v.type.support) for v in values]) if columns is rows else REAL
    plates = frozenset[str]().union(*(v.type.plates for v in values))
    return ir.Apply(spec.name, values, ValueType(plates, (rows, columns), support), span=expr.span)


def _pointless(ctx: Context, spec: FunctionSpec, expr: ast.Call) -> Poisoned:
    rest = ", ".join(spec.params[1:])
    return ctx.report.error(
        "GD211",
        f"`{spec.name}` lacks its points",
        expr.span,
        help=f"it is called as `{spec.name}({', '.join(spec.params)})`; the points are left out "
        f"only in a Gaussian process, `GaussianProcess(x, {spec.name}({rest}))`",
    )


def _verify_scales(
    ctx: Context, spec: FunctionSpec, values: tuple[ir.Expr, ...], nodes: list[ast.Expr]
) -> None:
    """Verify the dimensions of the points, and the shapes of the other arguments."""
    points = values[0].type.event
    ranks = {len(key) for key, _ in spec.by_rank if key[0] == len(points)}
    if not ranks:
        raise _misfit(ctx, spec, values[0], nodes[0], "it takes points on the line, `real[N]`")
    names = (*spec.params, *spec.optional)
    for name, value, node in zip(names[1:], values[1:], nodes[1:], strict=False):
        event = value.type.event
        if name in spec.optional:
            if len(event) != len(points) or not ctx.agree(event[1:], points[1:]):
                raise _misfit(ctx, spec, value, node, "the points of both sets are of one space")
        elif event:
            relevance = name == "lengthscale" and ctx.agree(event, points[1:])
            if not relevance:
                more = ", or one for each dimension of the points" * (name == "lengthscale")
                raise _misfit(ctx, spec, value, node, f"the {name} is a scalar{more}")


def _misfit(
    ctx: Context, spec: FunctionSpec, value: ir.Expr, node: ast.Expr, why: str
) -> Poisoned:
    shape = describe_event(value.type.event) or "a scalar"
    return ctx.report.error(
        "GD302",
        f"`{spec.name}` cannot take {shape} here: {why}",
        node.span,
        labels=ctx.label(value, "declared here"),
    )


# Distributions over points


def split_points(
    ctx: Context, spec: DistributionSpec, call: ast.Call
) -> tuple[ir.Expr | None, ast.Call]:
    """The points of a distribution over points, and its call without them."""
    if spec.points is None:
        return None, call
    named = [a for a in call.arguments if a.keyword is not None and a.keyword.id == spec.points]
    first = [*named, *(a for a in call.arguments if a.keyword is None)][:1]
    if not first:
        raise ctx.report.error(
            "GD214",
            f"`{spec.name}` lacks its points",
            call.span,
            help=f"it is called as `{spec.signature()}`",
        )
    node = first[0].value
    points = ctx.typed(replace(ctx, points=None), node)
    _verify_points(ctx, spec.name, points, node)
    _verify_apart(ctx, spec, points, call)
    rest = tuple(a for a in call.arguments if a is not first[0])
    return points, replace(call, arguments=rest)


def _verify_apart(ctx: Context, spec: DistributionSpec, points: ir.Expr, call: ast.Call) -> None:
    """Verify that the points are not those of a plate that has a draw for each member."""
    plate = points.type.event[0].name
    if ctx.site is None or plate is None or plate not in ctx.site.plates:
        return
    name = ctx.site.name
    raise ctx.report.error(
        "GD319",
        f"a draw of {spec.name} is a vector with an entry for each {plate}, but `{name}[{plate}]` "
        f"is a draw for each {plate}",
        call.span,
        help=f"declare the one draw, `{name}: real[{plate}]`; its entries are `{name}[{plate}]`",
    )


def verify_kernel(
    ctx: Context, spec: DistributionSpec, points: ir.Expr | None, kernel: ir.Expr
) -> None:
    """Verify that a kernel that is given as a matrix is one of these points."""
    if points is None or len(kernel.type.event) < 2:
        return
    count, size = points.type.event[0], kernel.type.event[-1]
    if not ctx.sizes.agree(count, size):
        raise ctx.report.error(
            "GD302",
            f"`{spec.name}` is at {count} points, but its kernel is of {size}",
            kernel.span,
            labels=ctx.label(kernel, "declared here"),
        )


# Bases


def basis(ctx: Context, spec: FunctionSpec, expr: ast.Call) -> ir.Expr:
    """A function of numbers that gives a basis for a curve at each, or interpolates."""
    nodes = bound_arguments(ctx, spec.name, spec.params, expr)
    values: list[ir.Expr] = []
    counts: dict[str, Size] = {}
    for position, (name, node) in enumerate(zip(spec.params, nodes, strict=True)):
        if name in spec.sizes:
            counts[name] = size = size_of(ctx, node)
            verify_size(ctx, size, node)
            values.append(ir.SizeNumber(size, ValueType(support=COUNT), span=node.span))
            continue
        value = ctx.typed(ctx, node)
        verify_domain(ctx, spec, position, value)
        _verify_rank(ctx, spec, name, value, node)
        values.append(value)
    event = _RULES[spec.name](ctx, values, nodes, counts)
    plates = frozenset[str]().union(*(v.type.plates for v in values))
    support = spec.range([hull(v.type.support) for v in values])
    return ir.Apply(spec.name, tuple(values), ValueType(plates, event, support), span=expr.span)


def _verify_rank(
    ctx: Context, spec: FunctionSpec, name: str, value: ir.Expr, node: ast.Expr
) -> None:
    rank = len(value.type.event)
    if name == "x" and rank > 1:
        raise _misfit(ctx, spec, value, node, "x is a scalar or a vector")
    if name in ("period", "boundary") and rank:
        raise _misfit(ctx, spec, value, node, f"the {name} is a scalar")
    if name in ("knots", "xs", "ys") and rank != 1:
        raise _misfit(ctx, spec, value, node, f"{name} is a vector")
    if name in ("knots", "xs"):
        _verify_increasing(ctx, spec, name, value, node)


def _verify_increasing(
    ctx: Context, spec: FunctionSpec, name: str, value: ir.Expr, node: ast.Expr
) -> None:
    """Verify that knots increase, by their type or because they are numbers that do."""
    known = ctx.sizes.known(value.type.event[0])
    if known is not None and known < 2:
        raise _misfit(ctx, spec, value, node, "there are two knots or more")
    if meets(ctx, value, Structured("ordered")):
        return
    ctx.blame(value, (spec.name, name))
    size = describe_event(value.type.event)
    match value:
        case ir.Reference(name=shown):
            told = f"`{shown}` is {value.type.support}{size}"
            remedy = f"declare it so: `{shown}: ordered{size}`; it is then checked"
        case ir.Stack():
            told, remedy = "these are not", "write numbers in increasing order"
        case _:
            told = "this is not known to be"
            remedy = f"name it with its type, which is then checked: `let k: ordered{size} = ...`"
    raise ctx.report.error(
        "GD402",
        f"the {name} of `{spec.name}` must be ordered (increasing entries), but {told}",
        node.span,
        labels=ctx.label(value, "declared here"),
        help=remedy,
    )


def _interpolated(
    ctx: Context, values: list[ir.Expr], nodes: list[ast.Expr], counts: dict[str, Size]
) -> Event:
    x, xs, ys = (v.type.event for v in values)
    if not ctx.agree(xs, ys):
        raise ctx.report.error(
            "GD302",
            f"`interpolate` takes a value for each knot, but there are {xs[0]} knots and {ys[0]} "
            "values",
            nodes[2].span,
        )
    return x


def _bsplines(
    ctx: Context, values: list[ir.Expr], nodes: list[ast.Expr], counts: dict[str, Size]
) -> Event:
    degree = ctx.sizes.known(counts["degree"])
    if degree is None or not 0 <= degree <= MOST_DEGREE:
        raise ctx.report.error(
            "GD306",
            f"the degree is a number from 0 to {MOST_DEGREE} that the text determines",
            nodes[2].span,
            help="cubic splines have degree 3",
        )
    return (*values[0].type.event, values[1].type.event[0] + Size.of(degree - 1))


def _cardinal(
    ctx: Context, values: list[ir.Expr], nodes: list[ast.Expr], counts: dict[str, Size]
) -> Event:
    return (*values[0].type.event, values[1].type.event[0])


def _waves(
    ctx: Context, values: list[ir.Expr], nodes: list[ast.Expr], counts: dict[str, Size]
) -> Event:
    return (*values[0].type.event, Size.of(2) * counts["waves"])


def _counted(
    ctx: Context, values: list[ir.Expr], nodes: list[ast.Expr], counts: dict[str, Size]
) -> Event:
    return (*values[0].type.event, counts["count"])


Rule = Callable[[Context, list[ir.Expr], list[ast.Expr], dict[str, Size]], Event]
_RULES: dict[str, Rule] = {
    "bspline": _bsplines,
    "fourier": _waves,
    "hilbert_basis": _counted,
    "hilbert_frequencies": _counted,
    "interpolate": _interpolated,
    "natural_spline": _cardinal,
}
"""Event shape of the result."""
