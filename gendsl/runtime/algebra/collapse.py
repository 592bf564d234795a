"""Rows that are equal at every point, computed once each.

Rule: ``sum_i w_i f(x_{u(i)}) = sum_u (sum_{i in u} w_i) f(x_u)``. Rows are equal where the
operations that lead to them have equal constants and the same unknowns. What a term is linear in
has been moved to the weights before, so that it need not be equal: responses mostly are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from gendsl.runtime.algebra.editing import Editor, Node
from gendsl.runtime.algebra.functionals import Leaf
from gendsl.runtime.algebra.kinds import name_of
from gendsl.runtime.algebra.labels import Labels, distinct
from gendsl.runtime.algebra.places import Places
from gendsl.runtime.algebra.restriction import Restriction
from gendsl.runtime.tracing import Ref

__all__ = ["Rewriting", "Shorter", "collapsed", "whole"]

aten = torch.ops.aten

SHRINKS = 2
"""So many times fewer rows are worth a rewriting."""

SAMPLE = 2048
"""Rows that are looked at first: where they are all different, most rows are."""


@dataclass(frozen=True)
class Shorter:
    """A term in another form.

    Attributes:
        node: what stands for the sum, without its factors.
        rows: how many rows the sum had.
        left: how many entries it costs now.
        words: what was done.
    """

    node: Node
    rows: int
    left: int
    words: str


@dataclass(frozen=True)
class Rewriting:
    """What the rewriting of one tape works with."""

    editor: Editor
    places: Places
    restriction: Restriction
    labels: Labels

    @staticmethod
    def of(editor: Editor) -> Rewriting:
        """For one tape."""
        places = Places()
        return Rewriting(editor, places, Restriction(editor, places), Labels(editor, places))

    def rows(self, weights: Tensor) -> Tensor:
        """The positions that have any weight."""
        flat = weights.reshape(-1)
        if bool((flat != 0).all()):
            return self.places.all(flat.numel())
        return torch.nonzero(flat).reshape(-1)

    def groups(self, columns: list[tuple[Node, Tensor]]) -> tuple[Tensor, Tensor] | None:
        """Rows that agree in every column: first members and the group of each row, if few."""
        count = columns[0][1].numel()
        some = max(SAMPLE, int(4 * sqrt(count)))
        if count > 2 * some:
            generator = torch.Generator().manual_seed(0)
            chosen = torch.randint(count, (some,), generator=generator).unique()
            labels = self._joint([(n, at[chosen]) for n, at in columns])
            if labels.unique().numel() == chosen.numel():
                return None
        first, group = distinct(self._joint(columns))
        return (first, group) if first.numel() * SHRINKS <= count else None

    def _joint(self, columns: list[tuple[Node, Tensor]]) -> Tensor:
        total = torch.zeros_like(columns[0][1])
        for node, at in columns:
            total = total * 0x5851F42D4C957F2D + self.labels.of(node, at)
        return total


def _sums(values: Tensor, group: Tensor, count: int) -> Tensor:
    return values.new_zeros(count).index_add_(0, group, values)


def collapsed(rewriting: Rewriting, leaf: Leaf) -> Shorter | None:
    """The sum over distinct rows, where they are much fewer."""
    step = rewriting.editor.step(leaf.node)
    if step is not None and name_of(step.op) == "binary_cross_entropy_with_logits":
        return _binary(rewriting, leaf)
    rows = rewriting.rows(leaf.weights)
    found = rewriting.groups([(leaf.node, rows)]) if rows.numel() > 1 else None
    if found is None:
        return None
    first, group = found
    weights = _sums(leaf.weights.reshape(-1)[rows], group, first.numel())
    values = rewriting.restriction.of(leaf.node, rows[first])
    return _weighted(rewriting, values, weights, rows.numel())


def _weighted(rewriting: Rewriting, values: Node, weights: Tensor, rows: int) -> Shorter:
    product = rewriting.editor.times(weights, values)
    total = rewriting.editor.emit(aten.sum.default, product)
    left = weights.numel()
    return Shorter(total, rows, left, f"{rows} rows reduced to {left} that differ")


def _binary(rewriting: Rewriting, leaf: Leaf) -> Shorter | None:
    """Cross entropies are linear in the response: rows with equal logits share its mean."""
    step = rewriting.editor.step(leaf.node)
    assert step is not None
    logits, response = step.args[:2]
    positive = bool((leaf.weights >= 0).all()) or bool((leaf.weights <= 0).all())
    if isinstance(response, Ref) or any(a for a in step.args[2:]) or not positive:
        return None
    rows = rewriting.rows(leaf.weights)
    shape = leaf.weights.shape
    at = rewriting.places.spread(rows, shape, rewriting.editor.shape(logits))
    found = rewriting.groups([(logits, at)]) if rows.numel() > 1 else None
    if found is None:
        return None
    first, group = found
    weights = leaf.weights.reshape(-1)[rows]
    total = _sums(weights, group, first.numel())
    hits = _sums(weights * response.expand(shape).reshape(-1)[rows], group, first.numel())
    values = rewriting.restriction.of(logits, at[first])
    values = rewriting.editor.emit(aten.expand.default, values, [first.numel()])
    crossed = rewriting.editor.emit(step.op, values, hits / total, *step.args[2:])
    return _weighted(rewriting, crossed, total, rows.numel())


def whole(rewriting: Rewriting, leaves: list[Leaf]) -> Node:
    """One sum of terms that stay as they are, all with the same factors."""
    editor, total = rewriting.editor, None
    together: dict[tuple[torch.Size, float], Node] = {}
    for leaf in leaves:
        rows, weights = rewriting.rows(leaf.weights), leaf.weights
        node: Node = leaf.node
        if rows.numel() < weights.numel():  # entries without weight may be infinite
            node, weights = rewriting.restriction.of(node, rows), weights.reshape(-1)[rows]
        first = float(weights.reshape(-1)[0])
        even = bool((weights == first).all()) and editor.shape(node) == weights.shape
        term, sign = (node, first) if even else (editor.times(weights, node), 1.0)
        key = editor.shape(term), sign
        together[key] = editor.plus(together.get(key), term)
    for (_, sign), term in together.items():
        part = editor.emit(aten.sum.default, term)
        part = part if sign == 1.0 else editor.emit(aten.mul.Tensor, part, sign)
        total = editor.plus(total, part)
    assert total is not None
    return total
