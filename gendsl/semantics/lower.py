"""Lowering: a syntax tree to a typed model, with every independent mistake reported."""

from __future__ import annotations

from gendsl.diagnostics import InternalCompilerError
from gendsl.ir import nodes as ir
from gendsl.semantics.axes import resolve_axes
from gendsl.semantics.context import Context, Site
from gendsl.semantics.expressions import type_expression
from gendsl.semantics.functions import verify_functions
from gendsl.semantics.guides import type_guides
from gendsl.semantics.infer import infer_request
from gendsl.semantics.nets import declare_nets
from gendsl.semantics.order import dependency_order
from gendsl.semantics.report import Poisoned, Report
from gendsl.semantics.scope import build_scope
from gendsl.semantics.statements import type_variable
from gendsl.semantics.targets import declare
from gendsl.syntax import ast
from gendsl.types import Size

__all__ = ["lower"]

LATER = {
    ast.Flow: ("GD902", "flows (`flow`)", "use a distribution, or a mixture of several"),
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
    return ir.Model(
        head.name.id,
        head.doc,
        axes,
        variables,
        energies,
        guides,
        infer,
        program.source,
        head.name.span,
        nets,
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
    elif owner is not None:
        ctx.report.error(
            "GD908",
            f"ragged plates such as `{name}[{owner.id}]` are part of the language, "
            "but this version cannot run them yet",
            declared.span,
            help=f"use a long table: `plate row` with `input {owner.id}_of[row]: "
            f"index({owner.id})`",
        )
    owned = owner.id if owner is not None else None
    return ir.Axis(name, "sequence" if declared.ordered else "plate", size, owned, span=span)


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
        if not any(_has_moving_bound(s.type) for s in declaration.statements):
            _declare(ctx, name)
    done = []
    for name in order:
        if name not in ctx.declared:
            _declare(ctx, name)
        if name in ctx.poisoned:
            continue
        try:
            done.append(type_variable(ctx, ctx.scope.values[name]))
        except Poisoned:
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
