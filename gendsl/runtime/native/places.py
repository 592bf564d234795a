"""Operations that take entries from places, or put them there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch
from torch import Tensor

from gendsl.runtime.native.accesses import Access, access_of
from gendsl.runtime.native.emit import CEmitter, NotNative, Operand, Pieces
from gendsl.runtime.native.loops import Lazy, View, contiguous, literal
from gendsl.runtime.native.statements import Statement
from gendsl.runtime.native.views import Handler, axis_of
from gendsl.runtime.tracing import Argument, Ref, Step

__all__ = ["PLACES"]


def _indices(c: CEmitter, value: Argument, size: int) -> View:
    """An index into an axis of `size`, counted from its start."""
    if isinstance(value, Ref):
        if c.tape.samples[value.number].dtype == torch.bool:
            raise NotNative("an index by truth values")
        view = c.view(value)
        return c.computed(f"({{0}} < 0 ? {{0}} + {size} : {{0}})", [view], view.shape)
    values = value.numpy(force=True)
    return c.constants.index(np.where(values < 0, values + size, values))


def _affine(c: CEmitter, index: View) -> tuple[int, tuple[int, ...]] | None:
    """The first of constant indices and how they grow along each axis, if they grow evenly."""
    if not c.constants.holds(index) or not prod(index.shape):
        return None
    values = c.constants.values(index).astype(np.int64)
    first = int(values[(0,) * values.ndim])
    strides, grown = [], np.full(values.shape, first)
    for axis, size in enumerate(values.shape):
        place = tuple(int(a == axis and size > 1) for a in range(values.ndim))
        strides.append(int(values[place]) - first)
        steps = np.arange(size).reshape([-1 if a == axis else 1 for a in range(values.ndim)])
        grown = grown + strides[-1] * steps
    return (first, tuple(strides)) if bool((grown == values).all()) else None


def _at(
    c: CEmitter, source: Access, terms: Sequence[tuple[View, int]], shape: tuple[int, ...]
) -> Access:
    """An access moved by indices, of the shape of the loop."""
    left: list[tuple[Access, int]] = []
    for index, stride in terms:
        even = _affine(c, index)
        whole = index.expanded(shape)
        if even is None:
            left.append((Access(whole.buffer, whole.offset, whole.strides), stride))
            continue
        grown = View("", 0, index.shape, even[1]).expanded(shape).strides
        moved = tuple(s + g * stride for s, g in zip(source.strides, grown, strict=True))
        source = Access(source.buffer, source.offset + even[0] * stride, moved, source.terms)
    return Access(source.buffer, source.offset, source.strides, tuple(left))


def _taken(c: CEmitter, source: Access, shape: tuple[int, ...]) -> View:
    """Entries from places."""
    if not source.terms:
        return View(source.buffer, source.offset, shape, source.strides)
    out = c.new(shape)
    if prod(shape):
        c.add(Statement("{0}", access_of(out), (source,), shape))
    return out


def _gather(c: CEmitter, step: Step, number: int) -> Operand:
    view = c.view(step.args[0])
    axis = axis_of(step.args[1], len(view.shape))
    if not view.shape:
        return view
    index = _indices(c, step.args[2], view.shape[axis])
    strides = tuple(0 if k == axis else s for k, s in enumerate(view.strides))
    source = Access(view.buffer, view.offset, strides)
    source = _at(c, source, [(index, view.strides[axis])], index.shape)
    return _taken(c, source, index.shape)


def _scatter(fold: str) -> Handler:
    def handler(c: CEmitter, step: Step, number: int) -> Operand:
        view = c.view(step.args[0])
        axis = axis_of(step.args[1], len(view.shape))
        index = _indices(c, step.args[2], view.shape[axis])
        out = c.stored(Lazy("{0}", (view,), view.shape))
        strides = tuple(0 if k == axis else s for k, s in enumerate(out.strides))
        value = c.operand(step.args[3])
        source = access_of(_leading(value, index.shape)) if isinstance(value, View) else value
        into = Access(out.buffer, 0, strides)
        _put(c, into, [(index, out.strides[axis])], source, index.shape, fold)
        return out

    return handler


def _leading(view: View, shape: tuple[int, ...]) -> View:
    """The first places of each axis, as many as `shape` says; more where they repeat."""
    if len(view.shape) != len(shape):
        return view.expanded(shape)
    return replace(
        view,
        shape=shape,
        strides=tuple(0 if n == 1 else s for n, s in zip(view.shape, view.strides, strict=True)),
    )


def _put(
    c: CEmitter,
    into: Access,
    terms: Sequence[tuple[View, int]],
    source: Access | str,
    shape: tuple[int, ...],
    fold: str,
) -> None:
    """Add entries to places, or write them there."""
    if not prod(shape):
        return
    moved = _at(c, into, terms, shape)
    if not moved.terms and all(s or n == 1 for n, s in zip(shape, moved.strides, strict=True)):
        if len([n for n in shape if n > 1]) <= 1:  # no two are the same
            args = (source,) if fold == "put" else (moved, source)
            c.add(Statement("{0}" if fold == "put" else "({0} + {1})", moved, args, shape))
            return
    c.add(Statement("{0}", _loose(c, moved), (source,), shape, fold))


def _loose(c: CEmitter, access: Access) -> Access:
    """The same, marked as one that may meet entries twice."""
    if access.terms:
        return access
    zero = c.constants.index(np.zeros(1))
    still = (0,) * len(access.strides)
    return Access(
        access.buffer, access.offset, access.strides, ((Access(zero.buffer, 0, still), 0),)
    )


@dataclass(frozen=True)
class _Indexing:
    """An array at places that indices of some axes name.

    Attributes:
        shape: of the result.
        kept: for each axis of the result, the stride in the array; 0 where an index runs.
        terms: indices of the shape of the result, and their strides.
    """

    shape: tuple[int, ...]
    kept: tuple[int, ...]
    terms: tuple[tuple[View, int], ...]


def _indexed(c: CEmitter, view: View, given: Sequence[Argument]) -> _Indexing:
    indices: list[Argument] = []
    for index in given:
        if isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8):
            indices += torch.nonzero(index, as_tuple=True)
        else:
            indices.append(index)
    used = [k for k, i in enumerate(indices) if i is not None]
    arrays = [_indices(c, indices[k], view.shape[k]) for k in used]
    shape = tuple(np.broadcast_shapes(*(a.shape for a in arrays)))
    rest = [k for k in range(len(view.shape)) if k not in used]
    adjacent = used == list(range(used[0], used[-1] + 1))
    front = [k for k in rest if k < used[0]] if adjacent else []
    back = [k for k in rest if k not in front]
    whole = (*(view.shape[k] for k in front), *shape, *(view.shape[k] for k in back))
    kept = (
        *(view.strides[k] for k in front),
        *(0 for _ in shape),
        *(view.strides[k] for k in back),
    )
    terms = []
    for k, array in zip(used, arrays, strict=True):
        own = array.expanded(shape)
        strides = (*(0 for _ in front), *own.strides, *(0 for _ in back))
        terms.append((replace(own, shape=whole, strides=strides), view.strides[k]))
    return _Indexing(whole, kept, tuple(terms))


def _index(c: CEmitter, step: Step, number: int) -> Operand:
    view = c.view(step.args[0])
    found = _indexed(c, view, step.args[1])
    source = _at(c, Access(view.buffer, view.offset, found.kept), found.terms, found.shape)
    return _taken(c, source, found.shape)


def _index_put(c: CEmitter, step: Step, number: int) -> Operand:
    accumulate = len(step.args) > 3 and step.args[3]
    view = c.view(step.args[0])
    out = c.stored(Lazy("{0}", (view,), view.shape))
    found = _indexed(c, out, step.args[1])
    value = c.operand(step.args[2])
    source = access_of(value.expanded(found.shape)) if isinstance(value, View) else value
    into = Access(out.buffer, 0, found.kept)
    _put(c, into, found.terms, source, found.shape, "scatter" if accumulate else "put")
    return out


def _along_axis(view: View, index: View, axis: int, shape: tuple[int, ...]) -> tuple[Access, View]:
    """An array without the move along an axis, and an index along that axis alone."""
    strides = tuple(0 if k == axis else s for k, s in enumerate(view.strides))
    own = index.strides[0] if index.strides else 0
    along = tuple(own if k == axis else 0 for k in range(len(shape)))
    return Access(view.buffer, view.offset, strides), View(
        index.buffer, index.offset, shape, along
    )


def _index_select(c: CEmitter, step: Step, number: int) -> Operand:
    view, shape = c.view(step.args[0]), c.shape(number)
    if not view.shape:
        return view
    axis = axis_of(step.args[1], len(view.shape))
    index = _indices(c, step.args[2], view.shape[axis])
    source, along = _along_axis(view, index, axis, shape)
    return _taken(c, _at(c, source, [(along, view.strides[axis])], shape), shape)


def _index_add(c: CEmitter, step: Step, number: int) -> Operand:
    view = c.view(step.args[0])
    out = c.stored(Lazy("{0}", (view,), view.shape))
    axis = axis_of(step.args[1], len(out.shape))
    source = c.view(step.args[3])
    if step.kwargs.get("alpha", 1) != 1 or not out.shape:
        raise NotNative("index_add with a factor")
    index = _indices(c, step.args[2], out.shape[axis])
    into, along = _along_axis(out, index, axis, source.shape)
    _put(c, into, [(along, out.strides[axis])], access_of(source), source.shape, "scatter")
    return out


def _placed(c: CEmitter, number: int, parts: Sequence[tuple[View, int, int]]) -> Operand:
    """Arrays side by side along an axis, each from a start."""
    out = c.new(c.shape(number))
    for view, axis, start in parts:
        offset = start * out.strides[axis]
        c.fill(View(out.buffer, offset, view.shape, out.strides), view)
    return out


def _slice_backward(c: CEmitter, step: Step, number: int) -> Pieces:
    view, shape = c.view(step.args[0]), c.shape(number)
    given = [*step.args[2:], *(0, None, None, 1)[len(step.args) - 2 :]]
    axis, start, pace = axis_of(given[0], len(shape)), given[1] or 0, given[3]
    start = min(start + shape[axis] if start < 0 else start, shape[axis])
    strides = list(contiguous(shape))
    offset = start * strides[axis]
    strides[axis] *= pace
    return Pieces(shape, [(view, offset, tuple(strides))] if prod(view.shape) else [])


def _select_backward(c: CEmitter, step: Step, number: int) -> Pieces:
    view, shape = c.view(step.args[0]), c.shape(number)
    axis = axis_of(step.args[2], len(shape))
    strides = contiguous(shape)
    offset = step.args[3] % shape[axis] * strides[axis]
    return Pieces(shape, [(view, offset, strides[:axis] + strides[axis + 1 :])])


def _cat(c: CEmitter, step: Step, number: int) -> Operand:
    views = [c.view(v) for v in step.args[0]]
    shape = c.shape(number)
    axis = axis_of(step.args[1] if len(step.args) > 1 else 0, len(shape))
    parts, start = [], 0
    for view in views:
        if len(view.shape) == len(shape):
            parts.append((view, axis, start))
            start += view.shape[axis]
    return _placed(c, number, parts)


def _stack(c: CEmitter, step: Step, number: int) -> Operand:
    shape = c.shape(number)
    axis = axis_of(step.args[1] if len(step.args) > 1 else 0, len(shape))
    parts = []
    for place, value in enumerate(step.args[0]):
        v = c.view(value)
        wide = View(
            v.buffer,
            v.offset,
            (*v.shape[:axis], 1, *v.shape[axis:]),
            (*v.strides[:axis], 0, *v.strides[axis:]),
        )
        parts.append((wide, axis, place))
    return _placed(c, number, parts)


def _pad(c: CEmitter, step: Step, number: int) -> Operand | Pieces:
    """Numbers added, or with negative counts taken away, at the ends of axes."""
    view, pads = c.view(step.args[0]), list(step.args[1])
    filler = step.args[2] if len(step.args) > 2 else 0
    shape, strides = list(view.shape), contiguous(c.shape(number))
    from_, offset = view.offset, 0
    for k in range(len(pads) // 2):
        axis = len(shape) - 1 - k
        low, high = pads[2 * k], pads[2 * k + 1]
        from_ += max(0, -low) * view.strides[axis]
        shape[axis] -= max(0, -low) + max(0, -high)
        offset += max(0, low) * strides[axis]
    cut = View(view.buffer, from_, tuple(shape), view.strides)
    if filler == 0:
        return Pieces(c.shape(number), [(cut, offset, strides)] if prod(shape) else [])
    out = c.new(c.shape(number))
    if max(pads, default=0) > 0:
        c.fill(out, Lazy(literal(filler), (), out.shape))
    c.fill(View(out.buffer, offset, tuple(shape), strides), cut)
    return out


PLACES: dict[str, Handler] = {
    "gather": _gather,
    "scatter_add": _scatter("scatter"),
    "scatter": _scatter("put"),
    "index": _index,
    "index_put": _index_put,
    "index_select": _index_select,
    "index_add": _index_add,
    "slice_backward": _slice_backward,
    "select_backward": _select_backward,
    "cat": _cat,
    "stack": _stack,
    "constant_pad_nd": _pad,
}
"""By the name of the ATen operation."""
