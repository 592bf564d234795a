"""Every sum over many entries, in its cheapest form.

A sum is taken apart into terms (`functionals`); squares become triangles (`squares`), and rows
that are equal are computed once (`collapse`). It is put together again only where that is cheaper.
"""

from __future__ import annotations

import torch

from gendsl.runtime.algebra.collapse import Rewriting, Shorter, collapsed, whole
from gendsl.runtime.algebra.editing import Editor, Node
from gendsl.runtime.algebra.functionals import Factors, Functional, Leaf
from gendsl.runtime.algebra.kinds import name_of
from gendsl.runtime.algebra.squares import squares
from gendsl.runtime.tracing import Ref

__all__ = ["shorten_sums"]

aten = torch.ops.aten

SHORTEST = 24
"""Sums of fewer entries are left alone."""

MOST = 200
"""So many sums of a tape are looked at, the longest first."""

WORTHWHILE = 0.7
"""The part of the entries that may be left where a sum is rewritten."""

LESS = 0.5
"""The same where no rows became fewer."""


CLEARLY = 10
"""So many times less work, and no other form is looked for."""

LITTLE = 0.02
"""A sum that would save less than this part of all entries of the tape is left alone."""


def shorten_sums(editor: Editor) -> None:
    """Rewrite every sum of a tape whose result is one number, where that makes it cheaper."""
    found = []
    needed = editor.needed()
    for number in needed:
        step = editor.steps[number - 1]
        if name_of(step.op) in ("sum", "mean") and editor.samples[number].numel() == 1:
            size = editor.shape(step.args[0]).numel()
            if size >= SHORTEST:
                found.append((size, number))
    rewriting = Rewriting.of(editor)
    total = sum(editor.samples[n].numel() for n in needed)
    for _, number in sorted(found, reverse=True)[:MOST]:
        _shorten(rewriting, Ref(number), LITTLE * total)


def _shorten(rewriting: Rewriting, root: Ref, least: float) -> None:
    editor = rewriting.editor
    functional = Functional(editor, rewriting.places, rewriting.restriction)
    if not functional.run(root):
        return
    parts: dict[Factors, Node] = dict(functional.constants)
    cost, notes, left = 0, [], dict[Factors, list[Leaf]]()
    for leaf in functional.leaves:
        short = _shortest(rewriting, leaf)
        if short is None:
            cost += leaf.weights.numel()
            left.setdefault(leaf.factors, []).append(leaf)
            continue
        cost += short.left
        notes.append(short.words)
        parts[leaf.factors] = editor.plus(parts.get(leaf.factors), short.node)
    most = (WORTHWHILE if notes else LESS) * functional.visited
    if cost > most or functional.visited - cost < least:
        return
    for factors, leaves in left.items():
        parts[factors] = editor.plus(parts.get(factors), whole(rewriting, leaves))
    total: Node | None = None
    for factors, part in parts.items():
        for number, power in factors:
            part = editor.times(_power(editor, Ref(number), power), part)
        total = editor.plus(total, part)
    if total is not None:
        size = editor.shape(editor.steps[root.number - 1].args[0]).numel()
        words = "; ".join(dict.fromkeys(notes)) or f"linear terms of {size} rows summed"
        editor.replace(root, editor.reshape(total, editor.shape(root)), words)


def _shortest(rewriting: Rewriting, leaf: Leaf) -> Shorter | None:
    square = squares(rewriting, leaf)
    if square is not None and CLEARLY * square.left <= square.rows:
        return square
    found = [f for f in (square, collapsed(rewriting, leaf)) if f is not None]
    return min(found, key=lambda f: f.left, default=None)


def _power(editor: Editor, number: Ref, power: int) -> Node:
    if power == 1:
        return number
    if power == -1:
        return editor.emit(aten.reciprocal.default, number)
    return editor.emit(aten.pow.Tensor_Scalar, number, power)
