"""General square matrices: factors with pivots, determinants and systems of equations."""

from __future__ import annotations

from math import prod

import torch

from gendsl.runtime.native.emit import CEmitter, NotNative, Operand
from gendsl.runtime.native.loops import Lazy, View, contiguous
from gendsl.runtime.native.views import Handler, axis_of
from gendsl.runtime.tracing import Ref, Step

__all__ = ["SYSTEMS"]

SOURCE = """
/* P A = L U in place, by rows; the rows exchanged, counted from 1. The sign of the exchanges. */
static double gen_lu(long n, double *restrict a, double *restrict pivots) {
  double sign = 1;
  for (long k = 0; k < n; ++k) {
    long best = k;
    for (long i = k + 1; i < n; ++i)
      if (fabs(a[i * n + k]) > fabs(a[best * n + k])) best = i;
    pivots[k] = best + 1;
    if (best != k) {
      sign = -sign;
      for (long j = 0; j < n; ++j) {
        const double t = a[k * n + j]; a[k * n + j] = a[best * n + j]; a[best * n + j] = t;
      }
    }
    for (long i = k + 1; i < n; ++i) {
      const double f = a[i * n + k] /= a[k * n + k];
      for (long j = k + 1; j < n; ++j) a[i * n + j] -= f * a[k * n + j];
    }
  }
  return sign;
}
/* A X = B, or A' X = B, in place of B, of m columns. */
static void gen_lu_solve(long n, long m, const double *restrict a, const double *restrict pivots,
                         double *restrict b, int turned) {
#define GEN_EXCHANGE(k) do { \\
    const long r = (long)pivots[k] - 1; \\
    for (long j = 0; r != (k) && j < m; ++j) { \\
      const double t = b[(k) * m + j]; \\
      b[(k) * m + j] = b[r * m + j]; b[r * m + j] = t; } } while (0)
#define GEN_TAKE(i, k, f) do { const double e = f; \\
    for (long j = 0; j < m; ++j) b[(i) * m + j] -= e * b[(k) * m + j]; } while (0)
  if (!turned) {
    for (long k = 0; k < n; ++k) GEN_EXCHANGE(k);
    for (long i = 0; i < n; ++i) for (long k = 0; k < i; ++k) GEN_TAKE(i, k, a[i * n + k]);
    for (long i = n - 1; i >= 0; --i) {
      for (long k = i + 1; k < n; ++k) GEN_TAKE(i, k, a[i * n + k]);
      for (long j = 0; j < m; ++j) b[i * m + j] /= a[i * n + i];
    }
  } else {
    for (long i = 0; i < n; ++i) {
      for (long k = 0; k < i; ++k) GEN_TAKE(i, k, a[k * n + i]);
      for (long j = 0; j < m; ++j) b[i * m + j] /= a[i * n + i];
    }
    for (long i = n - 1; i >= 0; --i)
      for (long k = i + 1; k < n; ++k) GEN_TAKE(i, k, a[k * n + i]);
    for (long k = n - 1; k >= 0; --k) GEN_EXCHANGE(k);
  }
}
"""


def _factored(c: CEmitter, value: View, *, turned: bool) -> tuple[View, View, View]:
    """Factors, pivots and the signs of a batch of matrices, or of them with rows as columns."""
    c.included["gen_lu"] = SOURCE
    if turned:
        strides = (*value.strides[:-2], value.strides[-1], value.strides[-2])
        value = View(value.buffer, value.offset, value.shape, strides)
    factors = c.stored(Lazy("{0}", (value,), value.shape))
    batch, size = value.shape[:-2], value.shape[-1]
    pivots, signs = c.new((*batch, size)), c.new(batch)
    c.code.append(
        f"for (long o = 0; o < {prod(batch)}; ++o) {signs.buffer}[o] = "
        f"gen_lu({size}, {factors.buffer} + o * {size * size}, {pivots.buffer} + o * {size});"
    )
    return factors, pivots, signs


