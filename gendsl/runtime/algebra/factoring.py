"""Linear maps of constants, applied when data are bound.

Gradients and curvatures of a normal density at a constant point are sums over all rows of
constants times a few scalars, such as precisions: the sums are constants of the data. Every result
that other operations need is looked at, the last first, and written as scalars times constant
arrays (`forms`) where these have far fewer entries than what they are made of.
"""

from __future__ import annotations

from gendsl.runtime.algebra.editing import Editor
from gendsl.runtime.algebra.forms import Forms
from gendsl.runtime.algebra.kinds import name_of
from gendsl.runtime.algebra.places import Places
from gendsl.runtime.algebra.restriction import Restriction
from gendsl.runtime.tracing import Ref, map_refs

__all__ = ["factor_sums"]

LEAST = 24
"""Sums of fewer entries are left alone."""

PAYS = 0.5
"""The part of the entries that may be left."""

MOST = 300
"""So many results are looked at."""

MOST_REPLACED = 40
"""So many are replaced."""

REDUCING = frozenset({"sum", "mean", "index_put", "scatter_add", "index_add", "mv", "mm", "dot"})


def factor_sums(editor: Editor) -> None:
    """Replace results that are few scalars times constants, where that is less work."""
    reducing = [
        number
        for number, step in enumerate(editor.steps, start=1)
        if name_of(step.op) in REDUCING
        and any(editor.shape(r).numel() >= LEAST for r in _refs(editor, number))
    ]
    if not reducing:
        return
    forms = Forms(editor, Restriction(editor, Places()))
    live, saved, replaced = set(editor.needed()), 0, 0
    for number in _followed(editor, reducing)[:MOST]:
        if number not in live or editor.samples[number].numel() == 1:
            continue
        form = forms.of(Ref(number))
        if form is None:
            continue
        shape = editor.shape(Ref(number))
        inner = forms.inner(Ref(number))
        before, after = sum(editor.shape(r).numel() for r in inner), len(form) * shape.numel()
        if after > PAYS * before or before < LEAST:
            continue
        if editor.replace(Ref(number), forms.written(form, shape), None):
            live = set(editor.needed())
            saved += before - after
            replaced += 1
        if replaced == MOST_REPLACED:
            break
    if saved:
        editor.notes.append(f"linear maps of constants: {saved} entries less")


def _refs(editor: Editor, number: int) -> list[Ref]:
    found: list[Ref] = []
    step = editor.steps[number - 1]
    map_refs((step.args, step.kwargs), found.append)
    return found


def _followed(editor: Editor, reducing: list[int]) -> list[int]:
    """The sums and all that depends on them, the last first."""
    reached = set(reducing)
    for number in range(1, len(editor.steps) + 1):
        if any(r.number in reached for r in _refs(editor, number)):
            reached.add(number)
    return sorted(reached, reverse=True)
