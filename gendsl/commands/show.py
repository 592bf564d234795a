"""``gendsl show``: any stage of the compiler, as text, as data or as a picture."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gendsl.commands.arguments import Command, Parser, UsageError, one_of
from gendsl.commands.output import deliver, verify_target
from gendsl.commands.plain import as_plain, outline
from gendsl.commands.reporting import checked_model, say

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["COMMAND"]

FORMATS = {
    "ast": ("text", "json"),
    "ir": ("text", "json"),
    "graph": ("text", "json", "svg", "dot", "mermaid"),
    "plan": ("text", "json"),
    "program": ("text", "json"),
}


def _declare(parser: Parser) -> None:
    parser.files.add_argument("file", metavar="FILE", help="the model file")
    parser.choices.add_argument(
        "--stage",
        type=one_of(*FORMATS),
        default="plan",
        metavar="STAGE",
        help="ast: the syntax tree; ir: the typed model; graph: what depends on what; plan: the "
        "inference and why (the default); program: the emitted Pyro program",
    )
    parser.choices.add_argument(
        "--format",
        type=one_of("text", "json", "svg", "dot", "mermaid"),
        default="text",
        metavar="FORMAT",
        help="text (the default) or json; for the graph also svg, dot, mermaid",
    )
    parser.choices.add_argument("-o", "--output", metavar="FILE", help="write to a file")
    parser.choices.add_argument(
        "--overwrite", action="store_true", help="replace the file if it exists"
    )


def _run(arguments: argparse.Namespace) -> int:
    stage, form = arguments.stage, arguments.format
    if form not in FORMATS[stage]:
        wanted = ", ".join(FORMATS[stage])
        raise UsageError(f"`--stage {stage}` is shown as {wanted}, not as {form}")
    verify_target(arguments.output, overwrite=arguments.overwrite, inputs=[arguments.file])
    text = STAGES[stage](arguments.file, form)
    if deliver(text if text.endswith("\n") else f"{text}\n", arguments.output):
        say(f"wrote {arguments.output}")
    return 0


def _json(value: object) -> str:
    return json.dumps(value, indent=2, allow_nan=False)


def _ast(path: str, form: str) -> str:
    from gendsl.syntax.parser import parse
    from gendsl.syntax.reading import read_source

    program = parse(read_source(Path(path)))
    if form == "json":
        return _json(as_plain(program, program.source))
    plain = [as_plain(statement, program.source) for statement in program.statements]
    return "\n".join(line for statement in plain for line in outline(statement))


def _ir(path: str, form: str) -> str:
    from gendsl.ir.printer import format_ir

    model = checked_model(path).ir
    return _json(as_plain(model, model.source)) if form == "json" else format_ir(model)


def _graph(path: str, form: str) -> str:
    from gendsl.graph.build import build_graph

    graph = build_graph(checked_model(path).ir)
    if form == "json":
        return _json(_graph_data(graph))
    if form == "text":
        return _listing(graph)
    if form == "svg":
        from gendsl.inspection.diagram import plate_diagram_svg

        return plate_diagram_svg(graph)
    if form == "dot":
        from gendsl.inspection.dot import to_dot

        return to_dot(graph)
    from gendsl.inspection.mermaid import to_mermaid

    return to_mermaid(graph)


def _listing(graph: nx.DiGraph) -> str:
    """A line a plate, then a paragraph a variable: what it is, and what it depends on."""
    lines = [f"graph of {graph.graph['name']}", ""]
    for name, axis in graph.graph["axes"].items():
        owner = f"[{axis['owner']}]" if axis["owner"] else ""
        lines.append(f"{axis['kind']} {name}{owner}: size {axis['size'] or 'from data'}")
    for name, node in graph.nodes(data=True):
        what = f"{node['role']} {name}: {node['type']}" if node["role"] != "energy" else name
        lines.append(f"{what}{', ' + node['family'] if node['family'] else ''}")
        parents = [_parent(p, graph.edges[p, name]) for p in graph.predecessors(name)]
        if node["lags"]:
            parents.append(f"{name} (lag {', '.join(map(str, node['lags']))})")
        if parents:
            lines.append(f"  depends on {', '.join(parents)}")
    return "\n".join(lines)


def _parent(name: str, edge: dict[str, Any]) -> str:
    words = {"index": "chooses the member", "lag": f"lag {', '.join(map(str, edge['lags']))}"}
    found = [words[kind] for kind in edge["kinds"] if kind in words]
    return f"{name} ({'; '.join(found)})" if found else name


def _graph_data(graph: nx.DiGraph) -> dict[str, Any]:
    return {
        "name": graph.graph["name"],
        "doc": graph.graph["doc"],
        "axes": graph.graph["axes"],
        "nodes": [
            {"name": n, **{k: v for k, v in node.items() if k != "span"}}
            for n, node in graph.nodes(data=True)
        ],
        "edges": [{"from": a, "to": b, **edge} for a, b, edge in graph.edges(data=True)],
    }


def _plan(path: str, form: str) -> str:
    from gendsl.compiler import replan

    plan = replan(checked_model(path)).plan
    if form == "text":
        return str(plan)
    found = {
        "method": plan.method,
        "answer": plan.answer,
        "requested": plan.requested,
        "options": dict(plan.options),
        "treatment": dict(plan.treatment),
        "rewrites": [
            {"kind": r.kind, "variables": r.variables, "rule": r.rule} for r in plan.rewrites
        ],
        "candidates": [
            {
                "name": c.name,
                "title": c.title,
                "competence": c.rating.competence.name.lower(),
                "reason": c.rating.reason,
            }
            for c in plan.candidates
        ],
        "notes": plan.notes,
    }
    return _json(found)


def _program(path: str, form: str) -> str:
    from gendsl.compiler import replan

    program = replan(checked_model(path)).program
    if form == "text":
        return program.source
    found = {
        "source": program.source,
        "sizes": dict(program.sizes),
        "inputs": dict(program.inputs),
        "observed": dict(program.observed),
        "known": dict(program.known),
    }
    return _json(found)


STAGES = {"ast": _ast, "ir": _ir, "graph": _graph, "plan": _plan, "program": _program}

COMMAND = Command(
    "show",
    "FILE [--stage STAGE] [--format FORMAT] [-o FILE]",
    "Print what the compiler makes of a model, at any stage. No data are needed.",
    (
        ("gendsl show model.gen", "the chosen inference, and what was ruled out and why"),
        ("gendsl show model.gen --stage graph --format svg -o graph.svg", "the plate diagram"),
        ("gendsl show model.gen --stage graph --format mermaid", "for a README"),
        ("gendsl show model.gen --stage program", "the Pyro program"),
    ),
    _declare,
    _run,
)
