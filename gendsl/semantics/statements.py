"""Typing equations: each declared value becomes an `ir.Variable`."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import equation_expressions, walk
from gendsl.semantics.context import Context, Declared, Site
from gendsl.semantics.draws import type_distribution
from gendsl.semantics.report import Poisoned
from gendsl.semantics.scope import Declaration, ValueDecl
from gendsl.semantics.supports import hull, intersect
from gendsl.semantics.targets import left_side
from gendsl.syntax import ast
from gendsl.types import REAL, Index, Interval, Structured, Support, ValueType

__all__ = ["type_variable", "verify_plates"]

ROLES: dict[str, ir.Role] = {
    "input": "input",
    "param": "param",
    "latent": "latent",
    "observe": "observed",
    "let": "let",
}


def type_variable(ctx: Context, declaration: Declaration) -> ir.Variable:
    """The typed form of a declared value; its type is recorded in `ctx` as soon as known."""
    declared = ctx.declared[declaration.name]
    statements = sorted(declaration.statements, key=lambda s: left_side(ctx, s.target).step is None)
    equations: list[ir.Equation] = []
    failed = False
    for statement in statements:
        try:
            equation = _equation(ctx, statement, declared)
        except Poisoned:
            failed = True
            continue
        if equation is not None:
            equations.append(equation)
        declared = _settle(ctx, declaration, declared, equation)
    if failed:
        raise Poisoned
    if declared.type is None:
        raise ctx.report.error(
            "GD216",
            f"`{declaration.name}` has neither a type nor an equation",
            declaration.first.target.span,
            help=f"write `{declaration.keyword} {declaration.name}: real`",
        )
    first = declaration.first
    initial = None
    if isinstance(first, ast.Param) and first.initial is not None:
        initial = _initial(ctx, first.initial, declared.type)
    return ir.Variable(
        declaration.name,
        ROLES[declaration.keyword],
        declared.axes,
        declared.type,
        tuple(_with_first_step(e) for e in equations),
        declared.optional,
        declared.lower,
        declared.upper,
        initial,
        span=first.target.name.span,
    )


def _settle(
    ctx: Context, declaration: Declaration, declared: Declared, equation: ir.Equation | None
) -> Declared:
    """The type after an equation: declared, narrowed to what the distribution allows."""
    type_ = declared.type
    if equation is not None and equation.distribution is not None:
        type_ = _settled_type(ctx, declaration, declared, equation.distribution)
    elif equation is not None and equation.value is not None and type_ is None:
        value = equation.value.type
        type_ = ValueType(frozenset(declared.axes), value.event, value.support)
    settled = replace(declared, type=type_)
    ctx.declared[declaration.name] = settled
    return settled


def _settled_type(
    ctx: Context, declaration: Declaration, declared: Declared, dist: ir.Distribution
) -> ValueType:
    plates = frozenset(declared.axes)
    drawn = dist.type.support
    if declared.type is None:
        return ValueType(plates, dist.type.event, drawn)
    support = _combined(ctx, declared.type.support, drawn, dist)
    if support is None:
        raise ctx.report.error(
            "GD403",
            f"`{declaration.name}` is declared {declared.type.support}, but a draw of "
            f"{dist.name} is {drawn}",
            dist.span,
            labels=(Label(declaration.first.target.name.span, "declared here"),),
            help="choose a distribution on that type, or change the type",
        )
    return ValueType(plates, dist.type.event, support)


def _combined(
    ctx: Context, declared: Support, drawn: Support, dist: ir.Distribution
) -> Support | None:
    """The legal values: those of the type that the distribution can give."""
    if dist.name == "Flat":
        return declared
    match declared, drawn:
        case Index(size=a), Index(size=b):
            return declared if ctx.agree(a, b) else None
        case (Index(), _) | (_, Index()):
            return None
        case Interval(), Interval():
            if declared.integer and not drawn.integer:
                raise ctx.report.error(
                    "GD906",
                    "rounding (a discrete type over a continuous distribution) is part of the "
                    "language, but this version cannot run it yet",
                    dist.span,
                    help="observe the value as `real`, or use a discrete distribution",
                )
            return intersect(declared, drawn)
        case Structured(), Structured():
            return declared if declared.kind == drawn.kind else None
        case Structured(kind="ordered"), Interval():
            both = intersect(hull(declared), drawn)
            return both and Structured("ordered", both.lower, both.upper)
        case Structured(kind="zero_sum" | "unit_vector"), Interval() if drawn == REAL:
            return declared
        case Structured(kind="angle"), Interval() if drawn == REAL:
            return declared
        case Interval(), Structured(kind="angle") if declared == REAL:
            return drawn
        case Interval(), Structured() if not declared.integer:
            return drawn if declared in (REAL, hull(drawn)) else None
        case _:
            return None


def _equation(ctx: Context, statement: ValueDecl, declared: Declared) -> ir.Equation | None:
    side = left_side(ctx, statement.target)
    plates = frozenset(a for a in side.axes if a is not None)
    site = Site(statement.target.name.id, plates, statement.target.span)
    inner = ctx.at(site)
    match statement:
        case ast.Latent(distribution=d) if d is not None:
            dist = type_distribution(inner, d, declared.type)
            equation = ir.Equation(dist, None, side.step, span=d.span)
        case ast.Observe(distribution=d) if d is not None:
            equation = ir.Equation(
                type_distribution(inner, d, declared.type), None, side.step, span=d.span
            )
        case ast.Observe(value=v) if v is not None:
            raise ctx.report.error(
                "GD907",
                "push-forwards (`observe x = ...`) are part of the language, but this version "
                "cannot run them yet",
                v.span,
                help="give the observation a distribution: `observe x ~ Normal(..., sigma)`",
            )
        case ast.Let(value=value):
            typed = inner.typed(inner, value)
            _verify_claim(ctx, statement, declared, typed)
            equation = ir.Equation(None, typed, side.step, span=value.span)
        case _:
            return None
    for expr in equation_expressions(equation):
        verify_plates(ctx, expr, plates, statement.target)
    return equation


def verify_plates(
    ctx: Context, expr: ir.Expr, plates: frozenset[str], target: ast.Target
) -> None:
    """Verify that a right side uses only plates that its left side declares."""
    extra = sorted(expr.type.plates - plates)
    if not extra:
        return
    plate = extra[0]
    culprit = next(
        (e for e in walk(expr) if isinstance(e, ir.Reference) and plate in e.type.plates), None
    )
    name = target.name.id
    span = culprit.span if culprit is not None else expr.span
    labels = ()
    if culprit is not None:
        labels = ctx.scope.label(culprit.name, f"`{culprit.name}` is declared over `{plate}` here")
    raise ctx.report.error(
        "GD301",
        f"the right side varies over the plate `{plate}`, but `{name}` does not",
        span,
        labels=labels,
        help=_plate_remedy(ctx, culprit, plate, plates, name),
    )


def _plate_remedy(
    ctx: Context, culprit: ir.Reference | None, plate: str, plates: frozenset[str], name: str
) -> str:
    shown = culprit.name if culprit is not None else "..."
    for other, declared in ctx.declared.items():
        support = declared.type.support if declared.type is not None else None
        if isinstance(support, Index) and support.size.name == plate:
            if declared.type is not None and declared.type.plates <= plates:
                return f"index it: `{shown}[{other}]`"
    return (
        f"reduce it, such as `mean({shown}, {plate})`; or index it by an `index({plate})`; "
        f"or declare `{name}` over `{plate}`"
    )


def _verify_claim(ctx: Context, statement: ast.Let, declared: Declared, value: ir.Expr) -> None:
    """A let's declared type agrees in shape, and is not contradicted by the value."""
    if declared.type is None:
        return
    claim = declared.type
    same = len(claim.event) == len(value.type.event) and all(
        ctx.agree(a, b) for a, b in zip(claim.event, value.type.event, strict=True)
    )
    given = value.type.support
    nominal = isinstance(claim.support, Index) or isinstance(given, Index)
    if nominal:
        possible = given == claim.support or isinstance(value, ir.Constant)
    else:
        possible = intersect(hull(claim.support), hull(given)) is not None
        possible = possible or hull(claim.support).lower == hull(given).lower != -inf
    if same and possible:
        return
    code, what = ("GD303", "shape") if not same else ("GD404", "support")
    raise ctx.report.error(
        code,
        f"`{statement.target.name.id}` is declared "
        f"{ValueType(frozenset(), claim.event, claim.support)}, but its value is "
        f"{ValueType(frozenset(), value.type.event, given)}: the {what} differs",
        statement.value.span,
        labels=ctx.scope.label(statement.target.name.id, "declared here"),
    )


def _initial(ctx: Context, expr: ast.Expr, type_: ValueType) -> ir.Expr:
    value = ctx.typed(ctx, expr)
    if value.type.event not in ((), type_.event) or value.type.plates:
        raise ctx.report.error(
            "GD303", f"the initial value is {value.type}, but the param is {type_}", expr.span
        )
    low, high = hull(type_.support), hull(value.type.support)
    if isinstance(value, ir.Constant) and intersect(low, Interval(False, high.lower, high.upper)) is None:
        if not low.lower <= value.value <= low.upper:
            raise ctx.report.error(
                "GD404", f"the initial value {value.value:g} is not {type_.support}", expr.span
            )
    return value


def _with_first_step(equation: ir.Equation) -> ir.Equation:
    """The first step at which a general equation holds: where all its lags exist."""
    if equation.step is not None:
        return equation
    lags = [e.steps for e in walk(*equation_expressions(equation)) if isinstance(e, ir.Lag)]
    first = max(lags, default=0)
    return replace(equation, first=first)

