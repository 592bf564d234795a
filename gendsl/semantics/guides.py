"""Checking guides: every latent is covered, over all its plates."""

from __future__ import annotations

from gendsl.diagnostics import Label
from gendsl.semantics.context import Context
from gendsl.syntax import ast

__all__ = ["check_guides"]


def check_guides(ctx: Context) -> None:
    """Report guides that miss a latent, or name something that is none."""
    guides = ctx.scope.guides
    if not guides:
        return
    before = len(ctx.report.found)
    latents = {n: d for n, d in ctx.scope.values.items() if d.keyword == "latent"}
    covered: dict[str, list[ast.Guide]] = {}
    for guide in guides:
        name = guide.target.name.id
        if name in latents:
            covered.setdefault(name, []).append(guide)
            _check_axes(ctx, guide)
            continue
        ctx.report.error(
            "GD602",
            f"a guide is for a latent, and no latent is called `{name}`",
            guide.target.name.span,
            labels=ctx.scope.label(name, f"`{name}` is declared here"),
            help=ctx.scope.suggestion(name, latents)
            or (f"the latents are {', '.join(latents)}" if latents else None),
        )
    for name in latents:
        if name not in covered:
            ctx.report.error(
                "GD603",
                f"the guide leaves out the latent `{name}`",
                latents[name].first.target.name.span,
                labels=(Label(guides[0].span, "other latents have a guide"),),
                help=f"add `guide {name} ~ ...`, or remove the guides",
            )
    if len(ctx.report.found) == before:
        ctx.report.error(
            "GD903",
            "guides are part of the language, but this version cannot run them yet",
            guides[0].span,
            help="remove the guide: the latents are then inferred by another method",
        )


def _check_axes(ctx: Context, guide: ast.Guide) -> None:
    name = guide.target.name.id
    declared = ctx.declared.get(name)
    if declared is None or any(isinstance(s, ast.NumberExpr) for s in guide.target.subscripts):
        return
    given = {s.id for s in guide.target.subscripts if isinstance(s, ast.Name)}
    if given and given != set(declared.axes):
        ctx.report.error(
            "GD604",
            f"the guide of `{name}` has other plates than `{name}` itself",
            guide.target.span,
            labels=ctx.scope.label(name, f"`{name}` is over {', '.join(declared.axes) or 'none'}"),
            help=f"write `guide {name}[{', '.join(declared.axes)}] ~ ...`",
        )
