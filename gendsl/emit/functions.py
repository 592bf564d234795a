"""Functions that are arguments, and solutions of differential equations, to Python."""

from __future__ import annotations

import ast
from collections.abc import Callable

from gendsl.emit import pycode as py
from gendsl.emit.setting import Setting
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import references

__all__ = ["solution"]

Code = Callable[[ir.Expr], ast.expr]


def solution(setting: Setting, expr: ir.OdeInt, number: Code, tensor: Code) -> ast.expr:
    """``runtime.odeint(f, z0, t0, times, (a, b), ...)``.

    Args:
        setting: what is known of the model.
        expr: the solution.
        number: emits a value as a tensor or a plain number.
        tensor: emits a value as a tensor.
    """
    ranks = [len(e.type.event) for e in (expr.state, *expr.args)]
    moving = not setting.fixed.issuperset(references(expr.start, expr.times))
    options = {name: py.number(value) for name, value in expr.options}
    return py.call(
        "runtime.odeint",
        py.name(_defined(setting, expr.function, tensor)),
        number(expr.state),
        number(expr.start),
        tensor(expr.times),
        py.tuple_of([number(a) for a in expr.args]),
        ranks=py.tuple_of([py.number(r) for r in ranks]),
        known_times=ast.Constant(value=False) if moving else None,
        **options,
    )


def _defined(setting: Setting, function: ir.Lambda, tensor: Code) -> str:
    """What a function is called; it is defined at the head of the program, once."""
    if function not in setting.functions:
        name = setting.names.extra(function.name)
        for parameter in function.params:
            if parameter.name not in setting.parameters:
                setting.parameters[parameter.name] = setting.names.extra(parameter.name)
        params = {p.name: setting.parameters[p.name] for p in function.params}
        with setting.inside(params):
            result = tensor(function.body)
        arguments = ast.arguments(
            [], [ast.arg(p) for p in params.values()], None, [], [], None, []
        )
        definition = ast.FunctionDef(name, arguments, [ast.Return(result)], [], None)
        setting.functions[function] = py.mark(definition, function.span)
    return setting.functions[function].name
