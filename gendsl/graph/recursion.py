"""Recursion along sequences: what depends on its own earlier values, and how.

Random variables have values of their own, so that their densities at all steps can be weighed at
once, given those values. A `let` has none: those that depend on earlier values of themselves are
computed step by step.
"""

from __future__ import annotations

from collections.abc import Iterator

import networkx as nx

from gendsl.ir import nodes as ir
from gendsl.ir.traversal import (
    distribution_expressions,
    distributions,
    is_autoregressive,
    references,
    reported_lets,
    variable_expressions,
    walk,
)
from gendsl.semantics.supports import is_discrete

__all__ = ["chained", "held", "is_stepped", "lagged_names", "recurrent", "scans", "ties", "turns"]


def is_stepped(variable: ir.Variable) -> bool:
    """Whether the equations of a variable differ along a sequence, or refer back along it."""
    return any(e.step is not None or e.first > 0 for e in variable.equations)


def lagged_names(model: ir.Model) -> frozenset[str]:
    """The variables of which some expression takes a lag."""
    exprs = [x for v in model.variables for x in variable_expressions(v)]
    exprs += [e.value for e in model.energies]
    return frozenset(
        lag.value.name
        for lag in walk(*exprs)
        if isinstance(lag, ir.Lag) and isinstance(lag.value, ir.Reference)
    )


def _graph(variables: tuple[ir.Variable, ...]) -> nx.DiGraph:
    """An edge from each quantity to those that depend on it, now or later along a sequence."""
    names = {v.name for v in variables}
    graph = nx.DiGraph()
    graph.add_nodes_from(v.name for v in variables)
    for variable in variables:
        for name in references(*variable_expressions(variable)):
            if name in names and not (name == variable.name and is_autoregressive(variable)):
                graph.add_edge(name, variable.name)
    return graph


def _circles(graph: nx.DiGraph) -> list[frozenset[str]]:
    return [
        frozenset(c)
        for c in nx.strongly_connected_components(graph)
        if len(c) > 1 or graph.has_edge(*2 * tuple(c))
    ]


def recurrent(model: ir.Model) -> tuple[frozenset[str], ...]:
    """Groups of variables that depend on their own past, in the order of their dependencies."""
    graph = _graph(model.variables)
    circles = {name: c for c in _circles(graph) for name in c}
    condensed = nx.condensation(graph)
    found = []
    for node in nx.topological_sort(condensed):
        member = next(iter(condensed.nodes[node]["members"]))
        if member in circles:
            found.append(circles[member])
    return tuple(found)


def scans(model: ir.Model) -> tuple[tuple[ir.Variable, ...], ...]:
    """Groups of lets that are computed step by step, each after those it needs at its own step."""
    lets = model.of_role("let")
    groups = [tuple(v for v in lets if v.name in c) for c in _circles(_graph(lets))]
    return tuple(sorted(groups, key=lambda group: lets.index(group[0])))


def turns(guide: ir.Model) -> tuple[tuple[ir.Variable, ...], ...]:
    """Groups of latents and lets of a guide that are drawn and computed step by step.

    Latents are those that need earlier steps of themselves, or have equations for single steps;
    in a group each variable comes after those it needs at its own step.
    """
    variables = guide.of_role("latent", "let")
    circles = _circles(_graph(variables))
    inside = frozenset[str]().union(*circles)
    alone = (v for v in variables if v.name not in inside and v.role == "latent" and is_stepped(v))
    groups = [frozenset({v.name}) for v in alone] + circles
    found = [tuple(v for v in variables if v.name in g) for g in groups]
    return tuple(sorted(found, key=lambda group: variables.index(group[0])))


def chained(model: ir.Model) -> tuple[ir.Variable, ...]:
    """Discrete latents whose steps are tied to one another: hidden Markov chains.

    A step depends on the one before it alone, and nothing recurs that depends on it: else the
    steps are summed out one by one (`gendsl.graph.grounding`).
    """
    lagged = lagged_names(model)
    return tuple(
        v
        for v in model.of_role("latent")
        if is_discrete(v.type.support)
        and not v.type.event
        and (is_stepped(v) or v.name in lagged)
        and not ties(model, v, markov=True)
    )


def ties(model: ir.Model, latent: ir.Variable, *, markov: bool = False) -> frozenset[str]:
    """The plates of a latent whose members some factor ties to one another.

    Args:
        model: the model.
        latent: of it.
        markov: whether neighbouring steps of the latent itself may be tied.
    """
    plates = latent.type.plates
    tainted, own = {latent.name}, latent.name if markov else ""
    recurring = {v.name for group in scans(model) for v in group}
    reported = reported_lets(model)
    found: set[str] = set()
    for variable in model.variables:
        exprs = variable_expressions(variable)
        if variable.name in reported or not tainted & set(references(*exprs)):
            continue
        if variable.role == "let":
            tainted.add(variable.name)
        found |= set(_uses(exprs, tainted, own)) & plates
        if variable.name in recurring:
            found |= {p for p in plates if model.axis(p).kind == "sequence"}
        if variable.random:
            found |= plates - variable.type.plates
    for energy in model.energies:
        if tainted & set(references(energy.value)):
            found |= set(_uses((energy.value,), tainted, own)) & plates
            found |= plates - energy.value.type.plates
    return frozenset(found)


def _uses(exprs: tuple[ir.Expr, ...], tainted: set[str], own: str) -> Iterator[str]:
    """The plates of which expressions combine or pick members that depend on `tainted`.

    `own` is a latent of which the step before is not picked.
    """
    for expr in walk(*exprs):
        match expr:
            case ir.Lag(value=ir.Reference(name=name), steps=1) if name == own:
                pass
            case (
                ir.Reduce(value=value, axis=str() as axis)
                | ir.Collect(value=value, plate=axis)
                | ir.Select(value=value, axis=str() as axis)
                | ir.Gather(value=value, axis=str() as axis)
                | ir.Lag(value=value, sequence=axis)
            ):
                if tainted & set(references(value)):
                    yield axis
            case ir.LogProb(distribution=law):
                for inner in distributions(law):
                    mentioned = references(*distribution_expressions(inner))
                    if inner.over is not None and tainted & set(mentioned):
                        yield inner.over
            case _:
                pass


def held(model: ir.Model) -> frozenset[str]:
    """The latents whose values the program holds apart from their densities.

    They are those whose equations differ along a sequence, those that depend on their own past
    through other quantities, and those whose law depends on the state of a hidden Markov chain, of
    which the program may be given every state at once.
    """
    past = frozenset[str]().union(*recurrent(model))
    chains = {v.name for v in chained(model)}
    found = set(chains)
    for variable in model.variables:
        depends = chains & set(references(*variable_expressions(variable)))
        if variable.role == "let" and depends:
            chains.add(variable.name)
        if variable.role == "latent" and (
            depends or is_stepped(variable) or variable.name in past
        ):
            found.add(variable.name)
    return frozenset(found)
