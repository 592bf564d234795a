"""Sums over the paths of a chain in C: forward filtering, and its adjoint.

The recursion runs on numbers, not on their logarithms: an exponential for each potential, none for
a path. Every step is scaled, so that what is kept stays near 1. What is lost when a number is
smaller than the smallest one is harmless as long as no transition is much rarer than the others:
the next step reaches every state from the likely ones, with at least 1e-60 of what it gets from
the lost one. Where transitions are impossible, a state with nearly no probability may be the only
way on; the recursion then watches for losses, and is run again in logarithms where there is one.

References:
    Rabiner, A tutorial on hidden Markov models (Proceedings of the IEEE 77, 1989), V.A.
"""

from __future__ import annotations

from gendsl.runtime.native.emit import CEmitter, NotNative, Operand
from gendsl.runtime.native.loops import Lazy, View
from gendsl.runtime.native.views import Handler
from gendsl.runtime.tracing import Argument, Step

__all__ = ["MOST_STATES", "PATHS", "path_source", "room"]

MOST_STATES = 200
"""Chains of more states than this are left to torch: their tables lie on the stack."""

SOURCE = r"""
#define FEW 1e-30
#define SCARCE 1e-140
/* exp for numbers up to 0, in a form that compilers vectorise; 0 below -400. */
static inline double NAME_exp(double x) {
    union { double number; long long bits; } z, scale;
    z.number = x * 1.4426950408889634 + 6755399441055744.0;
    double k = z.number - 6755399441055744.0;
    double r = x - k * 0x1.62e42fefa3800p-1 - k * 0x1.ef35793c76730p-45, p = 1.0 / 6227020800;
    p = p * r + 1.0 / 479001600;
    p = p * r + 1.0 / 39916800;
    p = p * r + 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * r + 1;
    p = p * r + 1;
    scale.bits = (z.bits + 1023) << 52;
    return x < -400 ? 0 : p * scale.number;
}
static double NAME_max(long n, const double *v, long stride) {
    double m = -INFINITY;
    for (long i = 0; i < n; i++) m = v[i * stride] > m ? v[i * stride] : m;
    return m;
}
static double NAME_lse(const double *v) {
    double m = NAME_max(K, v, 1), s = 0;
    if (m == -INFINITY) return isnan(v[0]) ? NAN : m;
    for (int k = 0; k < K; k++) s += exp(v[k] - m);
    return m + log(s);
}
/* Transitions as numbers, and transposed: 0 if all are of about one size, 1 if some are
   impossible, 2 if some are much rarer than others. */
static int NAME_moves(long P, const double *restrict l, double *restrict A, double *restrict m) {
    int kind = 0;
    for (long p = 0; p < P; p++, l += K * K, A += 2 * K * K) {
        double top = m[p] = NAME_max(K * K, l, 1);
        for (int i = 0; i < K * K; i++) {
            double d = l[i] - top;
            A[i] = top == -INFINITY ? 0 : exp(d);
            if (l[i] < -1e29) { A[i] = 0; kind = kind > 1 ? kind : 1; }
            else if (d < -138) kind = 2;
        }
        for (int i = 0; i < K; i++)
            for (int k = 0; k < K; k++) A[K * K + k * K + i] = A[i * K + k];
    }
    return kind;
}
/* Emissions as numbers (T, K), the largest of a step 1; returns the sum of what they lack. */
static double NAME_weights(long T, const double *restrict start, const double *restrict s,
    long stride, double *restrict e) {
    double total = 0, top[64], part[K][64];
    for (long t0 = 0; t0 < T; t0 += 64) {
        int n = T - t0 < 64 ? T - t0 : 64;
        #pragma omp simd
        for (int t = 0; t < n; t++) top[t] = s[t0 + t];
        for (int k = 1; k < K; k++) {
            const double *own = s + k * stride + t0;
            #pragma omp simd
            for (int t = 0; t < n; t++) top[t] = own[t] > top[t] ? own[t] : top[t];
        }
        for (int k = 0; k < K; k++) {
            const double *own = s + k * stride + t0;
            double *mine = part[k];
            #pragma omp simd
            for (int t = 0; t < n; t++) mine[t] = NAME_exp(own[t] - top[t]);
        }
        for (int t = 0; t < n; t++)
            for (int k = 0; k < K; k++) e[(t0 + t) * K + k] = part[k][t];
        for (int t = t0 == 0; t < n; t++) total += top[t];
    }
    double v[K];
    for (int k = 0; k < K; k++) v[k] = start[k] + s[k * stride];
    double m = NAME_max(K, v, 1);
    for (int k = 0; k < K; k++) e[k] = NAME_exp(v[k] - m);
    return total + m;
}
/* x + y = (v A) o e in two halves, which do not wait for one another. */
#define NAME_sum(v, A, e, x, y) \
    for (int i = 0; i + 1 < K; i += 2) \
        for (int k = 0; k < K; k++) { \
            x[k] += v[i] * (A[i * K + k] * e[k]); \
            y[k] += v[i + 1] * (A[(i + 1) * K + k] * e[k]); \
        } \
    if (K % 2) for (int k = 0; k < K; k++) x[k] += v[K - 1] * (A[(K - 1) * K + k] * e[k]);
static inline double NAME_step(const double *restrict a, const double *restrict A,
    const double *restrict e, double *restrict out) {
    double x[K], y[K], total = 0;
    for (int k = 0; k < K; k++) x[k] = y[k] = 0;
    NAME_sum(a, A, e, x, y)
    for (int k = 0; k < K; k++) { out[k] = x[k] + y[k]; total += out[k]; }
    return total;
}
/* Whether a state has nearly been lost that may be reached. */
static int NAME_lost(const double *a, const double *A, const double *out, const double *s,
    long stride, double total) {
    for (int k = 0; k < K; k++) {
        double x = 0;
        for (int i = 0; i < K; i++) x += a[i] * A[i * K + k];
        if (x > 0 && s[k * stride] > -1e29 && !(out[k] >= SCARCE * total)) return 1;
    }
    return 0;
}
/* The log of the sum over all paths; a and r are what the adjoint needs. NAN: it is not known. */
static double NAME_linear(
    long T, long P, int kind, const double *restrict A, const double *restrict m,
    const double *restrict start, const double *restrict s, long stride,
    double *restrict a, double *restrict e, double *restrict r
) {
    double total = NAME_weights(T, start, s, stride, e), sum = 0;
    if (total == -INFINITY) return total;
    for (int k = 0; k < K; k++) { a[k] = e[k]; sum += a[k]; }
    if (kind)
        for (int k = 0; k < K; k++)
            if (start[k] + s[k * stride] > -1e29 && !(a[k] >= SCARCE)) return NAN;
    r[0] = 1;
    for (long t = 1; t < T; t++) {
        long p = P == 1 ? 0 : t - 1;
        const double *M = A + 2 * K * K * p;
        double *now = a + t * K;
        sum = NAME_step(now - K, M, e + t * K, now);
        if (kind && NAME_lost(now - K, M, now, s + t, stride, sum)) return NAN;
        r[t] = 1;
        if (!(sum > FEW && sum < 1 / FEW)) {
            if (!(sum > 0)) return sum == 0 && kind ? -INFINITY : NAN;
            r[t] = 1 / sum;
            total += log(sum);
            for (int k = 0; k < K; k++) now[k] *= r[t];
            sum = 1;
        }
        if (P != 1) total += m[p];
    }
    if (P == 1) total += (T - 1) * m[0];
    return total + log(sum);
}
/* The same in logarithms. */
static double NAME_logs(
    long T, long P, const double *restrict l, const double *restrict start,
    const double *restrict s, long stride, double *restrict a
) {
    double v[K];
    for (int k = 0; k < K; k++) a[k] = start[k] + s[k * stride];
    for (long t = 1; t < T; t++) {
        const double *M = l + (P == 1 ? 0 : t - 1) * K * K;
        for (int k = 0; k < K; k++) {
            for (int i = 0; i < K; i++) v[i] = a[(t - 1) * K + i] + M[i * K + k];
            a[t * K + k] = NAME_lse(v) + s[k * stride + t];
        }
    }
    double found = NAME_lse(a + (T - 1) * K);
    return found < -5e29 ? -INFINITY : found;
}
static void NAME_forward(
    long B, long T, long Bs, long Bp, long P, long Bx,
    const double *start, const double *pair, const double *single,
    double *restrict value, double *restrict w
) {
    long step = Bp == 1 ? 0 : 1, own = 2 * T * K + T + 1;
    double *A = w, *m = w + Bp * P * 2 * K * K, *room = m + Bp * P;
    int kind = 0;
    for (long b = 0; b < B; b++) {
        double *a = room + b * own, *e = a + T * K, *r = e + T * K, *flag = r + T;
        double *Ab = A + b * step * P * 2 * K * K, *mb = m + b * step * P;
        const double *l = pair + b * step * P * K * K, *s = single + (Bx == 1 ? 0 : b * T);
        const double *st = start + (Bs == 1 ? 0 : b * K);
        if (b == 0 || step) kind = T > 1 ? NAME_moves(P, l, Ab, mb) : 0;
        double found = NAN;
        *flag = 0;
        if (kind < 2) found = NAME_linear(T, P, kind, Ab, mb, st, s, Bx * T, a, e, r);
        if (isnan(found)) {
            *flag = 1;
            found = NAME_logs(T, P, l, st, s, Bx * T, a);
        }
        value[b] = found;
        if (!(found > -INFINITY && found < INFINITY)) *flag = isnan(found) ? 3 : 2;
    }
}
#if defined(__GNUC__) && !defined(__clang__)
__attribute__((optimize("O3")))
#endif
static void NAME_back_linear(
    long T, long P, double g, const double *restrict A, const double *restrict a,
    const double *restrict e, const double *restrict r, long stride,
    double *restrict gs, double *restrict gp, double *restrict gx
) {
    double beta[K], v[K], X[K * K], sum = 0;
    for (int k = 0; k < K; k++) sum += a[(T - 1) * K + k];
    for (int k = 0; k < K; k++) beta[k] = 1 / sum;
    for (int i = 0; i < K * K; i++) X[i] = 0;
    for (long t = T - 1; t > 0; t--) {
        const double *M = A + 2 * K * K * (P == 1 ? 0 : t - 1), *N = M + K * K;
        const double *now = a + t * K, *old = now - K;
        double x[K], y[K], w[K];
        for (int k = 0; k < K; k++) {
            gx[k * stride + t] += g * now[k] * beta[k];
            w[k] = now[k] > 0 ? e[t * K + k] * r[t] : 0;
            v[k] = w[k] * beta[k];
            x[k] = y[k] = 0;
        }
        if (P == 1) {
            for (int i = 0; i < K; i++)
                for (int k = 0; k < K; k++) X[i * K + k] += old[i] * v[k];
        } else {
            double *G = gp + (t - 1) * K * K;
            for (int i = 0; i < K; i++)
                for (int k = 0; k < K; k++) G[i * K + k] += g * old[i] * M[i * K + k] * v[k];
        }
        for (int k = 0; k + 1 < K; k += 2)
            for (int i = 0; i < K; i++) {
                x[i] += beta[k] * (w[k] * N[k * K + i]);
                y[i] += beta[k + 1] * (w[k + 1] * N[(k + 1) * K + i]);
            }
        if (K % 2) for (int i = 0; i < K; i++) x[i] += v[K - 1] * N[(K - 1) * K + i];
        for (int i = 0; i < K; i++) beta[i] = x[i] + y[i];
    }
    for (int k = 0; k < K; k++) {
        double gamma = a[k] > 0 ? g * a[k] * beta[k] : 0;
        gx[k * stride] += gamma;
        gs[k] += gamma;
    }
    if (P == 1 && T > 1)
        for (int i = 0; i < K * K; i++) gp[i] += g * A[i] * X[i];
}
static void NAME_back_logs(
    long T, long P, double g, double total, const double *restrict l, const double *restrict a,
    const double *restrict s, long stride,
    double *restrict gs, double *restrict gp, double *restrict gx
) {
    double beta[K], v[K], x[K];
    for (int k = 0; k < K; k++) beta[k] = 0;
    for (long t = T - 1; t >= 0; t--) {
        for (int k = 0; k < K; k++) {
            double gamma = g * exp(a[t * K + k] + beta[k] - total);
            gx[k * stride + t] += gamma;
            if (t == 0) gs[k] += gamma;
            v[k] = s[k * stride + t] + beta[k];
        }
        if (t == 0) return;
        const double *M = l + (P == 1 ? 0 : t - 1) * K * K, *old = a + (t - 1) * K;
        double *G = gp + (P == 1 ? 0 : t - 1) * K * K;
        for (int i = 0; i < K; i++) {
            for (int k = 0; k < K; k++) {
                x[k] = M[i * K + k] + v[k];
                G[i * K + k] += g * exp(old[i] + x[k] - total);
            }
            beta[i] = NAME_lse(x);
        }
    }
}
/* out: the cotangents of start (Bs, K), pair (Bp, P, K, K) and single (K, Bx, T). */
static void NAME_adjoint(
    long B, long T, long Bs, long Bp, long P, long Bx,
    const double *start, const double *pair, const double *single,
    const double *restrict value, const double *restrict w, const double *restrict grad,
    double *restrict out
) {
    long step = Bp == 1 ? 0 : 1, own = 2 * T * K + T + 1, sizes = Bs * K, pairs = Bp * P * K * K;
    const double *A = w, *room = w + Bp * P * 2 * K * K + Bp * P;
    for (long i = 0; i < sizes + pairs + K * Bx * T; i++) out[i] = 0;
    for (long b = 0; b < B; b++) {
        const double *a = room + b * own, *e = a + T * K, *r = e + T * K, *flag = r + T;
        const double *l = pair + b * step * P * K * K, *s = single + (Bx == 1 ? 0 : b * T);
        double *gs = out + (Bs == 1 ? 0 : b * K), *gp = out + sizes + b * step * P * K * K;
        double *gx = out + sizes + pairs + (Bx == 1 ? 0 : b * T);
        if (*flag == 0)
            NAME_back_linear(
                T, P, grad[b], A + b * step * P * 2 * K * K, a, e, r, Bx * T, gs, gp, gx);
        else if (*flag == 1)
            NAME_back_logs(T, P, grad[b], value[b], l, a, s, Bx * T, gs, gp, gx);
        else if (*flag == 3)
            for (long i = 0; i < sizes + pairs + K * Bx * T; i++) out[i] = NAN;
    }
}
"""

