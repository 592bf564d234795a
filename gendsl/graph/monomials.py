"""Expressions as powers of one entry of one variable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from gendsl.ir import nodes as ir
from gendsl.ir.traversal import references, variable_expressions
from gendsl.semantics.supports import fits

__all__ = ["Monomial", "Reader", "claims", "through_lets"]


@dataclass(frozen=True, slots=True)
class Monomial:
    """``c * z ** (power / over)``, or one minus this: each entry depends on one entry of z.

    Attributes:
        power: of z, but for what it is divided by.
        scaled: whether c may be other than 1; it does not depend on z.
        complement: whether it is one minus that.
        over: an expression that the power is divided by.
    """

    power: Fraction
    scaled: bool = False
    complement: bool = False
    over: ir.Expr | None = None

    @property
    def plain(self) -> bool:
        """Whether it is z itself, or one minus z."""
        return self.power == 1 and not self.scaled and self.over is None


def through_lets(model: ir.Model) -> dict[str, frozenset[str]]:
    """For each variable the variables that are no lets on whose values its own depends.

    That is itself for all but lets, which may depend on their own past and on one another's.
    """
    lets = model.of_role("let")
    found = {v.name: frozenset({v.name}) for v in model.variables if v.role != "let"}
    found |= {v.name: frozenset[str]() for v in lets}
    changed = True
    while changed:
        changed = False
        for let in lets:
            mentioned = references(*variable_expressions(let))
            whole = found[let.name].union(*(found[n] for n in mentioned))
            changed |= whole != found[let.name]
            found[let.name] = whole
    return found


class Reader:
    """Reads expressions of a model as monomials in one variable.

    Args:
        model: the model.
        sources: of every variable, as `through_lets` gives them.
        known: variables whose values are data.
    """

    def __init__(
        self, model: ir.Model, sources: Mapping[str, frozenset[str]], known: frozenset[str]
    ) -> None:
        """Look up the lets that stand for one expression each."""
        self.sources, self.known = sources, known
        self.bodies = {
            v.name: v.equations[0].value
            for v in model.of_role("let")
            if len(v.equations) == 1 and v.equations[0].step is None and not v.equations[0].first
        }

    def of(self, *exprs: ir.Expr) -> frozenset[str]:
        """What the values of `exprs` depend on, lets replaced by what they depend on."""
        return frozenset[str]().union(*(self.sources[n] for n in references(*exprs)))

    def monomial(self, expr: ir.Expr, name: str, tied: int = 0) -> Monomial | None:
        """`expr`, which depends on the variable `name`, as a monomial in it; None if it is none.

        Args:
            expr: the expression.
            name: the variable.
            tied: how many of its last event axes are one entry.
        """
        match expr:
            case ir.Reference(name=other):
                if other == name:
                    return Monomial(Fraction(1))
                body = self.bodies.get(other)
                return None if body is None else self.monomial(body, name, tied)
            case ir.Gather(value=value, index=index):
                if not self.of(index) <= self.known:
                    return None
                return self._picked(value, expr.axis, name, tied)
            case ir.Select(value=value) | ir.Spread(value=value):
                return self._picked(value, expr.axis, name, tied)
            case ir.Apply(function=function, args=args):
                return self._applied(function, args, name, tied)
            case _:
                return None

    def _picked(self, value: ir.Expr, axis: str | int, name: str, tied: int) -> Monomial | None:
        """Entries of a value, one for each of the result, whole in their tied axes."""
        if isinstance(axis, int) and axis >= len(value.type.event) - tied:
            return None
        return self.monomial(value, name, tied)

    def _applied(
        self, function: str, args: tuple[ir.Expr, ...], name: str, tied: int
    ) -> Monomial | None:
        inside = [a for a in args if name in self.of(a)]
        if len(inside) != 1:
            return None
        one = inside[0]
        if function == "add":
            return self._complement(args, name, tied)
        inner = self.monomial(one, name, tied)
        if inner is None or inner.complement:
            return None
        match function:
            case "mul":
                return replace(inner, scaled=True)
            case "reciprocal":
                return replace(inner, power=-inner.power)
            case "sqrt":
                return replace(inner, power=inner.power / 2)
            case "square":
                return replace(inner, power=inner.power * 2)
            case "pow" if one is args[0]:
                return _powered(inner, args[1])
            case _:
                return None

    def _complement(self, args: tuple[ir.Expr, ...], name: str, tied: int) -> Monomial | None:
        """``1 - z``."""
        match args:
            case (ir.Constant(value=1), ir.Apply(function="neg", args=(value,))) | (
                ir.Apply(function="neg", args=(value,)),
                ir.Constant(value=1),
            ):
                inner = self.monomial(value, name, tied)
                if inner is None or not inner.plain:
                    return None
                return replace(inner, complement=not inner.complement)
            case _:
                return None


def _powered(inner: Monomial, exponent: ir.Expr) -> Monomial | None:
    """A monomial to a power that is a number, or a number over an expression."""
    match exponent:
        case ir.Constant(value=value):
            return replace(inner, power=inner.power * Fraction(value))
        case ir.Apply(function="neg", args=(value,)):
            found = _powered(inner, value)
            return None if found is None else replace(found, power=-found.power)
        case ir.Apply(function="mul", args=(ir.Constant(value=value), quotient)):
            found = _powered(inner, quotient)
            return None if found is None else replace(found, power=found.power * Fraction(value))
        case ir.Apply(function="reciprocal", args=(over,)) if inner.over is None:
            return replace(inner, over=over)
        case _:
            return None


def claims(variable: ir.Variable) -> bool:
    """Whether a let declares a type that its value need not have."""
    return any(
        e.value is not None and not fits(e.value.type.support, variable.type.support)
        for e in variable.equations
    )
