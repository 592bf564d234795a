"""Walks over expressions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from gendsl.ir import nodes as ir

__all__ = [
    "children",
    "distribution_expressions",
    "equation_expressions",
    "fixed_lets",
    "references",
    "variable_expressions",
    "walk",
]


def children(expr: ir.Expr) -> tuple[ir.Expr, ...]:
    """The direct subexpressions of `expr`."""
    match expr:
        case ir.Constant() | ir.Reference() | ir.MemberNumber() | ir.SizeNumber():
            return ()
        case ir.Apply(args=args):
            return args
        case ir.Stack(items=items):
            return items
        case ir.Gather(value=value, index=index):
            return value, index
        case (
            ir.Reduce(value=value)
            | ir.Select(value=value)
            | ir.Lag(value=value)
            | ir.Spread(value=value)
            | ir.Collect(value=value)
        ):
            return (value,)
        case ir.LogProb(distribution=distribution, value=value):
            return (*distribution_expressions(distribution), value)
        case _:
            assert_never(expr)


def distribution_expressions(distribution: ir.Distribution) -> tuple[ir.Expr, ...]:
    """The arguments of a distribution."""
    return tuple(value for _, value in distribution.args)


def equation_expressions(equation: ir.Equation) -> tuple[ir.Expr, ...]:
    """The expressions of an equation."""
    if equation.distribution is not None:
        return distribution_expressions(equation.distribution)
    return (equation.value,) if equation.value is not None else ()


def variable_expressions(variable: ir.Variable) -> tuple[ir.Expr, ...]:
    """All that a variable depends on: its equations, and bounds that are expressions."""
    bounds = [b for b in (variable.lower, variable.upper) if b is not None]
    return (*(x for e in variable.equations for x in equation_expressions(e)), *bounds)


def walk(*exprs: ir.Expr) -> Iterator[ir.Expr]:
    """Every expression below and including `exprs`, in text order, without recursion."""
    stack = list(reversed(exprs))
    while stack:
        expr = stack.pop()
        yield expr
        stack.extend(reversed(children(expr)))


def references(*exprs: ir.Expr) -> dict[str, ir.Reference]:
    """The variables that `exprs` mention, in order, with the first mention of each."""
    found: dict[str, ir.Reference] = {}
    for expr in walk(*exprs):
        if isinstance(expr, ir.Reference):
            found.setdefault(expr.name, expr)
    return found


def fixed_lets(model: ir.Model) -> frozenset[str]:
    """The lets that depend on inputs and sizes alone: constants of the data."""
    fixed = {v.name for v in model.of_role("input")}
    for variable in model.of_role("let"):  # each comes after what it needs
        exprs = [x for e in variable.equations for x in equation_expressions(e)]
        if set(references(*exprs)) - {variable.name} <= fixed:
            fixed.add(variable.name)
    return frozenset(v.name for v in model.of_role("let") if v.name in fixed)
