"""Reductions, running sums and matrix products."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from gendsl.runtime.native.accesses import Access, access_of
from gendsl.runtime.native.emit import CEmitter, Operand
from gendsl.runtime.native.loops import Lazy, View, contiguous, literal, loops
from gendsl.runtime.native.products import FEWEST, contracted
from gendsl.runtime.native.statements import Statement
from gendsl.runtime.native.views import Handler, axis_of
from gendsl.runtime.tracing import Step

__all__ = ["SUMS"]


def _reducing(fold: str, before: str = "{0}", after: str = "{0}") -> Handler:
    """A reduction, of entries changed `before`, and changed `after`."""

    def handler(c: CEmitter, step: Step, number: int) -> Operand:
        view = c.view(step.args[0])
        if before != "{0}":
            view = c.computed(before, [view], view.shape)
        axes = step.args[1] if len(step.args) > 1 else None
        if isinstance(axes, int):
            axes = [axes]
        out = c.folded(view, axes if axes else list(range(len(view.shape))), fold)
        if after != "{0}":
            out = c.computed(after, [out], out.shape)
        return _shaped(c, out, c.shape(number))

    return handler


def _shaped(c: CEmitter, view: View, shape: tuple[int, ...]) -> View:
    """The same numbers with axes of size 1 put in or left out."""
    left = [s for n, s in zip(view.shape, view.strides, strict=True) if n != 1]
    return View(
        view.buffer, view.offset, shape, tuple(0 if n == 1 else left.pop(0) for n in shape)
    )


def _mean(c: CEmitter, step: Step, number: int) -> Operand:
    view = c.view(step.args[0])
    total = SUMS["sum"](c, step, number)
    assert isinstance(total, View)
    count = prod(view.shape) // max(1, prod(total.shape))
    return c.computed("({0} / {1})", [total, f"{count}.0"], total.shape)


def _spread(after: str) -> Handler:
    """The variance, or with a square root the standard deviation."""

    def handler(c: CEmitter, step: Step, number: int) -> Operand:
        view = c.view(step.args[0])
        rank = len(view.shape)
        axes = step.args[1] if len(step.args) > 1 and step.args[1] is not None else range(rank)
        axes = sorted(
            axis_of(a, rank) for a in ([axes] if isinstance(axes, int) else axes or range(rank))
        )
        correction = step.kwargs.get("correction", 1)
        size = prod(view.shape[a] for a in axes)
        # Less their first entry, equal entries are exactly 0, and so is how they vary.
        strides = tuple(0 if a in axes else s for a, s in enumerate(view.strides))
        view = c.computed("({0} - {1})", [view, replace(view, strides=strides)], view.shape)
        total = c.folded(view, axes, "sum")
        kept = iter(range(len(total.shape)))
        places = [None if a in axes else next(kept) for a in range(rank)]
        wide = View(
            total.buffer,
            total.offset,
            view.shape,
            tuple(0 if k is None else total.strides[k] for k in places),
        )
        apart = c.computed(f"({{0}} - {{1}} / {size}.0)", [view, wide], view.shape)
        square = c.computed("({0} * {0})", [apart], view.shape)
        found = c.folded(square, axes, "sum")
        count = max(0.0, float(size) - float(1 if correction is None else correction))
        return _shaped(c, c.computed(after, [found, literal(count)], found.shape), c.shape(number))

    return handler


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
    out = c.new((*lead, rows, columns))
    if not prod((*lead, rows, columns, inner)):
        c.fill(out, Lazy("0", (), out.shape))
    elif not lead and FEWEST > columns > 0:
        for k in range(columns):
            _column(
                c,
                a,
                replace(
                    b, offset=b.offset + k * b.strides[1], shape=(inner,), strides=b.strides[:1]
                ),
                View(out.buffer, k, (rows,), (columns,)),
            )
    else:
        order = [*range(len(lead) + 3)]  # rows, inner, columns
        if columns < FEWEST or (b.strides[-1] != 1 and a.strides[-1] == 1):
            order = [*order[:-2], order[-1], order[-2]]
        shape = (*lead, rows, inner, columns)
        left = Access(a.buffer, a.offset, (*a.strides, 0))
        right = Access(b.buffer, b.offset, (*b.strides[:-2], 0, *b.strides[-2:]))
        into = Access(out.buffer, 0, (*out.strides[:-1], 0, 1))
        statement = Statement("({0} * {1})", into, (left, right), shape, "sum")
        args = tuple(x.along(order) for x in (left, right))
        shape = tuple(shape[k] for k in order)
        c.add(replace(statement, out=into.along(order), args=args, shape=shape))
    final = c.shape(number)
    return View(out.buffer, 0, final, contiguous(final))


def _column(c: CEmitter, a: View, b: View, out: View) -> None:
    """A matrix times a vector."""
    args: list[Access | str] = [access_of(a), Access(b.buffer, b.offset, (0, *b.strides))]
    into = Access(out.buffer, out.offset, (*out.strides, 0))
    product = contracted(c, args, a.shape, into) if min(a.shape) > 1 else None
    if product is not None:
        c.code.append(product)
    else:
        c.add(Statement("({0} * {1})", into, tuple(args), a.shape, "sum"))


SUMS: dict[str, Handler] = {
    **dict.fromkeys(("mm", "mv", "bmm", "dot"), _matmul),
    **dict.fromkeys(("amax", "max", "max:0"), _reducing("max")),
    **dict.fromkeys(("amin", "min", "min:0"), _reducing("min")),
    **dict.fromkeys(("argmax", "max:1"), _place(">")),
    **dict.fromkeys(("argmin", "min:1"), _place("<")),
    "sum": _reducing("sum"),
    "mean": _mean,
    "var": _spread("({0} / {1})"),
    "std": _spread("sqrt({0} / {1})"),
    "prod": _reducing("prod"),
    "all": _reducing("sum", "({0} == 0 ? 1.0 : 0.0)", "({0} == 0 ? 1.0 : 0.0)"),
    "any": _reducing("sum", "({0} != 0 ? 1.0 : 0.0)", "({0} != 0 ? 1.0 : 0.0)"),
    "cumsum": _running("+", "0"),
    "cumprod": _running("*", "1"),
}
"""By the name of the ATen operation; ``max:1`` is the second of its results."""
