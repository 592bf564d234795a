"""Lowering: a syntax tree to a typed model, with every independent mistake reported."""

from __future__ import annotations

from gendsl.diagnostics import InternalCompilerError
from gendsl.ir import nodes as ir
from gendsl.semantics.axes import resolve_axes
from gendsl.semantics.context import Context, Site
from gendsl.semantics.expressions import type_expression
from gendsl.semantics.flows import declare_flows, oriented, standardised
from gendsl.semantics.functions import verify_functions
from gendsl.semantics.guides import type_guides
from gendsl.semantics.infer import infer_request
from gendsl.semantics.nets import declare_nets
from gendsl.semantics.order import dependency_order
from gendsl.semantics.report import Poisoned, Report
from gendsl.semantics.scope import build_scope
from gendsl.semantics.statements import type_variable
from gendsl.semantics.targets import declare
from gendsl.semantics.weights import owner, verify_prior
from gendsl.syntax import ast
from gendsl.types import Interval, Size, ValueType

__all__ = ["lower"]

LATER = {
    ast.Use: (
        "GD904",
        "fitted models and Python functions (`use`)",
        "write its equations into this model",
    ),
}
"""Declarations that this version cannot run, and what to do."""


def lower(program: ast.Program, report: Report) -> ir.Model | None:
    """The typed model of `program`, or None where `report` has errors."""
    scope = build_scope(program, report)
    ctx = Context(scope, report, type_expression)
    axes = _axes(ctx)
    _report_later(ctx)
    declare_flows(ctx)
    nets = declare_nets(ctx)
    verify_functions(ctx)
    order, circular = dependency_order(scope, report)
    ctx.poisoned |= circular
    variables = _variables(ctx, order)
    energies = _energies(ctx)
    guides = type_guides(ctx, variables)
    infer = infer_request(ctx)
    if report.failed:
        return None
    if len(variables) != len(scope.values) or len(energies) != len(scope.energies):
        raise InternalCompilerError("a declaration was given up without a finding")
    head = scope.model
    variables, nets = standardised(variables, nets)
    nets = oriented(variables, guides, nets)
    return ir.Model(
        head.name.id,
        head.doc,
        axes,
        _with_lengths(axes, variables),
        energies,
        guides,
        infer,
        program.source,
        head.name.span,
        tuple(n for n in nets if n.name not in ctx.weighted),
        tuple(n for n in nets if n.name in ctx.weighted),
    )


def _axes(ctx: Context) -> tuple[ir.Axis, ...]:
    sizes = resolve_axes(ctx)
    return tuple(_axis(ctx, axis, sizes.get(name)) for name, axis in ctx.scope.axes.items())


def _axis(ctx: Context, declared: ast.PlateDecl | ast.DimDecl, size: Size | None) -> ir.Axis:
    name, span = declared.name.id, declared.name.span
    if isinstance(declared, ast.DimDecl):
        return ir.Axis(name, "dim", size, span=span)
    owner = declared.owner
    if owner is not None and not ctx.scope.is_plate(owner.id):
        ctx.report.unknown(
            "GD114",
            f"no plate is called `{owner.id}`",
            owner.id,
            owner.span,
            ctx.scope.suggestion(owner.id, ctx.scope.plates()) or f"declare `plate {owner.id}`",
        )
    elif owner is not None and not (declared.ordered and _is_even(ctx, owner.id)):
        what = "sequences along sequences" if declared.ordered else "plates"
        ctx.report.error(
            "GD908",
            f"ragged {what} such as `{name}[{owner.id}]` are part of the language, "
            "but this version cannot run them yet",
            declared.span,
            help=f"use a long table: `plate row` with `input {owner.id}_of[row]: "
            f"index({owner.id})`",
        )
    owned = owner.id if owner is not None else None
    lengths = _lengths_name(ctx, name) if owned is not None else None
    return ir.Axis(
        name, "sequence" if declared.ordered else "plate", size, owned, lengths, span=span
    )


def _is_even(ctx: Context, owner: str) -> bool:
    """Whether an axis may own a ragged sequence: a plate that is not ragged itself."""
    axis = ctx.scope.axes[owner]
    return isinstance(axis, ast.PlateDecl) and not axis.ordered and axis.owner is None


def _lengths_name(ctx: Context, axis: str) -> str:
    """What the lengths of a ragged sequence are called among the data."""
    name = f"{axis}_lengths"
    while ctx.scope.kind(name) is not None:
        name += "_"
    return name


def _with_lengths(
    axes: tuple[ir.Axis, ...], variables: tuple[ir.Variable, ...]
) -> tuple[ir.Variable, ...]:
    """The variables after inputs that say the lengths of ragged sequences."""
    whole = Interval(integer=True, lower=1.0)
    lengths = [
        ir.Variable(
            a.lengths, "input", (a.owner,), ValueType(frozenset({a.owner}), (), whole), span=a.span
        )
        for a in axes
        if a.lengths is not None and a.owner is not None
    ]
    return (*lengths, *variables)


def _report_later(ctx: Context) -> None:
    """One finding for each kind of declaration that this version cannot run."""
    seen: set[type] = set()
    for declared in ctx.scope.callables.values():
        kind = type(declared)
        if kind not in LATER or kind in seen:
            continue
        seen.add(kind)
        code, what, remedy = LATER[kind]
        ctx.report.error(
            code,
            f"{what} are part of the language, but this version cannot run them yet",
            declared.span,
            help=remedy,
        )


def _variables(ctx: Context, order: list[str]) -> tuple[ir.Variable, ...]:
    """Every value, typed in dependency order.

    Types are declared first, so that lags may refer ahead; those with a bound that is an
    expression wait for what the bound needs.
    """
    for name, declaration in ctx.scope.values.items():
        moving = any(_has_moving_bound(s.type) for s in declaration.statements)
        if name not in ctx.declared and not moving:
            _declare(ctx, name)
    done = []
    for name in order:
        if name not in ctx.declared:
            _declare(ctx, name)
        net = owner(ctx, name)
        if name in ctx.poisoned or net in ctx.poisoned:
            continue
        try:
            done.append(type_variable(ctx, ctx.scope.values[name]))
            verify_prior(ctx, net, done[-1])
        except Poisoned:
            ctx.poisoned |= {net} - {""}  # one finding for all of its weights
            if not ctx.declared[name].claimed:
                ctx.poisoned.add(name)
    return tuple(done)


def _declare(ctx: Context, name: str) -> None:
    if name in ctx.poisoned:
        return
    try:
        ctx.declared[name] = declare(ctx, ctx.scope.values[name])
    except Poisoned:
        ctx.poisoned.add(name)


def _has_moving_bound(type_: ast.TypeExpr | None) -> bool:
    if not isinstance(type_, ast.NamedType) or type_.name.id == "index":
        return False
    return not all(_is_literal(a) for a in type_.arguments)


def _is_literal(expr: ast.Expr) -> bool:
    inner = expr.operand if isinstance(expr, ast.Unary) else expr
    return isinstance(inner, ast.NumberExpr) or inner == ast.Name("inf")


def _energies(ctx: Context) -> tuple[ir.Energy, ...]:
    done = []
    for statement in ctx.scope.energies:
        with ctx.report.containing():
            inner = ctx.at(Site("energy", frozenset(), statement.span))
            value = inner.typed(inner, statement.value)
            if value.type.event:
                raise ctx.report.error(
                    "GD321",
                    f"an energy is a scalar, but this is {value.type}",
                    statement.value.span,
                    help="reduce the event axes: `sum(...)`",
                )
            done.append(ir.Energy(value, span=statement.span))
    return tuple(done)
