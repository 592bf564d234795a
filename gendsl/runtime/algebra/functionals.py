"""A sum of many entries as weighted sums of simpler ones.

Rule: a linear functional goes through linear operations,
``sum_i w_i (A x)_i = sum_j (A' w)_j x_j``, and factors that are the same for all entries go in
front of it. It is what a backward pass does, with weights that are constants, and it ends at
operations that are not linear: the *leaves*.
Constants are summed at once.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gendsl.runtime.algebra.editing import Editor, Node
from gendsl.runtime.algebra.kinds import is_movement, name_of, summed_axes
from gendsl.runtime.algebra.places import Places
from gendsl.runtime.algebra.restriction import Restriction
from gendsl.runtime.tracing import Argument, Ref, Step

__all__ = ["Factors", "Functional", "Leaf", "product_of"]

aten = torch.ops.aten

Factors = tuple[tuple[int, int], ...]
"""Numbers of scalar results with their powers, in order; their product stands before a sum."""

MOST_LEAVES = 60
"""A sum of more different terms is left as it is."""


FREE = frozenset({"neg", "reshape", "expand", "squeeze", "unsqueeze", "sum", "mean"})
"""Operations that cost nothing worth counting."""


@dataclass(frozen=True)
class Leaf:
    """A term ``factors * sum_i weights_i node_i``."""

    factors: Factors
    node: Ref
    weights: Tensor


def product_of(a: Factors, number: int, power: int) -> Factors:
    """One more factor."""
    powers = dict(a)
    powers[number] = powers.get(number, 0) + power
    return tuple(sorted((n, p) for n, p in powers.items() if p))


class Functional:
    """Weighted sums that together are one result of a tape.

    Attributes:
        constants: what does not depend on unknowns, by the factors in front.
        leaves: the other terms.
        visited: how many entries the operations that it went through compute.
    """

    def __init__(self, editor: Editor, places: Places, restriction: Restriction) -> None:
        """Begin with nothing."""
        self.constants: dict[Factors, Tensor] = {}
        self.leaves: list[Leaf] = []
        self.visited = 0
        self._editor, self._places, self._restriction = editor, places, restriction
        self._open: dict[tuple[Factors, int], Tensor] = {}
        self._order: list[tuple[int, Factors]] = []

    def run(self, root: Ref) -> bool:
        """Take a scalar result apart; whether it was possible within the limits."""
        self._push((), root, torch.ones_like(self._editor.sample(root)))
        while self._order:
            number, factors = heapq.heappop(self._order)
            weights = self._open.pop((factors, -number), None)
            if weights is None:
                continue
            self._visit(factors, Ref(-number), weights, is_root=-number == root.number)
            if len(self.leaves) + len(self._open) > MOST_LEAVES:
                return False
        return True

    def _push(self, factors: Factors, node: Argument, weights: Tensor) -> None:
        """Add a weighted sum of entries of a node, weights spread over a larger shape or not."""
        editor = self._editor
        if isinstance(node, (int, float)):
            node = torch.tensor(float(node))
        assert isinstance(node, (Ref, Tensor))
        weights = weights.sum_to_size(editor.shape(node))
        if isinstance(node, Tensor):
            kept = torch.where(weights == 0, torch.zeros_like(node, dtype=weights.dtype), node)
            self._add((weights * kept).sum(), factors)
            return
        key = (factors, node.number)
        if key in self._open:
            self._open[key] = self._open[key] + weights
            return
        self._open[key] = weights
        heapq.heappush(self._order, (-node.number, factors))

    def _add(self, constant: Tensor, factors: Factors) -> None:
        held = self.constants.get(factors)
        self.constants[factors] = constant if held is None else held + constant

    def _visit(self, factors: Factors, node: Ref, weights: Tensor, *, is_root: bool) -> None:
        step = self._editor.step(node)
        if step is None or name_of(step.op) not in FREE:
            self.visited += weights.numel()
        if not is_root and self._restriction.uniform(node):
            number = self._restriction.number(node)
            if isinstance(number, Ref):
                self._add(weights.sum(), product_of(factors, number.number, 1))
            else:
                self._push(factors, number, weights.sum())
            return
        if step is not None:
            if is_movement(step):
                self._moved(factors, node, step, weights)
                return
            rule = _RULES.get(name_of(step.op))
            if rule is not None and rule(self, factors, step, weights):
                return
        if bool((weights != 0).any()):
            self.leaves.append(Leaf(factors, node, weights))

    def _moved(self, factors: Factors, node: Ref, step: Step, weights: Tensor) -> None:
        first = step.args[0]
        shape = self._editor.shape(first)
        if name_of(step.op) in ("reshape", "view", "unsafe_view"):
            self._push(factors, first, weights.reshape(shape))
            return
        if name_of(step.op) in ("expand", "expand_copy"):
            self._push(factors, first, weights)
            return
        every = self._places.all(weights.numel())
        table = self._places.moved(every, step, node.number, shape)
        flat = weights.new_zeros(shape.numel()).index_add_(0, table, weights.reshape(-1))
        self._push(factors, first, flat.reshape(shape))

    # Operations that are linear, or in one of their arguments. Each says whether it is.

    def _sums(self, factors: Factors, step: Step, weights: Tensor) -> bool:
        first, second = step.args[:2]
        name, alpha = name_of(step.op), step.kwargs.get("alpha", 1)
        if (
            set(step.kwargs) - {"alpha"}
            or len(step.args) > 2
            or not isinstance(alpha, (int, float))
        ):
            return False
        if name == "rsub":
            first, second = second, first
        if name != "add" and name == "rsub" and alpha != 1:
            return False
        self._push(factors, first, weights)
        self._push(factors, second, weights * (alpha if name == "add" else -alpha))
        return True

    def _negative(self, factors: Factors, step: Step, weights: Tensor) -> bool:
        self._push(factors, step.args[0], -weights)
        return True

    def _product(self, factors: Factors, step: Step, weights: Tensor) -> bool:
        first, second = step.args[:2]
        for one, other in ((first, second), (second, first)):
            if not isinstance(one, Ref):
                self._push(factors, other, weights * one)
                return True
        for one, other in ((first, second), (second, first)):
            if self._restriction.uniform(one):
                self._push(self._with(factors, one, 1), other, weights)
                return True
        return self._distributed(factors, first, second, weights) or self._distributed(
            factors, second, first, weights
        )

    def _distributed(self, factors: Factors, one: Node, other: Node, weights: Tensor) -> bool:
        """``(c + s) x = c x + s x`` for constants c and a scalar s."""
        step = self._editor.step(one)
        if step is None or name_of(step.op) not in ("add", "sub") or step.kwargs:
            return False
        parts = [a for a in step.args if isinstance(a, (Ref, Tensor))]
        if len(step.args) != 2 or not all(
            self._restriction.uniform(p) for p in parts if isinstance(p, Ref)
        ):
            return False
        for part, sign in zip(step.args, (1, -1 if name_of(step.op) == "sub" else 1), strict=True):
            if isinstance(part, Ref):
                self._push(self._with(factors, part, 1), other, weights * sign)
            else:
                self._push(factors, other, weights * part * sign)
        return True

    def _quotient(self, factors: Factors, step: Step, weights: Tensor) -> bool:
        first, second = step.args[:2]
        if step.kwargs:
            return False
        if not isinstance(second, Ref):
            self._push(factors, first, weights / second)
            return True
        if self._restriction.uniform(second):
            self._push(self._with(factors, second, -1), first, weights)
            return True
        if not isinstance(first, Ref):
            inverse = self._editor.emit(aten.reciprocal.default, second)
            self._push(factors, inverse, weights * first)
            return True
        return False

    def _total(self, factors: Factors, step: Step, weights: Tensor) -> bool:
        first = step.args[0]
        shape = self._editor.shape(first)
        found = summed_axes(step, len(shape))
        if found is None:
            return False
        axes, keep = found
        if not keep:
            for axis in axes:
                weights = weights.unsqueeze(axis) if shape else weights
        if name_of(step.op) == "mean":
            count = 1
            for axis in axes if shape else ():
                count *= shape[axis]
            weights = weights / count
        self._push(factors, first, weights.expand(shape))
        return True

    def _choice(self, factors: Factors, step: Step, weights: Tensor) -> bool:
        condition, one, other = step.args
        if isinstance(condition, Ref):
            return False
        zero = torch.zeros_like(weights)
        self._push(factors, one, torch.where(condition, weights, zero))
        self._push(factors, other, torch.where(condition, zero, weights))
        return True

    def _matrix_vector(self, factors: Factors, step: Step, weights: Tensor) -> bool:
        matrix, vector = step.args
        if isinstance(matrix, Tensor):
            self._push(factors, vector, matrix.mT @ weights)
            return True
        if isinstance(vector, Tensor):
            self._push(factors, matrix, weights[:, None] * vector)
            return True
        return False

    def _joined(self, factors: Factors, step: Step, weights: Tensor) -> bool:
        axis = step.args[1] if len(step.args) > 1 else 0
        start, stacked = 0, name_of(step.op) == "stack"
        for part in step.args[0]:
            shape = self._editor.shape(part)
            if not stacked and len(shape) != weights.dim():
                return False
        for part in step.args[0]:
            if stacked:
                self._push(factors, part, weights.select(axis, start))
                start += 1
            else:
                size = self._editor.shape(part)[axis]
                self._push(factors, part, weights.narrow(axis, start, size))
                start += size
        return True

    def _log(self, factors: Factors, step: Step, weights: Tensor) -> bool:
        """``log(exp(x)) = x``."""
        inner = self._editor.step(step.args[0])
        if inner is None or name_of(inner.op) != "exp":
            return False
        self._push(factors, inner.args[0], weights)
        return True

    def _times_log(self, factors: Factors, step: Step, weights: Tensor) -> bool:
        """``xlogy(c, x) = c log(x)``, and 0 where c is 0: there the entry is not looked at."""
        count, value = step.args
        if isinstance(count, Ref) or not isinstance(value, Ref):
            return False
        weights = (weights * count).sum_to_size(self._editor.shape(value))
        self._push(factors, self._editor.emit(aten.log.default, value), weights)
        return True

    def _with(self, factors: Factors, node: Node, power: int) -> Factors:
        number = self._restriction.number(node)
        assert isinstance(number, Ref)
        return product_of(factors, number.number, power)


_RULES: dict[str, Callable[[Functional, Factors, Step, Tensor], bool]] = {
    **dict.fromkeys(("add", "sub", "rsub"), Functional._sums),
    "neg": Functional._negative,
    "mul": Functional._product,
    "div": Functional._quotient,
    **dict.fromkeys(("sum", "mean"), Functional._total),
    "where": Functional._choice,
    "mv": Functional._matrix_vector,
    **dict.fromkeys(("cat", "stack"), Functional._joined),
    "log": Functional._log,
    "xlogy": Functional._times_log,
}