EXPORTED = r"""
void NAME_call_forward(
    long B, long T, long Bs, long Bp, long P, long Bx,
    const double *start, const double *pair, const double *single, double *value, double *w
) { NAME_forward(B, T, Bs, Bp, P, Bx, start, pair, single, value, w); }
void NAME_call_adjoint(
    long B, long T, long Bs, long Bp, long P, long Bx,
    const double *start, const double *pair, const double *single,
    const double *value, const double *w, const double *grad, double *out
) { NAME_adjoint(B, T, Bs, Bp, P, Bx, start, pair, single, value, w, grad, out); }
"""


def path_source(states: int, *, exported: bool = False) -> str:
    """The functions for chains of so many states; `exported`, two that can be called from Python.

    Their names begin with ``paths_K``.
    """
    text = SOURCE + (EXPORTED if exported else "")
    code = text.replace("NAME", f"paths_{states}")
    return f"#define K {states}\n{code}\n#undef K\n#undef FEW\n#undef SCARCE\n"


def room(sizes: tuple[int, ...], states: int) -> int:
    """How many numbers the functions work on, of `sizes` B, T, Bs, Bp, P and Bx."""
    members, length, _, pairs, steps, _ = sizes
    shared = pairs * steps * (2 * states * states + 1)
    return shared + members * (2 * length * states + length + 1)


