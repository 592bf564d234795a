"""Steps of a tape that factor a sparse precision: a call of one function for all patterns.

`SYSTEMS` is filled by `gendsl.runtime.marginal.sparse`; a key names a pattern by content. The
function is told a pattern by whole numbers: the size n, how many entries P has on and below the
diagonal, how many L has below it; where each column of L starts, the rows of its entries; where
each row of L starts, the columns of its entries, their places in L; which variable is eliminated
n-th; the place in L of each entry of P, or -1 - j for the j-th of D; its row, and its column.
"""

from __future__ import annotations

from collections.abc import Hashable
from weakref import WeakKeyDictionary

from torch import Tensor

from gendsl.runtime.native.emit import CEmitter, NotNative, Operand
from gendsl.runtime.native.loops import View
from gendsl.runtime.native.solvers import packed
from gendsl.runtime.native.views import Handler
from gendsl.runtime.tracing import Ref, Step

__all__ = ["GAUSSIANS", "SOURCE", "SYSTEMS"]

SYSTEMS: dict[str, tuple[Tensor, int, int]] = {}
"""The whole numbers of each pattern, bit by bit as doubles; the sizes of its workspace and of its
result."""

SOURCE = r"""
typedef struct {
  long n, count, fill;
  const long *start, *entry, *row, *column, *place, *order, *target, *i, *j;
} gen_gaussian_pattern;

static void gen_gaussian_read(const long *ix, gen_gaussian_pattern *a) {
  a->n = ix[0]; a->count = ix[1]; a->fill = ix[2];
  a->start = ix + 3;
  a->entry = a->start + a->n + 1;
  a->row = a->entry + a->fill;
  a->column = a->row + a->n + 1;
  a->place = a->column + a->fill;
  a->order = a->place + a->fill;
  a->target = a->order + a->n;
  a->i = a->target + a->count;
  a->j = a->i + a->count;
}

/* A pivot that is so small beside its entry of P is nothing but rounding error, and so is a
   density that a quadratic form as large has to cancel. */
#define GEN_GAUSSIAN_PIVOT 1e-14
#define GEN_GAUSSIAN_SQUARE 1e15

/* P = L D L', column after column, and r = 1 / D; 0 where P is not positive definite, or not
   certainly. x is 0 before and after. */
static int gen_gaussian_factor(const gen_gaussian_pattern *a, const double *restrict p,
                               double *restrict l, double *restrict d, double *restrict r,
                               double *restrict x) {
  const long n = a->n, *start = a->start, *entry = a->entry;
  memset(l, 0, a->fill * sizeof(double));
  for (long e = 0; e < a->count; ++e) {
    const long t = a->target[e];
    if (t < 0) d[-1 - t] = p[e]; else l[t] = p[e];
  }
  for (long j = 0; j < n; ++j) {
    const long from = start[j], to = start[j + 1];
    const double least = GEN_GAUSSIAN_PIVOT * d[j];
    double dj = d[j];
    for (long e = from; e < to; ++e) x[entry[e]] = l[e];
    for (long q = a->row[j]; q < a->row[j + 1]; ++q) {
      const long k = a->column[q], s = a->place[q] + 1, m = start[k + 1] - s;
      const double f = l[s - 1] * d[k];
      dj -= f * l[s - 1];
      if (m > 3 && entry[s + m - 1] - entry[s] == m - 1) {
        double *restrict y = x + entry[s];
        const double *restrict v = l + s;
        for (long q = 0; q < m; ++q) y[q] -= v[q] * f;
      } else for (long e = s; e < s + m; ++e) x[entry[e]] -= l[e] * f;
    }
    if (!(dj > 0 && dj > least) || !isfinite(dj)) {
      memset(x, 0, n * sizeof(double));
      return 0;
    }
    const double by = 1 / dj;
    d[j] = dj;
    r[j] = by;
    for (long e = from; e < to; ++e) { l[e] = x[entry[e]] * by; x[entry[e]] = 0; }
  }
  return 1;
}

static void gen_gaussian_back(const gen_gaussian_pattern *a, const double *restrict l,
                              double *restrict y) {
  for (long j = a->n - 1; j >= 0; --j) {
    double s = y[j];
    for (long e = a->start[j]; e < a->start[j + 1]; ++e) s -= l[e] * y[a->entry[e]];
    y[j] = s;
  }
}

static void gen_gaussian_inverse(const gen_gaussian_pattern *a, const double *restrict l,
                                 const double *restrict r, double *restrict z,
                                 double *restrict zd, double *restrict x, double *restrict t) {
  const long n = a->n, *start = a->start, *entry = a->entry;
  for (long j = n - 1; j >= 0; --j) {
    const long from = start[j], to = start[j + 1];
    for (long e = from; e < to; ++e) { x[entry[e]] = l[e]; t[entry[e]] = 0; }
    for (long e = from; e < to; ++e) {
      const long k = entry[e], s = start[k], m = start[k + 1] - s;
      const double f = l[e];
      double sum = zd[k] * f;
      if (m > 3 && entry[s + m - 1] - entry[s] == m - 1) {
        double *restrict y = t + entry[s];
        const double *restrict w = x + entry[s], *restrict v = z + s;
        for (long q = 0; q < m; ++q) y[q] += v[q] * f;
        _Pragma("omp simd reduction(+:sum)")
        for (long q = 0; q < m; ++q) sum += v[q] * w[q];
      } else for (long q = s; q < s + m; ++q) {
        t[entry[q]] += z[q] * f;
        sum += z[q] * x[entry[q]];
      }
      t[k] += sum;
    }
    double own = r[j];
    for (long e = from; e < to; ++e) {
      z[e] = -t[entry[e]];
      own += l[e] * t[entry[e]];
      x[entry[e]] = 0;
    }
    zd[j] = own;
  }
}

static double gen_gaussian_forward(const gen_gaussian_pattern *a, const double *restrict l,
                                   const double *restrict r, double *restrict y) {
  double square = 0;
  for (long j = 0; j < a->n; ++j) {
    const double f = y[j];
    for (long e = a->start[j]; e < a->start[j + 1]; ++e) y[a->entry[e]] -= l[e] * f;
    square += f * f * r[j];
  }
  return square;
}

static void gen_gaussian(const long *ix, const double *p, const double *g, double *w,
                         double *out) {
  gen_gaussian_pattern a;
  gen_gaussian_read(ix, &a);
  const long n = a.n;
  double *d = w, *r = d + n, *y = r + n, *zd = y + n, *x = zd + n, *t = x + n;
  double *l = t + n, *z = l + a.fill;
  memset(x, 0, n * sizeof(double));
  if (!gen_gaussian_factor(&a, p, l, d, r, x)) {
    for (long k = 0; k < 1 + a.count + n; ++k) out[k] = NAN;
    return;
  }
  for (long k = 0; k < n; ++k) y[k] = g[a.order[k]];
  const double square = gen_gaussian_forward(&a, l, r, y);
  double logs = 0, product = 1;
  for (long k = 0; k < n; ++k) {
    if (d[k] > 1e-100 && d[k] < 1e100) product *= d[k]; else logs += log(d[k]);
    if (!(product > 1e-100 && product < 1e100)) { logs += log(product); product = 1; }
    y[k] *= r[k];
  }
  out[0] = square <= GEN_GAUSSIAN_SQUARE ? 0.5 * (square - logs - log(product)) : NAN;
  gen_gaussian_back(&a, l, y);
  double *mean = out + 1 + a.count;
  for (long k = 0; k < n; ++k) mean[a.order[k]] = y[k];
  gen_gaussian_inverse(&a, l, r, z, zd, x, t);
  for (long e = 0; e < a.count; ++e) {
    const long at = a.target[e];
    const double m = mean[a.i[e]] * mean[a.j[e]];
    out[1 + e] = at < 0 ? -0.5 * (m + zd[-1 - at]) : -(m + z[at]);
  }
}

static void gen_gaussian_draw(long count, const long *ix, const double *p, const double *g,
                              const double *noise, double *w, double *out) {
  gen_gaussian_pattern a;
  gen_gaussian_read(ix, &a);
  const long n = a.n;
  double *d = w, *r = d + n, *y = r + n, *x = y + n, *l = x + n;
  memset(x, 0, n * sizeof(double));
  for (; count > 0; --count, p += a.count, g += n, noise += n, out += n) {
    if (!gen_gaussian_factor(&a, p, l, d, r, x)) {
      for (long k = 0; k < n; ++k) out[k] = NAN;
      continue;
    }
    for (long k = 0; k < n; ++k) y[k] = g[a.order[k]];
    gen_gaussian_forward(&a, l, r, y);
    for (long k = 0; k < n; ++k) y[k] = y[k] * r[k] + noise[a.order[k]] * sqrt(r[k]);
    gen_gaussian_back(&a, l, y);
    for (long k = 0; k < n; ++k) out[a.order[k]] = y[k];
  }
}
"""


