"""Plates whose members must be told apart, for their discrete latents to be summed out.

Members of a plate are independent given the rest where each factor of the density uses those of
its own member alone. Where members are combined, picked by an index or needed several steps back,
each of them is a variable of its own: the plate is *grounded*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gendsl.graph.recursion import chained, ties
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import children, references, variable_expressions
from gendsl.semantics.supports import is_discrete

__all__ = [
    "Factor",
    "crossing",
    "factors_of",
    "finite_latents",
    "grounded",
    "joined",
    "members_differ",
]


@dataclass(frozen=True, slots=True)
class Factor:
    """A factor of the density: the plates it stands in, and the discrete latents it ties.

    `exprs` are what it is computed from.
    """

    plates: frozenset[str]
    tied: frozenset[str]
    exprs: tuple[ir.Expr, ...] = field(default=(), compare=False)


def finite_latents(model: ir.Model) -> tuple[ir.Variable, ...]:
    """The discrete unknowns: latents, and observed variables of which entries may be missing."""
    used = {
        name
        for v in model.variables
        for name in references(*variable_expressions(v))
        if name != v.name or v.role == "latent"
    }
    used |= {name for e in model.energies for name in references(e.value)}
    return tuple(
        v
        for v in model.of_role("latent", "observed")
        if is_discrete(v.type.support) and (v.role == "latent" or (v.optional and v.name in used))
    )


def factors_of(model: ir.Model, finite: set[str]) -> list[Factor]:
    """The factors that depend on the variables `finite`."""
    below: dict[str, frozenset[str]] = {}
    found: list[Factor] = []
    for variable in model.variables:
        own = frozenset({variable.name} & finite)
        mentioned = references(*variable_expressions(variable))
        tied = own.union(*(below.get(n, frozenset({n} & finite)) for n in mentioned))
        if variable.role == "let":
            below[variable.name] = tied
        elif variable.random:
            exprs = tuple(variable_expressions(variable))
            found.append(Factor(variable.type.plates, tied, exprs))
    for energy in model.energies:
        mentioned = references(energy.value)
        tied = frozenset[str]().union(*(below.get(n, frozenset({n} & finite)) for n in mentioned))
        found.append(Factor(energy.value.type.plates, tied, (energy.value,)))
    return [f for f in found if f.tied]


def grounded(model: ir.Model) -> dict[str, frozenset[str]]:
    """For each discrete latent whose members are variables of their own, the plates of these."""
    finite = [v for v in finite_latents(model) if v.type.plates]
    names = {v.name for v in finite_latents(model)}
    chains = {v.name for v in chained(model)}
    factors = factors_of(model, names)
    plates = {v.name: v.type.plates for v in finite_latents(model)}
    found = {v.name: ties(model, v) for v in finite if v.name not in chains}
    while True:
        _close(model, found, factors, plates, chains)
        met = crossing(factors, plates, found, chains)
        if met is None or not _ground(found, plates, chains, *met):
            return {n: p for n, p in found.items() if p}


def members_differ(
    model: ir.Model, factor: Factor, apart: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    """The plates along which a factor depends on other members of what is grounded.

    These are the plates of indices that pick them, and all that `runtime.scopes` may tell apart.

    Args:
        model: the model.
        factor: of its density.
        apart: plates that are grounded, for each latent that is.
    """
    lets = {v.name: v for v in model.of_role("let")}
    known: dict[str, frozenset[str]] = dict(apart)

    def of(*exprs: ir.Expr) -> frozenset[str]:
        return frozenset[str]().union(*map(one, exprs))

    def one(expr: ir.Expr) -> frozenset[str]:
        match expr:
            case ir.Reference(name=name):
                if name in lets and name not in known:
                    known[name] = frozenset()  # it may recur
                    known[name] = of(*variable_expressions(lets[name]))
                return known.get(name, frozenset())
            case ir.Gather(value=value, axis=str() as axis, index=index):
                inner = one(value)
                picked = index.type.plates if axis in inner else frozenset[str]()
                return (inner - {axis}) | picked | one(index)
            case (
                ir.Reduce(value=value, axis=str() as axis)
                | ir.Collect(value=value, plate=axis)
                | ir.Select(value=value, axis=str() as axis)
            ):
                return one(value) - {axis}
            case _:
                return of(*children(expr))

    return of(*factor.exprs).union(*(apart.get(n, frozenset()) for n in factor.tied))


def _ground(
    found: dict[str, frozenset[str]],
    plates: dict[str, frozenset[str]],
    chains: set[str],
    one: str,
    other: str,
) -> bool:
    """Ground one of two latents whose plates cross, where it is no chain."""
    for name, beside in ((one, other), (other, one)):
        more = plates[name] - found.get(name, frozenset()) - plates[beside]
        if name not in chains and more:
            found[name] = found.get(name, frozenset()) | more
            return True
    return False


def _close(
    model: ir.Model,
    found: dict[str, frozenset[str]],
    factors: list[Factor],
    plates: dict[str, frozenset[str]],
    chains: set[str],
) -> None:
    """Ground what shares a factor with a latent that is grounded, along the plates of its members.

    A factor of several members is one of each, so all that stand in it must have members.
    """
    grown = True
    while grown:
        grown = False
        for factor in factors:
            apart = members_differ(model, factor, found)
            for name in factor.tied - chains:
                more = plates[name] & apart
                if not more <= found.get(name, frozenset()):
                    found[name] = found.get(name, frozenset()) | more
                    grown = True


def crossing(
    factors: list[Factor],
    plates: dict[str, frozenset[str]],
    apart: dict[str, frozenset[str]],
    chains: set[str],
) -> tuple[str, str] | None:
    """Two discrete latents whose plates cross, so that no order sums them out plate by plate.

    The factors of the largest plates are joined where a latent of just these plates ties them,
    which is summed out; what is left must stand in fewer plates (Obermeyer et al., Tensor variable
    elimination for plated factor graphs, 2019).

    Args:
        factors: of the density.
        plates: of each discrete latent.
        apart: plates that are grounded, for each.
        chains: hidden Markov chains.
    """
    left_of = {n: p - apart.get(n, frozenset()) for n, p in plates.items()}
    waiting = [
        Factor(f.plates.difference(*(apart.get(n, frozenset()) for n in f.tied)), f.tied)
        for f in factors
    ]
    while waiting:
        leaf = max((f.plates for f in waiting), key=lambda p: (len(p), sorted(p)))
        own = {n for n, p in left_of.items() if p == leaf}
        start = next(f for f in waiting if f.plates == leaf)
        component = joined(start, waiting, leaf, own)
        tied = frozenset[str]().union(*(f.tied for f in component))
        left = tied - own
        above = frozenset[str]().union(*(left_of[n] for n in left))
        if left and not above < leaf:
            names = sorted(left)
            other = next((n for n in names if not left_of[n] >= left_of[names[0]]), names[-1])
            return names[0], other
        waiting = [f for f in waiting if f not in component]
        waiting += [Factor(above, left)] if left else []
    return None


def joined(
    start: Factor, factors: list[Factor], leaf: frozenset[str], own: set[str]
) -> list[Factor]:
    """The factors in the plates `leaf` that latents of just these plates tie to `start`."""
    component, grown = [start], True
    while grown:
        inside = own & frozenset[str]().union(*(f.tied for f in component))
        more = [f for f in factors if f.plates == leaf and f not in component and f.tied & inside]
        component += more
        grown = bool(more)
    return component
