"""The plate diagram in the language of Graphviz."""

from __future__ import annotations

from typing import Any

import networkx as nx

from gendsl.inspection.clusters import Cluster, cluster_tree
from gendsl.inspection.diagram import describe_node

__all__ = ["to_dot"]

HEAD = """\
  graph [fontname="sans-serif", fontsize=10, bgcolor=white, ranksep=0.5, nodesep=0.35];
  node [fontname="sans-serif", fontsize=12, style=filled, fillcolor=white];
  edge [color="#3c4a58", arrowsize=0.7];"""


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _look(name: str, attributes: dict[str, Any]) -> dict[str, str]:
    family = attributes["family"]
    look = {"label": f"{name}\n{family}" if family else name}
    role = attributes["role"]
    if role == "energy":
        return {"xlabel": name, "label": "", "shape": "square", "width": "0.15",
                "fixedsize": "true", "fillcolor": "black"}  # fmt: skip
    if role == "param":
        return {"xlabel": name, "label": "", "shape": "point", "width": "0.12",
                "fillcolor": "black"}  # fmt: skip
    if role == "input":
        return look | {"shape": "box", "style": "rounded,filled", "fillcolor": "#eef2f6"}
    look["shape"] = "ellipse"
    if role == "let":
        return look | {"style": "dashed,filled"}
    if attributes["discrete"]:
        look["peripheries"] = "2"
    if role == "observed":
        half = attributes["optional"]
        look |= {"fillcolor": "white;0.5:#cdd8e3" if half else "#cdd8e3"}
    return look


def _attributes(pairs: dict[str, str]) -> str:
    return f"[{', '.join(f'{key}={_quoted(value)}' for key, value in pairs.items())}]"


def _cluster(graph: nx.DiGraph, cluster: Cluster, indent: str) -> list[str]:
    lines = []
    for name in cluster.nodes:
        attributes = graph.nodes[name]
        look = _look(name, attributes) | {"tooltip": describe_node(attributes, name)}
        lines.append(f"{indent}{_quoted(name)} {_attributes(look)};")
    for inner in cluster.inner.values():
        lines.append(f"{indent}subgraph cluster_{inner.number} {{")
        lines.append(f"{indent}  label={_quoted(inner.label)}; labelloc=b; labeljust=r;")
        lines.append(f'{indent}  style=rounded; color="#8496a8";')
        lines += _cluster(graph, inner, indent + "  ")
        lines.append(f"{indent}}}")
    return lines


def to_dot(graph: nx.DiGraph) -> str:
    """A graph of `build_graph` as a DOT text; crossing plates become several clusters."""
    lines = [f"digraph {_quoted(graph.graph['name'])} {{", HEAD]
    lines += _cluster(graph, cluster_tree(graph), "  ")
    for tail, head, kind in graph.edges(data="kind"):
        look = {
            "index": {"style": "dashed"},
            "lag": {"style": "dotted", "constraint": "false"},
            "energy": {"dir": "none"},
        }.get(kind, {})
        tail_name, head_name = _quoted(tail), _quoted(head)
        lines.append(f"  {tail_name} -> {head_name}{' ' + _attributes(look) if look else ''};")
    for name, lags in graph.nodes(data="lags"):
        if lags:
            label = ", ".join(f"-{steps}" for steps in lags)
            look = {"style": "dotted", "label": label, "fontsize": "9"}
            lines.append(f"  {_quoted(name)} -> {_quoted(name)} {_attributes(look)};")
    return "\n".join([*lines, "}"]) + "\n"
