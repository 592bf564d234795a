"""The plate diagram in the language of Mermaid."""

from __future__ import annotations

from typing import Any

import networkx as nx

from gendsl.inspection.clusters import Cluster, cluster_tree

__all__ = ["to_mermaid"]

CLASSES = """\
  classDef latent fill:#fff,stroke:#1b2530
  classDef observed fill:#cdd8e3,stroke:#1b2530
  classDef let fill:#fff,stroke:#1b2530,stroke-dasharray:4 3
  classDef input fill:#eef2f6,stroke:#8496a8
  classDef param fill:#fff,stroke:none
  classDef energy fill:#1b2530,color:#fff"""


def _text(text: str) -> str:
    escapes = {"#": "#35;", "&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;"}
    return "".join(escapes.get(character, character) for character in text)


def _node(number: int, name: str, attributes: dict[str, Any]) -> str:
    family = attributes["family"]
    role = attributes["role"]
    label = f"<i>{_text(name)}</i>" + (f"<br/><small>{_text(family)}</small>" if family else "")
    missing = " ?" if attributes["optional"] else ""
    body = f'"{label}{missing}"'
    if role == "energy":
        shaped = f"[{body}]"
    elif role in ("input", "param"):
        shaped = f"({body})"
    elif attributes["discrete"] and role != "let":
        shaped = f"((({body})))"
    else:
        shaped = f"(({body}))"
    return f"n{number}{shaped}:::{role}"


def _cluster(
    graph: nx.DiGraph, cluster: Cluster, numbers: dict[str, int], indent: str
) -> list[str]:
    lines = [f"{indent}{_node(numbers[n], n, graph.nodes[n])}" for n in cluster.nodes]
    for inner in cluster.inner.values():
        lines.append(f'{indent}subgraph p{inner.number}["{_text(inner.label)}"]')
        lines += _cluster(graph, inner, numbers, indent + "  ")
        lines.append(f"{indent}end")
    return lines


def to_mermaid(graph: nx.DiGraph) -> str:
    """A graph of `build_graph` as a Mermaid flowchart; crossing plates become several boxes."""
    numbers = {name: number for number, name in enumerate(graph, start=1)}
    lines = ["flowchart TD", *_cluster(graph, cluster_tree(graph), numbers, "  ")]
    for tail, head, kind in graph.edges(data="kind"):
        arrow = {"index": "-.->", "lag": "-. past .->", "energy": "---"}.get(kind, "-->")
        lines.append(f"  n{numbers[tail]} {arrow} n{numbers[head]}")
    for name, lags in graph.nodes(data="lags"):
        if lags:
            label = ", ".join(f"-{steps}" for steps in lags)
            lines.append(f'  n{numbers[name]} -. "{label}" .-> n{numbers[name]}')
    return "\n".join([*lines, CLASSES]) + "\n"
