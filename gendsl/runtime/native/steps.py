"""The operations that move, gather, scatter, join and reduce entries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from gendsl.runtime.native.emit import CEmitter, NotNative, Operand
from gendsl.runtime.native.loops import Lazy, View, contiguous, loops

__all__ = ["translate"]

Args = Sequence[Any]
Handler = Callable[[CEmitter, Any, int], Operand]


def translate(c: CEmitter, name: str, step: Any, number: int) -> Operand:
    """One step that is not entrywise.

    Raises:
        NotNative: there is no translation.
    """
    handler = HANDLERS.get(name)
    if handler is None:
        raise NotNative(f"the operation {name}")
    return handler(c, step, number)


def _axis(axis: int, rank: int) -> int:
    return axis % max(1, rank)


# Views


def _reshape(c: CEmitter, step: Any, number: int) -> Operand:
    view = c.view(step.args[0])
    if not view.packed:
        view = c.stored(Lazy("{0}", (view,), view.shape))
    shape = c.shape(number)
    return View(view.buffer, view.offset, shape, contiguous(shape))


def _expand(c: CEmitter, step: Any, number: int) -> Operand:
    return c.view(step.args[0]).expanded(c.shape(number))


def _permute(c: CEmitter, step: Any, number: int) -> Operand:
    view, rank = c.view(step.args[0]), len(c.shape(number))
    order = [_axis(a, rank) for a in step.args[1]]
    return replace(
        view,
        shape=tuple(view.shape[a] for a in order),
        strides=tuple(view.strides[a] for a in order),
    )


def _transpose(c: CEmitter, step: Any, number: int) -> Operand:
    view, rank = c.view(step.args[0]), len(c.shape(number))
    order = list(range(rank))
    if rank > 1:
        a, b = (step.args[1], step.args[2]) if len(step.args) > 1 else (0, 1)
        a, b = _axis(a, rank), _axis(b, rank)
        order[a], order[b] = order[b], order[a]
    return replace(
        view,
        shape=tuple(view.shape[k] for k in order),
        strides=tuple(view.strides[k] for k in order),
    )


def _squeeze(c: CEmitter, step: Any, number: int) -> Operand:
    """Also unsqueeze: axes of size 1 come and go."""
    view = c.view(step.args[0])
    left = [s for n, s in zip(view.shape, view.strides, strict=True) if n != 1]
    shape = c.shape(number)
    strides = tuple(0 if n == 1 else left.pop(0) for n in shape)
    return replace(view, shape=shape, strides=strides)


def _slice(c: CEmitter, step: Any, number: int) -> Operand:
    view = c.view(step.args[0])
    axis, start, _, pace = (*step.args[1:], *(0, None, None, 1)[len(step.args) - 1 :])
    axis, start = _axis(axis, len(view.shape)), start or 0
    start = min(start + view.shape[axis] if start < 0 else start, view.shape[axis])
    strides = list(view.strides)
    offset = view.offset + start * strides[axis]
    strides[axis] *= pace
    return View(view.buffer, offset, c.shape(number), tuple(strides))


def _select(c: CEmitter, step: Any, number: int) -> Operand:
    view = c.view(step.args[0])
    axis = _axis(step.args[1], len(view.shape))
    place = step.args[2] % view.shape[axis]
    strides = view.strides[:axis] + view.strides[axis + 1 :]
    return View(view.buffer, view.offset + place * view.strides[axis], c.shape(number), strides)


def _flip(c: CEmitter, step: Any, number: int) -> Operand:
    view = c.view(step.args[0])
    strides, offset = list(view.strides), view.offset
    for a in step.args[1]:
        axis = _axis(a, len(view.shape))
        offset += (view.shape[axis] - 1) * strides[axis]
        strides[axis] = -strides[axis]
    return View(view.buffer, offset, view.shape, tuple(strides))


def _same(c: CEmitter, step: Any, number: int) -> Operand:
    """A change of type: every number is a double; whole ones are cut where they must be."""
    before = c.operand(step.args[0])
    if isinstance(before, str):
        return before
    whole = not c.tape.samples[number].dtype.is_floating_point
    source = step.args[0]
    floating = hasattr(source, "number") and c.tape.samples[source.number].dtype.is_floating_point
    if whole and floating:
        return c.stored(c.combined("trunc({0})", step.args[:1], c.shape(number)))
    return before


# Reductions


def _sum(c: CEmitter, step: Any, number: int) -> Operand:
    return _reduced(c, step, number, "0", "s += {0};")


def _reduced(c: CEmitter, step: Any, number: int, start: str, update: str) -> Operand:
    rank = _rank(c, step.args[0])
    axes = step.args[1] if len(step.args) > 1 else None
    if isinstance(axes, int):
        axes = [axes]
    out = c.reduced(step.args[0], axes if axes else list(range(rank)), start, update)
    shape = c.shape(number)
    return View(out.buffer, out.offset, shape, contiguous(shape))


def _rank(c: CEmitter, value: Any) -> int:
    operand = c.operand(value)
    return 0 if isinstance(operand, str) else len(operand.shape)


def _mean(c: CEmitter, step: Any, number: int) -> Operand:
    operand = c.operand(step.args[0])
    total = _reduced(c, step, number, "0", "s += {0};")
    size = 1 if isinstance(operand, str) else prod(operand.shape)
    assert isinstance(total, View)
    count = size // max(1, prod(total.shape))
    return c.stored(Lazy(f"({{0}} / {count})", (total,), total.shape))


def _argmax(c: CEmitter, step: Any, number: int) -> Operand:
    """The place of the first largest entry along an axis."""
    return _place(c, step, number, ">")


def _argmin(c: CEmitter, step: Any, number: int) -> Operand:
    return _place(c, step, number, "<")


def _place(c: CEmitter, step: Any, number: int, better: str) -> Operand:
    view = c.view(step.args[0])
    axis = _axis(step.args[1] if len(step.args) > 1 else -1, len(view.shape))
    out = c.new(c.shape(number))
    kept = [a for a in range(len(view.shape)) if a != axis]
    flat = View(out.buffer, 0, tuple(view.shape[a] for a in kept),
                contiguous([view.shape[a] for a in kept]))
    source = View(view.buffer, view.offset, flat.shape, tuple(view.strides[a] for a in kept))
    head, (into, first), tail = loops(flat.shape, (flat, source), "o", "")
    stride = view.strides[axis] if view.shape[axis] > 1 else 0
    c.code.append(
        f"{head}{{ const double *p = &{first}; long b = 0; for (long r = 1; "
        f"r < {view.shape[axis]}; ++r) if (p[r * {stride}] {better} p[b * {stride}]) b = r; "
        f"{into} = b; }}{tail}"
    )
    return out


def _running(update: str, start: str) -> Handler:
    def handler(c: CEmitter, step: Any, number: int) -> Operand:
        view = c.view(step.args[0])
        if not view.shape:
            return view
        axis = _axis(step.args[1], len(view.shape))
        out = c.new(view.shape)
        rest = [a for a in range(len(view.shape)) if a != axis]
        parts = [
            View(v.buffer, v.offset, tuple(v.shape[a] for a in rest),
                 tuple(v.strides[a] for a in rest))
            for v in (out, view)
        ]
        head, (into, source), tail = loops(parts[0].shape, parts, "o", "")
        c.code.append(
            f"{head}{{ double *q = &{into}; const double *p = &{source}; double s = {start}; "
            f"for (long r = 0; r < {view.shape[axis]}; ++r) {{ s = s {update} "
            f"p[r * {view.strides[axis]}]; q[r * {out.strides[axis]}] = s; }} }}{tail}"
        )
        return out

    return handler


# Products


def _matmul(c: CEmitter, step: Any, number: int) -> Operand:
    """mm, mv, bmm, dot: sums of products."""
    a, b = c.view(step.args[0]), c.view(step.args[1])
    if len(b.shape) == 1:
        b = replace(b, shape=(*b.shape, 1), strides=(*b.strides, 0))
    if len(a.shape) == 1:
        a = replace(a, shape=(1, *a.shape), strides=(0, *a.strides))
    lead, (rows, inner), columns = a.shape[:-2], a.shape[-2:], b.shape[-1]
    shape = (*lead, rows, columns, inner)
    left = View(a.buffer, a.offset, shape, (*a.strides[:-1], 0, a.strides[-1]))
    right = View(
        b.buffer, b.offset, shape, (*b.strides[:-2], 0, b.strides[-1], b.strides[-2])
    )
    if a.strides[-1] != 1 and rows * columns <= inner:
        return _outer_first(c, left, right, number)
    out = c.reduced_lazy(Lazy("({0} * {1})", (left, right), shape), [-1], "0", "s += {0};")
    final = c.shape(number)
    return View(out.buffer, 0, final, contiguous(final))


def _outer_first(c: CEmitter, left: View, right: View, number: int) -> Operand:
    """Long sums with few results: the summed axis outermost, so that memory is read in order."""
    out = c.new(c.shape(number))
    *lead, rows, columns, inner = left.shape
    c.code.append(f"memset({out.buffer}, 0, {max(1, prod(out.shape))} * sizeof(double));")
    order = (*range(len(lead)), len(lead) + 2, len(lead), len(lead) + 1)
    moved = [
        View(v.buffer, v.offset, tuple(v.shape[k] for k in order),
             tuple(v.strides[k] for k in order))
        for v in (left, right)
    ]
    target = View(out.buffer, 0, moved[0].shape,
                  (*(rows * columns * s for s in contiguous(lead)), 0, columns, 1))
    head, (into, a, b), tail = loops(moved[0].shape, (target, *moved), "i", "")
    c.code.append(f"{head}{into} += {a} * {b}; {tail}")
    return out


# Gathering, scattering and joining


def _gather(c: CEmitter, step: Any, number: int) -> Operand:
    view, axis = c.view(step.args[0]), step.args[1]
    index = c.view(step.args[2])
    axis = _axis(axis, len(view.shape))
    out = c.new(index.shape)
    strides = tuple(0 if k == axis else s for k, s in enumerate(view.strides))
    source = View(view.buffer, view.offset, index.shape, strides)
    head, (into, place, base), tail = loops(index.shape, (out, index, source))
    c.code.append(f"{head}{into} = (&{base})[(long){place} * {view.strides[axis]}]; {tail}")
    return out


def _scatter(update: str) -> Handler:
    def handler(c: CEmitter, step: Any, number: int) -> Operand:
        view, index = c.view(step.args[0]), c.view(step.args[2])
        axis = _axis(step.args[1], len(view.shape))
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
    c: CEmitter, view: View, indices: Sequence[Any]
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


def _index(c: CEmitter, step: Any, number: int) -> Operand:
    view = c.view(step.args[0])
    _verify_whole(c, step.args[1])
    shape, arrays, strides, left = _indexed(c, view, step.args[1])
    rest = tuple(view.shape[a] for a in left)
    out = c.new((*shape, *rest))
    tails = (0,) * len(rest)
    places = [replace(a, shape=(*shape, *rest), strides=(*a.strides, *tails)) for a in arrays]
    source = View(view.buffer, view.offset, (*shape, *rest),
                  ((0,) * len(shape)) + tuple(view.strides[a] for a in left))
    head, entries, tail = loops(out.shape, (out, source, *places))
    where = _where(entries[2:], view.shape, strides)
    c.code.append(f"{head}{entries[0]} = (&{entries[1]})[{where}]; {tail}")
    return out


def _verify_whole(c: CEmitter, indices: Sequence[Any]) -> None:
    for index in indices:
        sample = c.tape.samples[index.number] if hasattr(index, "number") else index
        if sample is not None and sample.dtype.itemsize == 1:
            raise NotNative("an index by truth values")


def _where(entries: Sequence[str], sizes: Sequence[int], strides: Sequence[int]) -> str:
    terms = [
        f"gen_wrap((long){e}, {n}) * {s}"
        for e, n, s in zip(entries, sizes, strides, strict=False)
    ]
    return " + ".join(terms)


def _index_put(c: CEmitter, step: Any, number: int) -> Operand:
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


def _index_select(c: CEmitter, step: Any, number: int) -> Operand:
    view, index = c.view(step.args[0]), c.view(step.args[2])
    axis = _axis(step.args[1], len(view.shape))
    out = c.new(c.shape(number))
    strides = tuple(0 if k == axis else s for k, s in enumerate(view.strides))
    source = View(view.buffer, view.offset, out.shape, strides)
    along = index.strides[0] if index.strides else 0
    place = View(index.buffer, index.offset, out.shape,
                 tuple(along if k == axis else 0 for k in range(len(out.shape))))
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


def _slice_backward(c: CEmitter, step: Any, number: int) -> Operand:
    view = c.view(step.args[0])
    _, axis, start, _, pace = step.args[1:6]
    size = c.shape(number)[axis]
    start = min(start + size if start < 0 else start, size)
    return _placed(c, number, [(view, _axis(axis, len(view.shape)), start, pace)])


def _select_backward(c: CEmitter, step: Any, number: int) -> Operand:
    view = c.view(step.args[0])
    shape = c.shape(number)
    axis = _axis(step.args[2], len(shape))
    wide = View(view.buffer, view.offset, (*view.shape[:axis], 1, *view.shape[axis:]),
                (*view.strides[:axis], 0, *view.strides[axis:]))
    return _placed(c, number, [(wide, axis, step.args[3] % shape[axis], 1)])


def _cat(c: CEmitter, step: Any, number: int) -> Operand:
    views = [c.view(v) for v in step.args[0]]
    shape = c.shape(number)
    axis = _axis(step.args[1] if len(step.args) > 1 else 0, len(shape))
    parts, start = [], 0
    for view in views:
        if len(view.shape) == len(shape):
            parts.append((view, axis, start, 1))
            start += view.shape[axis]
    return _placed(c, number, parts)


def _stack(c: CEmitter, step: Any, number: int) -> Operand:
    shape = c.shape(number)
    axis = _axis(step.args[1] if len(step.args) > 1 else 0, len(shape))
    parts = []
    for place, value in enumerate(step.args[0]):
        v = c.view(value)
        wide = View(v.buffer, v.offset, (*v.shape[:axis], 1, *v.shape[axis:]),
                    (*v.strides[:axis], 0, *v.strides[axis:]))
        parts.append((wide, axis, place, 1))
    return _placed(c, number, parts)


def _pad(c: CEmitter, step: Any, number: int) -> Operand:
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


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("view", "unsafe_view", "reshape"), _reshape),
    **dict.fromkeys(("squeeze", "unsqueeze"), _squeeze),
    **dict.fromkeys(("transpose", "t", "numpy_T"), _transpose),
    **dict.fromkeys(("mm", "mv", "bmm", "dot"), _matmul),
    "expand": _expand,
    "expand_copy": _expand,
    "permute": _permute,
    "slice": _slice,
    "select": _select,
    "flip": _flip,
    "to_copy": _same,
    "sum": _sum,
    "mean": _mean,
    "prod": lambda c, s, n: _reduced(c, s, n, "1", "s *= {0};"),
    "amax": lambda c, s, n: _reduced(c, s, n, "-INFINITY", "{{ double e = {0}; if (e > s || isnan(e)) s = e; }}"),
    "amin": lambda c, s, n: _reduced(c, s, n, "INFINITY", "{{ double e = {0}; if (e < s || isnan(e)) s = e; }}"),
    "all": lambda c, s, n: _reduced(c, s, n, "1", "s = s && {0} != 0;"),
    "any": lambda c, s, n: _reduced(c, s, n, "0", "s = s || {0} != 0;"),
    "max:1": _argmax,
    "min:1": _argmin,
    "argmax": _argmax,
    "cumsum": _running("+", "0"),
    "cumprod": _running("*", "1"),
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
HANDLERS["max"] = HANDLERS["max:0"] = HANDLERS["amax"]
HANDLERS["min"] = HANDLERS["min:0"] = HANDLERS["amin"]