def _is_turned(c: CEmitter, step: Step, number: int) -> bool:
    """Whether torch factors the matrix with rows as columns: its sample tells."""
    sample = c.tape.samples[number]
    given = step.args[0]
    matrix = c.tape.samples[given.number] if isinstance(given, Ref) else given
    for other in range(number + 1, min(number + 3, len(c.tape.samples))):
        found = c.tape.steps[other - 1]
        if found.args == step.args and c.tape.samples[other].dtype == torch.int32:
            p, lower, upper = torch.lu_unpack(sample, c.tape.samples[other])
            return not torch.allclose(p @ lower @ upper, matrix)
    return False


def _factors(c: CEmitter, step: Step, number: int) -> Operand:
    factors, pivots, _ = _factored(c, c.view(step.args[0]), turned=_is_turned(c, step, number))
    c.values_beside[number] = pivots
    return factors


def _pivots(c: CEmitter, step: Step, number: int) -> Operand:
    """They stand after the factors, of the same matrix."""
    found = c.values_beside.get(number - 1)
    if found is None:
        raise NotNative("pivots without factors")
    return found


def _diagonal(factors: View) -> View:
    size = factors.shape[-1]
    strides = (*factors.strides[:-2], size + 1)
    return View(factors.buffer, factors.offset, factors.shape[:-1], strides)


def _determinant(c: CEmitter, step: Step, number: int) -> Operand:
    factors, _, signs = _factored(c, c.view(step.args[0]), turned=False)
    found = c.folded(_diagonal(factors), [-1], "prod")
    return c.computed("({0} * {1})", [found, signs], found.shape)


def _log_determinant(c: CEmitter, step: Step, number: int) -> Operand:
    factors, _, _ = _factored(c, c.view(step.args[0]), turned=False)
    diagonal = _diagonal(factors)
    logs = c.computed("log(fabs({0}))", [diagonal], diagonal.shape)
    return c.folded(logs, [-1], "sum")


def _sign(c: CEmitter, step: Step, number: int) -> Operand:
    factors, _, signs = _factored(c, c.view(step.args[0]), turned=False)
    diagonal = _diagonal(factors)
    own = c.computed("({0} > 0 ? 1.0 : ({0} < 0 ? -1.0 : {0}))", [diagonal], diagonal.shape)
    return c.computed("({0} * {1})", [c.folded(own, [-1], "prod"), signs], signs.shape)


def _solved(c: CEmitter, factors: View, pivots: View, right: View, *, turned: bool) -> View:
    """The solution for a batch of right-hand sides (..., n, m)."""
    c.included["gen_lu"] = SOURCE
    out = c.stored(Lazy("{0}", (right,), right.shape))
    batch, (size, columns) = right.shape[:-2], right.shape[-2:]
    whole = [v.expanded((*batch, *v.shape[-k:])) for v, k in ((factors, 2), (pivots, 1))]
    held = [v if v.packed else c.stored(Lazy("{0}", (v,), v.shape)) for v in whole]
    c.code.append(
        f"for (long o = 0; o < {prod(batch)}; ++o) gen_lu_solve({size}, {columns}, "
        f"{held[0].buffer} + {held[0].offset} + o * {size * size}, "
        f"{held[1].buffer} + {held[1].offset} + o * {size}, "
        f"{out.buffer} + o * {size * columns}, {int(turned)});"
    )
    return out


def _lu_solve(c: CEmitter, step: Step, number: int) -> Operand:
    left = step.kwargs.get("left", step.args[3] if len(step.args) > 3 else True)
    turned = step.kwargs.get("adjoint", step.args[4] if len(step.args) > 4 else False)
    if not left:
        raise NotNative("a system from the right")
    factors, pivots, right = (c.view(a) for a in step.args[:3])
    if not factors.packed:
        factors = c.stored(Lazy("{0}", (factors,), factors.shape))
    return _solved(c, factors, pivots, right.expanded(c.shape(number)), turned=bool(turned))


