"""What to do about a value that may leave the support that is asked for."""

from __future__ import annotations

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import children
from gendsl.semantics.context import Context
from gendsl.semantics.supports import hull, intersect, shown
from gendsl.types import POSITIVE, UNIT, Interval, Structured, Support

__all__ = ["shape_origin", "support_labels", "support_remedy"]

LINKS: dict[Support, str] = {
    POSITIVE: "use `exp(...)`; or, if it is surely positive, ",
    UNIT: "use `inv_logit(...)`, or pass `logits =`; or, if it is surely between 0 and 1, ",
}
"""How to bring any number into an interval."""


def support_labels(ctx: Context, value: ir.Expr) -> tuple[Label, ...]:
    """Where a variable got its support."""
    if isinstance(value, ir.Reference):
        return ctx.label(value, f"`{value.name}` gets its support here")
    return ()


def support_remedy(ctx: Context, value: ir.Expr, wanted: Support) -> str:
    """How to make `value` lie in `wanted`."""
    known = hull(value.type.support)
    if isinstance(wanted, Structured):
        return _structured(value, wanted)
    if isinstance(value, ir.Reference):
        return _declaring(ctx, value.name, wanted)
    if isinstance(wanted, Interval) and (
        known.lower == known.upper or intersect(known, wanted) is None
    ):
        return f"give a value that is {shown(wanted)}"
    if isinstance(wanted, Interval) and wanted.upper == 1 and wanted.integer:
        return "compare it, for example `x > 0`"
    link = LINKS.get(wanted, "")
    return f"{link}name it with its type, which is then checked: `let r: {wanted} = ...`"


def _structured(value: ir.Expr, wanted: Structured) -> str:
    if wanted.kind == "ordered":
        return "declare it `ordered[K]`, which is then checked: `let c: ordered[K] = ...`"
    if isinstance(value, ir.Stack):
        return "probabilities sum to 1; `normalize([...])` divides by the sum"
    return "declare it `simplex[K]`, or use `softmax(...)`, or pass `logits =`"


def _declaring(ctx: Context, name: str, wanted: Support) -> str:
    declared = ctx.scope.values.get(name)
    if declared is None or name in ctx.locals:
        return f"declare it so: `{name}: {wanted}`"
    keyword = declared.keyword
    if keyword == "latent" and wanted == POSITIVE:
        return (
            "give it a positive distribution such as `HalfNormal(5)`, or a narrower type: "
            f"`latent {name}: positive ~ ...`"
        )
    if keyword == "latent" and wanted == UNIT:
        return f"give it a distribution such as `Beta(1, 1)`, or use `inv_logit({name})`"
    if keyword == "let" and wanted == UNIT:
        return f"use `inv_logit({name})`, or pass `logits = {name}`"
    checked = "; the data are then checked" if keyword in ("input", "observe") else ""
    return f"declare it so: `{keyword} {name}: {wanted}`{checked}"


def shape_origin(value: ir.Expr) -> ir.Expr:
    """The part of an expression that gives it its event shape."""
    inner = value
    while True:
        part = next((e for e in children(inner) if e.type.event == value.type.event), None)
        if part is None:
            return inner
        inner = part
