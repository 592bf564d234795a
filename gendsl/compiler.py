"""A checked model to everything that is derived from it: graph, plan, program.

The table of contents of the compiler; `gendsl.frontend` is the part before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import networkx as nx

from gendsl.emit.program import Program, emit_program
from gendsl.frontend import CheckedModel, check
from gendsl.graph.build import build_graph
from gendsl.inference.plan import OptionValue, Plan
from gendsl.inference.selection import make_plan
from gendsl.source import Source

__all__ = ["VERSION", "Compiled", "compile_source", "replan"]

VERSION = "0.1.0"


@dataclass(frozen=True, slots=True)
class Compiled:
    """A model after every stage."""

    checked: CheckedModel
    graph: nx.DiGraph
    plan: Plan
    program: Program


def compile_source(source: Source) -> Compiled:
    """Text to program: parse, lower, check, analyse, plan, emit.

    Raises:
        CompileError: the model is wrong, or no method can infer it.
    """
    checked = check(source)
    return replan(checked)


def replan(
    checked: CheckedModel,
    request: str | None = None,
    options: Mapping[str, OptionValue] | None = None,
    treat: Mapping[str, object] | None = None,
) -> Compiled:
    """Analyse, plan and emit, with a method, options and treatments of the caller's."""
    graph = build_graph(checked.ir)
    plan = make_plan(checked.ir, request, options, treat)
    program = emit_program(checked.ir, plan, VERSION)
    return Compiled(checked, graph, plan, program)
