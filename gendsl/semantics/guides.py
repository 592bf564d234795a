"""Typing guides: the families that authors give for the posteriors of latents."""

from __future__ import annotations

from collections.abc import Mapping

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import equation_expressions, plated_expressions, references
from gendsl.semantics.context import Context, Declared, Site
from gendsl.semantics.draws import type_distribution
from gendsl.semantics.plates import verify_plates
from gendsl.semantics.sorting import sorted_by_need
from gendsl.semantics.supports import fits, found, hull, is_discrete, shown
from gendsl.semantics.targets import left_side
from gendsl.syntax import ast
from gendsl.types import POSITIVE, Structured, ValueType, describe_event

__all__ = ["type_guides"]


def type_guides(ctx: Context, variables: tuple[ir.Variable, ...]) -> tuple[ir.Guide, ...]:
    """Every guide, typed; each after the latents that it uses."""
    known = {v.name: v for v in variables}
    typed: dict[str, ir.Guide] = {}
    for guide in ctx.scope.guides:
        with ctx.report.containing():
            one = _guide(ctx, guide, typed)
            if one is not None:
                _verify_complete(ctx, one, known)
                _verify_still(ctx, one, known)
                typed[one.name] = one
    return _in_order(ctx, typed, known)


def _guide(ctx: Context, guide: ast.Guide, earlier: Mapping[str, ir.Guide]) -> ir.Guide | None:
    name = guide.target.name.id
    latents = [n for n, d in ctx.scope.values.items() if d.keyword == "latent"]
    if name not in latents:
        raise ctx.report.error(
            "GD602",
            f"a guide is for a latent, and no latent is called `{name}`",
            guide.target.name.span,
            labels=ctx.scope.label(name, f"`{name}` is declared here"),
            help=ctx.scope.suggestion(name, latents)
            or (f"the latents are {', '.join(latents)}" if latents else None),
        )
    declared = ctx.declared.get(name)
    if name in ctx.poisoned or declared is None or declared.type is None:
        return None
    if name in earlier:
        raise ctx.report.error(
            "GD101",
            f"`{name}` has two guides",
            guide.target.span,
            labels=(Label(earlier[name].span, "the first one is here"),),
        )
    _verify_axes(ctx, guide, declared)
    axes = frozenset(declared.axes)
    inner = ctx.at(Site(name, axes, guide.target.span))
    target = ValueType(axes, declared.type.event, declared.type.support)
    if guide.distribution is not None:
        equation = _drawn(inner, name, guide.distribution, target)
    else:
        assert guide.value is not None
        equation = _point(inner, name, guide.value, target)
    for expr, over in plated_expressions(equation):
        verify_plates(inner, expr, axes | over, name)
    return ir.Guide(name, equation, span=guide.target.name.span)


def _verify_axes(ctx: Context, guide: ast.Guide, declared: Declared) -> None:
    side, name = left_side(ctx, guide.target), guide.target.name.id
    if side.step is not None or any(ctx.scope.is_sequence(a) for a in declared.axes):
        raise ctx.report.error(
            "GD903",
            "guides along sequences are part of the language, but this version cannot run them "
            "yet",
            guide.target.span,
        )
    if side.axes and set(side.axes) != set(declared.axes):
        raise ctx.report.error(
            "GD604",
            f"the guide of `{name}` has other plates than `{name}` itself",
            guide.target.span,
            labels=ctx.scope.label(name, f"`{name}` is over {', '.join(declared.axes) or 'none'}"),
            help=f"write `guide {name}[{', '.join(declared.axes)}] ~ ...`",
        )