def _solution(c: CEmitter, step: Step, number: int) -> Operand:
    if len(step.args) > 2 or not step.kwargs.get("left", True):
        raise NotNative("a system from the right")
    factors, pivots, _ = _factored(c, c.view(step.args[0]), turned=False)
    right, shape = c.view(step.args[1]), c.shape(number)
    vector = len(shape) == len(factors.shape) - 1
    if vector:
        strides = (*right.strides, 0)
        right = View(right.buffer, right.offset, (*right.shape, 1), strides)
    out = _solved(
        c, factors, pivots, right.expanded((*shape, 1) if vector else shape), turned=False
    )
    return View(out.buffer, 0, shape, contiguous(shape))


def _inverse(c: CEmitter, step: Step, number: int) -> Operand:
    factors, pivots, _ = _factored(c, c.view(step.args[0]), turned=False)
    size = factors.shape[-1]
    unit = c.constants.view(torch.eye(size, dtype=torch.float64))
    return _solved(c, factors, pivots, unit.expanded(factors.shape), turned=False)


def _sorted(part: int) -> Handler:
    """Entries in order along an axis, or where they came from; what is no number comes last."""

    def handler(c: CEmitter, step: Step, number: int) -> Operand:
        view = c.view(step.args[0])
        rank = len(view.shape)
        axis, down = _order(step, rank)
        size = view.shape[axis] if rank else 1
        order = [*(a for a in range(rank) if a != axis), axis] if rank else []
        keys = c.stored(Lazy("{0}", (_permuted(view, order),), _permuted(view, order).shape))
        places = c.new(keys.shape)
        sign = ">" if down else "<"
        odd = "e != e && p[j - 1] == p[j - 1]" if down else "e == e && p[j - 1] != p[j - 1]"
        c.code.append(
            f"for (long o = 0; o < {prod(keys.shape[:-1])}; ++o) {{ "
            f"double *p = {keys.buffer} + o * {size}, *q = {places.buffer} + o * {size}; "
            f"for (long i = 0; i < {size}; ++i) {{ const double e = p[i]; long j = i; "
            f"for (; j > 0 && (e {sign} p[j - 1] || ({odd})); --j) "
            f"{{ p[j] = p[j - 1]; q[j] = q[j - 1]; }} p[j] = e; q[j] = i; }} }}"
        )
        return _permuted(places if part else keys, [order.index(a) for a in range(rank)])

    return handler


def _order(step: Step, rank: int) -> tuple[int, bool]:
    """The axis that is sorted, and whether the largest comes first."""
    given = [*step.args[1:]]
    if given and (given[0] is None or isinstance(given[0], bool)):
        given = given[1:]  # whether it must be stable; it always is
    axis = step.kwargs.get("dim", given[0] if given else -1)
    down = step.kwargs.get("descending", given[1] if len(given) > 1 else False)
    return axis_of(axis, rank), bool(down)


def _permuted(view: View, order: list[int]) -> View:
    shape = tuple(view.shape[a] for a in order)
    return View(view.buffer, view.offset, shape, tuple(view.strides[a] for a in order))


def _both(name: str, first: int) -> dict[str, Handler]:
    """The factors and pivots among the results of an operation."""
    return {f"{name}:{first}": _factors, f"{name}:{first + 1}": _pivots}


SYSTEMS: dict[str, Handler] = {
    "linalg_det:0": _determinant,
    "linalg_slogdet:0": _sign,
    "linalg_slogdet:1": _log_determinant,
    "linalg_solve_ex:0": _solution,
    "linalg_inv_ex:0": _inverse,
    **_both("linalg_det", 1),
    **_both("linalg_slogdet", 2),
    **_both("linalg_solve_ex", 1),
    "linalg_lu_solve": _lu_solve,
    "sort:0": _sorted(0),
    "sort:1": _sorted(1),
}
"""By the name of the ATen operation."""
