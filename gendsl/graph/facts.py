"""What the planner may know of a model: derived once, read by every algorithm's rating."""

from __future__ import annotations

from dataclasses import dataclass

from gendsl.graph.conjugacy import integrable
from gendsl.graph.energies import EnergyFacts, energies_of
from gendsl.graph.grounding import grounded
from gendsl.graph.obstacles import Obstacle, largest_table, obstacles_of
from gendsl.graph.recursion import chained, held
from gendsl.graph.weights import count_of, weights_of
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import (
    called_nets,
    equation_expressions,
    references,
    variable_expressions,
)
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.semantics.narrowing import narrowing
from gendsl.semantics.supports import hull, is_discrete
from gendsl.types import REAL, Index, Size

__all__ = ["Facts", "derive_facts"]


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about one model.

    Attributes:
        continuous: latents to be inferred as numbers, imputed entries included.
        finite: discrete latents with finitely many values, imputed entries included.
        chains: those of `finite` whose steps along a sequence are tied to one another.
        cardinalities: how many values each of `finite` has, where the text says so.
        params: quantities learned as points.
        nets: functions learned as points.
        weights: how many weights of other networks are latents, where the text says so.
        guided: latents whose guide the author wrote.
        observed: the observed variables.
        location_scale: latents of a location-scale family whose scale is itself inferred.
        correlated: latents whose entries an unknown covariance correlates, or any one of a
            process: nearby values of a smooth function say almost the same.
        grounded: discrete latents whose members are summed out one by one, each with the plates
            of these.
        largest_table: the entries of the largest table that is summed over, for each member of
            its plates; None where data decide.
        obstacles: discrete latents that cannot be summed out.
        energies: how many energy terms there are.
        owed: the blocks of energies whose constant depends on something learned.
        undirected: random variables that only energies weigh.
        unnormalised: latents whose density is known up to a constant only.
        integrable: (family, latents) whose law given all else is of that family, in the order
            in which they can be integrated out.
    """

    continuous: tuple[str, ...] = ()
    finite: tuple[str, ...] = ()
    chains: tuple[str, ...] = ()
    cardinalities: tuple[tuple[str, int | None], ...] = ()
    params: tuple[str, ...] = ()
    nets: tuple[str, ...] = ()
    weights: int = 0
    guided: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    location_scale: tuple[str, ...] = ()
    correlated: tuple[str, ...] = ()
    grounded: tuple[tuple[str, tuple[str, ...]], ...] = ()
    largest_table: int | None = None
    obstacles: tuple[Obstacle, ...] = ()
    energies: int = 0
    owed: tuple[EnergyFacts, ...] = ()
    undirected: tuple[str, ...] = ()
    unnormalised: tuple[str, ...] = ()
    integrable: tuple[tuple[str, tuple[str, ...]], ...] = ()


def derive_facts(model: ir.Model) -> Facts:
    """The facts of a checked model."""
    imputed = [v for v in model.of_role("observed") if v.optional and _has_children(model, v.name)]
    unknown = [*model.of_role("latent"), *imputed]
    finite = [v for v in unknown if is_discrete(v.type.support)]
    apart = held(model)
    sizes = {v.name: _cardinality(model, v) for v in finite}
    return Facts(
        continuous=tuple(v.name for v in unknown if not is_discrete(v.type.support)),
        finite=tuple(v.name for v in finite),
        chains=tuple(v.name for v in chained(model)),
        cardinalities=tuple(sizes.items()),
        params=tuple(v.name for v in model.of_role("param")),
        nets=_used_nets(model),
        weights=sum(count_of(model, names) or 0 for names in weights_of(model).values()),
        guided=tuple(g.name for g in model.guides),
        observed=tuple(v.name for v in model.of_role("observed")),
        location_scale=tuple(
            v.name for v in unknown if _is_location_scale(model, v) and v.name not in apart
        ),
        correlated=tuple(
            v.name for v in unknown if _is_correlated(model, v) and v.name not in apart
        ),
        obstacles=obstacles_of(model, sizes),
        grounded=tuple((n, tuple(sorted(p))) for n, p in grounded(model).items()),
        largest_table=largest_table(model, sizes),
        energies=len(model.energies),
        owed=energies_of(model),
        undirected=tuple(v.name for v in unknown if not v.equations),
        unnormalised=tuple(
            v.name
            for v in model.of_role("latent", "observed")
            for e in v.equations
            if e.distribution is not None and narrowing(v, e.distribution).entry == "constant"
        ),
        integrable=integrable(model),
    )


def _used_nets(model: ir.Model) -> tuple[str, ...]:
    """The nets that the density depends on; those of guides alone are left out."""
    exprs = [x for v in model.variables for x in variable_expressions(v)]
    return called_nets(*exprs, *(e.value for e in model.energies))


def _has_children(model: ir.Model, name: str) -> bool:
    exprs = [x for v in model.variables if v.name != name for x in variable_expressions(v)]
    lagged = [x for e in model.variable(name).equations for x in equation_expressions(e)]
    return name in references(*exprs, *lagged, *(e.value for e in model.energies))


def _cardinality(model: ir.Model, variable: ir.Variable) -> int | None:
    """How many values a discrete variable has, all its entries together; None if data say."""
    each, entries = _values_of_each(model, variable), 1
    for length in variable.type.event:
        known = _literal(model, length)
        if known is None:
            return None
        entries *= known
    return None if each is None else each ** min(entries, 64)


def _values_of_each(model: ir.Model, variable: ir.Variable) -> int | None:
    support = variable.type.support
    if isinstance(support, Index):
        return _literal(model, support.size)
    interval = hull(support)
    return int(interval.upper - interval.lower) + 1


def _literal(model: ir.Model, size: Size) -> int | None:
    """A size that the text gives; None if data do."""
    for _ in range(8):
        if size.value is not None or size.name is None:
            return size.value
        declared = model.axis(size.name).size
        if declared is None:
            return None
        size = declared
    return None


def _only_law(variable: ir.Variable) -> ir.Distribution | None:
    """The distribution of a latent on the whole line that has one equation."""
    if variable.role != "latent" or variable.type.support != REAL or len(variable.equations) != 1:
        return None
    if variable.lower is not None or variable.upper is not None:
        return None
    return variable.equations[0].distribution


def _is_correlated(model: ir.Model, variable: ir.Variable) -> bool:
    dist = _only_law(variable)
    spec = DISTRIBUTIONS.get(dist.name) if dist is not None else None
    if dist is None or spec is None or not spec.correlated:
        return False
    args = [a for n, a in dist.args if n in spec.correlated]
    return spec.points is not None or any(_depends_on_latent(model, a) for a in args)


def _is_location_scale(model: ir.Model, variable: ir.Variable) -> bool:
    dist = _only_law(variable)
    if dist is None:
        return False
    args = dict(dist.args)
    spec = DISTRIBUTIONS.get(dist.name)
    if spec is None or spec.event_dim or spec.support != REAL or not {"loc", "scale"} <= set(args):
        return False
    if not spec.location_scale:
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
