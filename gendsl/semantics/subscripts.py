"""Typing subscripts on the right side: they are read by type, never counted."""

from __future__ import annotations

from dataclasses import dataclass

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.semantics.context import Context
from gendsl.semantics.lags import lag_of
from gendsl.semantics.report import Poisoned
from gendsl.semantics.supports import entry, hull
from gendsl.source import Span
from gendsl.syntax import ast
from gendsl.types import Index, Size, ValueType

__all__ = ["type_subscript"]


@dataclass(slots=True)
class _Cursor:
    """The value so far, and the first event axis that no subscript has addressed."""

    value: ir.Expr
    span: Span
    next_event: int = 0

    def event_axis(self, name: str) -> int | None:
        """The event axis called `name`: the first one not yet addressed, if there are several."""
        event = self.value.type.event
        order = [*range(self.next_event, len(event)), *range(self.next_event)]
        return next((i for i in order if event[i].name == name), None)

    def axis(self, name: str) -> str | int | None:
        """The plate called `name`, else the event axis."""
        return name if name in self.value.type.plates else self.event_axis(name)

    def without(self, axis: str | int) -> ValueType:
        """The type of the value when `axis` is taken off; the count of axes follows."""
        type_ = self.value.type
        if isinstance(axis, str):
            return ValueType(type_.plates - {axis}, type_.event, type_.support)
        if axis < self.next_event:
            self.next_event -= 1
        event = type_.event[:axis] + type_.event[axis + 1 :]
        return ValueType(type_.plates, event, entry(type_.support, axis, len(type_.event)))


def type_subscript(ctx: Context, expr: ast.Subscript) -> ir.Expr:
    """``value[items]``, each item addressing the axis that its type names.

    Lags come first: they belong to the variable itself.
    """
    cursor = _Cursor(ctx.typed(ctx, expr.value), expr.span)
    failed = False
    for item in sorted(expr.items, key=lambda i: _lag(ctx, i) is None):
        try:
            _address(ctx, cursor, item)
        except Poisoned:
            failed = True
    if failed:
        raise Poisoned
    return cursor.value


def _lag(ctx: Context, item: ast.IndexItem) -> tuple[str, int] | None:
    lag = lag_of(item.value)
    if lag is None or not ctx.scope.is_plate(lag[0]) or lag[0] in ctx.locals:
        return None
    return lag if item.axis is None or item.axis.id == lag[0] else None


def _address(ctx: Context, cursor: _Cursor, item: ast.IndexItem) -> None:
    lag = _lag(ctx, item)
    if lag is not None:
        cursor.value = _lagged(ctx, cursor, lag, item)
        return
    named = item.axis.id if item.axis is not None else None
    if isinstance(item.value, ast.Name) and named in (None, item.value.id):
        own = item.value.id
        if ctx.scope.is_plate(own) and own not in ctx.locals:
            _own_name(ctx, cursor, own, item)
            return
    axis: str | int | None = None
    if named is not None:
        axis = cursor.axis(named)
        if axis is None:
            raise _no_axis(ctx, cursor.value, named, item)
    index = ctx.typed(ctx, item.value)
    support = index.type.support
    known = hull(support)
    if isinstance(support, Index):
        _gather(ctx, cursor, index, axis, item)
    elif known.integer and known.lower == known.upper and not index.type.event:
        _literal(ctx, cursor, int(known.lower), axis, item)
    else:
        raise _no_index(ctx, index, item)


def _no_index(ctx: Context, index: ir.Expr, item: ast.IndexItem) -> Poisoned:
    ctx.blame(index, "index")
    labels: tuple[Label, ...] = ()
    remedy = "an index is declared as `index(p)`, for the plate `p` that it points into"
    if isinstance(index, ir.Reference):
        labels = ctx.label(index, f"`{index.name}` is declared here")
        remedy = f"declare `{index.name}` as `index(p)`, for the plate `p` that it points into"
    elif any(ctx.scope.is_sequence(p) for p in index.type.plates):
        remedy = "a lag is a literal number of steps back: `y[t-1]`"
    return ctx.report.error(
        "GD311",
        "a subscript is an index, a plate's name, a lag or a whole number, not "
        f"{ValueType(frozenset(), index.type.event, index.type.support)}",
        item.value.span,
        labels=labels,
        help=remedy,
    )


def _own_name(ctx: Context, cursor: _Cursor, name: str, item: ast.IndexItem) -> None:
    """The plate's own name: it spreads an event axis of that size over the plate."""
    value = cursor.value
    if name in value.type.plates:
        return
    position = cursor.event_axis(name)
    if position is None:
        raise _no_axis(ctx, value, name, item)
    rest = cursor.without(position)
    type_ = ValueType(rest.plates | {name}, rest.event, rest.support)
    cursor.value = ir.Spread(value, position, name, type_, span=cursor.span)


def _axes_of(value: ir.Expr) -> list[str]:
    return [*sorted(value.type.plates), *(str(s) for s in value.type.event)]


