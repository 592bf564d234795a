"""Supports that move: which of them depend on an unknown, and on which."""

from __future__ import annotations

from collections.abc import Iterator

from gendsl.ir import nodes as ir
from gendsl.ir.laws import support_arguments
from gendsl.ir.traversal import references, variable_expressions
from gendsl.semantics.supports import is_discrete
from gendsl.types import Interval

__all__ = ["followers", "support_expressions", "unknowns_behind"]


def support_expressions(variable: ir.Variable) -> Iterator[ir.Expr]:
    """What the support of a continuous variable is computed from.

    The bounds of its type that are expressions, and the arguments of a distribution whose own
    support depends on them.
    """
    yield from (b for b in (variable.lower, variable.upper) if b is not None)
    for equation in variable.equations:
        dist = equation.distribution
        if dist is not None and isinstance(dist.type.support, Interval):
            yield from support_arguments(dist)


def unknowns_behind(model: ir.Model, *exprs: ir.Expr) -> dict[str, ir.Variable]:
    """The unknowns that expressions depend on, directly or through lets, in text order.

    Latents, params, and observed variables of which values may be missing.
    """
    found: dict[str, ir.Variable] = {}
    seen: set[str] = set()
    stack = list(reversed(references(*exprs)))
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        variable = model.variable(name)
        if variable.role in ("latent", "param") or variable.optional:
            found[name] = variable
        elif variable.role == "let":
            stack.extend(reversed(references(*variable_expressions(variable))))
    return found


def followers(model: ir.Model) -> tuple[str, ...]:
    """The continuous latents whose support depends on an unknown."""
    return tuple(
        v.name
        for v in model.of_role("latent")
        if not is_discrete(v.type.support) and unknowns_behind(model, *support_expressions(v))
    )
