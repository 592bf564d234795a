"""Diagonals, Cholesky factors, and triangular systems of equations."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from gendsl.runtime.native.emit import CEmitter, NotNative, Operand
from gendsl.runtime.native.loops import Lazy, View, loops
from gendsl.runtime.native.views import Handler, axis_of
from gendsl.runtime.tracing import Step

__all__ = ["FACTORS"]


def _options(step: Step, first: int, **defaults: int) -> list[int]:
    """The arguments from `first` on, by position or by name."""
    given = list(step.args[first:])
    rest = list(defaults.items())[len(given) :]
    return [*given, *(step.kwargs.get(name, value) for name, value in rest)]


def _along_diagonal(view: View, offset: int, one: int, other: int) -> View:
    """The diagonal of two axes, as the last axis."""
    rank = len(view.shape)
    a, b = axis_of(one, rank), axis_of(other, rank)
    kept = [k for k in range(rank) if k not in (a, b)]
    start = offset * view.strides[b] if offset > 0 else -offset * view.strides[a]
    size = min(view.shape[a] + min(offset, 0), view.shape[b] - max(offset, 0))
    return View(
        view.buffer,
        view.offset + (start if size > 0 else 0),
        (*(view.shape[k] for k in kept), max(0, size)),
        (*(view.strides[k] for k in kept), view.strides[a] + view.strides[b]),
    )


def _diagonal(c: CEmitter, step: Step, number: int) -> Operand:
    return _along_diagonal(c.view(step.args[0]), *_options(step, 1, offset=0, dim1=0, dim2=1))


def _diagonal_scatter(c: CEmitter, step: Step, number: int) -> Operand:
    view = c.view(step.args[0])
    out = c.stored(Lazy("{0}", (view,), view.shape))
    target = _along_diagonal(out, *_options(step, 2, offset=0, dim1=0, dim2=1))
    c.fill(target, c.view(step.args[1]).expanded(target.shape))
    return out


def _diag_embed(c: CEmitter, step: Step, number: int) -> Operand:
    source, out = c.view(step.args[0]), c.new(c.shape(number))
    c.code.append(f"memset({out.buffer}, 0, {max(1, prod(out.shape))} * sizeof(double));")
    c.fill(_along_diagonal(out, *_options(step, 1, offset=0, dim1=-2, dim2=-1)), source)
    return out


def _matrices(view: View, batch: tuple[int, ...]) -> tuple[View, int, int]:
    """The first entry of each matrix of a batch, and the strides of rows and of columns."""
    whole = view.expanded((*batch, *view.shape[-2:]))
    first = View(whole.buffer, whole.offset, batch, whole.strides[:-2])
    return first, whole.strides[-2], whole.strides[-1]


def _cholesky(c: CEmitter, step: Step, number: int) -> Operand:
    """The lower factor; not a number throughout where a matrix is not positive definite."""
    if any(_options(step, 1, upper=0)[:1]):
        raise NotNative("an upper Cholesky factor")
    out = c.new(c.shape(number))
    batch, size = out.shape[:-2], out.shape[-1]
    source, down, right = _matrices(c.view(step.args[0]), batch)
    target, _, _ = _matrices(out, batch)
    head, (into, entry), tail = loops(batch, (target, source), "o", "")
    n = str(size)
    c.code.append(
        f"{head}{{ double *to = &{into}; const double *of = &{entry}; long legal = 1; "
        f"for (long i = 0; i < {n}; ++i) for (long j = 0; j < {n}; ++j) {{ "
        f"if (j > i) {{ to[i * {n} + j] = 0; continue; }} "
        f"double s = of[i * {down} + j * {right}]; "
        f"for (long k = 0; k < j; ++k) s -= to[i * {n} + k] * to[j * {n} + k]; "
        f"if (i == j && !(s > 0)) legal = 0; "
        f"to[i * {n} + j] = i == j ? sqrt(s) : s / to[j * {n} + j]; }} "
        f"if (!legal) for (long k = 0; k < {size * size}; ++k) to[k] = NAN; }}{tail}"
    )
    return out


def _turned(view: View) -> View:
    """Matrices with rows and columns exchanged."""
    return replace(
        view,
        shape=(*view.shape[:-2], view.shape[-1], view.shape[-2]),
        strides=(*view.strides[:-2], view.strides[-1], view.strides[-2]),
    )


def _solved(c: CEmitter, step: Step, number: int) -> Operand:
    """A X = B for a triangular A; X A = B by exchanging rows and columns of all."""
    upper = bool(step.kwargs.get("upper"))
    unit = bool(step.kwargs.get("unitriangular", False))
    a, b, out = c.view(step.args[0]), c.view(step.args[1]), c.new(c.shape(number))
    x = out
    if not step.kwargs.get("left", True):
        a, b, x, upper = _turned(a), _turned(b), _turned(out), not upper
    batch, (size, columns) = x.shape[:-2], x.shape[-2:]
    (first, ad, ar), (given, bd, br), (target, xd, xr) = (_matrices(v, batch) for v in (a, b, x))
    head, (into, right, matrix), tail = loops(batch, (target, given, first), "o", "")
    row = f"long i = {size - 1} - n" if upper else "long i = n"
    others = f"long k = i + 1; k < {size}" if upper else "long k = 0; k < i"
    divided = "s" if unit else f"s / by[i * {ad + ar}]"
    c.code.append(
        f"{head}{{ double *to = &{into}; const double *of = &{right}, *by = &{matrix}; "
        f"for (long n = 0; n < {size}; ++n) {{ {row}; "
        f"for (long j = 0; j < {columns}; ++j) {{ double s = of[i * {bd} + j * {br}]; "
        f"for ({others}; ++k) s -= by[i * {ad} + k * {ar}] * to[k * {xd} + j * {xr}]; "
        f"to[i * {xd} + j * {xr}] = {divided}; }} }} }}{tail}"
    )
    return out


FACTORS: dict[str, Handler] = {
    "diagonal": _diagonal,
    "diagonal_scatter": _diagonal_scatter,
    "diag_embed": _diag_embed,
    "linalg_cholesky_ex:0": _cholesky,
    "linalg_solve_triangular": _solved,
}
"""By the name of the ATen operation."""
