"""Networks in the part of a program that runs it by itself."""

from __future__ import annotations

import ast

from gendsl.emit import pycode as py
from gendsl.emit.arguments import Arguments
from gendsl.emit.rendering import rendered
from gendsl.emit.setting import Setting
from gendsl.ir import nodes as ir
from gendsl.ir.printer import format_architecture, format_signature
from gendsl.types import Index

__all__ = ["new_networks"]

DATA = "data"
"""What holds the arguments there."""


def new_networks(
    nets: tuple[ir.Net, ...], model: ir.Model, setting: Setting, arguments: Arguments
) -> str:
    """Code that puts new networks among the arguments; empty where there are none."""
    if arguments.nets is None:
        return ""
    built = ast.Dict(
        [py.text(n.name) for n in nets], [_built(n, model, setting, arguments) for n in nets]
    )
    return rendered(ast.Assign([_argument(arguments.nets)], built)) + "\n"


def _argument(name: str) -> ast.Subscript:
    return ast.Subscript(py.name(DATA), py.text(name), ast.Load())


def _built(net: ir.Net, model: ir.Model, setting: Setting, arguments: Arguments) -> ast.expr:
    types = [*net.inputs, *(t for _, t in net.outputs)]
    mentioned = [size for t in types for size in t.event]
    mentioned += [t.support.size for t in types if isinstance(t.support, Index)]
    names = frozenset[str]().union(*(size.names for size in mentioned))
    used = [a for a in model.axes if a.name in names]
    sizes = ast.Dict(
        [py.text(a.name) for a in used], [_size(a, model, setting, arguments) for a in used]
    )
    signature, architecture = py.text(format_signature(net)), py.text(format_architecture(net))
    return py.call("runtime.net", signature, architecture, sizes)


def _size(axis: ir.Axis, model: ir.Model, setting: Setting, arguments: Arguments) -> ast.expr:
    """The size of an axis, in terms of constants of the program and of its arguments."""
    given = dict(arguments.sizes)
    if axis.name in given:
        return _argument(given[axis.name])
    assert axis.size is not None
    inside = {
        setting.names.sizes[n]: _size(model.axis(n), model, setting, arguments)
        for n in axis.size.names
    }
    if all(isinstance(code, ast.Name | ast.Constant) for code in inside.values()):
        return py.name(setting.names.sizes[axis.name])  # the program has it as a constant
    code: ast.expr = _Replaced(inside).visit(setting.size(axis.size))
    return code


class _Replaced(ast.NodeTransformer):
    """Puts code in the place of names."""

    def __init__(self, codes: dict[str, ast.expr]) -> None:
        self.codes = codes

    def visit_Name(self, node: ast.Name) -> ast.expr:  # noqa: N802 - named by `ast`
        return self.codes.get(node.id, node)
