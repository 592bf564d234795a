"""The solver and its adjoint in C, around a generated right-hand side."""

from __future__ import annotations

from gendsl.runtime.odes.tableau import (
    ALPHA,
    BETA,
    ERROR,
    GROW,
    NODES,
    SAFETY,
    SHRINK,
    STAGES,
    WEIGHTS,
)

__all__ = ["solver_source"]


def _row(values: tuple[float, ...], size: int) -> str:
    return "{" + ", ".join(repr(v) for v in (*values, *[0.0] * (size - len(values)))) + "}"


TABLES = f"""
#include <stdlib.h>
#ifndef GEN_ODE
#define GEN_ODE
static const double gen_ode_c[6] = {_row(NODES, 6)};
static const double gen_ode_a[6][6] = {{{", ".join(_row(r, 6) for r in STAGES)}}};
static const double gen_ode_b[6] = {_row(WEIGHTS, 6)};
static const double gen_ode_e[7] = {_row(ERROR, 7)};
#endif
"""

UNROLLED = """
#pragma GCC push_options
#pragma GCC optimize ("O3", "no-tree-vectorize", "no-tree-slp-vectorize")
"""
AS_BEFORE = "#pragma GCC pop_options\n"

SOLVER = """
typedef struct { double *at; long *reached; long count, room; } NAME_steps;

static double NAME_norm(const double *v, const double *s) {
  double sum = 0;
  for (int i = 0; i < STATE; ++i) { double r = v[i] / s[i]; sum += r * r; }
  return sqrt(sum / (STATE ? STATE : 1));
}

/* x is a buffer of time, state, parameters and a cotangent: a point of the right-hand side. */
static void NAME_at(double *x, double t, const double *z, double *slope) {
  x[0] = t;
  for (int i = 0; i < STATE; ++i) x[1 + i] = z[i];
  NAME_slope(x, slope);
}

static double NAME_first(double *x, double t, const double *z, const double *k, double span,
                         double rtol, double atol) {
  double s[STATE + 1], y[STATE + 1], f[STATE + 1];
  for (int i = 0; i < STATE; ++i) s[i] = atol + rtol * fabs(z[i]);
  double d0 = NAME_norm(z, s), d1 = NAME_norm(k, s);
  double h = d0 < 1e-5 || d1 < 1e-5 ? 1e-6 : 0.01 * d0 / d1;
  if (h > span) h = span;
  for (int i = 0; i < STATE; ++i) y[i] = z[i] + h * k[i];
  NAME_at(x, t + h, y, f);
  for (int i = 0; i < STATE; ++i) f[i] -= k[i];
  double d2 = NAME_norm(f, s) / h, d = d1 > d2 ? d1 : d2;
  double next = d <= 1e-15 ? (h * 1e-3 > 1e-6 ? h * 1e-3 : 1e-6) : pow(0.01 / d, 0.2);
  if (!isfinite(next)) return h;
  return next < 100 * h ? next : 100 * h;
}

static int NAME_kept(NAME_steps *s, double t, double h, const double *z, double k[7][STATE + 1]) {
  const long size = 2 + 7 * STATE;
  if (s->count == s->room) {
    long room = s->room ? 2 * s->room : 256;
    double *at = realloc(s->at, room * size * sizeof(double));
    if (!at) return 0;
    s->at = at;
    s->room = room;
  }
  double *to = s->at + s->count++ * size;
  to[0] = t;
  to[1] = h;
  memcpy(to + 2, z, STATE * sizeof(double));
  for (int j = 0; j < 6; ++j) memcpy(to + 2 + (j + 1) * STATE, k[j], STATE * sizeof(double));
  return 1;
}

/* The states at ts, in the order given; 0 where no solution was found. */
static int NAME_path(long count, const double *z0, double t0, const double *ts, const long *order,
                     double *x, double rtol, double atol, long most, double *out,
                     NAME_steps *kept) {
  double z[STATE + 1], y[STATE + 1], e[STATE + 1], s[STATE + 1], k[7][STATE + 1];
  double t = t0, h = 0, before = 1e-4;
  int started = 0, rejected = 0;
  memcpy(z, z0, STATE * sizeof(double));
  for (long n = 0; n < count; ++n) {
    const double end = ts[order[n]];
    if (!(end >= t) || !isfinite(end)) return 0;
    for (long used = 0; t < end; ++used) {
      if (!started) {
        NAME_at(x, t, z, k[0]);
        h = NAME_first(x, t, z, k[0], end - t, rtol, atol);
        started = 1;
      }
      double left = end - t, step = h;
      int last = step >= left;
      if (last) step = left;
      else if (2 * step > left) step = 0.5 * left;
      if (used >= most || !isfinite(h) || (!last && t + 0.1 * step == t)) return 0;
      for (int j = 1; j < 6; ++j) {
        for (int i = 0; i < STATE; ++i) {
          double sum = 0;
          for (int m = 0; m < j; ++m) sum += gen_ode_a[j][m] * k[m][i];
          y[i] = z[i] + step * sum;
        }
        NAME_at(x, t + gen_ode_c[j] * step, y, k[j]);
      }
      for (int i = 0; i < STATE; ++i) {
        double sum = 0;
        for (int m = 0; m < 6; ++m) sum += gen_ode_b[m] * k[m][i];
        y[i] = z[i] + step * sum;
      }
      double then = last ? end : t + step;
      NAME_at(x, then, y, k[6]);
      for (int i = 0; i < STATE; ++i) {
        double sum = 0, a = fabs(z[i]), b = fabs(y[i]);
        for (int m = 0; m < 7; ++m) sum += gen_ode_e[m] * k[m][i];
        e[i] = isfinite(y[i]) ? step * sum : NAN;
        s[i] = atol + rtol * (a > b ? a : b);
      }
      double error = NAME_norm(e, s);
      if (!(error <= 1)) {
        double fall = isfinite(error) ? pow(error, ALPHA) / SAFETY : 10;
        h = step / (fall < 1 / SHRINK ? fall : 1 / SHRINK);
        rejected = 1;
        continue;
      }
      if (kept && !NAME_kept(kept, t, step, z, k)) return 0;
      double factor = pow(error, ALPHA) / pow(before, BETA) / SAFETY;
      if (!(factor > 1 / GROW)) factor = 1 / GROW;
      if (factor > 1 / SHRINK) factor = 1 / SHRINK;
      double next = step / factor;
      if (rejected && next > step) next = step;
      if (step < h && next < h && !rejected) next = h; /* it was cut to meet a time */
      h = next;
      before = error > 1e-4 ? error : 1e-4;
      rejected = 0;
      t = then;
      memcpy(z, y, STATE * sizeof(double));
      memcpy(k[0], k[6], STATE * sizeof(double));
    }
    memcpy(out + order[n] * STATE, z, STATE * sizeof(double));
    if (kept) kept->reached[n] = kept->count;
  }
  return 1;
}

static void NAME_order(long count, const double *ts, long *order) {
  for (long n = 0; n < count; ++n) {
    long m = n;
    for (; m > 0 && ts[order[m - 1]] > ts[n]; --m) order[m] = order[m - 1];
    order[m] = n;
  }
}

/* The cotangent of the state before a step, from that after it; adds to that of parameters. */
static void NAME_back(const double *step, double *x, double *lam, double *gp) {
  const double t = step[0], h = step[1], *z = step + 2, *k = step + 2 + STATE;
  double u[6][STATE + 1], g[STATE + PARAMS + 1];
  for (int j = 5; j >= 0; --j) {
    x[0] = t + gen_ode_c[j] * h;
    for (int i = 0; i < STATE; ++i) {
      double sum = 0, kappa = gen_ode_b[j] * lam[i];
      for (int m = 0; m < j; ++m) sum += gen_ode_a[j][m] * k[m * STATE + i];
      for (int m = j + 1; m < 6; ++m) kappa += gen_ode_a[m][j] * u[m][i];
      x[1 + i] = z[i] + h * sum;
      x[1 + STATE + PARAMS + i] = h * kappa;
    }
    NAME_pull(x, g);
    memcpy(u[j], g, STATE * sizeof(double));
    for (int i = 0; i < PARAMS; ++i) gp[i] += g[STATE + i];
  }
  for (int i = 0; i < STATE; ++i)
    for (int j = 0; j < 6; ++j) lam[i] += u[j][i];
}

LINKAGE void NAME_solve(long batch, long count, const double *z0, const double *t0,
                        const double *ts, const double *p, double rtol, double atol, long most,
                        double *out) {
  double *x = malloc((1 + 2 * STATE + PARAMS) * sizeof(double));
  long *order = malloc((count + 1) * sizeof(long));
  for (long b = 0; b < batch; ++b) {
    double *to = out + b * count * STATE;
    for (long i = 0; i < count * STATE; ++i) to[i] = NAN;
    memcpy(x + 1 + STATE, p + b * PARAMS, PARAMS * sizeof(double));
    NAME_order(count, ts + b * count, order);
    NAME_path(count, z0 + b * STATE, t0[b], ts + b * count, order, x, rtol, atol, most, to, 0);
  }
  free(x);
  free(order);
}

/* One row of out a member: the cotangents of z0, t0, ts and p. */
LINKAGE void NAME_adjoint(long batch, long count, const double *z0, const double *t0,
                          const double *ts, const double *p, const double *grad, double rtol,
                          double atol, long most, double *out) {
  double *x = malloc((1 + 2 * STATE + PARAMS) * sizeof(double));
  double *states = malloc((count * STATE + 1) * sizeof(double));
  long *order = malloc((count + 1) * sizeof(long));
  NAME_steps kept = {0, malloc((count + 1) * sizeof(long)), 0, 0};
  const long width = STATE + 1 + count + PARAMS;
  double f[STATE + 1];
  for (long b = 0; b < batch; ++b) {
    const double *times = ts + b * count, *own = grad + b * count * STATE;
    double *gz = out + b * width, *gt = gz + STATE, *gts = gt + 1, *gp = gts + count;
    memcpy(x + 1 + STATE, p + b * PARAMS, PARAMS * sizeof(double));
    NAME_order(count, times, order);
    kept.count = 0;
    if (!NAME_path(count, z0 + b * STATE, t0[b], times, order, x, rtol, atol, most, states,
                   &kept)) {
      for (long i = 0; i < width; ++i) gz[i] = NAN;
      continue;
    }
    for (long i = 0; i < width; ++i) gz[i] = 0;
    long done = kept.count;
    for (long n = count - 1; n >= 0; --n) {
      const double *g = own + order[n] * STATE, *z = states + order[n] * STATE;
      while (done > kept.reached[n]) NAME_back(kept.at + --done * (2 + 7 * STATE), x, gz, gp);
      NAME_at(x, times[order[n]], z, f);
      for (int i = 0; i < STATE; ++i) {
        gts[order[n]] += g[i] * f[i];
        gz[i] += g[i];
      }
    }
    while (done > 0) NAME_back(kept.at + --done * (2 + 7 * STATE), x, gz, gp);
    NAME_at(x, t0[b], z0 + b * STATE, f);
    for (int i = 0; i < STATE; ++i) gt[0] -= gz[i] * f[i];
  }
  free(x);
  free(states);
  free(order);
  free(kept.at);
  free(kept.reached);
}
"""


def solver_source(name: str, slope: str, pull: str, state: int, params: int) -> str:
    """The functions ``<name>_solve`` and ``<name>_adjoint``, to be put after the preamble.

    Args:
        name: a prefix of every name in it.
        slope: C of ``<name>_slope(x, out)``, the right-hand side.
        pull: C of ``<name>_pull(x, out)``, its vector-Jacobian product.
        state: the size of the state.
        params: the number of parameters.
    """
    constants = {"ALPHA": ALPHA, "BETA": BETA, "SAFETY": SAFETY, "SHRINK": SHRINK, "GROW": GROW}
    text = SOLVER
    for word, value in constants.items():
        text = text.replace(word, repr(value))
    text = text.replace("LINKAGE", "__attribute__((noinline))")
    text = text.replace("STATE", str(state)).replace("PARAMS", str(params))
    return "\n".join([TABLES, UNROLLED, slope, pull, text.replace("NAME", name), AS_BEFORE])
