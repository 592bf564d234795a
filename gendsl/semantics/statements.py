"""Typing equations: each declared value becomes an `ir.Variable`."""

from __future__ import annotations

from dataclasses import replace

from gendsl.ir import nodes as ir
from gendsl.ir.traversal import equation_expressions, plated_expressions, references, walk
from gendsl.semantics.combining import drawn_type
from gendsl.semantics.context import Context, Declared, Site
from gendsl.semantics.draws import type_distribution
from gendsl.semantics.plates import verify_plates
from gendsl.semantics.report import Poisoned
from gendsl.semantics.scope import Declaration, ValueDecl
from gendsl.semantics.supports import fits, found, hull, possible, shown
from gendsl.semantics.targets import LeftSide, left_side
from gendsl.syntax import ast
from gendsl.types import REAL, Index, Interval, Structured, Support, ValueType, describe_event

__all__ = ["type_variable", "with_first_step"]

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
    sides = [(left_side(ctx, s.target), s) for s in declaration.statements]
    sides.sort(key=lambda pair: pair[0].step is None)
    equations: list[ir.Equation] = []
    failed = False
    for side, statement in sides:
        try:
            equation = _equation(ctx, statement, side, declared)
            if equation is None:
                continue
            settled = _settled(ctx, declaration, declared, equation, first=not equations)
        except Poisoned:
            failed = True
            continue
        equations.append(equation)
        ctx.declared[declaration.name] = settled
    if failed:
        raise Poisoned
    return _variable(ctx, declaration, ctx.declared[declaration.name], equations)


def _variable(
    ctx: Context, declaration: Declaration, declared: Declared, equations: list[ir.Equation]
) -> ir.Variable:
    first, name = declaration.first, declaration.name
    initial: ir.Expr | None = None
    if isinstance(first, ast.Param) and first.initial is not None:
        initial = _initial(ctx, first.initial, declared.type)
        if declared.type is None:
            type_ = ValueType(frozenset(declared.axes), initial.type.event, REAL)
            declared = ctx.declared[name] = replace(declared, type=type_)
    if declared.type is None:
        raise ctx.report.error(
            "GD216",
            f"`{name}` has neither a type nor an equation",
            first.target.span,
            help=f"write `{declaration.keyword} {name}: real`"
            + (
                ""
                if isinstance(first, ast.Param)
                else f", or give it a distribution: `{name} ~ ...`"
            ),
        )
    return ir.Variable(
        name,
        ROLES[declaration.keyword],
        declared.axes,
        declared.type,
        tuple(with_first_step(e) for e in equations),
        declared.optional,
        declared.lower,
        declared.upper,
        initial,
        span=first.target.name.span,
    )


def _equation(
    ctx: Context, statement: ValueDecl, side: LeftSide, declared: Declared
) -> ir.Equation | None:
    name = statement.target.name.id
    inner = ctx.at(Site(name, side.plates, statement.target.span, side.step))
    target = _expected(ctx, name, declared)
    along = None if side.step is None else declared.axes[side.axes.index(None)]
    match statement:
        case ast.Latent(distribution=d) | ast.Observe(distribution=d) if d is not None:
            dist = type_distribution(inner, d, target)
            equation = ir.Equation(dist, None, side.step, sequence=along, span=d.span)
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
            equation = ir.Equation(None, typed, side.step, sequence=along, span=value.span)
        case _:
            return None
    for expr, over in plated_expressions(equation):
        verify_plates(inner, expr, side.plates | over, name)
    return equation


def _expected(ctx: Context, name: str, declared: Declared) -> ValueType | None:
    """The type that a draw should have: as declared, else as an earlier equation gave it."""
    return declared.type if declared.claimed else ctx.declared[name].type


def _settled(
    ctx: Context,
    declaration: Declaration,
    declared: Declared,
    equation: ir.Equation,
    *,
    first: bool,
) -> Declared:
    """What is known of the variable after an equation."""
    name = declaration.name
    before = None if first else ctx.declared[name].type
    if equation.distribution is not None:
        type_ = drawn_type(ctx, declaration, declared, equation.distribution, before)
    else:
        assert equation.value is not None
        type_ = _let_type(ctx, declaration, declared, equation.value, before)
    assumed = ctx.assumed.get(name)
    if assumed is not None and _differs(assumed, type_):
        raise ctx.report.error(
            "GD207",
            f"`{name}` refers to itself, so its shape must be declared; taken for a scalar, it "
            f"turns out to be {describe_event(type_.event) or type_.support}",
            declaration.first.target.span,
            help=f"write its type: `{name}: {type_.support}{describe_event(type_.event)}`",
        )
    return replace(declared, type=type_)


