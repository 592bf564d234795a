"""Rows of a result as sums of constants times entries of other results.

``x_i = c_i + sum_j A_ij h_j[p_ij]`` with constants c, A and p: found by going through the
operations that are linear, entry by entry.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gendsl.runtime.algebra.collapse import Rewriting
from gendsl.runtime.algebra.editing import Node
from gendsl.runtime.algebra.kinds import is_movement, name_of, summed_axes
from gendsl.runtime.tracing import Argument, Ref, Step

__all__ = ["Affine", "Column", "affine"]

aten = torch.ops.aten

MOST_COLUMNS = 400
"""Sums of more terms are not looked into."""

DEEPEST = 60


@dataclass(frozen=True)
class Column:
    """A factor for each row, and the entry of a node that it multiplies, by position.

    The position is one for each row, or a single one that all rows share.
    """

    factor: Tensor
    node: Ref
    at: Tensor

    @property
    def shared(self) -> bool:
        """Whether it is the same entry for all rows."""
        return self.at.numel() == 1


@dataclass(frozen=True)
class Affine:
    """Constants of rows, and columns."""

    constant: Tensor
    columns: tuple[Column, ...]


class _Full(Exception):
    """More columns than are of use."""


def affine(rewriting: Rewriting, node: Node, at: Tensor) -> Affine | None:
    """The entries of a node at positions, one a row; None where there are too many terms."""
    reader = _Reader(rewriting, at.numel())
    try:
        reader.read(node, at, torch.ones(at.numel()), 0)
    except _Full:
        return None
    return Affine(reader.constant, tuple(reader.merged()))


class _Reader:
    def __init__(self, rewriting: Rewriting, rows: int) -> None:
        self._all = rewriting
        self._editor = rewriting.editor
        self.constant = torch.zeros(rows)
        self._columns: list[Column] = []

    def merged(self) -> list[Column]:
        """Columns of the same entries added up."""
        found: dict[tuple[int, bytes], Column] = {}
        for column in self._columns:
            key = column.node.number, column.at.numpy().tobytes()
            held = found.get(key)
            found[key] = (
                column if held is None else replace(held, factor=held.factor + column.factor)
            )
        return list(found.values())

    def read(self, node: Argument, at: Tensor, factor: Tensor, depth: int) -> None:
        """Add ``factor`` times the entries of a node at positions."""
        if isinstance(node, (int, float)):
            self.constant = self.constant + factor * node
            return
        if isinstance(node, Tensor):
            self.constant = self.constant + factor * node.reshape(-1)[at]
            return
        assert isinstance(node, Ref)
        step = self._editor.step(node)
        if self._all.restriction.uniform(node) or step is None or depth > DEEPEST:
            self._column(node, at, factor)
        elif is_movement(step):
            shape = self._editor.shape(step.args[0])
            moved = self._all.places.moved(at, step, node.number, shape)
            self.read(step.args[0], moved, factor, depth + 1)
        elif not self._linear(step, node, at, factor, depth + 1):
            self._column(node, at, factor)

    def _column(self, node: Ref, at: Tensor, factor: Tensor) -> None:
        if self._all.restriction.uniform(node):
            number = self._all.restriction.number(node)
            assert isinstance(number, Ref)
            node, at = number, torch.zeros(1, dtype=torch.int64)
        elif at.numel() > 1 and bool((at == at[0]).all()):
            at = at[:1]
        self._columns.append(Column(factor, node, at))
        if len(self._columns) > MOST_COLUMNS:
            raise _Full

    def _linear(self, step: Step, node: Ref, at: Tensor, factor: Tensor, depth: int) -> bool:
        shape = self._editor.shape(node)
        if name_of(step.op) == "mul" and not step.kwargs:
            for scale, other in (step.args[:2], step.args[1::-1]):
                both = isinstance(scale, Ref) and isinstance(other, Ref)
                if both and self._all.restriction.uniform(scale):
                    return self._scaled(scale, other, shape, at, factor, depth)
        parts = self._parts(step, shape, at)
        if parts is None:
            return self._summed(step, at, factor, depth)
        for argument, sign in parts:
            where = at
            if isinstance(argument, (Ref, Tensor)):
                where = self._all.places.spread(at, shape, self._editor.shape(argument))
            self.read(argument, where, factor * sign, depth)
        return True

    def _parts(
        self, step: Step, shape: torch.Size, at: Tensor
    ) -> list[tuple[Argument, Tensor | float]] | None:
        """The arguments that an operation adds up, and what it multiplies them with."""

        def entries(constant: Argument) -> Tensor | float:
            if isinstance(constant, Tensor):
                where = self._all.places.spread(at, shape, constant.shape)
                return constant.reshape(-1)[where]
            return float(constant)

        if step.kwargs:
            return None
        match name_of(step.op), step.args:
            case "add", (a, b):
                return [(a, 1.0), (b, 1.0)]
            case "sub", (a, b):
                return [(a, 1.0), (b, -1.0)]
            case "neg", (a,):
                return [(a, -1.0)]
            case "mul", (a, b) if not isinstance(b, Ref):
                return [(a, entries(b))]
            case "mul", (a, b) if not isinstance(a, Ref):
                return [(b, entries(a))]
            case "div", (a, b) if not isinstance(b, Ref):
                return [(a, 1 / entries(b))]
        return None

    def _scaled(
        self, scale: Ref, node: Ref, shape: torch.Size, at: Tensor, factor: Tensor, depth: int
    ) -> bool:
        """``s (c + sum A h) = s c + sum A (s h)``, where h has fewer entries than rows."""
        inner = _Reader(self._all, at.numel())
        where = self._all.places.spread(at, shape, self._editor.shape(node))
        inner.read(node, where, factor, depth)
        columns = inner.merged()
        if any(2 * self._editor.shape(c.node).numel() > at.numel() for c in columns):
            return False
        number = self._all.restriction.number(scale)
        assert isinstance(number, Ref)
        for column in columns:
            product = self._editor.times(number, column.node)
            assert isinstance(product, Ref)
            self._column(product, column.at, column.factor)
        if bool((inner.constant != 0).any()):
            self._column(number, at, inner.constant)
        return True

    def _summed(self, step: Step, at: Tensor, factor: Tensor, depth: int) -> bool:
        first = step.args[0]
        if name_of(step.op) == "mv" and isinstance(first, Tensor):
            self._products(first, step.args[1], at, factor, depth)
            return True
        if name_of(step.op) != "sum" or not isinstance(first, Ref):
            return False
        shape = self._editor.shape(first)
        found = summed_axes(step, len(shape))
        if found is None or not shape:
            return False
        product = self._rows_times_vector(first, shape, found[0])
        if product is not None:
            self._products(*product, at, factor, depth)
            return True
        inner = self._all.places.within(at, shape, found[0])
        if inner.shape[-1] > MOST_COLUMNS:
            raise _Full
        for k in range(inner.shape[-1]):
            self.read(first, inner[..., k].contiguous(), factor, depth)
        return True

    def _rows_times_vector(
        self, node: Ref, shape: torch.Size, axes: tuple[int, ...]
    ) -> tuple[Tensor, Ref] | None:
        """Constants (row, K) and K unknowns whose products are summed over the last axes."""
        step = self._editor.step(node)
        if step is None or name_of(step.op) != "mul" or axes[-1] != len(shape) - 1:
            return None
        one, other = step.args
        if isinstance(one, Ref):
            one, other = other, one
        if not isinstance(one, Tensor) or not isinstance(other, Ref):
            return None
        summed, own = shape[axes[0] :], self._editor.shape(other)
        if len(summed) != len(axes) or tuple(n for n in own if n > 1) != tuple(summed):
            return None
        if len(own) < len(summed) or own[len(own) - len(summed) :] != summed:
            return None
        return one.expand(shape).reshape(-1, summed.numel()), other

    def _products(
        self, rows: Tensor, vector: Node, at: Tensor, factor: Tensor, depth: int
    ) -> None:
        if rows.shape[1] > MOST_COLUMNS:
            raise _Full
        if at is not self._all.places.all(len(rows)):
            rows = rows[at]
        columns = rows.mT.contiguous()
        columns = columns if bool((factor == 1).all()) else columns * factor
        for k, column in enumerate(columns):
            self.read(vector, torch.full_like(at, k), column, depth)
