"""The parts of an emitted program as one text, and the positions of its nodes."""

from __future__ import annotations

import ast

from gendsl.emit import pycode as py
from gendsl.emit.rendering import rendered
from gendsl.source import Source, Span

__all__ = ["locate", "needs_runtime", "program_text"]

BUILDING = ("runtime.flow(", "runtime.net(", "runtime.supplied(")
"""What the part that runs a program by itself may need to build networks."""


def needs_runtime(function: str, main: str) -> bool:
    """Whether a program needs more than Pyro."""
    return "runtime." in function or any(word in main for word in BUILDING)


def program_text(
    name: str,
    version: str,
    prelude: str,
    constants: list[ast.stmt],
    function: str,
    main: str,
) -> str:
    """The text of a program: imports, sizes, helper functions, functions and main part."""
    imports = ["import math\n"] if "math." in function + prelude else []
    imports += ["import pyro", "import pyro.distributions as dist", "import torch"]
    if "constraints." in function:
        imports.append("from pyro.distributions import constraints")
    if needs_runtime(function, main):
        imports.append("\nimport gendsl.runtime.distributions as runtime")
    parts = [f'"""{name}: a Pyro program, compiled by gendsl {version}."""']
    parts.append("\n".join(imports))
    if constants:
        parts.append("\n".join(rendered(c) for c in constants))
    if prelude:
        parts.append("\n" + prelude)
    parts.append("\n" + function)
    parts.append("\n" + main)
    return "\n\n".join(parts) + "\n"


def locate(tree: ast.Module, source: Source) -> None:
    """Give every node the position of the model text that it comes from."""
    stack: list[tuple[ast.AST, Span]] = [(tree, Span(0, 0))]
    while stack:
        node, inherited = stack.pop()
        span = py.span_of(node) or inherited
        if isinstance(node, (ast.expr, ast.stmt, ast.excepthandler, ast.arg, ast.keyword)):
            line, column = source.position(span.start)
            end_line, end_column = source.position(max(span.start, span.end))
            node.lineno, node.col_offset = line, column - 1
            node.end_lineno, node.end_col_offset = end_line, end_column - 1
        stack.extend((child, span) for child in ast.iter_child_nodes(node))
