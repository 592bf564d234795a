"""Reductions, running sums and matrix products."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from gendsl.runtime.native.emit import CEmitter, Operand
from gendsl.runtime.native.loops import Lazy, View, contiguous, loops
from gendsl.runtime.native.views import Handler, axis_of
from gendsl.runtime.tracing import Argument, Step

__all__ = ["SUMS"]


def _reducing(start: str, update: str) -> Handler:
    return lambda c, step, number: _reduced(c, step, number, start, update)


def _reduced(c: CEmitter, step: Step, number: int, start: str, update: str) -> Operand:
    rank = _rank(c, step.args[0])
    axes = step.args[1] if len(step.args) > 1 else None
    if isinstance(axes, int):
        axes = [axes]
    out = c.reduced(step.args[0], axes if axes else list(range(rank)), start, update)
    shape = c.shape(number)
    return View(out.buffer, out.offset, shape, contiguous(shape))


def _rank(c: CEmitter, value: Argument) -> int:
    operand = c.operand(value)
    return 0 if isinstance(operand, str) else len(operand.shape)


def _mean(c: CEmitter, step: Step, number: int) -> Operand:
    operand = c.operand(step.args[0])
    total = _reduced(c, step, number, "0", "s += {0};")
    size = 1 if isinstance(operand, str) else prod(operand.shape)
    assert isinstance(total, View)
    count = size // max(1, prod(total.shape))
    return c.stored(Lazy(f"({{0}} / {count})", (total,), total.shape))


def _place(better: str) -> Handler:
    """The place of the first best entry along an axis."""

    def handler(c: CEmitter, step: Step, number: int) -> Operand:
        view = c.view(step.args[0])
        axis = axis_of(step.args[1] if len(step.args) > 1 else -1, len(view.shape))
        out = c.new(c.shape(number))
        kept = [a for a in range(len(view.shape)) if a != axis]
        flat = View(
            out.buffer,
            0,
            tuple(view.shape[a] for a in kept),
            contiguous([view.shape[a] for a in kept]),
        )
        source = View(view.buffer, view.offset, flat.shape, tuple(view.strides[a] for a in kept))
        head, (into, first), tail = loops(flat.shape, (flat, source), "o", "")
        stride = view.strides[axis] if view.shape[axis] > 1 else 0
        c.code.append(
            f"{head}{{ const double *p = &{first}; long b = 0; for (long r = 1; "
            f"r < {view.shape[axis]}; ++r) if (p[r * {stride}] {better} p[b * {stride}]) b = r; "
            f"{into} = b; }}{tail}"
        )
        return out

    return handler


def _running(update: str, start: str) -> Handler:
    def handler(c: CEmitter, step: Step, number: int) -> Operand:
        view = c.view(step.args[0])
        if not view.shape:
            return view
        axis = axis_of(step.args[1], len(view.shape))
        out = c.new(view.shape)
        rest = [a for a in range(len(view.shape)) if a != axis]
        parts = [
            View(
                v.buffer,
                v.offset,
                tuple(v.shape[a] for a in rest),
                tuple(v.strides[a] for a in rest),
            )
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


def _matmul(c: CEmitter, step: Step, number: int) -> Operand:
    """mm, mv, bmm, dot: sums of products."""
    a, b = c.view(step.args[0]), c.view(step.args[1])
    if len(b.shape) == 1:
        b = replace(b, shape=(*b.shape, 1), strides=(*b.strides, 0))
    if len(a.shape) == 1:
        a = replace(a, shape=(1, *a.shape), strides=(0, *a.strides))
    lead, (rows, inner), columns = a.shape[:-2], a.shape[-2:], b.shape[-1]
    shape = (*lead, rows, columns, inner)
    left = View(a.buffer, a.offset, shape, (*a.strides[:-1], 0, a.strides[-1]))
    right = View(b.buffer, b.offset, shape, (*b.strides[:-2], 0, b.strides[-1], b.strides[-2]))
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
        View(
            v.buffer,
            v.offset,
            tuple(v.shape[k] for k in order),
            tuple(v.strides[k] for k in order),
        )
        for v in (left, right)
    ]
    target = View(
        out.buffer,
        0,
        moved[0].shape,
        (*(rows * columns * s for s in contiguous(lead)), 0, columns, 1),
    )
    head, (into, a, b), tail = loops(moved[0].shape, (target, *moved), "i", "")
    c.code.append(f"{head}{into} += {a} * {b}; {tail}")
    return out


LARGEST = _reducing("-INFINITY", "{{ double e = {0}; if (e > s || isnan(e)) s = e; }}")
SMALLEST = _reducing("INFINITY", "{{ double e = {0}; if (e < s || isnan(e)) s = e; }}")

SUMS: dict[str, Handler] = {
    **dict.fromkeys(("mm", "mv", "bmm", "dot"), _matmul),
    **dict.fromkeys(("amax", "max", "max:0"), LARGEST),
    **dict.fromkeys(("amin", "min", "min:0"), SMALLEST),
    **dict.fromkeys(("argmax", "max:1"), _place(">")),
    **dict.fromkeys(("argmin", "min:1"), _place("<")),
    "sum": _reducing("0", "s += {0};"),
    "mean": _mean,
    "prod": _reducing("1", "s *= {0};"),
    "all": _reducing("1", "s = s && {0} != 0;"),
    "any": _reducing("0", "s = s || {0} != 0;"),
    "cumsum": _running("+", "0"),
    "cumprod": _running("*", "1"),
}
"""By the name of the ATen operation; ``max:1`` is the second of its results."""
