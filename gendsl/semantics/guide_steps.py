"""Guides along sequences: which steps their equations cover, and what each step needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import children, equation_expressions
from gendsl.semantics.context import Context

__all__ = ["needed_now", "whole_guide"]


def whole_guide(ctx: Context, pieces: Sequence[ir.Guide]) -> ir.Guide:
    """The guide that equations of one latent make together: one for every step.

    Raises:
        Poisoned: GD504, there is none for the general step; GD508, some step has none.
    """
    name = pieces[0].name
    literal = tuple(p.equation for p in pieces if p.equation.step is not None)
    general = next((p for p in pieces if p.equation.step is None), None)
    if general is None:
        raise ctx.report.error(
            "GD504",
            f"the guide of `{name}` has an equation at a literal step only",
            pieces[0].span,
            help="add the one for the general step, such as `guide "
            f"{name}[{', '.join(ctx.declared[name].axes)}] ~ ...`",
        )
    at = {e.step for e in literal}
    lacking = list(islice((s for s in range(general.equation.first) if s not in at), 3))
    if lacking:
        axes = ctx.declared[name].axes
        along = next(a for a in axes if ctx.scope.is_sequence(a))
        others = ", ".join(str(lacking[0]) if a == along else a for a in axes)
        raise ctx.report.error(
            "GD508",
            f"the guide of `{name}` has no equation at step {', '.join(map(str, lacking))}, where "
            "its lags have nothing to refer to",
            general.equation.span,
            labels=(Label(general.span, "declared here"),),
            help=f"add a base case: `guide {name}[{others}] ~ ...`",
        )
    return replace(general, literal=tuple(sorted(literal, key=lambda e: e.step or 0)))


def needed_now(guide: ir.Guide, known: Mapping[str, ir.Variable]) -> list[str]:
    """The latents that must be drawn before a step of a guide can be, through lets too.

    What is needed at earlier steps alone is left out. A quantity that combines the steps of a
    sequence needs all of them, wherever a lag stands.
    """
    found: dict[str, None] = {}
    seen: set[tuple[str, bool]] = set()
    stack = [(x, False) for e in guide.equations for x in equation_expressions(e)]
    while stack:
        expr, lagged = stack.pop()
        for name, earlier in _mentions(expr, lagged=lagged):
            variable = known.get(name)
            if variable is None or (name, earlier) in seen:
                continue
            seen.add((name, earlier))
            drawn = variable.role == "latent" or variable.optional  # where it is missing
            if drawn and not earlier:
                found[name] = None
            elif variable.role == "let":
                exprs = (x for e in variable.equations for x in equation_expressions(e))
                stack += [(x, earlier) for x in exprs]
    return list(found)


def _mentions(expr: ir.Expr, *, lagged: bool) -> Iterator[tuple[str, bool]]:
    """The variables that an expression mentions, and whether at earlier steps alone."""
    stack = [(expr, lagged)]
    while stack:
        inner, earlier = stack.pop()
        match inner:
            case ir.Reference(name=name):
                yield name, earlier
            case ir.Lag(value=value):
                stack.append((value, True))
            case ir.Reduce(axis=str()) | ir.Collect() | ir.Gather(axis=str()):
                stack += [(child, False) for child in children(inner)]
            case ir.Select(axis=str(), value=value):
                stack.append((value, earlier and inner.at == 0))
            case _:
                stack += [(child, earlier) for child in children(inner)]
