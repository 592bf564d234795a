"""Operations that take entries from places, or put them there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from gendsl.runtime.native.emit import CEmitter, NotNative, Operand
from gendsl.runtime.native.loops import Lazy, View, loops
from gendsl.runtime.native.views import Handler, axis_of
from gendsl.runtime.tracing import Argument, Ref, Step

__all__ = ["PLACES"]


def _gather(c: CEmitter, step: Step, number: int) -> Operand:
    view, axis = c.view(step.args[0]), step.args[1]
    index = c.view(step.args[2])
    axis = axis_of(axis, len(view.shape))
    out = c.new(index.shape)
    strides = tuple(0 if k == axis else s for k, s in enumerate(view.strides))
    source = View(view.buffer, view.offset, index.shape, strides)
    head, (into, place, base), tail = loops(index.shape, (out, index, source))
    c.code.append(f"{head}{into} = (&{base})[(long){place} * {view.strides[axis]}]; {tail}")
    return out


def _scatter(update: str) -> Handler:
    def handler(c: CEmitter, step: Step, number: int) -> Operand:
        view, index = c.view(step.args[0]), c.view(step.args[2])
        axis = axis_of(step.args[1], len(view.shape))
        source = c.view(step.args[3])
        if len(source.shape) != len(index.shape):
            source = source.expanded(index.shape)
        out = c.stored(Lazy("{0}", (view,), view.shape))
        strides = tuple(0 if k == axis else s for k, s in enumerate(out.strides))
        target = View(out.buffer, 0, index.shape, strides)
        cut = View(source.buffer, source.offset, index.shape, source.strides)
        head, (into, place, value), tail = loops(index.shape, (target, index, cut), "i", "")
        step_size = out.strides[axis]
        c.code.append(f"{head}(&{into})[(long){place} * {step_size}] {update} {value}; {tail}")
        return out

    return handler


def _indexed(
    c: CEmitter, view: View, indices: Sequence[Argument]
) -> tuple[tuple[int, ...], list[View], list[int], list[int]]:
    """The shape that leading indices make, the index arrays, their strides, the axes left."""
    if any(i is None for i in indices):
        given = [k for k, i in enumerate(indices) if i is not None]
        if given != list(range(given[0], given[-1] + 1)) or given[0] != 0:
            raise NotNative("an index after a whole axis")
    used = [i for i in indices if i is not None]
    arrays = [c.view(i) for i in used]
    shape: tuple[int, ...] = ()
    for array in arrays:
        rank = max(len(shape), len(array.shape))
        a = (1,) * (rank - len(shape)) + shape
        b = (1,) * (rank - len(array.shape)) + array.shape
        shape = tuple(max(x, y) for x, y in zip(a, b, strict=True))
    left = list(range(len(used), len(view.shape)))
    return shape, [a.expanded(shape) for a in arrays], [*view.strides[: len(used)]], left


def _index(c: CEmitter, step: Step, number: int) -> Operand:
    view = c.view(step.args[0])
    _verify_whole(c, step.args[1])
    shape, arrays, strides, left = _indexed(c, view, step.args[1])
    rest = tuple(view.shape[a] for a in left)
    out = c.new((*shape, *rest))
    tails = (0,) * len(rest)
    places = [replace(a, shape=(*shape, *rest), strides=(*a.strides, *tails)) for a in arrays]
    source = View(
        view.buffer,
        view.offset,
        (*shape, *rest),
        ((0,) * len(shape)) + tuple(view.strides[a] for a in left),
    )
    head, entries, tail = loops(out.shape, (out, source, *places))
    where = _where(entries[2:], view.shape, strides)
    c.code.append(f"{head}{entries[0]} = (&{entries[1]})[{where}]; {tail}")
    return out


def _verify_whole(c: CEmitter, indices: Sequence[Argument]) -> None:
    for index in indices:
        sample = c.tape.samples[index.number] if isinstance(index, Ref) else index
        if sample is not None and sample.dtype.itemsize == 1:
            raise NotNative("an index by truth values")


def _where(entries: Sequence[str], sizes: Sequence[int], strides: Sequence[int]) -> str:
    terms = [
        f"gen_wrap((long){e}, {n}) * {s}" for e, n, s in zip(entries, sizes, strides, strict=False)
    ]
    return " + ".join(terms)


def _index_put(c: CEmitter, step: Step, number: int) -> Operand:
    view, accumulate = c.view(step.args[0]), len(step.args) > 3 and step.args[3]
    _verify_whole(c, step.args[1])
    out = c.stored(Lazy("{0}", (view,), view.shape))
    shape, arrays, strides, left = _indexed(c, out, step.args[1])
    rest = tuple(out.shape[a] for a in left)
    whole = (*shape, *rest)
    tails = (0,) * len(rest)
    places = [replace(a, shape=whole, strides=(*a.strides, *tails)) for a in arrays]
    target = View(out.buffer, 0, whole, ((0,) * len(shape)) + tuple(out.strides[a] for a in left))
    source = c.view(step.args[2]).expanded(whole)
    head, entries, tail = loops(whole, (target, source, *places), "i", "")
    where = _where(entries[2:], out.shape, strides)
    sign = "+=" if accumulate else "="
    c.code.append(f"{head}(&{entries[0]})[{where}] {sign} {entries[1]}; {tail}")
    return out


def _index_select(c: CEmitter, step: Step, number: int) -> Operand:
    view, index = c.view(step.args[0]), c.view(step.args[2])
    axis = axis_of(step.args[1], len(view.shape))
    out = c.new(c.shape(number))
    strides = tuple(0 if k == axis else s for k, s in enumerate(view.strides))
    source = View(view.buffer, view.offset, out.shape, strides)
    along = index.strides[0] if index.strides else 0
    place = View(
        index.buffer,
        index.offset,
        out.shape,
        tuple(along if k == axis else 0 for k in range(len(out.shape))),
    )
    head, (into, base, at), tail = loops(out.shape, (out, source, place))
    c.code.append(f"{head}{into} = (&{base})[(long){at} * {view.strides[axis]}]; {tail}")
    return out


def _placed(c: CEmitter, number: int, parts: Sequence[tuple[View, int, int, int]]) -> Operand:
    """Zeros with arrays put in at (axis, start, pace)."""
    out = c.new(c.shape(number))
    if sum(prod(v.shape) for v, *_ in parts) < prod(out.shape):
        c.code.append(f"memset({out.buffer}, 0, {prod(out.shape)} * sizeof(double));")
    for view, axis, start, pace in parts:
        strides = list(out.strides)
        offset = start * strides[axis]
        strides[axis] *= pace
        c.fill(View(out.buffer, offset, view.shape, tuple(strides)), view)
    return out


def _slice_backward(c: CEmitter, step: Step, number: int) -> Operand:
    view = c.view(step.args[0])
    _, axis, start, _, pace = step.args[1:6]
    size = c.shape(number)[axis]
    start = min(start + size if start < 0 else start, size)
    return _placed(c, number, [(view, axis_of(axis, len(view.shape)), start, pace)])


def _select_backward(c: CEmitter, step: Step, number: int) -> Operand:
    view = c.view(step.args[0])
    shape = c.shape(number)
    axis = axis_of(step.args[2], len(shape))
    wide = View(
        view.buffer,
        view.offset,
        (*view.shape[:axis], 1, *view.shape[axis:]),
        (*view.strides[:axis], 0, *view.strides[axis:]),
    )
    return _placed(c, number, [(wide, axis, step.args[3] % shape[axis], 1)])


def _cat(c: CEmitter, step: Step, number: int) -> Operand:
    views = [c.view(v) for v in step.args[0]]
    shape = c.shape(number)
    axis = axis_of(step.args[1] if len(step.args) > 1 else 0, len(shape))
    parts, start = [], 0
    for view in views:
        if len(view.shape) == len(shape):
            parts.append((view, axis, start, 1))
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
        parts.append((wide, axis, place, 1))
    return _placed(c, number, parts)


def _pad(c: CEmitter, step: Step, number: int) -> Operand:
    """Numbers added, or with negative counts taken away, at the ends of axes."""
    view, pads = c.view(step.args[0]), list(step.args[1])
    out = c.new(c.shape(number))
    filler = c.operand(step.args[2]) if len(step.args) > 2 else "0"
    assert isinstance(filler, str)
    c.fill(out, Lazy(filler, (), out.shape))
    offset, from_, shape = 0, view.offset, list(view.shape)
    for k in range(len(pads) // 2):
        axis = len(shape) - 1 - k
        low, high = pads[2 * k], pads[2 * k + 1]
        from_ += max(0, -low) * view.strides[axis]
        shape[axis] -= max(0, -low) + max(0, -high)
        offset += max(0, low) * out.strides[axis]
    target = View(out.buffer, offset, tuple(shape), out.strides)
    c.fill(target, View(view.buffer, from_, tuple(shape), view.strides))
    return out


PLACES: dict[str, Handler] = {
    "gather": _gather,
    "scatter_add": _scatter("+="),
    "scatter": _scatter("="),
    "index": _index,
    "index_put": _index_put,
    "index_select": _index_select,
    "slice_backward": _slice_backward,
    "select_backward": _select_backward,
    "cat": _cat,
    "stack": _stack,
    "constant_pad_nd": _pad,
}
"""By the name of the ATen operation."""
