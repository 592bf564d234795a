"""Walks over expressions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from gendsl.ir import nodes as ir

__all__ = [
    "called_nets",
    "children",
    "distribution_expressions",
    "distributions",
    "equation_expressions",
    "fixed_lets",
    "is_autoregressive",
    "plated_expressions",
    "present",
    "references",
    "reported_lets",
    "variable_expressions",
    "walk",
]


def children(expr: ir.Expr) -> tuple[ir.Expr, ...]:
    """The direct subexpressions of `expr`."""
    match expr:
        case ir.Constant() | ir.Reference() | ir.MemberNumber() | ir.SizeNumber():
            return ()
        case ir.Apply(args=args) | ir.NetCall(args=args):
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
        case ir.OdeInt(state=state, start=start, times=times, args=args):
            return state, start, times, *args
        case _:
            assert_never(expr)


def distribution_expressions(distribution: ir.Distribution) -> tuple[ir.Expr, ...]:
    """The arguments of a distribution, and those of its parts."""
    own = (*(value for _, value in distribution.args), *distribution.maps)
    return (*own, *(x for part in distribution.parts for x in distribution_expressions(part)))


def distributions(distribution: ir.Distribution) -> Iterator[ir.Distribution]:
    """A distribution and all that it is made of, outermost first."""
    yield distribution
    for part in distribution.parts:
        yield from distributions(part)


def equation_expressions(equation: ir.Equation) -> tuple[ir.Expr, ...]:
    """The expressions of an equation."""
    if equation.distribution is not None:
        return distribution_expressions(equation.distribution)
    return (equation.value,) if equation.value is not None else ()


def plated_expressions(equation: ir.Equation) -> Iterator[tuple[ir.Expr, frozenset[str]]]:
    """The expressions of an equation, each with the plates that are mixed over around it."""
    stack = [(equation.distribution, frozenset[str]())] if equation.distribution else []
    if equation.value is not None:
        yield equation.value, frozenset()
    while stack:
        distribution, over = stack.pop()
        yield from ((value, over) for _, value in distribution.args)
        yield from ((call, over) for call in distribution.maps)
        inner = over | ({distribution.over} if distribution.over is not None else set())
        stack += [(part, inner) for part in reversed(distribution.parts)]


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


def called_nets(*exprs: ir.Expr) -> tuple[str, ...]:
    """The nets that `exprs` call, in order."""
    found = (e.net for e in walk(*exprs) if isinstance(e, ir.NetCall))
    return tuple(dict.fromkeys(found))


def references(*exprs: ir.Expr) -> dict[str, ir.Reference]:
    """The variables that `exprs` mention, in order, with the first mention of each."""
    found: dict[str, ir.Reference] = {}
    for expr in walk(*exprs):
        if isinstance(expr, ir.Reference):
            found.setdefault(expr.name, expr)
    return found


def present(*exprs: ir.Expr) -> frozenset[str]:
    """The variables that `exprs` mention elsewhere than in lags."""
    found: set[str] = set()
    stack = list(exprs)
    while stack:
        expr = stack.pop()
        if isinstance(expr, ir.Reference):
            found.add(expr.name)
        elif not isinstance(expr, ir.Lag):
            stack.extend(children(expr))
    return frozenset(found)


def is_autoregressive(variable: ir.Variable) -> bool:
    """Whether a variable reaches itself at the same step, through a causal net."""
    return variable.name in present(*variable_expressions(variable))


def fixed_lets(model: ir.Model) -> frozenset[str]:
    """The lets that depend on inputs and sizes alone: constants of the data."""
    fixed = {v.name for v in model.of_role("input")}
    for variable in model.of_role("let"):  # each comes after what it needs
        exprs = [x for e in variable.equations for x in equation_expressions(e)]
        if set(references(*exprs)) - {variable.name} <= fixed:
            fixed.add(variable.name)
    return frozenset(v.name for v in model.of_role("let") if v.name in fixed)


def reported_lets(model: ir.Model) -> frozenset[str]:
    """The lets on which nothing random depends: they are computed for the results alone."""
    lets = {v.name: v for v in model.of_role("let")}
    needed: set[str] = set()
    stack = list(references(*(e.value for e in model.energies)))
    for variable in model.variables:
        if variable.role != "let":
            stack.extend(references(*variable_expressions(variable)))
    while stack:
        name = stack.pop()
        if name not in needed:
            needed.add(name)
            if name in lets:
                stack.extend(references(*variable_expressions(lets[name])))
    return frozenset(lets) - needed
