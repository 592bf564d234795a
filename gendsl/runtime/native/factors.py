"""Diagonals, Cholesky factors, and triangular systems of equations."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from gendsl.runtime.native.emit import CEmitter, NotNative, Operand
from gendsl.runtime.native.loops import Lazy, View, loops
from gendsl.runtime.native.views import Handler, axis_of
from gendsl.runtime.tracing import Step

__all__ = ["FACTORS"]


VECTOR = 8
"""Shorter loops are not vectorised."""


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


def _cholesky(c: CEmitter, step: Step, number: int) -> View:
    """The lower factor; not a number throughout where a matrix is not positive definite."""
    if any(_options(step, 1, upper=0)[:1]):
        raise NotNative("an upper Cholesky factor")
    out = c.new(c.view(step.args[0]).shape)
    batch, size = out.shape[:-2], out.shape[-1]
    source, down, right = _matrices(c.view(step.args[0]), batch)
    target, _, _ = _matrices(out, batch)
    head, (into, entry), tail = loops(batch, (target, source), "o", "")
    n = str(size)
    # The upper factor by rows: what is subtracted lies side by side. Then rows become columns.
    c.code.append(
        f"{head}{{ double *restrict to = &{into}; const double *of = &{entry}; long legal = 1;\n"
        f"for (long i = 0; i < {n}; ++i) for (long j = i; j < {n}; ++j) "
        f"to[i * {n} + j] = of[j * {down} + i * {right}];\n"
        f"for (long k = 0; k < {n}; ++k) {{ if (!(to[k * {n} + k] > 0)) legal = 0;\n"
        f"const double d = sqrt(to[k * {n} + k]), f = 1 / d; to[k * {n} + k] = d;\n"
        f"for (long j = k + 1; j < {n}; ++j) to[k * {n} + j] *= f;\n"
        f"for (long i = k + 1; i < {n}; ++i) {{ const double e = to[k * {n} + i];\n"
        f"{_vector(size)}for (long j = i; j < {n}; ++j) "
        f"to[i * {n} + j] -= e * to[k * {n} + j]; }} }}\n"
        f"for (long i = 0; i < {n}; ++i) for (long j = i + 1; j < {n}; ++j) "
        f"{{ to[j * {n} + i] = to[i * {n} + j]; to[i * {n} + j] = 0; }}\n"
        f"if (!legal) for (long k = 0; k < {size * size}; ++k) to[k] = NAN; }}{tail}"
    )
    return out


def _illegal(c: CEmitter, step: Step, number: int) -> Operand:
    """Whether a matrix is not positive definite, as its factor tells, if that is known already."""
    factor = None
    for k, other in enumerate(c.tape.steps[: number - 1], start=1):
        same = getattr(other.op, "position", None) == 0 and other.op.op is step.op.op
        known = c.values.get(k)
        if same and other.args[0] == step.args[0] and isinstance(known, View):
            factor = known
    factor = factor or _cholesky(c, step, number)
    first = View(factor.buffer, factor.offset, factor.shape[:-2], factor.strides[:-2])
    return c.computed("({0} != {0} ? 1.0 : 0.0)", [first], first.shape)


def _vector(size: int, reduction: str = "") -> str:
    """A loop of this length is vectorised where it is long enough."""
    return f"\n#pragma omp simd{reduction}\n" if size >= VECTOR else ""


def _turned(view: View) -> View:
    """Matrices with rows and columns exchanged."""
    return replace(
        view,
        shape=(*view.shape[:-2], view.shape[-1], view.shape[-2]),
        strides=(*view.strides[:-2], view.strides[-1], view.strides[-2]),
    )


def _solved(c: CEmitter, step: Step, number: int) -> Operand:
    """A X = B for a triangular A; X A = B by exchanging rows and columns of all."""
    upper, unit = bool(step.kwargs.get("upper")), bool(step.kwargs.get("unitriangular"))
    a, b, out = c.view(step.args[0]), c.view(step.args[1]), c.new(c.shape(number))
    x = out
    if not step.kwargs.get("left", True):
        a, b, x, upper = _turned(a), _turned(b), _turned(out), not upper
    batch, (size, columns) = x.shape[:-2], x.shape[-2:]
    (first, ad, ar), (given, bd, br), (target, xd, xr) = (_matrices(v, batch) for v in (a, b, x))
    head, (into, right, matrix), tail = loops(batch, (target, given, first), "o", "")
    row = f"long i = {size - 1} - n" if upper else "long i = n"
    low, high = "long k = 0; k < i; ++k", f"long k = i + 1; k < {size}; ++k"
    before, after = (high, low) if upper else (low, high)
    each = f"for (long n = 0; n < {size}; ++n) {{ {row};"
    divided = "" if unit else f" / by[i * {ad + ar}]"
    entry = f"to[i * {xd} + j * {xr}]"
    start = (
        f"{head}{{ double *restrict to = &{into}; const double *of = &{right}, *by = &{matrix};\n"
    )
    every = f"for (long j = 0; j < {columns}; ++j)"
    given_ = f"of[i * {bd} + j * {br}]"
    if xr == 1 and columns >= VECTOR:  # a row of all solutions at once
        body = (
            f"{each}\n{every} {entry} = {given_};\n"
            f"for ({before}) {{ const double e = by[i * {ad} + k * {ar}];\n"
            f"#pragma omp simd\n{every} {entry} -= e * to[k * {xd} + j]; }}\n"
            f"{every} {entry} = {entry}{divided}; }}"
        )
    elif ad == 1 and ar != 1:  # a column of the matrix at once
        body = (
            f"{every} {{ for (long i = 0; i < {size}; ++i) {entry} = {given_};\n"
            f"{each} const double e = {entry} = {entry}{divided};\n{_vector(size)}"
            f"for ({after}) to[k * {xd} + j * {xr}] -= by[k + i * {ar}] * e; }} }}"
        )
    else:
        body = (
            f"{every} {{ {each} double s = 0;\n{_vector(size, ' reduction(+:s)')}"
            f"for ({before}) s += by[i * {ad} + k * {ar}] * to[k * {xd} + j * {xr}];\n"
            f"{entry} = ({given_} - s){divided}; }} }}"
        )
    c.code.append(f"{start}{body} }}{tail}")
    return out


FACTORS: dict[str, Handler] = {
    "diagonal": _diagonal,
    "diagonal_scatter": _diagonal_scatter,
    "diag_embed": _diag_embed,
    "linalg_cholesky_ex:0": _cholesky,
    "linalg_cholesky_ex:1": _illegal,
    "linalg_solve_triangular": _solved,
}
"""By the name of the ATen operation."""
