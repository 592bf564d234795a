"""Typing subscripts on the right side: they are read by type, never counted."""

from __future__ import annotations

from dataclasses import dataclass

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.semantics.context import Context
from gendsl.semantics.report import Poisoned
from gendsl.semantics.supports import hull
from gendsl.syntax import ast
from gendsl.types import Index, Size, Structured, Support, ValueType, describe_event

__all__ = ["lag_of", "type_subscript"]


@dataclass(slots=True)
class _Cursor:
    """The value so far, and the first event axis that no subscript has addressed."""

    value: ir.Expr
    next_event: int = 0


def lag_of(item: ast.Expr) -> tuple[str, int] | None:
    """``t - 1`` as (``t``, 1); ``t + 1`` as (``t``, -1); None if it is no such thing."""
    match item:
        case ast.Chain(
            first=ast.Name(id=name), rest=((("+" | "-") as op, ast.NumberExpr(value=int() as k)),)
        ):
            return name, k if op == "-" else -k
        case _:
            return None


def type_subscript(ctx: Context, expr: ast.Subscript) -> ir.Expr:
    """``value[items]``, each item addressing the axis that its type names."""
    cursor = _Cursor(ctx.typed(ctx, expr.value))
    failed = False
    for item in expr.items:
        try:
            _address(ctx, cursor, item, expr)
        except Poisoned:
            failed = True
    if failed:
        raise Poisoned
    return cursor.value


def _address(ctx: Context, cursor: _Cursor, item: ast.IndexItem, expr: ast.Subscript) -> None:
    if item.axis is not None:
        _named(ctx, cursor, item, expr)
        return
    lag = lag_of(item.value)
    if lag is not None and ctx.scope.is_plate(lag[0]):
        cursor.value = _lag(ctx, cursor.value, lag, item, expr)
        return
    if isinstance(item.value, ast.Name) and ctx.scope.is_plate(item.value.id):
        if item.value.id not in ctx.locals:
            _own_name(ctx, cursor, item.value.id, item, expr)
            return
    index = ctx.typed(ctx, item.value)
    if isinstance(index, ir.Constant) and isinstance(index.value, int):
        _literal(ctx, cursor, index.value, item, expr)
    elif isinstance(index.type.support, Index):
        _gather(ctx, cursor, index, item, expr)
    else:
        raise ctx.report.error(
            "GD311",
            f"a subscript is an index, a plate's name, a lag or a whole number, not "
            f"{index.type.support}",
            item.span,
            help="declare the input as `index(p)` for the plate `p` that it points into",
        )


def _own_name(
    ctx: Context, cursor: _Cursor, name: str, item: ast.IndexItem, expr: ast.Subscript
) -> None:
    value = cursor.value
    if name in value.type.plates:
        return
    position = _event_axis(value, name)
    if position is None:
        raise _no_axis(ctx, value, name, item, expr)
    event = value.type.event[:position] + value.type.event[position + 1 :]
    type_ = ValueType(value.type.plates | {name}, event, _entry(value))
    cursor.value = ir.Spread(value, position, name, type_, span=expr.span)


def _entry(value: ir.Expr) -> Support:
    """The support of what is left when an axis is taken off."""
    support = value.type.support
    return hull(support) if isinstance(support, Structured) else support


def _event_axis(value: ir.Expr, name: str) -> int | None:
    for position, size in enumerate(value.type.event):
        if size.name == name:
            return position
    return None


def _no_axis(
    ctx: Context, value: ir.Expr, name: str, item: ast.IndexItem, expr: ast.Subscript
) -> Poisoned:
    have = [*sorted(value.type.plates), *(str(s) for s in value.type.event)]
    label: tuple[Label, ...] = ()
    if isinstance(value, ir.Reference):
        label = ctx.scope.label(value.name, f"`{value.name}` is {value.type}")
    return ctx.report.error(
        "GD312",
        f"this value has no axis `{name}`; it has {', '.join(have) if have else 'none'}",
        item.span,
        labels=label,
        help=ctx.scope.suggestion(name, have) or "leave the subscript out: axes align by name",
    )


