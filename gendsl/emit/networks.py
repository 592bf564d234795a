"""Networks in the part of a program that runs it by itself."""

from __future__ import annotations

import ast

from gendsl.emit import pycode as py
from gendsl.emit.arguments import Arguments
from gendsl.emit.rendering import rendered
from gendsl.emit.setting import Setting
from gendsl.inference.batching import standalone_rows
from gendsl.inference.plan import Plan
from gendsl.ir import nodes as ir
from gendsl.ir.printer import format_architecture, format_signature
from gendsl.library.transforms import TRANSFORMS
from gendsl.types import Index

__all__ = ["batched_arguments", "new_networks"]

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
    code = rendered(ast.Assign([_argument(arguments.nets)], built)) + "\n"
    flows = (TRANSFORMS[str(n.architecture)] for n in nets if n.flow is not None)
    if any(spec.fitted for spec in flows):
        given = [py.name("model"), py.name(DATA), py.text(arguments.nets)]
        code += rendered(ast.Expr(py.call("runtime.begin", *given))) + "\n"
    return code


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
    if net.flow is not None:
        sampling = ast.Constant(value=True) if net.flow.sampling else None
        return py.call("runtime.flow", signature, architecture, sizes, sampling=sampling)
    if net.architecture is None:
        nothing = ast.Constant(None)
        return py.call("runtime.supplied", py.text(net.name), nothing, signature, sizes)
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


def batched_arguments(
    model: ir.Model, plan: Plan, arguments: Arguments
) -> tuple[str, tuple[str, ...]] | None:
    """The argument that is the number of rows, and those that have rows; None without batches."""
    plate = standalone_rows(model, plan.guide) if plan.by_steps else None
    if plate is None:
        return None
    given = (*arguments.inputs, *arguments.observed, *arguments.known)
    names = tuple(a for v, a in given if plate in model.variable(v).axes)
    return dict(arguments.sizes)[plate], names
