r"""Questions about the dependence structure of a model, answered from its graph.

A graph of `build_graph` stands for the density

.. math:: \prod_v p(v \mid \mathrm{pa}(v)) \; \prod_B \frac{e^{-E_B}}{Z_B(\mathrm{pa}(B))}

where a block `B` of an energy is normalised given everything else its energies mention. So a
block is a component of a chain graph, and independence is read off by moralising the smallest
ancestral set (Frydenberg's criterion), which for a model without energies is d-separation.
Names are whole variables, with all their entries; an edge through a lag counts like any other,
so that every independence found holds between whole sequences.

References:
    The chain graph Markov property (Frydenberg, 1990)
    Identifying independence in Bayesian networks (Geiger, Verma, Pearl, 1990)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import networkx as nx

from gendsl.diagnostics import DataError, Diagnostic, nearest
from gendsl.graph.build import build_graph, random_sources
from gendsl.ir import nodes as ir

__all__ = [
    "ancestors",
    "children",
    "d_separated",
    "descendants",
    "factor_graph",
    "markov_blanket",
    "moral_graph",
    "parents",
]


@dataclass(frozen=True, slots=True)
class _Factor:
    """A factor of the joint density.

    Attributes:
        name: what the factor graph calls it.
        kind: ``conditional``, ``deterministic``, ``energy`` or ``normalizer``.
        heads: the variables whose law it belongs to.
        scope: all the variables in it.
    """

    name: str
    kind: str
    heads: frozenset[str]
    scope: frozenset[str]


def _require(graph: nx.DiGraph, *names: str) -> None:
    for name in names:
        if name not in graph:
            near = nearest(name, graph.nodes)
            raise DataError(
                [
                    Diagnostic(
                        "GD811",
                        f"`{name}` is not a variable of `{graph.graph['name']}`",
                        help=f"did you mean `{near}`?" if near else None,
                    )
                ]
            )


def _in_order(graph: nx.DiGraph, names: Iterable[str]) -> tuple[str, ...]:
    chosen = set(names)
    return tuple(name for name in graph if name in chosen)


def parents(graph: nx.DiGraph, name: str) -> tuple[str, ...]:
    """What the equation of `name` mentions, in the order of the model."""
    _require(graph, name)
    return _in_order(graph, graph.predecessors(name))


def children(graph: nx.DiGraph, name: str) -> tuple[str, ...]:
    """The variables and energies that mention `name`, in the order of the model."""
    _require(graph, name)
    return _in_order(graph, graph.successors(name))


def ancestors(graph: nx.DiGraph, name: str) -> tuple[str, ...]:
    """Everything that `name` depends on, directly or not, in the order of the model."""
    _require(graph, name)
    return _in_order(graph, nx.ancestors(graph, name))


def descendants(graph: nx.DiGraph, name: str) -> tuple[str, ...]:
    """Everything that depends on `name`, directly or not, in the order of the model."""
    _require(graph, name)
    return _in_order(graph, nx.descendants(graph, name))


def _roles(graph: nx.DiGraph, *roles: str) -> set[str]:
    return {name for name, role in graph.nodes(data="role") if role in roles}


def _factors(graph: nx.DiGraph, *, through_deterministic: bool) -> list[_Factor]:
    """The factors of the joint density, lets looked through or standing for themselves."""

    def mentioned(name: str) -> frozenset[str]:
        found = random_sources(graph, name) if through_deterministic else graph.predecessors(name)
        return frozenset(found)

    factors = []
    for name, attributes in graph.nodes(data=True):
        role = attributes["role"]
        if role == "energy":
            heads = frozenset(
                v
                for block in graph.graph["blocks"]
                if {*block} & {*attributes["block"]}
                for v in block
            )
            factors.append(_Factor(name, "energy", heads, mentioned(name)))
        elif role in ("latent", "observed") and not attributes["undirected"]:
            kind = "conditional" if attributes["family"] is not None else "deterministic"
            scope = mentioned(name) | {name}
            factors.append(_Factor(f"factor {name}", kind, frozenset({name}), scope))
        elif role == "let" and not through_deterministic:
            scope = mentioned(name) | {name}
            factors.append(_Factor(f"factor {name}", "deterministic", frozenset({name}), scope))
    for number, block in enumerate(graph.graph["blocks"], start=1):
        heads = frozenset(block)
        scopes = (f.scope for f in factors if f.heads & heads)
        given = _outside(graph, heads, frozenset[str]().union(*scopes))
        if given:
            factors.append(_Factor(f"normalizer {number}", "normalizer", heads, given))
    return factors


def _outside(graph: nx.DiGraph, heads: frozenset[str], scope: frozenset[str]) -> frozenset[str]:
    """What of `scope` a normaliser over `heads` depends on: lets of `heads` are integrated too."""
    found: set[str] = set()
    seen: set[str] = set(heads)
    stack = sorted(scope - heads)
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        if graph.nodes[name]["role"] == "let" and heads & nx.ancestors(graph, name):
            stack.extend(graph.predecessors(name))
        else:
            found.add(name)
    return frozenset(found)


def _cliques(graph: nx.DiGraph, factors: Iterable[_Factor], nodes: Iterable[str]) -> nx.Graph:
    moral = nx.Graph()
    moral.add_nodes_from(_in_order(graph, nodes))
    for factor in factors:
        moral.add_edges_from(combinations(_in_order(graph, factor.scope), 2))
    return moral


def moral_graph(graph: nx.DiGraph) -> nx.Graph:
    """The undirected graph that joins all variables of a factor; lets are ordinary nodes.

    The parents of a normalised block are joined as well: its normaliser couples them.
    """
    variables = set(graph) - _roles(graph, "energy")
    return _cliques(graph, _factors(graph, through_deterministic=False), variables)


def markov_blanket(
    graph: nx.DiGraph, name: str, *, through_deterministic: bool = True
) -> tuple[str, ...]:
    """The variables that part `name` from all others once they are known.

    Lets are looked through, and the blanket consists of random variables: inputs are known
    and params are fixed. With ``through_deterministic=False`` it is the blanket in the graph
    as it stands: lets, inputs and params are nodes like any other.
    """
    _require(graph, name)
    if graph.nodes[name]["role"] == "energy":
        found = set(graph.predecessors(name))
        if through_deterministic:
            found = set(random_sources(graph, name)) & _roles(graph, "latent", "observed")
        return _in_order(graph, found)
    if not through_deterministic:
        return _in_order(graph, moral_graph(graph)[name])
    found = set()
    if graph.nodes[name]["role"] == "let":
        found |= set(random_sources(graph, name))
    for factor in _factors(graph, through_deterministic=True):
        if name in factor.scope:
            found |= factor.scope
    return _in_order(graph, (found - {name}) & _roles(graph, "latent", "observed"))


def _determined(graph: nx.DiGraph, given: set[str]) -> set[str]:
    """`given` with every let that it determines."""
    known = set(given)
    lets = sorted(_roles(graph, "let"))
    while True:
        more = {v for v in lets if v not in known and known.issuperset(graph.predecessors(v))}
        if not more:
            return known
        known |= more


def d_separated(
    graph: nx.DiGraph,
    x: str | Iterable[str],
    y: str | Iterable[str],
    given: str | Iterable[str] = (),
) -> bool:
    """Whether the graph makes `x` and `y` independent once `given` is known.

    Inputs and params are always given, except those in `x` or `y`. A let whose parents are
    all known is known (D-separation), otherwise it is a node like any other. A variable
    that is known is independent of everything. Energies couple what they mention, within
    their normalised block.
    """
    left, right, known = (
        {names} if isinstance(names, str) else set(names) for names in (x, y, given)
    )
    _require(graph, *sorted(left | right | known))
    known = _determined(graph, known | (_roles(graph, "input", "param") - left - right))
    left, right = left - known, right - known
    if left & right:
        return False
    factors = _factors(graph, through_deterministic=False)
    relevant = left | right | known
    while True:
        used = [f for f in factors if f.heads & relevant]
        wider = relevant.union(*(f.scope | f.heads for f in used))
        if wider == relevant:
            break
        relevant = wider
    moral = _cliques(graph, used, relevant - _roles(graph, "energy"))
    moral.remove_nodes_from(known)
    reached = set().union(*(nx.node_connected_component(moral, v) for v in left if v in moral))
    return not reached & right


def factor_graph(model: ir.Model) -> nx.Graph:
    """The bipartite factor graph of `model`, lets looked through.

    Variables (``bipartite=0``, with their attributes of `build_graph`) are all but the lets;
    factors (``bipartite=1``, with a `kind`) are ``factor y`` for the equation of `y`, the
    energies, and ``normalizer 1`` for a block whose normaliser depends on something.
    """
    graph = build_graph(model)
    result = nx.Graph(**graph.graph)
    for name, attributes in graph.nodes(data=True):
        if attributes["role"] not in ("let", "energy"):
            result.add_node(name, bipartite=0, **attributes)
    for factor in _factors(graph, through_deterministic=True):
        heads = _in_order(graph, factor.heads)
        result.add_node(factor.name, bipartite=1, kind=factor.kind, heads=heads)
        for name in _in_order(graph, factor.scope):
            result.add_edge(factor.name, name)
    return result
