"""Polynomial degrees of expressions in some variables, all their entries together."""

from __future__ import annotations

from collections.abc import Collection
from math import inf

from gendsl.ir import nodes as ir
from gendsl.ir.traversal import children, equation_expressions
from gendsl.library.functions import FUNCTIONS

__all__ = ["degree_in"]


def degree_in(model: ir.Model, expr: ir.Expr, chosen: Collection[str]) -> float:
    """An upper bound of the total degree of `expr` in the variables `chosen`; inf if none is seen.

    A degree of 0 says that it does not depend on them. Where it is 1, no product has two entries
    of them, so that given all else they do not interact.
    """
    return _Degrees(model, frozenset(chosen)).of(expr)


class _Degrees:
    def __init__(self, model: ir.Model, chosen: frozenset[str]) -> None:
        self.chosen = chosen
        self.lets = {v.name: v for v in model.of_role("let")}
        self.known: dict[str, float] = {}

    def of(self, expr: ir.Expr) -> float:
        match expr:
            case ir.Reference(name=name):
                return self._named(name)
            case ir.Apply(function=name, args=args):
                return self._applied(name, args)
            case ir.Reduce(function=name, value=value):
                return self._applied(name, (value,))
            case ir.Gather(value=value, index=index):
                return self.of(value) if self.of(index) == 0 else inf
            case ir.Select() | ir.Lag() | ir.Spread() | ir.Collect() | ir.Stack():
                return max((self.of(x) for x in children(expr)), default=0)
            case _:
                return 0 if all(self.of(x) == 0 for x in children(expr)) else inf

    def _named(self, name: str) -> float:
        if name in self.chosen:
            return 1
        if name not in self.lets:
            return 0
        if name not in self.known:
            self.known[name] = inf  # while it is looked at: what recurs has no degree
            equations = self.lets[name].equations
            exprs = [x for e in equations for x in equation_expressions(e)]
            self.known[name] = max((self.of(x) for x in exprs), default=0)
        return self.known[name]

    def _applied(self, function: str, args: tuple[ir.Expr, ...]) -> float:
        degrees = [self.of(a) for a in args]
        if not any(degrees):
            return 0
        if function == "square":
            return 2 * degrees[0]
        if function == "pow":
            return self._power(args, degrees)
        spec = FUNCTIONS[function]
        last = len(spec.params) - 1
        moved = [(spec.params[min(k, last)], d) for k, d in enumerate(degrees) if d]
        names = {n for n, _ in moved}
        if any(names <= set(group) for group in spec.linear if len(group) > 1):
            return max(degrees)
        if all((n,) in spec.linear for n in names):  # linear in each: a product
            return sum(degrees)
        return inf

    @staticmethod
    def _power(args: tuple[ir.Expr, ...], degrees: list[float]) -> float:
        exponent = args[1]
        if isinstance(exponent, ir.Constant) and exponent.value in (1, 2, 3, 4):
            return degrees[0] * exponent.value
        return inf
