"""Terms of a sum that are squares, with what multiplies them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gendsl.runtime.algebra.collapse import Rewriting
from gendsl.runtime.algebra.editing import Node
from gendsl.runtime.algebra.functionals import Leaf
from gendsl.runtime.algebra.kinds import name_of
from gendsl.runtime.tracing import Argument, Ref

__all__ = ["Square", "read_square"]

DEEPEST = 20
"""Factors around a square that are looked through."""


@dataclass(frozen=True)
class Square:
    """Rows of a sum of ``weights * product of factors^powers * node[at]^2``.

    Attributes:
        weights: a constant for each row.
        node: what is squared.
        at: the position of each row's entry in it.
        varying: factors that differ between rows, with positions and powers.
        even: factors that are the same for all rows, with powers.
    """

    weights: Tensor
    node: Node
    at: Tensor
    varying: tuple[tuple[Ref, Tensor, int], ...]
    even: tuple[tuple[Ref, int], ...]


def read_square(rewriting: Rewriting, leaf: Leaf) -> Square | None:
    """The parts of ``w x^2``, ``w k x^2``, ``w x^2 / k`` or ``w (x / k)^2``; None for others."""
    reader = _Reader(rewriting, leaf)
    for _ in range(DEEPEST):
        if not reader.advance():
            break
    if reader.power == 1:
        return None
    return Square(
        reader.weights, reader.node, reader.at, tuple(reader.varying), tuple(reader.even)
    )


class _Reader:
    """Goes from a term inwards: `power` is 1 outside of the square and 2 inside."""

    def __init__(self, rewriting: Rewriting, leaf: Leaf) -> None:
        rows = rewriting.rows(leaf.weights)
        self._all = rewriting
        self.weights = leaf.weights.reshape(-1)[rows]
        self.node, self.at = leaf.node, rows
        self.power = 1
        self.varying: list[tuple[Ref, Tensor, int]] = []
        self.even: list[tuple[Ref, int]] = []

    def advance(self) -> bool:
        """Look into one more operation; whether there was one."""
        step = self._all.editor.step(self.node)
        if step is None or step.kwargs:
            return False
        if self.power == 1 and self._is_square(self.node):
            self.power = 2
            return self._enter(step.args[0])
        match name_of(step.op), step.args:
            case "neg", (inner,):
                self.weights = self.weights * (-1) ** self.power
                return self._enter(inner)
            case "div", (inner, divisor):
                return isinstance(inner, Ref) and self._beside(divisor, -1) and self._enter(inner)
            case "mul", (one, other):
                inner, factor = (other, one) if self._is_factor(one) else (one, other)
                return isinstance(inner, Ref) and self._beside(factor, 1) and self._enter(inner)
        return False

    def _is_factor(self, node: Argument) -> bool:
        """Whether it is the first of a product that stands in front of the square."""
        if not isinstance(node, Ref):
            return True
        if self.power == 1:
            return not self._is_square(node)
        return self._all.restriction.uniform(node)

    def _enter(self, inner: Argument) -> bool:
        assert isinstance(inner, Ref)
        self.at = self._at(inner)
        self.node = inner
        return True

    def _at(self, node: Node) -> Tensor:
        """The rows' positions in an argument of the present operation."""
        editor = self._all.editor
        return self._all.places.spread(self.at, editor.shape(self.node), editor.shape(node))

    def _beside(self, factor: Argument, sign: int) -> bool:
        """Note what multiplies or divides; whether it can be."""
        power = sign * self.power
        if isinstance(factor, Tensor):
            self.weights = self.weights * factor.reshape(-1)[self._at(factor)] ** power
        elif not isinstance(factor, Ref):
            self.weights = self.weights * factor**power
        elif self._all.restriction.uniform(factor):
            number = self._all.restriction.number(factor)
            assert isinstance(number, Ref)
            self.even.append((number, power))
        elif self.power == 1 or sign == -1:
            self.varying.append((factor, self._at(factor), power))
        else:  # a product of two that differ is what is squared
            return False
        return True

    def _is_square(self, node: Argument) -> bool:
        step = self._all.editor.step(node) if isinstance(node, Ref) else None
        if step is None or not isinstance(step.args[0], Ref):
            return False
        match name_of(step.op), step.args:
            case "square", _:
                return True
            case "pow", (_, int() | float() as exponent):
                return exponent == 2
            case "mul", (one, Ref() as other):
                return bool(one == other)
        return False
