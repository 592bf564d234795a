"""Plates whose members must be told apart, for their discrete latents to be summed out.

Members of a plate are independent given the rest where each factor of the density uses those of
its own member alone. Where members are combined, picked by an index or needed several steps back,
each of them is a variable of its own: the plate is *grounded*.
"""

from __future__ import annotations

from dataclasses import dataclass

from gendsl.graph.recursion import chained, ties
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import references, variable_expressions
from gendsl.semantics.supports import is_discrete

__all__ = ["Factor", "crossing", "factors_of", "finite_latents", "grounded", "joined"]


@dataclass(frozen=True, slots=True)
class Factor:
    """A factor of the density: the plates it stands in, and the discrete latents it ties."""

    plates: frozenset[str]
    tied: frozenset[str]


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
            found.append(Factor(variable.type.plates, tied))
    for energy in model.energies:
        mentioned = references(energy.value)
        tied = frozenset[str]().union(*(below.get(n, frozenset({n} & finite)) for n in mentioned))
        found.append(Factor(energy.value.type.plates, tied))
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
        _close(found, factors, plates, chains)
        met = crossing(factors, plates, found, chains)
        if met is None or not _ground(found, plates, chains, *met):
            return {n: p for n, p in found.items() if p}


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
    found: dict[str, frozenset[str]],
    factors: list[Factor],
    plates: dict[str, frozenset[str]],
    chains: set[str],
) -> None:
    """Ground what shares a factor and a plate with a latent that is grounded."""
    grown = True
    while grown:
        grown = False
        for factor in factors:
            apart = frozenset[str]().union(*(found.get(n, frozenset()) for n in factor.tied))
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
