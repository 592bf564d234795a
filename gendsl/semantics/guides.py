"""Typing guides: the families that authors give for the posteriors of latents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import plated_expressions
from gendsl.semantics.codebooks import verify_codebook
from gendsl.semantics.context import Context, Declared, Site
from gendsl.semantics.draws import type_distribution
from gendsl.semantics.guide_steps import needed_now, whole_guide
from gendsl.semantics.plates import verify_plates
from gendsl.semantics.sorting import sorted_by_need
from gendsl.semantics.statements import with_first_step
from gendsl.semantics.supports import fits, found, hull, is_discrete, shown
from gendsl.semantics.targets import LeftSide, left_side, verify_side
from gendsl.syntax import ast
from gendsl.types import POSITIVE, Index, Structured, Support, ValueType, describe_event

__all__ = ["type_guides"]


def type_guides(ctx: Context, variables: tuple[ir.Variable, ...]) -> tuple[ir.Guide, ...]:
    """Every guide, typed; each after the latents that it uses."""
    known = {v.name: v for v in variables}
    pieces: dict[str, list[ir.Guide]] = {}
    failed: set[str] = set()
    for guide in ctx.scope.guides:
        failed.add(name := guide.target.name.id)
        with ctx.report.containing():
            one = _guide(ctx, guide, pieces.get(name, []))
            if one is not None:
                pieces.setdefault(name, []).append(one)
                failed.discard(name)
    typed: dict[str, ir.Guide] = {}
    for name in (n for n in pieces if n not in failed):
        with ctx.report.containing():
            one = whole_guide(ctx, pieces[name])
            _verify_still(ctx, one, known)
            typed[name] = one
    return _in_order(ctx, typed, known)


def _guide(ctx: Context, guide: ast.Guide, earlier: Sequence[ir.Guide]) -> ir.Guide | None:
    """One equation of a guide, which `earlier` ones of the same latent precede."""
    name = guide.target.name.id
    latents = [n for n, d in ctx.scope.values.items() if d.keyword == "latent"]
    missing = name in ctx.declared and ctx.declared[name].optional
    if name not in latents and not missing:
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
    side = _side(ctx, guide, declared)
    twin = next((g for g in earlier if g.equation.step == side.step), None)
    if twin is not None:
        at = "" if side.step is None else f" at step {side.step}"
        raise ctx.report.error(
            "GD101",
            f"`{name}` has two guides{at}",
            guide.target.span,
            labels=(Label(twin.span, "the first one is here"),),
        )
    axes = side.plates if side.axes else frozenset(declared.axes)
    inner = ctx.at(Site(name, axes, guide.target.span, side.step))
    target = ValueType(axes, declared.type.event, declared.type.support)
    if guide.distribution is not None:
        equation = _drawn(inner, name, guide.distribution, target)
    else:
        assert guide.value is not None
        equation = _point(inner, name, guide.value, target)
    for expr, over in plated_expressions(equation):
        verify_plates(inner, expr, axes | over, name)
    along = None if side.step is None else declared.axes[side.axes.index(None)]
    equation = replace(equation, step=side.step, sequence=along)
    return ir.Guide(name, with_first_step(equation), span=guide.target.name.span)


def _side(ctx: Context, guide: ast.Guide, declared: Declared) -> LeftSide:
    """The left side: the plates of the latent, one of them a literal step at most."""
    side, name = left_side(ctx, guide.target), guide.target.name.id
    if side.step is not None:
        verify_side(ctx, ctx.scope.values[name], declared.axes, side, guide)
        return side
    if side.axes and set(side.axes) != set(declared.axes):
        raise ctx.report.error(
            "GD604",
            f"the guide of `{name}` has other plates than `{name}` itself",
            guide.target.span,
            labels=ctx.scope.label(name, f"`{name}` is over {', '.join(declared.axes) or 'none'}"),
            help=f"write `guide {name}[{', '.join(declared.axes)}] ~ ...`",
        )
    return side


def _drawn(ctx: Context, name: str, expr: ast.Expr, target: ValueType) -> ir.Equation:
    """``guide z ~ D``: the draws of D are values of z, and any of them."""
    law = type_distribution(ctx, expr, target)
    drawn = law.type.support
    discrete = is_discrete(target.support)
    if discrete and _same_values(ctx, drawn, target.support):
        return ir.Equation(law, span=expr.span)
    structured = isinstance(target.support, Structured) or isinstance(drawn, Structured)
    same = drawn == target.support if structured else fits(drawn, target.support)
    whole = structured or hull(target.support) == hull(drawn)
    if same and whole and not is_discrete(drawn) and not discrete:
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


def _same_values(ctx: Context, drawn: Support, wanted: Support) -> bool:
    """Whether a law gives just the values of a discrete support."""
    if isinstance(drawn, Index) and isinstance(wanted, Index):
        return ctx.sizes.agree(drawn.size, wanted.size)
    return drawn == wanted


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
    verify_codebook(ctx, name, value)
    return ir.Equation(None, value, span=expr.span)


def _in_order(
    ctx: Context, typed: Mapping[str, ir.Guide], known: Mapping[str, ir.Variable]
) -> tuple[ir.Guide, ...]:
    """The guides, each after those of the latents that it uses."""
    needs = {n: needed_now(g, known) for n, g in typed.items()}
    sorted_ = sorted_by_need(needs)
    for circle in sorted_.circles:
        shown_circle = " -> ".join([*circle, circle[0]])
        alone = len(circle) == 1
        ctx.report.error(
            "GD604",
            f"the guide of `{circle[0]}` needs `{circle[0]}` itself"
            if alone
            else f"guides use each other in a circle: {shown_circle}",
            typed[circle[0]].span,
            help="along a sequence it may use earlier steps, one by one: "
            f"`{circle[0]}[t-1]`, where `t` is the sequence"
            if alone
            else "the guide of a latent uses latents whose guides do not depend on it",
        )
    return tuple(typed[n] for n in sorted_.order if n in typed)


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