def _no_axis(ctx: Context, value: ir.Expr, name: str, item: ast.IndexItem) -> Poisoned:
    ctx.blame(value, name)
    have = _axes_of(value)
    label: tuple[Label, ...] = ()
    if isinstance(value, ir.Reference):
        label = ctx.label(value, f"`{value.name}` is {value.type}")
    remedy = ctx.scope.suggestion(name, have)
    if remedy is None and isinstance(value, ir.Reference):
        remedy = f"write `{value.name}` alone: axes align by name" if not have else None
        if have and ctx.scope.is_plate(name):
            remedy = f"declare `{value.name}` over `{name}`, or leave the subscript out"
    return ctx.report.error(
        "GD312",
        f"this value has no axis `{name}`; it has {', '.join(have) if have else 'none'}",
        item.span,
        labels=label,
        help=remedy,
    )


def _literal(
    ctx: Context, cursor: _Cursor, at: int, axis: str | int | None, item: ast.IndexItem
) -> None:
    value = cursor.value
    position = cursor.next_event if axis is None else axis
    if isinstance(position, int) and position >= len(value.type.event):
        raise _no_event_axis(value, at, item, ctx)
    named = isinstance(position, str)
    size = Size.named(position) if isinstance(position, str) else value.type.event[position]
    known = ctx.sizes.known(size)
    if known is not None and not -known <= at < known:
        last = f"from 0 to {known - 1}" if known else "but there are none"
        raise ctx.report.error(
            "GD314",
            f"{at} is outside {'the plate' if named else 'the axis of size'} `{size}`: its "
            f"{'members' if named else 'entries'} are numbered {last}",
            item.value.span,
            help="the last one is `-1`" if at == known else None,
        )
    cursor.value = ir.Select(value, position, at, cursor.without(position), span=cursor.span)


def _no_event_axis(value: ir.Expr, at: int, item: ast.IndexItem, ctx: Context) -> Poisoned:
    ctx.blame(value, "event axes")
    plates = sorted(value.type.plates)
    name = value.name if isinstance(value, ir.Reference) else ""
    none_left = "there is none left" if value.type.event else "this value has none"
    return ctx.report.error(
        "GD313",
        f"a whole number addresses an event axis, and {none_left}",
        item.span,
        help=f"to take one member of a plate write `{name}[{plates[0]}={at}]`" if plates else None,
    )


def _gather(
    ctx: Context, cursor: _Cursor, index: ir.Expr, axis: str | int | None, item: ast.IndexItem
) -> None:
    value, support = cursor.value, index.type.support
    assert isinstance(support, Index)
    if axis is None:
        axis = _gathered_axis(ctx, cursor, support)
        if axis is None:
            raise _no_axis(ctx, value, str(support.size), item)
    elif not _same_axis(ctx, value, axis, support):
        raise ctx.report.error(
            "GD311",
            f"`{item.axis.id if item.axis else axis}` is addressed by a whole number or by an "
            f"index of its own, not by {support}",
            item.value.span,
        )
    rest = cursor.without(axis)
    event = index.type.event + rest.event
    cursor.next_event += len(index.type.event)
    type_ = ValueType(rest.plates | index.type.plates, event, rest.support)
    cursor.value = ir.Gather(value, axis, index, type_, span=cursor.span)


def _same_axis(ctx: Context, value: ir.Expr, axis: str | int, support: Index) -> bool:
    if isinstance(axis, str):
        return support.size.name == axis
    return ctx.sizes.agree(value.type.event[axis], support.size)


def _gathered_axis(ctx: Context, cursor: _Cursor, support: Index) -> str | int | None:
    """The axis that an index points into: its plate, else the next event axis in order."""
    name = support.size.name
    if name is not None and ctx.scope.is_plate(name):
        axis = cursor.axis(name)
        if axis is not None:
            return axis
    event, position = cursor.value.type.event, cursor.next_event
    if position < len(event) and ctx.sizes.agree(event[position], support.size):
        return position  # an axis of size 3 is that of a plate of 3, too
    return None


def _lagged(ctx: Context, cursor: _Cursor, lag: tuple[str, int], item: ast.IndexItem) -> ir.Expr:
    value, (sequence, steps) = cursor.value, lag
    if not ctx.scope.is_sequence(sequence):
        raise ctx.report.error(
            "GD315",
            f"`{sequence}` is a plate: its members have no order, so there are no lags",
            item.span,
            labels=ctx.scope.label(sequence, "declared with `plate` here"),
            help=f"write `sequence {sequence}` to give it an order",
        )
    if sequence not in value.type.plates:
        raise _no_axis(ctx, value, sequence, item)
    if steps < 0:
        raise ctx.report.error(
            "GD503",
            f"`[{sequence}+{-steps}]` looks ahead; a sequence refers back only",
            item.span,
            help=f"shift the equation: write it for `[{sequence}]` in terms of `[{sequence}-1]`",
        )
    if steps == 0:
        return value
    length = ctx.sizes.known(Size.named(sequence))
    if length is not None and steps >= length:
        raise ctx.report.error(
            "GD314",
            f"`{sequence}` has {length} steps: nothing lies {steps} steps back",
            item.span,
            labels=ctx.scope.label(sequence, "its length is declared here"),
        )
    if not isinstance(value, ir.Reference):
        raise ctx.report.error(
            "GD316",
            "a lag is taken of a variable, not of an expression",
            cursor.span,
            help="name the expression with `let` first",
        )
    return ir.Lag(value, sequence, steps, value.type, span=cursor.span)