def _packed(c: CEmitter, value: Argument) -> str:
    """An array whose numbers lie one after the other, as a pointer."""
    view = c.view(value)
    if not view.packed:
        view = c.stored(Lazy("{0}", (view,), view.shape))
    return f"{view.buffer} + {view.offset}" if view.offset else view.buffer


def _sizes(c: CEmitter, step: Step) -> tuple[int, ...]:
    """B, T, Bs, Bp, P and Bx of a step."""
    start, pair, single = (c.view(a).shape for a in step.args[1:4])
    return (step.args[0], single[2], start[0], pair[0], pair[1], single[1])


def _value(c: CEmitter, step: Step, number: int) -> Operand:
    """``(B, start, pair, single)``: see `gendsl.runtime.paths`. The workspace lies behind it."""
    states = c.view(step.args[1]).shape[1]
    if states > MOST_STATES:
        raise NotNative("a chain of so many states")
    c.included[f"paths_{states}"] = path_source(states)
    sizes = _sizes(c, step)
    pointers = [_packed(c, a) for a in step.args[1:4]]
    out = c.new((sizes[0] + room(sizes, states),))
    call = ", ".join([*map(str, sizes), *pointers, out.buffer, f"{out.buffer} + {sizes[0]}"])
    c.code.append(f"paths_{states}_forward({call});")
    return View(out.buffer, 0, (sizes[0],), (1,))


