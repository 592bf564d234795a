"""Lowering: a syntax tree to a typed model, with every independent mistake reported."""

from __future__ import annotations

from gendsl.ir import nodes as ir
from gendsl.semantics.context import Context, Site
from gendsl.semantics.declared import size_of, value_type
from gendsl.semantics.expressions import type_expression
from gendsl.semantics.guides import check_guides
from gendsl.semantics.infer import infer_request
from gendsl.semantics.order import dependency_order
from gendsl.semantics.report import Poisoned, Report
from gendsl.semantics.scope import Scope, build_scope
from gendsl.semantics.statements import type_variable
from gendsl.semantics.targets import declare
from gendsl.syntax import ast
from gendsl.types import Size

__all__ = ["lower"]


def lower(program: ast.Program, report: Report) -> ir.Model | None:
    """The typed model of `program`, or None where `report` has errors."""
    scope = build_scope(program, report)
    ctx = Context(scope, report, type_expression)
    axes = _axes(ctx)
    order, broken = dependency_order(scope, report)
    ctx.poisoned |= broken
    _report_later(ctx)
    _verify_functions(ctx)
    variables = _variables(ctx, order)
    energies = _energies(ctx)
    check_guides(ctx)
    infer = infer_request(ctx)
    if report.failed:
        return None
    doc = scope.model.doc
    return ir.Model(
        scope.model.name.id,
        doc,
        axes,
        variables,
        energies,
        (),
        infer,
        program.source,
        scope.model.name.span,
    )


def _axes(ctx: Context) -> tuple[ir.Axis, ...]:
    sizes: dict[str, Size] = {}
    axes = []
    for name, declared in ctx.scope.axes.items():
        size: Size | None = None
        with ctx.report.containing():
            if declared.size is not None:
                size = size_of(ctx, declared.size)
                if size.value is not None and size.value < 0:
                    ctx.report.error(
                        "GD308",
                        f"a size cannot be negative ({size.value})",
                        declared.size.span,
                        help="a size of 0 is legal and contributes nothing",
                    )
                if name in size.names:
                    ctx.report.error(
                        "GD501", f"the size of `{name}` depends on itself", declared.size.span
                    )
                    size = None
        if size is not None:
            sizes[name] = size
        axes.append(_axis(ctx, declared, size))
    ctx.sizes = sizes
    return tuple(axes)


def _axis(ctx: Context, declared: ast.PlateDecl | ast.DimDecl, size: Size | None) -> ir.Axis:
    span = declared.name.span
    if isinstance(declared, ast.DimDecl):
        return ir.Axis(declared.name.id, "dim", size, span=span)
    owner = declared.owner.id if declared.owner is not None else None
    if declared.owner is not None:
        if not ctx.scope.is_plate(declared.owner.id):
            plates = [a for a in ctx.scope.axes if ctx.scope.is_plate(a)]
            ctx.report.error(
                "GD114",
                f"no plate is called `{declared.owner.id}`",
                declared.owner.span,
                help=ctx.scope.suggestion(declared.owner.id, plates),
            )
        else:
            ctx.report.error(
                "GD908",
                f"ragged plates such as `{declared.name.id}[{owner}]` are part of the language, "
                "but this version cannot run them yet",
                declared.span,
                help=f"use a long table: `plate row` with `input {owner}_of[row]: index({owner})`",
            )
    if declared.ordered:
        return ir.Axis(declared.name.id, "sequence", size, owner, span=span)
    return ir.Axis(declared.name.id, "plate", size, owner, span=span)


def _report_later(ctx: Context) -> None:
    """One finding for each kind of construct that this version cannot run."""
    seen: set[type] = set()
    kinds = {
        ast.Net: ("GD901", "networks (`net`)"),
        ast.Flow: ("GD902", "flows (`flow`)"),
        ast.Use: ("GD904", "fitted models and Python functions (`use`)"),
    }
    for declared in ctx.scope.callables.values():
        kind = kinds.get(type(declared))
        if kind is None or type(declared) in seen:
            continue
        seen.add(type(declared))
        code, what = kind
        ctx.report.error(
            code,
            f"{what} are part of the language, but this version cannot run them yet",
            declared.span,
        )


def _verify_functions(ctx: Context) -> None:
    """Type every `fn` once with its declared arguments, so that unused ones are checked too."""
    for name, declared in ctx.scope.callables.items():
        if not isinstance(declared, ast.Fn):
            continue
        with ctx.report.containing():
            arguments: dict[str, ir.Expr] = {}
            for parameter in declared.parameters:
                type_, _, _ = value_type(ctx, parameter.type)
                name_ = parameter.name.id
                arguments[name_] = ir.Reference(name_, type_, span=parameter.name.span)
            inner = ctx.inside(name, arguments)
            result = inner.typed(inner, declared.value)
            _verify_result(ctx, declared, result)


def _verify_result(ctx: Context, fn: ast.Fn, result: ir.Expr) -> None:
    if fn.result is None:
        return
    if not isinstance(fn.result, ast.NamedType):
        raise ctx.report.error("GD204", "a function returns one value", fn.result.span)
    wanted, _, _ = value_type(ctx, fn.result)
    event = result.type.event
    same = len(event) == len(wanted.event) and all(
        ctx.agree(a, b) for a, b in zip(event, wanted.event, strict=True)
    )
    if not same:
        raise ctx.report.error(
            "GD303",
            f"`{fn.name.id}` is declared to return {wanted}, but its body is {result.type}",
            fn.value.span,
            labels=ctx.scope.label(fn.name.id, "declared here"),
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
            if ctx.declared[name].type is None:
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
