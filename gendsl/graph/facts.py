"""What the planner may know of a model: derived once, read by every algorithm's rating."""

from __future__ import annotations

from dataclasses import dataclass

from gendsl.ir import nodes as ir
from gendsl.ir.traversal import (
    equation_expressions,
    references,
    variable_expressions,
    walk,
)
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.semantics.narrowing import narrowing
from gendsl.semantics.supports import hull, is_discrete
from gendsl.types import REAL, Index

__all__ = ["Facts", "Obstacle", "derive_facts"]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a discrete latent cannot be summed out, and the variable that it stands on."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about one model.

    Attributes:
        continuous: latents to be inferred as numbers, imputed entries included.
        finite: discrete latents with finitely many values, imputed entries included.
        cardinalities: how many values each of `finite` has, where the text says so.
        params: quantities learned as points.
        observed: the observed variables.
        location_scale: latents of a location-scale family whose scale is itself inferred.
        obstacles: discrete latents that cannot be summed out one plate member at a time.
        energies: how many energy terms there are.
        undirected: random variables that only energies weigh.
        unnormalised: latents whose density is known up to a constant only.
    """

    continuous: tuple[str, ...]
    finite: tuple[str, ...]
    cardinalities: tuple[tuple[str, int | None], ...]
    params: tuple[str, ...]
    observed: tuple[str, ...]
    location_scale: tuple[str, ...]
    obstacles: tuple[Obstacle, ...]
    energies: int
    undirected: tuple[str, ...]
    unnormalised: tuple[str, ...]


def derive_facts(model: ir.Model) -> Facts:
    """The facts of a checked model."""
    imputed = [v for v in model.of_role("observed") if v.optional and _has_children(model, v.name)]
    unknown = [*model.of_role("latent"), *imputed]
    finite = [v for v in unknown if is_discrete(v.type.support)]
    return Facts(
        continuous=tuple(v.name for v in unknown if not is_discrete(v.type.support)),
        finite=tuple(v.name for v in finite),
        cardinalities=tuple((v.name, _cardinality(model, v)) for v in finite),
        params=tuple(v.name for v in model.of_role("param")),
        observed=tuple(v.name for v in model.of_role("observed")),
        location_scale=tuple(v.name for v in unknown if _is_location_scale(model, v)),
        obstacles=(*(o for v in finite for o in _obstacles(model, v)), *_crossings(model, finite)),
        energies=len(model.energies),
        undirected=tuple(v.name for v in unknown if not v.equations),
        unnormalised=tuple(
            v.name
            for v in model.of_role("latent", "observed")
            for e in v.equations
            if e.distribution is not None and narrowing(v, e.distribution).entry == "constant"
        ),
    )


def _has_children(model: ir.Model, name: str) -> bool:
    exprs = [x for v in model.variables if v.name != name for x in variable_expressions(v)]
    lagged = [x for e in model.variable(name).equations for x in equation_expressions(e)]
    return name in references(*exprs, *lagged, *(e.value for e in model.energies))


def _cardinality(model: ir.Model, variable: ir.Variable) -> int | None:
    support = variable.type.support
    if isinstance(support, Index):
        size = support.size
        for _ in range(8):
            if size.value is not None or size.name is None:
                return size.value
            declared = model.axis(size.name).size
            if declared is None:
                return None
            size = declared
        return None
    interval = hull(support)
    return int(interval.upper - interval.lower) + 1


def _is_location_scale(model: ir.Model, variable: ir.Variable) -> bool:
    if variable.role != "latent" or variable.type.support != REAL or not variable.equations:
        return False
    dist = variable.equations[-1].distribution
    if dist is None or len(variable.equations) > 1:
        return False
    spec = DISTRIBUTIONS[dist.name]
    args = dict(dist.args)
    if spec.event_dim or spec.support != REAL or not {"loc", "scale"} <= set(args):
        return False
    replicated = bool(variable.axes) or bool(variable.type.event)
    return replicated and _depends_on_latent(model, args["scale"])


def _depends_on_latent(model: ir.Model, expr: ir.Expr) -> bool:
    stack, seen = list(references(expr)), set[str]()
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        variable = model.variable(name)
        if variable.role == "latent":
            return True
        if variable.role == "let":
            for equation in variable.equations:
                stack.extend(references(*equation_expressions(equation)))
    return False


def _obstacles(model: ir.Model, latent: ir.Variable) -> list[Obstacle]:
    """Uses of a discrete latent that tie members of its plates to one another.

    Parallel enumeration treats the members of a plate as independent given the rest: each
    factor that depends on the latent must lie inside all its plates, aligned with them.
    """
    plates = latent.type.plates
    tainted = {latent.name}
    found: list[Obstacle] = []
    if latent.type.event:
        found.append(Obstacle(latent.name, "its entries form one value; give them a plate"))
    for variable in model.variables:
        exprs = variable_expressions(variable)
        if not tainted & set(references(*exprs)):
            continue
        if variable.role == "let":
            tainted.add(variable.name)
        problem = _misaligned(exprs, tainted, plates)
        if problem is None and variable.random and not plates <= variable.type.plates:
            outside = ", ".join(sorted(plates - variable.type.plates))
            problem = f"`{variable.name}` depends on it outside the plate {outside}"
        if problem is not None:
            found.append(Obstacle(latent.name, problem))
    return found + _energy_obstacles(model, latent, tainted)


def _energy_obstacles(model: ir.Model, latent: ir.Variable, tainted: set[str]) -> list[Obstacle]:
    """The same for energies, given all that depends on the latent."""
    found: list[Obstacle] = []
    for energy in model.energies:
        if not tainted & set(references(energy.value)):
            continue
        problem = _misaligned((energy.value,), tainted, latent.type.plates)
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
    exprs: tuple[ir.Expr, ...], tainted: set[str], plates: frozenset[str]
) -> str | None:
    for expr in walk(*exprs):
        match expr:
            case (
                ir.Reduce(value=value, axis=str() as axis)
                | ir.Collect(value=value, plate=axis)
                | ir.Select(value=value, axis=str() as axis)
                | ir.Gather(value=value, axis=str() as axis)
                | ir.Lag(value=value, sequence=axis)
            ):
                if axis in plates and tainted & set(references(value)):
                    return f"members of the plate {axis} are combined or picked by an index"
            case _:
                pass
    return None
