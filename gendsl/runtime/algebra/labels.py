"""Which entries of a result are equal at every point: names of entries.

Two entries with the same label are computed by the same operations from the same unknowns and
equal constants. Labels are 64-bit hashes; that two of n different entries share one has a
probability of about n^2 / 2^65, and what is built on labels is compared with the original.
"""

from __future__ import annotations

import zlib

import torch
from torch import Tensor

from gendsl.runtime.algebra.editing import Editor, Node
from gendsl.runtime.algebra.kinds import is_entrywise, is_movement, name_of, operands, summed_axes
from gendsl.runtime.algebra.places import Places
from gendsl.runtime.tracing import Ref, Step

__all__ = ["Labels", "distinct"]

DEEPEST = 80
"""Operations below one another that are looked through."""

FACTORS = (-7046029254386353131, -4417276706812531889)
"""Odd, without small patterns: the constants of SplitMix64."""


def _mixed(x: Tensor) -> Tensor:
    x = (x ^ (x >> 31)) * FACTORS[0]
    x = (x ^ (x >> 29)) * FACTORS[1]
    return x ^ (x >> 32)


def _named(text: str) -> int:
    return zlib.crc32(text.encode()) * 0x1E3779B1


class Labels:
    """Labels of entries of the results of one tape."""

    def __init__(self, editor: Editor, places: Places) -> None:
        """Begin without any."""
        self._editor, self._places = editor, places
        self._found: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def of(self, node: Node, at: Tensor, depth: int = 0) -> Tensor:
        """The labels of the entries of a node at positions, in their shape."""
        if isinstance(node, Tensor):
            entries = node.reshape(-1)[at].to(torch.float64) + 0.0
            return _mixed(entries.contiguous().view(torch.int64))
        key = (node.number, id(at))
        if key not in self._found:
            self._found[key] = at, self._computed(node, at, depth)
        return self._found[key][1]

    def _computed(self, node: Ref, at: Tensor, depth: int) -> Tensor:
        step, shape = self._editor.step(node), self._editor.shape(node)
        own = _named("unknown") + 0x2545F491 * node.number
        if step is None or depth > DEEPEST or shape.numel() == 1:
            return _mixed(_mixed(at if shape.numel() > 1 else torch.zeros_like(at)) + own)
        if is_entrywise(step):
            return self._entrywise(step, at, shape, depth)
        if is_movement(step):
            first = step.args[0]
            moved = self._places.moved(at, step, node.number, self._editor.shape(first))
            return self.of(first, moved, depth + 1)
        found = self._summed(step, at, depth)
        return _mixed(_mixed(at) + own) if found is None else found

    def _entrywise(self, step: Step, at: Tensor, shape: torch.Size, depth: int) -> Tensor:
        literals = [a for a in step.args if not isinstance(a, (Ref, Tensor))]
        total = torch.full_like(at, _named(f"{step.op} {literals} {step.kwargs}"))
        for place, argument in operands(step):
            spread = self._places.spread(at, shape, self._editor.shape(argument))
            total = _mixed(total * 3 + self.of(argument, spread, depth + 1) + place)
        return total

    def _summed(self, step: Step, at: Tensor, depth: int) -> Tensor | None:
        first = step.args[0]
        if name_of(step.op) == "mv":
            length = self._editor.shape(first)[1]
            row, every = (self._places.line(at, length, row=r) for r in (True, False))
            a, b = self.of(first, row, depth + 1), self.of(step.args[1], every, depth + 1)
            return _mixed(_mixed(a * 3 + b).sum(-1) + _named("mv"))
        if not isinstance(first, Ref):
            return None
        shape = self._editor.shape(first)
        found = summed_axes(step, len(shape))
        if found is None or not shape:
            return None
        entries = self.of(first, self._places.within(at, shape, found[0]), depth + 1)
        return _mixed(_mixed(entries).sum(-1) + _named(str(step.op)))


def distinct(labels: Tensor) -> tuple[Tensor, Tensor]:
    """The place of the first entry with each label, and for each entry the number of its label."""
    _, inverse = torch.unique(labels, return_inverse=True)
    count = int(inverse.max()) + 1 if inverse.numel() else 0
    first = torch.full((count,), inverse.numel(), dtype=torch.int64)
    first = first.scatter_reduce(0, inverse, torch.arange(inverse.numel()), "amin")
    order = torch.argsort(first)  # in order of appearance, so that groups stay as they are
    rank = torch.empty_like(order)
    rank[order] = torch.arange(count)
    return first[order], rank[inverse]
