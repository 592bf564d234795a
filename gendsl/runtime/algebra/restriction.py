"""Some entries of a result, computed without the others.

Rule: taking entries by constant places commutes with operations on single entries,
``f(a, b)[i] = f(a[i], b[i])``, and with taking entries by other places, ``a[j][i] = a[j[i]]``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gendsl.runtime.algebra.editing import Editor, Node
from gendsl.runtime.algebra.kinds import is_entrywise, is_movement, name_of, operands, summed_axes
from gendsl.runtime.algebra.places import Places
from gendsl.runtime.tracing import Ref, Step

__all__ = ["Restriction"]

aten = torch.ops.aten

DEEPEST = 80
"""Operations below one another that are looked through."""


class Restriction:
    """Results of one tape at some of their entries."""

    def __init__(self, editor: Editor, places: Places) -> None:
        """Begin without any."""
        self._editor, self._places = editor, places
        self._found: dict[tuple[int, int], tuple[Tensor, Node]] = {}
        self._uniform: dict[int, bool] = {}

    def uniform(self, node: Node, depth: int = 0) -> bool:
        """Whether all entries are the same at every point, as in a number that is repeated."""
        if self._editor.shape(node).numel() == 1:
            return True
        if isinstance(node, Tensor):
            flat = node.reshape(-1)
            return bool(flat.numel() and (flat == flat[0]).all())
        if node.number not in self._uniform:
            step = self._editor.step(node)
            found = False
            if step is not None and depth <= DEEPEST and self._editor.shape(node).numel():
                if is_movement(step):
                    found = self.uniform(step.args[0], depth + 1)
                elif is_entrywise(step):
                    found = all(self.uniform(a, depth + 1) for _, a in operands(step))
            self._uniform[node.number] = found
        return self._uniform[node.number]

    def number(self, node: Node) -> Node:
        """The one number that a uniform node repeats, of shape ``()``."""
        return self._editor.reshape(self.of(node, self._places.all(1)), ())

    def of(self, node: Node, at: Tensor, depth: int = 0) -> Node:
        """The entries at positions; spread over their shape where they are the same."""
        at = self._places.narrowed(at)
        if isinstance(node, Tensor):
            return node.reshape(-1)[at]
        key = (node.number, id(at))
        if key not in self._found:
            self._found[key] = at, self._computed(node, at, depth)
        return self._found[key][1]

    def _computed(self, node: Ref, at: Tensor, depth: int) -> Node:
        step, shape = self._editor.step(node), self._editor.shape(node)
        if shape.numel() == 1:
            return self._editor.reshape(node, ())
        if step is None or depth > DEEPEST:
            return self._taken(node, at)
        if is_movement(step):
            first = step.args[0]
            moved = self._places.moved(at, step, node.number, self._editor.shape(first))
            return self.of(first, moved, depth + 1)
        if shape.numel() <= at.numel() and not self.uniform(node):
            return self._taken(node, at)
        if is_entrywise(step):
            args: list[Any] = list(step.args)
            for place, argument in operands(step):
                spread = self._places.spread(at, shape, self._editor.shape(argument))
                args[place] = self.of(argument, spread, depth + 1)
                if name_of(step.op) == "binary_cross_entropy_with_logits":  # of equal shapes
                    args[place] = self._whole(args[place], at.shape)
            return self._editor.emit(step.op, *args, **step.kwargs)
        found = self._summed(step, at, depth)
        return self._taken(node, at) if found is None else found

    def _summed(self, step: Step, at: Tensor, depth: int) -> Node | None:
        first, editor = step.args[0], self._editor
        if name_of(step.op) == "mv":
            length = editor.shape(first)[1]
            row, every = (self._places.line(at, length, row=r) for r in (True, False))
            a, b = self.of(first, row, depth + 1), self.of(step.args[1], every, depth + 1)
            product = editor.emit(aten.mul.Tensor, a, b)
            whole = self._whole(product, torch.Size([*at.shape, length]))
            return editor.emit(aten.sum.dim_IntList, whole, [-1])
        if not isinstance(first, Ref):
            return None
        shape = editor.shape(first)
        found = summed_axes(step, len(shape))
        if found is None or not shape:
            return None
        inner = self._places.within(at, shape, found[0])
        entries = self._whole(self.of(first, inner, depth + 1), inner.shape)
        op = {
            "sum": aten.sum.dim_IntList,
            "mean": aten.mean.dim,
            "amax": aten.amax.default,
            "amin": aten.amin.default,
        }[name_of(step.op)]
        return editor.emit(op, entries, [-1])

    def _whole(self, node: Node, shape: torch.Size) -> Node:
        """Spread over the whole of a shape."""
        if self._editor.shape(node) == shape:
            return node
        return self._editor.emit(aten.expand.default, node, list(shape))

    def _taken(self, node: Ref, at: Tensor) -> Node:
        """The entries by their places."""
        editor, count = self._editor, self._editor.shape(node).numel()
        flat = editor.reshape(node, (count,))
        places = at.reshape(-1)
        low = int(places[0])
        if torch.equal(places, torch.arange(low, low + places.numel())):
            if places.numel() < count:
                flat = editor.emit(aten.slice.Tensor, flat, 0, low, low + places.numel())
            return editor.reshape(flat, at.shape)
        return editor.emit(aten.index.Tensor, flat, [at])
