"""The plates of a right side are among those that its left side declares."""

from __future__ import annotations

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import children
from gendsl.semantics.context import Context
from gendsl.types import Index

__all__ = ["verify_plates"]


def verify_plates(ctx: Context, expr: ir.Expr, plates: frozenset[str], name: str) -> None:
    """Verify that a right side of `name` uses only plates that its left side declares."""
    extra = sorted(expr.type.plates - plates)
    if not extra:
        return
    plate = extra[0]
    culprit = _origin(expr, plate)
    labels: tuple[Label, ...] = ()
    if isinstance(culprit, ir.Reference):
        labels = ctx.label(culprit, f"`{culprit.name}` is declared over `{plate}` here")
    raise ctx.report.error(
        "GD301",
        f"the right side varies over the plate `{plate}`, but `{name}` does not",
        culprit.span,
        labels=labels,
        help=_remedy(ctx, culprit, plate, plates, name),
    )


def _origin(expr: ir.Expr, plate: str) -> ir.Expr:
    """The part of an expression that brings a plate into it."""
    inner = expr
    while True:
        source = next((e for e in children(inner) if plate in e.type.plates), None)
        if source is None:
            return inner
        inner = source


def _remedy(ctx: Context, culprit: ir.Expr, plate: str, plates: frozenset[str], name: str) -> str:
    sequence = ctx.scope.is_sequence(plate)
    if ctx.site is not None and ctx.site.step is not None and sequence:
        return (
            f"at a literal step name the step of the other value too: `x[{plate}={ctx.site.step}]`"
        )
    if not isinstance(culprit, ir.Reference):
        return f"declare `{name}` over `{plate}`, or reduce: `mean(..., {plate})`"
    if isinstance(culprit.type.support, Index):
        return f"declare `{name}` over `{plate}`"
    shown = culprit.name
    index = _index_into(ctx, plate, plates)
    if index is not None:
        return f"index it: `{shown}[{index}]`"
    member = f"; or take one member: `{shown}[{plate}=0]`" if sequence else ""
    axes = ", ".join([*sorted(plates), plate])
    return (
        f"declare `{name}[{axes}]`, if there is one for each `{plate}`; or reduce it, such as "
        f"`mean({shown}, {plate})`{member}"
    )


def _index_into(ctx: Context, plate: str, plates: frozenset[str]) -> str | None:
    """A value that says which member of `plate` belongs to each member of `plates`."""
    for name, declared in ctx.declared.items():
        type_ = declared.type
        if type_ is None or not isinstance(type_.support, Index) or type_.event:
            continue
        if type_.support.size.name == plate and type_.plates and type_.plates <= plates:
            return name
    return None
