"""Sums of squares of linear predictors, reduced to triangles.

Rule: for an orthogonal Q with ``Q'A = (R; 0)`` and ``Q'c = (q; e)``,
``|c + A b|^2 = |q + R b|^2 + |e|^2`` (Lawson and Hanson 1974, chapter 2): n rows of d unknowns
become d. Rows are weighed by the roots of their weights. Unknowns that differ between groups of
rows, such as effects of groups, are eliminated within each group first, so that a group of m rows
with k unknowns of its own becomes k rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gendsl.runtime.algebra.affine import Affine, Column, affine
from gendsl.runtime.algebra.collapse import Rewriting, Shorter
from gendsl.runtime.algebra.editing import Node
from gendsl.runtime.algebra.functionals import Leaf
from gendsl.runtime.algebra.quadratics import Square, read_square
from gendsl.runtime.algebra.triangles import centre, eliminated, triangle

__all__ = ["squares"]

aten = torch.ops.aten

MOST_OWN = 4
"""So many unknowns of its own a group may have."""

PAYS = 0.5
"""The part of the work that may be left."""


def squares(rewriting: Rewriting, leaf: Leaf) -> Shorter | None:
    """A sum of weighted squares as fewer of them, where that costs less."""
    square = read_square(rewriting, leaf)
    if square is None or square.at.numel() < 2:
        return None
    negative = bool((square.weights <= 0).all())
    weights = -square.weights if negative else square.weights
    if bool((weights < 0).any()):
        return None
    found = affine(rewriting, square.node, square.at)
    if found is None or not bool(torch.isfinite(found.constant).all()):
        return None
    short = _reduced(rewriting, square, weights, found)
    if short is None:
        return None
    editor, node = rewriting.editor, short.node
    for ref, power in square.even:
        node = editor.times(editor.emit(aten.pow.Tensor_Scalar, ref, power), node)
    node = editor.emit(aten.neg.default, node) if negative else node
    return Shorter(node, short.rows, short.left, short.words)


def _reduced(
    rewriting: Rewriting, square: Square, weights: Tensor, rows: Affine
) -> Shorter | None:
    shared = [c for c in rows.columns if c.shared]
    own = [c for c in rows.columns if not c.shared]
    if square.varying:  # then what all rows share is weighed differently in each group
        spread = [replace(c, at=c.at.expand(weights.numel())) for c in shared]
        own, shared = own + spread, []
    count, width = weights.numel(), len(rows.columns) + 1
    keys: list[tuple[Node, Tensor]] = [(c.node, c.at) for c in own]
    keys += [(n, at) for n, at, _ in square.varying]
    found = rewriting.groups(keys) if keys else (torch.zeros(1, dtype=torch.int64), None)
    if found is None:
        return None
    first, group = found
    group = torch.zeros(count, dtype=torch.int64) if group is None else group
    joined = _joined(rewriting, own, first, group)
    if len(joined) > MOST_OWN:
        return None
    groups, deep, wide = first.numel(), len(joined), len(shared)
    cost = groups * deep * (deep + 1 + 2 * wide) // 2 + wide * wide
    if cost > PAYS * count * width:
        return None
    return _written(rewriting, square, weights, rows, joined, shared, first, group, cost)


@dataclass(frozen=True)
class _Own:
    """An unknown of each group: the factor of each row, and the entries by group."""

    factor: Tensor
    node: Node


def _joined(rewriting: Rewriting, own: list[Column], first: Tensor, group: Tensor) -> list[_Own]:
    """Columns whose factors are the same within each group are one: their sum."""
    editor, one, found = rewriting.editor, None, []
    alone = len(own) == 1
    for column in own:
        at = column.at[first]
        entries = rewriting.restriction.of(column.node, at)
        if editor.shape(entries) != at.shape:
            entries = editor.emit(aten.expand.default, entries, list(at.shape))
        factor = column.factor[first]
        if not alone and torch.equal(factor[group], column.factor):
            even = bool((factor == 1).all())
            one = editor.plus(one, entries if even else editor.times(factor, entries))
        else:
            found.append(_Own(column.factor, entries))
    if one is not None:
        found.insert(0, _Own(torch.ones(group.numel()), one))
    return found


def _written(
    rewriting: Rewriting,
    square: Square,
    weights: Tensor,
    rows: Affine,
    own: list[_Own],
    shared: list[Column],
    first: Tensor,
    group: Tensor,
    cost: int,
) -> Shorter:
    editor, count, groups = rewriting.editor, weights.numel(), first.numel()
    root = weights.sqrt()
    left = _side_by_side([o.factor for o in own], root).double()
    right = _side_by_side([*(c.factor for c in shared), rows.constant], root).double()
    nodes, unknowns = [o.node for o in own], _vector(rewriting, shared)
    far = centre(left, right, group, groups)
    if far is not None:
        own_far, shared_far = (t.to(root) for t in far)
        moved = right[:, -1] + (left * own_far.double()[group]).sum(1)
        moved = moved + right[:, :-1] @ shared_far.double()
        right = torch.cat([right[:, :-1], moved[:, None]], 1)
        nodes = [
            editor.emit(aten.sub.Tensor, n, h) for n, h in zip(nodes, own_far.mT, strict=True)
        ]
        if unknowns is not None:
            unknowns = editor.emit(aten.sub.Tensor, unknowns, shared_far)
    inner, outer, right = eliminated(left, right, group, groups)
    inner, outer = inner.to(root), outer.to(root)
    result = _rest(rewriting, square, right, unknowns, group, first)
    total = _own_squares(rewriting, inner, outer, nodes, unknowns)
    if total is not None:
        total = _weighed(rewriting, square, total, first)
        result = editor.plus(result, editor.emit(aten.sum.default, total))
    names = [f"{groups} groups"] if own else []
    names += [f"a {len(shared)} x {len(shared)} triangle"] if shared else []
    words = f"{count} rows reduced to " + " and ".join(names or ["a constant"])
    return Shorter(result, count, cost, words)


def _side_by_side(columns: list[Tensor], root: Tensor) -> Tensor:
    """Columns, their rows weighed."""
    if not columns:
        return root.new_zeros(root.numel(), 0)
    if bool((root == 1).all()):
        return torch.stack(columns, 1)
    return torch.stack([c * root for c in columns], 1)


def _own_squares(
    rewriting: Rewriting, inner: Tensor, outer: Tensor, own: list[Node], unknowns: Node | None
) -> Node | None:
    """The squares that the unknowns of the groups are in, by group."""
    editor, total = rewriting.editor, None
    for j in range(len(own)):
        line: Node = outer[:, j, -1].contiguous()
        if unknowns is not None:
            shared = editor.emit(aten.mv.default, outer[:, j, :-1].contiguous(), unknowns)
            line = editor.plus(line, shared)
        for k in range(j, len(own)):
            line = editor.plus(line, editor.times(inner[:, j, k].contiguous(), own[k]))
        total = editor.plus(total, editor.emit(aten.pow.Tensor_Scalar, line, 2))
    return total


def _rest(
    rewriting: Rewriting,
    square: Square,
    right: Tensor,
    unknowns: Node | None,
    group: Tensor,
    first: Tensor,
) -> Node:
    """What the unknowns of groups do not reach: a triangle, and a constant."""
    editor = rewriting.editor
    if unknowns is None:
        spread = right[:, 0] ** 2
        by_group = spread.new_zeros(first.numel()).index_add_(0, group, spread)
        by_group = by_group.to(square.weights)
        if not square.varying:
            return by_group.sum()
        return editor.emit(aten.sum.default, _weighed(rewriting, square, by_group, first))
    r, q, constant = (t.to(square.weights) for t in triangle(right))
    line = editor.plus(q, editor.emit(aten.mv.default, r, unknowns))
    total = editor.emit(aten.sum.default, editor.emit(aten.pow.Tensor_Scalar, line, 2))
    return editor.plus(constant, total)


def _weighed(rewriting: Rewriting, square: Square, node: Node, first: Tensor) -> Node:
    """Times the factors that differ between groups."""
    editor = rewriting.editor
    for ref, at, power in square.varying:
        entries = rewriting.restriction.of(ref, at[first])
        node = editor.times(editor.emit(aten.pow.Tensor_Scalar, entries, power), node)
    return node


def _vector(rewriting: Rewriting, shared: list[Column]) -> Node | None:
    """The unknowns that all rows share, one after the other."""
    editor, parts = rewriting.editor, list[Node]()
    start = 0
    while start < len(shared):
        stop = start + 1
        node, at = shared[start].node, int(shared[start].at[0])
        while (
            stop < len(shared)
            and shared[stop].node == node
            and int(shared[stop].at[0]) == at + stop - start
        ):
            stop += 1
        entries = rewriting.restriction.of(node, torch.arange(at, at + stop - start))
        parts.append(editor.reshape(entries, (stop - start,)))
        start = stop
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else editor.emit(aten.cat.default, parts)
