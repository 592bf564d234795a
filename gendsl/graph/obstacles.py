"""Why discrete latents cannot be summed out: what ties members of a plate to one another."""

from __future__ import annotations

from dataclasses import dataclass

from gendsl.graph.recursion import chained, is_stepped, scans
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import (
    distribution_expressions,
    distributions,
    references,
    reported_lets,
    variable_expressions,
    walk,
)

__all__ = ["Obstacle", "obstacles_of"]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a discrete latent cannot be summed out, and the variable that it stands on."""

    name: str
    reason: str


def obstacles_of(model: ir.Model, finite: list[ir.Variable]) -> tuple[Obstacle, ...]:
    """What stands against summing out the discrete latents `finite`."""
    single = (o for v in finite for o in _obstacles(model, v))
    return (*single, *_crossings(model, finite), *_ties(model, finite))


def _obstacles(model: ir.Model, latent: ir.Variable) -> list[Obstacle]:
    """Uses of a discrete latent that tie members of its plates to one another.

    Parallel enumeration treats the members of a plate as independent given the rest: each
    factor that depends on the latent must lie inside all its plates, aligned with them.
    """
    plates = latent.type.plates
    tainted = {latent.name}
    recurring = {v.name for group in scans(model) for v in group}
    chain = latent.name if latent in chained(model) else ""
    found: list[Obstacle] = []
    if latent.role == "observed" and is_stepped(latent):
        why = "its values may be missing, and its law differs along a sequence"
        found.append(Obstacle(latent.name, why))
    if latent.type.event:
        found.append(Obstacle(latent.name, "its entries form one value; give them a plate"))
    reported = reported_lets(model)
    for variable in model.variables:
        exprs = variable_expressions(variable)
        if variable.name in reported or not tainted & set(references(*exprs)):
            continue
        if variable.role == "let":
            tainted.add(variable.name)
        problem = _misaligned(exprs, tainted, plates, chain)
        if variable.name in recurring:
            problem = f"`{variable.name}` recurs and depends on it, so that every path counts"
        if problem is None and variable.random and not plates <= variable.type.plates:
            outside = ", ".join(sorted(plates - variable.type.plates))
            problem = f"`{variable.name}` depends on it outside the plate {outside}"
        if problem is not None:
            found.append(Obstacle(latent.name, problem))
    return found + _energy_obstacles(model, latent, tainted, chain)


def _energy_obstacles(
    model: ir.Model, latent: ir.Variable, tainted: set[str], chain: str
) -> list[Obstacle]:
    """The same for energies, given all that depends on the latent."""
    found: list[Obstacle] = []
    for energy in model.energies:
        if not tainted & set(references(energy.value)):
            continue
        problem = _misaligned((energy.value,), tainted, latent.type.plates, chain)
        if problem is None and not latent.type.plates <= energy.value.type.plates:
            problem = "an energy depends on it outside its plates"
        if problem is not None:
            found.append(Obstacle(latent.name, problem))
    return found


@dataclass(frozen=True, slots=True)
class _Factor:
    """A factor of the density: the plates it stands in, and the discrete latents it ties."""

    plates: frozenset[str]
    tied: frozenset[str]


def _factors(model: ir.Model, finite: set[str]) -> list[_Factor]:
    below: dict[str, frozenset[str]] = {}
    found: list[_Factor] = []
    for variable in model.variables:
        own = frozenset({variable.name} & finite)
        mentioned = references(*variable_expressions(variable))
        tied = own.union(*(below.get(n, frozenset({n} & finite)) for n in mentioned))
        if variable.role == "let":
            below[variable.name] = tied
        elif variable.random:
            found.append(_Factor(variable.type.plates, tied))
    for energy in model.energies:
        mentioned = references(energy.value)
        tied = frozenset().union(*(below.get(n, frozenset({n} & finite)) for n in mentioned))
        found.append(_Factor(energy.value.type.plates, tied))
    return [f for f in found if f.tied]


def _crossings(model: ir.Model, finite: list[ir.Variable]) -> list[Obstacle]:
    """Discrete latents of crossing plates that no order sums out.

    Pyro's elimination, without numbers: the factors of the largest plates are joined where a
    latent of just these plates ties them, which is summed out; what is left must stand in fewer
    plates (Obermeyer et al., Tensor variable elimination for plated factor graphs, 2019).
    """
    plates = {v.name: v.type.plates for v in finite}
    factors = _factors(model, set(plates))
    while factors:
        leaf = max((f.plates for f in factors), key=len)
        own = {n for n, p in plates.items() if p == leaf}
        component = _joined(next(f for f in factors if f.plates == leaf), factors, leaf, own)
        left = frozenset().union(*(f.tied for f in component)) - own
        above = frozenset().union(*(plates[n] for n in left))
        if left and not above < leaf:
            names = sorted(left)
            other = next((n for n in names if not plates[n] >= plates[names[0]]), names[-1])
            return [Obstacle(names[0], f"it is tied to `{other}`, and their plates cross")]
        factors = [f for f in factors if f not in component]
        factors += [_Factor(above, left)] if left else []
    return []


def _joined(
    start: _Factor, factors: list[_Factor], leaf: frozenset[str], own: set[str]
) -> list[_Factor]:
    """The factors in the plates `leaf` that latents of just these plates tie to `start`."""
    component, grown = [start], True
    while grown:
        inside = own & frozenset().union(*(f.tied for f in component))
        more = [f for f in factors if f.plates == leaf and f not in component and f.tied & inside]
        component += more
        grown = bool(more)
    return component


def _misaligned(
    exprs: tuple[ir.Expr, ...], tainted: set[str], plates: frozenset[str], chain: str
) -> str | None:
    for expr in walk(*exprs):
        match expr:
            case ir.Lag() if expr.sequence in plates:
                problem = _lagged(expr, tainted, chain)
                if problem is not None:
                    return problem
            case (
                ir.Reduce(value=value, axis=str() as axis)
                | ir.Collect(value=value, plate=axis)
                | ir.Select(value=value, axis=str() as axis)
                | ir.Gather(value=value, axis=str() as axis)
            ):
                if axis in plates and tainted & set(references(value)):
                    return f"members of the plate {axis} are combined or picked by an index"
            case ir.LogProb(distribution=law):
                mixed = _mixed_over(law, tainted) & plates
                if mixed:
                    return f"members of the plate {min(mixed)} are mixed"
            case _:
                pass
    return None


def _lagged(lag: ir.Lag, tainted: set[str], chain: str) -> str | None:
    """What stands against a lag; that of a chain itself, by one step, is its transition."""
    mentioned = set(references(lag.value))
    if not tainted & mentioned or (mentioned == {chain} and lag.steps == 1):
        return None
    if chain and lag.steps > 1:
        return f"it is needed {lag.steps} steps back, and only one is summed out"
    if chain:
        return "a let that depends on it is needed one step back: write it out there"
    return f"members of the plate {lag.sequence} are combined or picked by an index"


def _mixed_over(law: ir.Distribution, tainted: set[str]) -> set[str]:
    """The plates that a distribution mixes over, of members that depend on `tainted`."""
    return {
        inner.over
        for inner in distributions(law)
        if inner.over is not None and tainted & set(references(*distribution_expressions(inner)))
    }


def _ties(model: ir.Model, finite: list[ir.Variable]) -> list[Obstacle]:
    """Hidden Markov chains that are tied to discrete latents of another kind, or other plates."""
    chains = {v.name: v for v in chained(model)}
    variables = {v.name: v for v in finite}
    for factor in _factors(model, set(variables)):
        for name in sorted(factor.tied & set(chains)):
            for other in sorted(factor.tied - {name}):
                if other not in chains:
                    return [Obstacle(name, f"it is tied to `{other}`, which is no chain")]
                if variables[other].type.plates != variables[name].type.plates:
                    return [Obstacle(name, f"it is tied to `{other}`, on other plates")]
    return []