def _adjoint(c: CEmitter, step: Step, number: int) -> Operand:
    """The same with the cotangents of the values; it uses what their computation left behind."""
    states, sizes = c.view(step.args[1]).shape[1], _sizes(c, step)
    value = _earlier(c, step, number)
    pointers = [_packed(c, a) for a in step.args[1:4]]
    grad = _packed(c, step.args[4])
    out = c.new(c.shape(number))
    workspace = f"{value.buffer} + {sizes[0]}"
    call = [*map(str, sizes), *pointers, value.buffer, workspace, grad, out.buffer]
    c.code.append(f"paths_{states}_adjoint({', '.join(call)});")
    return out


def _earlier(c: CEmitter, step: Step, number: int) -> View:
    """The value of the same potentials: of an earlier step, else computed."""
    for other in range(1, number):
        found = c.tape.steps[other - 1]
        if found.op is not step.op and _same(found.args, step.args[:4]):
            value = c.values[other]
            if isinstance(value, View):
                return value
    value = _value(c, step, number)
    assert isinstance(value, View)
    return value


def _same(one: tuple[Argument, ...], other: tuple[Argument, ...]) -> bool:
    return len(one) == len(other) and all(
        a is b or (isinstance(a, type(b)) and not hasattr(a, "shape") and a == b)
        for a, b in zip(one, other, strict=True)
    )


PATHS: dict[str, Handler] = {"gendsl::paths": _value, "gendsl::paths_adjoint": _adjoint}
"""By the name of the operation."""
