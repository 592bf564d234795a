"""Variables that reach themselves through causal networks: their law as a function of a value."""

from __future__ import annotations

import ast

from gendsl.emit import pycode as py
from gendsl.emit.setting import Setting
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import references, variable_expressions, walk
from gendsl.semantics.supports import is_discrete
from gendsl.types import Index, Interval

__all__ = ["autoregressive"]


def autoregressive(
    setting: Setting, model: ir.Model, variable: ir.Variable, law: ast.expr
) -> ast.expr:
    """``runtime.Autoregressive(x_given, torch.zeros(D), f)``, with ``x_given`` in front of it.

    Args:
        setting: where what stands in front is kept.
        model: which has the networks.
        variable: whose law it is.
        law: of all entries, given the value under the variable's own name.
    """
    name = setting.names.variables[variable.name]
    exprs = variable_expressions(variable)
    body: list[ast.stmt] = [*setting.taken(), py.mark(ast.Return(law), variable.span)]
    function = setting.names.extra(f"{name}_given")
    arguments = ast.arguments([], [ast.arg(name)], None, [], [], None, [])
    made = ast.FunctionDef(function, arguments, body, [], None)
    setting.before.append(py.mark(made, variable.span))
    calls = [e for e in walk(*exprs) if isinstance(e, ir.NetCall) and model.net(e.net).causal]
    nets = dict.fromkeys(c.net for c in calls if variable.name in references(c.args[0]))
    given = [py.name(setting.names.nets[n]) for n in nets]
    sequence = next(
        (
            e.plate
            for e in walk(*exprs)
            if isinstance(e, ir.Collect) and variable.name in references(e.value)
        ),
        None,
    )
    depth = 0 if sequence is None else setting.layout.depths[sequence]
    shape: list[ast.expr] = []
    if sequence is not None:
        shape = [setting.plate_size(sequence), *[py.number(1)] * (depth - 1)]
    shape += [setting.size(s) for s in variable.type.event]
    return py.call(
        "runtime.Autoregressive",
        py.name(function),
        _start(variable, shape),
        *given,
        along=py.number(depth) if sequence is not None else None,
    )


def _start(variable: ir.Variable, shape: list[ast.expr]) -> ast.expr:
    """A legal value."""
    support = variable.type.support
    if isinstance(support, Index):
        return py.call("torch.zeros", *shape, dtype=py.attribute("torch", "long"))
    assert isinstance(support, Interval)
    low, high = support.lower, support.upper
    if low < 0 < high or (is_discrete(support) and low <= 0 <= high):
        return py.call("torch.zeros", *shape)
    if low == float("-inf"):
        inside = high - 1
    elif high == float("inf"):
        inside = low + 1
    else:
        inside = low if is_discrete(support) else (low + high) / 2
    return py.call("torch.full", py.tuple_of(shape), py.number(float(inside)))
