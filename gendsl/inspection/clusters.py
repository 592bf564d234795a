"""Plates as a tree, for formats whose boxes can only be nested.

Plates that cross each other become several boxes of one label.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import networkx as nx

from gendsl.inspection.layout import plate_labels

__all__ = ["Cluster", "cluster_tree"]


@dataclass(slots=True)
class Cluster:
    """A box with what is in it; the outermost stands for the whole picture."""

    number: int
    label: str = ""
    nodes: list[str] = field(default_factory=list)
    inner: dict[str, Cluster] = field(default_factory=dict)


def cluster_tree(graph: nx.DiGraph) -> Cluster:
    """The plates of a graph of `build_graph` as a tree; plates with more nodes are outer."""
    labels = plate_labels(graph)
    axes = list(graph.graph["axes"])
    members = {axis: [n for n, p in graph.nodes(data="plates") if axis in p] for axis in axes}
    root = Cluster(0)
    count = 0
    for name, plates in graph.nodes(data="plates"):
        here = root
        for plate in sorted(plates, key=lambda p: (-len(members[p]), axes.index(p))):
            if plate not in here.inner:
                count += 1
                here.inner[plate] = Cluster(count, labels[plate])
            here = here.inner[plate]
        here.nodes.append(name)
    return root
