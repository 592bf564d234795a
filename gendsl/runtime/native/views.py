"""Operations that only look at the same numbers in another order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gendsl.runtime.native.emit import CEmitter, Operand, Pieces
from gendsl.runtime.native.loops import Lazy, View, contiguous
from gendsl.runtime.tracing import Ref, Step

__all__ = ["VIEWS", "Handler", "axis_of"]

Handler = Callable[[CEmitter, Step, int], Operand | Pieces]


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the left."""
    return axis % max(1, rank)


def _reshape(c: CEmitter, step: Step, number: int) -> Operand:
    view = c.view(step.args[0])
    if not view.packed:
        view = c.stored(Lazy("{0}", (view,), view.shape))
    shape = c.shape(number)
    return View(view.buffer, view.offset, shape, contiguous(shape))


def _expand(c: CEmitter, step: Step, number: int) -> Operand:
    return c.view(step.args[0]).expanded(c.shape(number))


def _permute(c: CEmitter, step: Step, number: int) -> Operand:
    view, rank = c.view(step.args[0]), len(c.shape(number))
    order = [axis_of(a, rank) for a in step.args[1]]
    return replace(
        view,
        shape=tuple(view.shape[a] for a in order),
        strides=tuple(view.strides[a] for a in order),
    )


def _transpose(c: CEmitter, step: Step, number: int) -> Operand:
    view, rank = c.view(step.args[0]), len(c.shape(number))
    order = list(range(rank))
    if rank > 1:
        a, b = (step.args[1], step.args[2]) if len(step.args) > 1 else (0, 1)
        a, b = axis_of(a, rank), axis_of(b, rank)
        order[a], order[b] = order[b], order[a]
    return replace(
        view,
        shape=tuple(view.shape[k] for k in order),
        strides=tuple(view.strides[k] for k in order),
    )


def _squeeze(c: CEmitter, step: Step, number: int) -> Operand:
    """Also unsqueeze: axes of size 1 come and go."""
    view = c.view(step.args[0])
    left = [s for n, s in zip(view.shape, view.strides, strict=True) if n != 1]
    shape = c.shape(number)
    strides = tuple(0 if n == 1 else left.pop(0) for n in shape)
    return replace(view, shape=shape, strides=strides)


def _slice(c: CEmitter, step: Step, number: int) -> Operand:
    view = c.view(step.args[0])
    given = [*step.args[1:], *(0, None, None, 1)[len(step.args) - 1 :]]
    axis, start, pace = axis_of(given[0], len(view.shape)), given[1] or 0, given[3]
    start = min(start + view.shape[axis] if start < 0 else start, view.shape[axis])
    strides = list(view.strides)
    offset = view.offset + start * strides[axis]
    strides[axis] *= pace
    return View(view.buffer, offset, c.shape(number), tuple(strides))


def _select(c: CEmitter, step: Step, number: int) -> Operand:
    view = c.view(step.args[0])
    axis = axis_of(step.args[1], len(view.shape))
    place = step.args[2] % view.shape[axis]
    strides = view.strides[:axis] + view.strides[axis + 1 :]
    return View(view.buffer, view.offset + place * view.strides[axis], c.shape(number), strides)


def _flip(c: CEmitter, step: Step, number: int) -> Operand:
    view = c.view(step.args[0])
    strides, offset = list(view.strides), view.offset
    for a in step.args[1]:
        axis = axis_of(a, len(view.shape))
        offset += (view.shape[axis] - 1) * strides[axis]
        strides[axis] = -strides[axis]
    return View(view.buffer, offset, view.shape, tuple(strides))


def _same(c: CEmitter, step: Step, number: int) -> Operand:
    """A change of type: every number is a double; whole ones are cut where they must be."""
    before = c.operand(step.args[0])
    if isinstance(before, str):
        return before
    whole = not c.tape.samples[number].dtype.is_floating_point
    source = step.args[0]
    floating = isinstance(source, Ref) and c.tape.samples[source.number].dtype.is_floating_point
    if whole and floating:
        return c.computed("trunc({0})", [before], c.shape(number))
    return before


VIEWS: dict[str, Handler] = {
    **dict.fromkeys(("view", "unsafe_view", "reshape"), _reshape),
    **dict.fromkeys(("squeeze", "unsqueeze"), _squeeze),
    **dict.fromkeys(("transpose", "t", "numpy_T"), _transpose),
    **dict.fromkeys(("expand", "expand_copy"), _expand),
    "permute": _permute,
    "slice": _slice,
    "select": _select,
    "flip": _flip,
    **dict.fromkeys(("to_copy", "to", "real", "detach", "alias", "clone"), _same),
}
"""By the name of the ATen operation."""
