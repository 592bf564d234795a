"""A single network from its text, as programs that run by themselves give it."""

from __future__ import annotations

from collections.abc import Mapping

from gendsl.diagnostics import CompileError
from gendsl.ir import nodes as ir
from gendsl.semantics.axes import resolve_axes
from gendsl.semantics.context import Context
from gendsl.semantics.expressions import type_expression
from gendsl.semantics.flows import declare_flows
from gendsl.semantics.nets import declare_nets
from gendsl.semantics.report import Report
from gendsl.semantics.scope import build_scope
from gendsl.source import Source
from gendsl.syntax.parser import parse

__all__ = ["written_flow", "written_net"]


def written_net(text: str, sizes: Mapping[str, int]) -> ir.Net:
    """The net ``real[L] -> real[D] = mlp(hidden=[400])``.

    Args:
        text: its signature and architecture.
        sizes: of the axes that the signature names.

    Raises:
        CompileError: the text is wrong, or its signature does not suit the architecture.
    """
    return _written("net", text, sizes)


def written_flow(text: str, sizes: Mapping[str, int]) -> ir.Net:
    """The flow ``real[2] | real[C] = coupling(spline(bins=8))``; arguments as for a net.

    Raises:
        CompileError: the text is wrong, or its type does not suit the transform.
    """
    return _written("flow", text, sizes)


def _written(keyword: str, text: str, sizes: Mapping[str, int]) -> ir.Net:
    dims = "".join(f"dim {name} = {int(size)}\n" for name, size in sizes.items())
    source = Source("net", f"model Net\n{dims}{keyword} it: {text}\n")
    report = Report()
    ctx = Context(build_scope(parse(source), report), report, type_expression)
    resolve_axes(ctx)
    declare_flows(ctx)
    nets = declare_nets(ctx)
    if report.failed:
        raise CompileError(report.in_order(), source)
    (net,) = nets
    return net