_MADE: WeakKeyDictionary[CEmitter, dict[Hashable, View]] = WeakKeyDictionary()
"""The results so far of each tape: its value and its gradient come from one call."""


def _result(c: CEmitter, step: Step) -> View:
    """Where the numbers of ``(key, precision, information)`` are: see `marginal.sparse`."""
    key, *arrays = step.args
    if key not in SYSTEMS:
        raise NotNative("a precision whose pattern is not known")
    made = _MADE.setdefault(c, {})
    call = key, *(a if isinstance(a, Ref) else id(a) for a in arrays)
    if call not in made:
        indices, room, count = SYSTEMS[key]
        c.included["gen_gaussian"] = SOURCE
        pattern, *pointers = (packed(c, a) for a in (indices, *arrays))
        work, out = c.new((room,)), c.new((count,))
        given = ", ".join([f"(const long *)({pattern})", *pointers, work.buffer, out.buffer])
        c.code.append(f"gen_gaussian({given});")
        made[call] = out
    return made[call]


def _moments(c: CEmitter, step: Step, number: int) -> Operand:
    return _result(c, step)


def _evidence(c: CEmitter, step: Step, number: int) -> Operand:
    found = _result(c, step)
    return View(found.buffer, found.offset, (), ())


GAUSSIANS: dict[str, Handler] = {
    "gendsl::gaussian": _moments,
    "gendsl::gaussian_evidence": _evidence,
}
"""By the name of the operation."""
