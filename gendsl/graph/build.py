"""The dependency graph of a model: who depends on whom, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import networkx as nx

from gendsl.ir import nodes as ir
from gendsl.ir.traversal import children, equation_expressions
from gendsl.source import NOWHERE, Source, Span
from gendsl.types import Index, Interval, Support, describe_event

__all__ = ["Mention", "build_graph", "mentions", "random_sources"]


@dataclass(frozen=True, slots=True)
class Mention:
    """One place where an expression uses a variable.

    Attributes:
        name: the variable.
        index: whether it only chooses a member (it stands in the index of a gather).
        lag: how many steps earlier it is taken; 0 for the present.
    """

    name: str
    index: bool = False
    lag: int = 0

    @property
    def kind(self) -> str:
        """The kind of edge it makes."""
        return "lag" if self.lag else "index" if self.index else "value"


def mentions(*exprs: ir.Expr) -> Iterator[Mention]:
    """Every mention of a variable in `exprs`, in text order, without recursion."""
    stack = [(expr, False, 0) for expr in reversed(exprs)]
    while stack:
        expr, index, lag = stack.pop()
        match expr:
            case ir.Reference(name=name):
                yield Mention(name, index, lag)
            case ir.Gather(value=value, index=chooser):
                stack += [(chooser, True, lag), (value, index, lag)]
            case ir.Lag(value=value, steps=steps):
                stack.append((value, index, lag + steps))
            case _:
                stack += [(child, index, lag) for child in reversed(children(expr))]


def build_graph(model: ir.Model) -> nx.DiGraph:
    """The directed graph of `model`: a node a variable, a node an energy.

    Nodes come in the order of the model. A variable has the attributes `role`, `plates`
    (in axis order), `event` (such as ``[D]``), `support`, `type` (all three in words),
    `discrete`, `family` (the distribution's name or None), `optional`, `undirected` (random
    without an equation), `recurrent` and `lags` (it depends on its own past: no self-edge),
    `causal` (it reaches itself through a causal network), `doc`, `span`, `line` and `text`.
    An energy is called ``energy 1``, has role ``energy``, and its `block` names the
    variables that it, with the other energies of the block, is normalised over.

    An edge goes from what is mentioned to what mentions it; its `kind` is ``value``,
    ``index`` (only the index of a gather), ``lag`` (only the past) or ``energy``, and its
    `kinds` are all that occur, with the `lags`. Edges of kind ``lag`` may close cycles.
    A param's initial value and the guides are no part of the model and make no edges.

    The graph has `name`, `doc`, `source` (the file's name), `axes` (name to kind, size and
    owner) and `blocks` (the merged blocks of its energies).
    """
    axes = {
        axis.name: {
            "kind": axis.kind,
            "size": None if axis.size is None else str(axis.size),
            "owner": axis.owner,
        }
        for axis in model.axes
    }
    graph = nx.DiGraph(name=model.name, doc=model.doc, source=model.source.name, axes=axes)
    for variable in model.variables:
        graph.add_node(variable.name, **_variable_attributes(variable, model.source))
    for number, energy in enumerate(model.energies, start=1):
        graph.add_node(f"energy {number}", **_energy_attributes(energy, model))
    for variable in model.variables:
        found = mentions(*_expressions(variable))
        _add_edges(graph, variable.name, (m for m in found if m.name != variable.name))
    for number, energy in enumerate(model.energies, start=1):
        _add_edges(graph, f"energy {number}", mentions(energy.value))
    for number in range(1, len(model.energies) + 1):
        graph.nodes[f"energy {number}"]["block"] = _block(graph, f"energy {number}")
    graph.graph["blocks"] = _merged_blocks(graph)
    return graph


def _expressions(variable: ir.Variable) -> list[ir.Expr]:
    exprs = [e for equation in variable.equations for e in equation_expressions(equation)]
    exprs += [bound for bound in (variable.lower, variable.upper) if bound is not None]
    return exprs


def _place(span: Span, source: Source) -> dict[str, Any]:
    known = span != NOWHERE
    return {
        "span": span,
        "line": source.position(span.start)[0] if known else None,
        "text": source.slice(span) if known else "",
    }


def _is_discrete(support: Support) -> bool:
    return isinstance(support, Index) or (isinstance(support, Interval) and support.integer)


def _family(law: ir.Distribution) -> str:
    """The name of a distribution; of a push-forward that of its base and its flows."""
    first = law.parts[0].name if law.maps else law.name
    return " |> ".join([first, *(call.net for call in law.maps)])


def _variable_attributes(variable: ir.Variable, source: Source) -> dict[str, Any]:
    own = [m for m in mentions(*_expressions(variable)) if m.name == variable.name]
    general = sorted(variable.equations, key=lambda e: e.step is not None)
    families = [_family(e.distribution) for e in general if e.distribution is not None]
    return {
        "role": variable.role,
        "plates": variable.axes,
        "event": describe_event(variable.type.event),
        "support": str(variable.type.support),
        "type": str(variable.type),
        "discrete": _is_discrete(variable.type.support),
        "family": families[0] if families else None,
        "optional": variable.optional,
        "undirected": variable.random and not variable.equations,
        "recurrent": any(m.lag for m in own),
        "lags": tuple(sorted({m.lag for m in own if m.lag})),
        "causal": any(not m.lag for m in own),
        "doc": getattr(variable, "doc", ""),
        **_place(variable.span, source),
    }


def _energy_attributes(energy: ir.Energy, model: ir.Model) -> dict[str, Any]:
    plates = energy.value.type.plates
    return {
        "role": "energy",
        "plates": tuple(axis.name for axis in model.axes if axis.name in plates),
        "event": "",
        "support": "real",
        "type": str(energy.value.type),
        "discrete": False,
        "family": None,
        "optional": False,
        "undirected": False,
        "recurrent": False,
        "lags": (),
        "causal": False,
        "doc": "",
        **_place(energy.span, model.source),
    }


def _add_edges(graph: nx.DiGraph, child: str, found: Iterable[Mention]) -> None:
    order = ("value", "index", "lag")
    by_parent: dict[str, list[Mention]] = {}
    for mention in found:
        by_parent.setdefault(mention.name, []).append(mention)
    energy = graph.nodes[child]["role"] == "energy"
    for parent, all_of_it in by_parent.items():
        kinds = tuple(sorted({m.kind for m in all_of_it}, key=order.index))
        lags = tuple(sorted({m.lag for m in all_of_it if m.lag}))
        kind = "energy" if energy else kinds[0]
        graph.add_edge(parent, child, kind=kind, kinds=kinds, lags=lags)


def random_sources(graph: nx.DiGraph, name: str) -> tuple[str, ...]:
    """What `name` mentions, with every let replaced by what it is computed from."""
    found: dict[str, None] = {}
    seen = {name}
    stack = list(reversed(list(graph.predecessors(name))))
    while stack:
        parent = stack.pop()
        if parent in seen:
            continue
        seen.add(parent)
        if graph.nodes[parent]["role"] == "let":
            stack.extend(reversed(list(graph.predecessors(parent))))
        else:
            found[parent] = None
    return tuple(found)


def _block(graph: nx.DiGraph, energy: str) -> tuple[str, ...]:
    """The variables that the energy is normalised over.

    The undirected variables it mentions; if there are none, those random variables on which
    no other that it mentions depends.
    """
    found = [
        n
        for n in random_sources(graph, energy)
        if graph.nodes[n]["role"] in ("latent", "observed")
    ]
    undirected = tuple(n for n in found if graph.nodes[n]["undirected"])
    if undirected:
        return undirected
    above = {n: nx.ancestors(graph, n) for n in found}
    last = tuple(n for n in found if not any(n in above[m] for m in found if m != n))
    return last or tuple(found)


def _merged_blocks(graph: nx.DiGraph) -> tuple[tuple[str, ...], ...]:
    shared = nx.Graph()
    for _, attributes in graph.nodes(data=True):
        block = attributes.get("block", ())
        shared.add_nodes_from(block)
        shared.add_edges_from(zip(block, block[1:], strict=False))
    place = {name: i for i, name in enumerate(graph)}
    blocks = [tuple(sorted(c, key=place.__getitem__)) for c in nx.connected_components(shared)]
    return tuple(sorted(blocks, key=lambda b: place[b[0]]))
