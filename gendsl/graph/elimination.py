"""In what order variables are eliminated from a product of tables, and what that costs.

Summing a variable out joins the tables that it stands in to one over all their other variables.
Which order keeps the tables small is NP-hard to say; the variable whose table is smallest comes
first (min-weight), and of those with equal ones that which joins the fewest variables anew
(min-fill; Koller and Friedman, Probabilistic Graphical Models, 2009, section 9.4.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import prod

import networkx as nx

__all__ = ["LIMIT", "Order", "elimination_order"]

LIMIT = 1 << 24
"""A table that is summed over has so many entries at most."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order of elimination.

    Attributes:
        names: the variables, first the one that is summed out first.
        largest: the entries of the largest table.
        work: those of all tables.
    """

    names: tuple[str, ...]
    largest: int
    work: int


def elimination_order(
    scopes: Iterable[Iterable[str]], sizes: Mapping[str, int], gone: Iterable[str]
) -> Order:
    """The order in which the variables `gone` are summed out of tables over `scopes`.

    Args:
        scopes: the variables of each table.
        sizes: how many values each variable has.
        gone: what is summed out; other variables stay in the tables.
    """
    graph = nx.Graph()
    for scope in scopes:
        own = sorted(scope)
        graph.add_nodes_from(own)
        graph.add_edges_from(combinations(own, 2))
    waiting = sorted(set(gone) & set(graph))
    costs = {name: _cost(graph, name, sizes) for name in waiting}
    names, tables = [], []
    while waiting:
        name = min(waiting, key=lambda n: (*costs[n], n))
        waiting.remove(name)
        neighbours = sorted(graph[name])
        names.append(name)
        tables.append(costs[name][0])
        graph.remove_node(name)
        graph.add_edges_from(combinations(neighbours, 2))
        touched = set(neighbours).union(*(graph[n] for n in neighbours))
        costs |= {n: _cost(graph, n, sizes) for n in waiting if n in touched}
    return Order(tuple(names), max(tables, default=1), sum(tables))


def _cost(graph: nx.Graph, name: str, sizes: Mapping[str, int]) -> tuple[int, int]:
    """The entries of the table that a variable is summed out of, and how many pairs it joins."""
    around = sorted(graph[name])
    fill = sum(not graph.has_edge(a, b) for a, b in combinations(around, 2))
    return prod((sizes[n] for n in around), start=sizes[name]), fill
