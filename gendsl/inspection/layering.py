"""The rows of a plate diagram: every edge runs downwards, through a bend in each row it skips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import networkx as nx

from gendsl.inspection.shapes import Shape

__all__ = ["Layers", "Link", "assign_layers"]

MAX_WIDTH = 760.0
"""Rows that are wider give the unplated sources among them to the row above."""


@dataclass(frozen=True, slots=True)
class Link:
    """An edge with its way through the rows.

    Attributes:
        tail: where the arrow starts.
        head: where it points.
        kind: the kind of the edge.
        chain: the nodes and bends from top to bottom.
        upwards: whether the arrow points up (a lag that closes a cycle).
    """

    tail: str
    head: str
    kind: str
    chain: tuple[str, ...]
    upwards: bool = False


@dataclass(frozen=True, slots=True)
class Layers:
    """Nodes and bends by rows, from the top, not yet in order."""

    rows: tuple[tuple[str, ...], ...]
    links: tuple[Link, ...]
    row_of: Mapping[str, int]


def _acyclic(graph: nx.DiGraph) -> nx.DiGraph:
    """The graph without the edges that would close a cycle, lags last."""
    dag = nx.DiGraph()
    dag.add_nodes_from(graph)
    for tail, head, _ in sorted(graph.edges(data="kind"), key=lambda edge: edge[2] == "lag"):
        if not nx.has_path(dag, head, tail):
            dag.add_edge(tail, head)
    return dag


def _pull_down(dag: nx.DiGraph, rows: dict[str, int]) -> None:
    """Move what has more children than parents next to its children."""
    for name in reversed(list(nx.lexicographical_topological_sort(dag))):
        below = [rows[child] for child in dag.successors(name)]
        if below and dag.out_degree(name) > dag.in_degree(name):
            rows[name] = min(below) - 1


def _spill(graph: nx.DiGraph, rows: dict[str, int], shapes: Mapping[str, Shape]) -> None:
    """Thin out rows that are too wide, from the bottom."""

    def room(name: str) -> float:
        extent = shapes[name].extent
        return extent.right - extent.left + 24

    row = max(rows.values(), default=0)
    while any(place <= row for place in rows.values()):
        members = [name for name in rows if rows[name] == row]
        width = sum(map(room, members))
        movable = [
            n for n in members if not graph.pred[n] and not graph.nodes[n]["plates"] and graph[n]
        ]
        while movable and width > MAX_WIDTH and len(members) > 2:
            name = movable.pop()
            rows[name] = row - 1
            width -= room(name)
        row -= 1


def assign_layers(graph: nx.DiGraph, shapes: Mapping[str, Shape]) -> Layers:
    """Assign a row to every node of `graph`, and bends to the edges."""
    dag = _acyclic(graph)
    rows: dict[str, int] = {}
    for name in nx.topological_sort(dag):
        rows[name] = max((rows[parent] + 1 for parent in dag.predecessors(name)), default=0)
    _pull_down(dag, rows)
    _spill(graph, rows, shapes)
    used = sorted(set(rows.values()))
    row_of = {name: used.index(rows[name]) for name in graph}
    filled: list[list[str]] = [[] for _ in used]
    for name in graph:
        filled[row_of[name]].append(name)
    links = []
    for tail, head, kind in graph.edges(data="kind"):
        upwards = row_of[tail] >= row_of[head]
        top, bottom = (head, tail) if upwards else (tail, head)
        bends = []
        for row in range(row_of[top] + 1, row_of[bottom]):
            bend = f"{tail}->{head}@{row}"
            filled[row].append(bend)
            row_of[bend] = row
            bends.append(bend)
        links.append(Link(tail, head, kind, (top, *bends, bottom), upwards))
    return Layers(tuple(map(tuple, filled)), tuple(links), row_of)
