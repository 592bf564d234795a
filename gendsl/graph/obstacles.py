"""Why discrete latents cannot be summed out."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from gendsl.graph.elimination import LIMIT
from gendsl.graph.grounding import (
    Factor,
    crossing,
    factors_of,
    finite_latents,
    grounded,
    joined,
    members_differ,
)
from gendsl.graph.recursion import chained, is_stepped
from gendsl.ir import nodes as ir

__all__ = ["Obstacle", "largest_table", "obstacles_of"]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a discrete latent cannot be summed out, and the variable that it stands on."""

    name: str
    reason: str


def obstacles_of(model: ir.Model, sizes: dict[str, int | None]) -> tuple[Obstacle, ...]:
    """What stands against summing out the discrete latents of a model.

    Args:
        model: the model.
        sizes: how many values each of its discrete latents has, where the text says so.
    """
    found: list[Obstacle] = []
    finite = finite_latents(model)
    for latent in finite:
        if latent.role == "observed" and is_stepped(latent):
            why = "its values may be missing, and its law differs along a sequence"
            found.append(Obstacle(latent.name, why))
    apart = grounded(model)
    factors = factors_of(model, {v.name for v in finite})
    plates = {v.name: v.type.plates for v in finite}
    chains = {v.name for v in chained(model)}
    met = crossing(factors, plates, apart, chains)
    if met is not None:
        found.append(Obstacle(met[0], f"it is tied to `{met[1]}`, and their plates cross"))
        return tuple(found)
    found += _ties(model, factors, apart)
    largest = largest_table(model, sizes)
    if largest is not None and largest > LIMIT:
        name = max(sizes, key=lambda n: sizes[n] or 0)
        why = f"the largest table has {largest:,} entries, and at most {LIMIT:,} are summed over"
        found.append(Obstacle(name, why))
    return tuple(found)


def _ties(
    model: ir.Model, factors: list[Factor], apart: dict[str, frozenset[str]]
) -> list[Obstacle]:
    """Hidden Markov chains that are tied to latents along their sequence in another way."""
    found: list[Obstacle] = []
    finite = {v.name: v for v in finite_latents(model)}
    for chain in chained(model):
        along = {p for p in chain.type.plates if model.axis(p).kind == "sequence"}
        for factor in (f for f in factors if chain.name in f.tied):
            beside = sorted((factor.tied - {chain.name}) & set(apart))
            if beside and members_differ(model, factor, apart) & chain.type.plates:
                why = f"it is tied to `{beside[0]}`, of which single members count"
                return [Obstacle(chain.name, why)]
        for other in sorted(_reached(chain, factors, finite)):
            plates = finite[other].type.plates
            if other in apart and apart[other] & chain.type.plates:
                why = f"it is tied to `{other}`, of which single members count"
                return [Obstacle(chain.name, why)]
            if plates & along and not plates >= chain.type.plates:
                why = f"it is tied to `{other}`, which stands along it but not in all its plates"
                return [Obstacle(chain.name, why)]
    return found


def _reached(
    chain: ir.Variable, factors: list[Factor], finite: dict[str, ir.Variable]
) -> set[str]:
    """The latents that are tied to a chain, by others that are summed out before it."""
    inside, grown = {chain.name}, True
    while grown:
        first = {n for n in inside if finite[n].type.plates >= chain.type.plates}
        more = {n for f in factors if f.tied & first for n in f.tied} - inside
        inside |= more
        grown = bool(more)
    return inside - {chain.name}


def largest_table(model: ir.Model, sizes: dict[str, int | None]) -> int | None:
    """The entries of the largest table, for each member of its plates; None where data decide."""
    if grounded(model) or any(s is None for s in sizes.values()):
        return None
    finite = {v.name: v for v in finite_latents(model)}
    chains = {v.name for v in chained(model)}
    factors = factors_of(model, set(finite))
    largest = max((s or 1 for s in sizes.values()), default=1)
    while factors:
        leaf = max((f.plates for f in factors), key=lambda p: (len(p), sorted(p)))
        own = {n for n, v in finite.items() if v.type.plates == leaf}
        start = next(f for f in factors if f.plates == leaf)
        component = joined(start, factors, leaf, own)
        tied = frozenset[str]().union(*(f.tied for f in component))
        largest = max(
            largest, prod((sizes[n] or 1) ** (1 + (n in chains)) for n in tied & (own | chains))
        )
        left = tied - own
        factors = [f for f in factors if f not in component]
        above = frozenset[str]().union(*(finite[n].type.plates for n in left))
        factors += [Factor(above, left)] if left else []
    return largest