def _literal(
    ctx: Context, cursor: _Cursor, at: int, item: ast.IndexItem, expr: ast.Subscript
) -> None:
    value, position = cursor.value, cursor.next_event
    if position >= len(value.type.event):
        plates = sorted(value.type.plates)
        raise ctx.report.error(
            "GD313",
            "a whole number addresses an event axis, and there is none left"
            if value.type.event
            else "a whole number addresses an event axis, and this value has none",
            item.span,
            help=f"to take one member of a plate write `[{plates[0]}={at}]`" if plates else None,
        )
    size = value.type.event[position]
    known = ctx.known(size)
    if known is not None and not -known <= at < known:
        raise ctx.report.error(
            "GD314",
            f"{at} is outside the axis of size {known}; entries are numbered from 0 to "
            f"{known - 1}",
            item.span,
        )
    cursor.value = _select(value, position, at, expr)


def _select(value: ir.Expr, axis: str | int, at: int, expr: ast.Subscript) -> ir.Select:
    if isinstance(axis, str):
        type_ = ValueType(value.type.plates - {axis}, value.type.event, value.type.support)
    else:
        event = value.type.event[:axis] + value.type.event[axis + 1 :]
        type_ = ValueType(value.type.plates, event, _entry(value))
    return ir.Select(value, axis, at, type_, span=expr.span)


def _gather(
    ctx: Context, cursor: _Cursor, index: ir.Expr, item: ast.IndexItem, expr: ast.Subscript
) -> None:
    value = cursor.value
    support = index.type.support
    assert isinstance(support, Index)
    name = support.size.name
    axis: str | int | None = None
    if name is not None and name in value.type.plates:
        axis = name
    elif name is not None:
        axis = _event_axis(value, name)
    elif cursor.next_event < len(value.type.event):
        if ctx.agree(value.type.event[cursor.next_event], support.size):
            axis = cursor.next_event
    if axis is None:
        raise _no_axis(ctx, value, str(support.size), item, expr)
    if isinstance(axis, str):
        plates = (value.type.plates - {axis}) | index.type.plates
        event = index.type.event + value.type.event
        type_ = ValueType(plates, event, value.type.support)
    else:
        rest = value.type.event[:axis] + value.type.event[axis + 1 :]
        plates = value.type.plates | index.type.plates
        type_ = ValueType(plates, index.type.event + rest, _entry(value))
        cursor.next_event += len(index.type.event)
    cursor.value = ir.Gather(value, axis, index, type_, span=expr.span)


def _lag(
    ctx: Context, value: ir.Expr, lag: tuple[str, int], item: ast.IndexItem, expr: ast.Subscript
) -> ir.Expr:
    sequence, steps = lag
    if sequence not in value.type.plates:
        raise _no_axis(ctx, value, sequence, item, expr)
    if not ctx.scope.is_sequence(sequence):
        raise ctx.report.error(
            "GD315",
            f"`{sequence}` is a plate: its members have no order, so there are no lags",
            item.span,
            labels=ctx.scope.label(sequence, "declare it with `sequence` to give it an order"),
            help=f"write `sequence {sequence}`",
        )
    if steps < 0:
        raise ctx.report.error(
            "GD503",
            f"`[{sequence}+{-steps}]` looks ahead; a sequence refers back only",
            item.span,
            help=f"shift the equation: write it for `[{sequence}]` in terms of `[{sequence}-1]`",
        )
    if steps == 0:
        return value
    if not isinstance(value, ir.Reference):
        raise ctx.report.error(
            "GD316", "a lag is taken of a variable, not of an expression", expr.span,
            help="name the expression with `let` first",
        )
    return ir.Lag(value, sequence, steps, value.type, span=expr.span)


def _named(ctx: Context, cursor: _Cursor, item: ast.IndexItem, expr: ast.Subscript) -> None:
    assert item.axis is not None
    name, value = item.axis.id, cursor.value
    axis: str | int | None = name if name in value.type.plates else _event_axis(value, name)
    if axis is None:
        raise _no_axis(ctx, value, name, item, expr)
    index = ctx.typed(ctx, item.value)
    if isinstance(index, ir.Constant) and isinstance(index.value, int):
        known = ctx.known(Size.named(name))
        if known is not None and not -known <= index.value < known:
            raise ctx.report.error(
                "GD314",
                f"{index.value} is outside `{name}`, which has {known} members, numbered from 0",
                item.value.span,
            )
        cursor.value = _select(value, axis, index.value, expr)
        return
    if isinstance(index.type.support, Index) and index.type.support.size.name == name:
        _gather(ctx, cursor, index, item, expr)
        return
    raise ctx.report.error(
        "GD311",
        f"`{name}` is addressed by a whole number or by an `index({name})`, not by "
        f"{index.type.support}{describe_event(index.type.event)}",
        item.value.span,
    )
