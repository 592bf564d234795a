"""Centred or not: decided at the fit, from how many rows of the data speak of each member.

With few rows a member, the scale of the members and their values are entangled (the funnel), and
sampling standardised values is quicker; with many, the data fix the values, and it is slower.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from gendsl.inference.plan import Plan, Rewrite
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import equation_expressions, references, walk
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.runtime.data import BoundData

__all__ = ["MANY_ROWS", "parameterised", "rows_per_member"]

MANY_ROWS = 10
"""With more rows a member than this, the centred form is sampled."""


def parameterised(plan: Plan, model: ir.Model, bound: BoundData) -> Plan:
    """The plan with the latents that the data determine left centred, and a note on each."""
    if not plan.noncentred:
        return plan
    rows = {n: rows_per_member(model, bound, n) for n in plan.noncentred}
    centred = tuple(
        n for n in plan.noncentred if rows[n] > MANY_ROWS and not _is_process(model, n)
    )
    if not centred:
        return plan
    left = tuple(n for n in plan.noncentred if n not in centred)
    rewrites = [r for r in plan.rewrites if r.kind != "non-centred"]
    for rewrite in plan.rewrites:
        kept = tuple(n for n in rewrite.variables if n in left)
        if rewrite.kind == "non-centred" and kept:
            rewrites.append(replace(rewrite, variables=kept))
    rewrites += [
        Rewrite(
            "kept centred",
            (name,),
            f"the data have {rows[name]:.0f} rows a member, more than {MANY_ROWS}: they fix its "
            "values whatever the scale",
        )
        for name in centred
    ]
    triangular = tuple(n for n in plan.triangular if n in left)
    return replace(plan, noncentred=left, triangular=triangular, rewrites=tuple(rewrites))


def _is_process(model: ir.Model, name: str) -> bool:
    """Whether a latent is a function at points, whose values any amount of data leaves tied."""
    dist = model.variable(name).equations[0].distribution
    spec = DISTRIBUTIONS.get(dist.name) if dist is not None else None
    return spec is not None and spec.points is not None


def rows_per_member(model: ir.Model, bound: BoundData, name: str) -> float:
    """How many rows of observed variables depend on a member of a latent, typically.

    Rows are counted where it is picked by an index, else by the plates that observed variables
    have beyond its own. Several observed variables add up.
    """
    total = 0.0
    for observed in model.of_role("observed"):
        exprs = _behind(model, observed, name)
        if exprs is None or observed.name not in bound.values:
            continue
        picked = [
            g
            for g in walk(*exprs)
            if isinstance(g, ir.Gather)
            and name in references(g.value)
            and g.axis in model.variable(name).axes
        ]
        if picked:
            total += min(_picked(model, bound, g) for g in picked)
        else:
            beyond = set(observed.axes) - set(model.variable(name).axes)
            total += prod(bound.sizes[a] for a in beyond)
    return total


def _behind(model: ir.Model, observed: ir.Variable, name: str) -> tuple[ir.Expr, ...] | None:
    """The expressions of an observed variable and of the lets it uses, if `name` is in them."""
    exprs = [x for e in observed.equations for x in equation_expressions(e)]
    seen: set[str] = set()
    stack = list(references(*exprs))
    while stack:
        reference = stack.pop()
        if reference in seen or model.variable(reference).role != "let":
            continue
        seen.add(reference)
        own = [x for e in model.variable(reference).equations for x in equation_expressions(e)]
        exprs += own
        stack.extend(references(*own))
    return tuple(exprs) if name in references(*exprs) else None


def _picked(model: ir.Model, bound: BoundData, gather: ir.Gather) -> float:
    """The median number of rows that pick a member."""
    assert isinstance(gather.axis, str)
    members = bound.sizes[gather.axis]
    index = gather.index
    if isinstance(index, ir.Reference) and index.name in bound.values:
        numbers = np.asarray(bound.values[index.name]).ravel().astype(np.int64)
        return float(np.median(np.bincount(numbers, minlength=members))) if members else 0.0
    rows = prod(bound.sizes[p] for p in index.type.plates)
    return rows / max(1, members)