def _drawn(ctx: Context, name: str, expr: ast.Expr, target: ValueType) -> ir.Equation:
    """``guide z ~ D``: the draws of D are values of z, and any of them."""
    law = type_distribution(ctx, expr, target)
    drawn = law.type.support
    discrete = is_discrete(target.support)
    if discrete:
        raise ctx.report.error(
            "GD903",
            "guides of discrete latents are part of the language, but this version cannot run "
            "them yet",
            expr.span,
            help=f"remove the guide: where no networks are learned, `{name}` is summed out",
        )
    structured = isinstance(target.support, Structured) or isinstance(drawn, Structured)
    same = drawn == target.support if structured else fits(drawn, target.support)
    whole = structured or hull(target.support) == hull(drawn)
    if same and whole and not is_discrete(drawn):
        return ir.Equation(law, span=expr.span)
    raise ctx.report.error(
        "GD603",
        f"the guide of `{name}` must be able to give every value of `{name}`, which is "
        f"{shown(target.support)}, and no other; {law.name} gives {shown(drawn)}",
        expr.span,
        labels=ctx.scope.label(name, "declared here"),
        help="write `LogNormal(...)`, or remove the guide: a family that fits is then chosen"
        if target.support == POSITIVE
        else "remove the guide: a family that fits is then chosen",
    )


def _point(ctx: Context, name: str, expr: ast.Expr, target: ValueType) -> ir.Equation:
    """``guide z = e``: a point mass."""
    value = ctx.typed(ctx, expr)
    if not ctx.agree(value.type.event, target.event):
        raise ctx.report.error(
            "GD303",
            f"`{name}` is {describe_event(target.event) or 'a scalar'}, but its guide is "
            f"{describe_event(value.type.event) or 'a scalar'}",
            expr.span,
            labels=ctx.scope.label(name, "declared here"),
        )
    if not fits(value.type.support, target.support):
        raise ctx.report.error(
            "GD404",
            f"the guide of `{name}` must be {shown(target.support)}, but {found(value)}",
            expr.span,
            labels=ctx.scope.label(name, "declared here"),
        )
    return ir.Equation(None, value, span=expr.span)


def _in_order(
    ctx: Context, typed: Mapping[str, ir.Guide], known: Mapping[str, ir.Variable]
) -> tuple[ir.Guide, ...]:
    """The guides, each after those of the latents that it uses."""
    needs = {n: _latents(g, known) for n, g in typed.items()}
    sorted_ = sorted_by_need(needs)
    for circle in sorted_.circles:
        shown_circle = " -> ".join([*circle, circle[0]])
        ctx.report.error(
            "GD604",
            f"guides use each other in a circle: {shown_circle}",
            typed[circle[0]].span,
            help="the guide of a latent uses latents whose guides do not depend on it",
        )
    return tuple(typed[n] for n in sorted_.order if n in typed)


def _verify_complete(ctx: Context, guide: ir.Guide, known: Mapping[str, ir.Variable]) -> None:
    """A guide computes with data: none of them may be missing."""
    absent = next((n for n in _used(guide, known) if known[n].optional), None)
    if absent is not None:
        raise ctx.report.error(
            "GD903",
            "guides that use values which may be missing are part of the language, but this "
            "version cannot run them yet",
            guide.equation.span,
            labels=ctx.scope.label(absent, f"`{absent}` may be missing"),
        )


def _verify_still(ctx: Context, guide: ir.Guide, known: Mapping[str, ir.Variable]) -> None:
    """The support of a latent with a guide does not move with other quantities."""
    latent = known.get(guide.name)
    if latent is not None and (latent.lower is not None or latent.upper is not None):
        raise ctx.report.error(
            "GD903",
            "guides of latents whose bounds depend on other quantities are part of the language, "
            "but this version cannot run them yet",
            guide.equation.span,
            labels=ctx.scope.label(guide.name, "declared here"),
        )


def _latents(guide: ir.Guide, known: Mapping[str, ir.Variable]) -> list[str]:
    """The latents that a guide uses, through deterministic quantities too."""
    return [n for n in _used(guide, known) if known[n].role == "latent"]


def _used(guide: ir.Guide, known: Mapping[str, ir.Variable]) -> list[str]:
    """What a guide uses, deterministic quantities replaced by what they are computed from."""
    result: dict[str, None] = {}
    stack, seen = list(references(*equation_expressions(guide.equation))), set[str]()
    while stack:
        name = stack.pop()
        variable = known.get(name)
        if variable is None or name in seen:
            continue
        seen.add(name)
        if variable.role != "let":
            result[name] = None
            continue
        for equation in variable.equations:
            stack += references(*equation_expressions(equation))
    return list(result)