def _differs(assumed: ValueType, type_: ValueType) -> bool:
    nominal = isinstance(type_.support, Index) and not isinstance(assumed.support, Index)
    return assumed.event != type_.event or nominal


def _let_type(
    ctx: Context,
    declaration: Declaration,
    declared: Declared,
    value: ir.Expr,
    before: ValueType | None,
) -> ValueType:
    """The type of a let: as claimed, else that of its value."""
    given, plates = value.type, frozenset(declared.axes)
    if declared.claimed and declared.type is not None:
        _verify_claim(ctx, declaration, declared.type, value)
        return declared.type
    if before is not None and not ctx.agree(before.event, given.event):
        raise ctx.report.error(
            "GD303",
            f"the equations of `{declaration.name}` have different shapes: "
            f"{describe_event(before.event) or 'a scalar'} and "
            f"{describe_event(given.event) or 'a scalar'}",
            value.span,
            labels=ctx.scope.label(declaration.name, "the first one is here"),
        )
    support = given.support
    if len(declaration.statements) > 1 and isinstance(support, Interval):
        support = REAL  # a recursion may lead anywhere unless a type says otherwise
    return ValueType(plates, given.event, support)


def _verify_claim(
    ctx: Context, declaration: Declaration, claim: ValueType, value: ir.Expr
) -> None:
    """A let's declared type agrees in shape, and is not contradicted by the value."""
    same = ctx.agree(claim.event, value.type.event)
    if same and _may_be(ctx, value, claim):
        return
    claimed = ValueType(frozenset(), claim.event, claim.support)
    given = ValueType(frozenset(), value.type.event, value.type.support)
    remedy = None
    if not same and not value.type.event:
        sizes = ", ".join(map(str, claim.event))
        remedy = f"to repeat a number write `full({sizes}, ...)`"
    raise ctx.report.error(
        "GD404" if same else "GD303",
        f"`{declaration.name}` is declared {claimed}, but its value is "
        + (f"{given}" if not same else f"{shown(value.type.support)}"),
        value.span,
        labels=ctx.scope.label(declaration.name, "declared here"),
        help=remedy,
    )


def _may_be(ctx: Context, value: ir.Expr, claim: ValueType) -> bool:
    given, claimed = value.type.support, claim.support
    if isinstance(given, Index) and isinstance(claimed, Index):
        return ctx.sizes.agree(given.size, claimed.size)
    if isinstance(claimed, Index):
        known = hull(given)
        size = ctx.sizes.known(claimed.size)
        inside = 0 <= known.lower and (size is None or known.upper < size)
        return isinstance(value, ir.Constant) and known.integer and inside
    return possible(given, claimed)


def _initial(ctx: Context, expr: ast.Expr, type_: ValueType | None) -> ir.Expr:
    """The initial value of a param: numbers of the param's type."""
    value = ctx.typed(ctx, expr)
    names = references(value)
    if names or value.type.plates:
        shown_name = next(iter(names), None) or next(iter(sorted(value.type.plates)))
        raise ctx.report.error(
            "GD217",
            f"an initial value is made of numbers, and this one depends on `{shown_name}`",
            expr.span,
            help="it is only where the search for the param begins",
        )
    if type_ is None:
        return value
    if value.type.event and not ctx.agree(value.type.event, type_.event):
        raise ctx.report.error(
            "GD303",
            f"the initial value is {describe_event(value.type.event)}, but the param is "
            f"{describe_event(type_.event) or 'a scalar'}",
            expr.span,
        )
    support = type_.support
    wanted: Support = support if isinstance(support, (Interval, Index)) else hull(support)
    if isinstance(support, Structured) and support.kind != "ordered" and not value.type.event:
        wanted = support
    if not fits(value.type.support, wanted):
        raise ctx.report.error(
            "GD404",
            f"the initial value must be {shown(wanted)}, like the param, but {found(value)}",
            expr.span,
            help="leave it out: the search then begins at a legal value",
        )
    return value


def with_first_step(equation: ir.Equation) -> ir.Equation:
    """The first step at which a general equation holds: where all its lags exist."""
    if equation.step is not None:
        return equation
    lags = [e.steps for e in walk(*equation_expressions(equation)) if isinstance(e, ir.Lag)]
    return replace(equation, first=max(lags, default=0))
