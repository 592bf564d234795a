"""Functions of generated C that the C library lacks."""

from __future__ import annotations

__all__ = ["PREAMBLE"]

PREAMBLE = """
#include <math.h>
#include <string.h>

/* Calls would keep loops from being vectorised. */
#define GEN_INLINE static inline __attribute__((always_inline))

/* sin(pi x) for |x| <= 1/2. */
GEN_INLINE double gen_sine(double x) {
  const double y = x * x;
  double s = 1.7302192458361107e-13;
  s = s * y + (-1.0518471716932065e-11);
  s = s * y + (5.392664662608129e-10);
  s = s * y + (-2.2948428997269873e-08);
  s = s * y + (7.952054001475513e-07);
  s = s * y + (-2.1915353447830217e-05);
  s = s * y + (0.00046630280576761255);
  s = s * y + (-0.0073704309457143504);
  s = s * y + (0.08214588661112823);
  s = s * y + (-0.5992645293207921);
  s = s * y + (2.5501640398773455);
  s = s * y + (-5.16771278004997);
  s = s * y + (3.141592653589793);
  return s * x;
}
/* Without branches, so that loops of it are vectorised: Taylor's series around 2 (DLMF 5.7.3)
   between 1/2 and 5/2, else Stirling's (5.11.1) from 10 on; reflected (5.5.3) where x <= 0. */
GEN_INLINE double gen_lgamma(double x) {
  const double y = x <= 0 ? 1 - x : x;
  const double t = y < 1.5 ? y - 1 : y - 2;
  double a = 5.731367241678862e-10;
  a = a * t + (-1.1921401405860912e-09);
  a = a * t + (2.4836745438024785e-09);
  a = a * t + (-5.183475041970047e-09);
  a = a * t + (1.0838659214896955e-08);
  a = a * t + (-2.2711094608943164e-08);
  a = a * t + (4.7698101693639804e-08);
  a = a * t + (-1.0043224823968099e-07);
  a = a * t + (2.1207184805554665e-07);
  a = a * t + (-4.492469198764566e-07);
  a = a * t + (9.55141213040742e-07);
  a = a * t + (-2.039215753801366e-06);
  a = a * t + (4.374866789907488e-06);
  a = a * t + (-9.439488275268397e-06);
  a = a * t + (2.050721277567069e-05);
  a = a * t + (-4.492623673813314e-05);
  a = a * t + (9.945751278180853e-05);
  a = a * t + (-0.00022315475845357939);
  a = a * t + (0.0005096695247430425);
  a = a * t + (-0.001192753911703261);
  a = a * t + (0.0028905103307415234);
  a = a * t + (-0.007385551028673986);
  a = a * t + (0.020580808427784546);
  a = a * t + (-0.0673523010531981);
  a = a * t + (0.3224670334241132);
  a = a * t + (0.42278433509846713);
  const double u = y < 10 ? y : 1;
  const double q = u * (u + 1) * ((u + 2) * (u + 3)) * ((u + 4) * (u + 5)) * ((u + 6) * (u + 7))
    * ((u + 8) * (u + 9));
  const double z = y < 10 ? y + 10 : y, f = 1 / (z * z);
  const double b = (1.0/12 - f * (1.0/360 - f * (1.0/1260 - f * (1.0/1680 - f * (1.0/1188
    - f * (691.0/360360 - f / 156)))))) / z;
  const double far = (z - 0.5) * log(z) - z + 0.91893853320467274178 + b;
  const double shift = y < 10 ? q : 1;
  const double one = y < 1.5 ? y : 1;
  const double close = y < 0.5 ? 0 : (y > 2.5 ? 0 : 1);
  const double l = log(close != 0 ? one : shift);
  const double g = (close != 0 ? a * t : far) - l;
  const double h = y < INFINITY ? g : y;
  const double r = x - nearbyint(x);
  const double mirrored = 1.1447298858494001741 - log(fabs(gen_sine(r))) - h;
  return x <= 0 ? mirrored : h;
}
GEN_INLINE double gen_digamma(double x) {
  const double y = x <= 0 ? 1 - x : x;
  const double u = y < 10 ? y : 1;
  double p = u, d = 1;
  d = d * (u + 1) + p; p *= u + 1;
  d = d * (u + 2) + p; p *= u + 2;
  d = d * (u + 3) + p; p *= u + 3;
  d = d * (u + 4) + p; p *= u + 4;
  d = d * (u + 5) + p; p *= u + 5;
  d = d * (u + 6) + p; p *= u + 6;
  d = d * (u + 7) + p; p *= u + 7;
  d = d * (u + 8) + p; p *= u + 8;
  d = d * (u + 9) + p; p *= u + 9;
  const double z = y < 10 ? y + 10 : y, f = 1 / (z * z);
  const double a = log(z) - 0.5 / z - f * (1.0/12 - f * (1.0/120 - f * (1.0/252 - f * (1.0/240
    - f * (1.0/132 - f * (691.0/32760 - f * (1.0/12 - f * (3617.0/8160))))))));
  const double g = a - (y < 10 ? d / p : 0);
  const double r = x - nearbyint(x);
  const double mirrored = g - M_PI * gen_sine(0.5 - fabs(r)) / gen_sine(r);
  return x <= 0 ? mirrored : g;
}
/* exp(-|x|) times a modified Bessel function of order n, 0 or 1 (DLMF 10.25.2, 10.40.1). */
static double gen_bessel(double x, int n) {
  const double y = fabs(x), sign = n && x < 0 ? -1 : 1;
  if (!(y < 40)) {
    double term = 1, sum = 1;
    for (int k = 1; k < 40; ++k) {
      const double before = term;
      term *= -(4.0 * n * n - (2.0 * k - 1) * (2 * k - 1)) / (k * 8 * y);
      if (!(fabs(term) < fabs(before)) || fabs(term) < 1e-18) break;
      sum += term;
    }
    return sign * sum / sqrt(2 * M_PI * y);
  }
  double term = n ? y / 2 : 1, sum = term;
  for (int k = 1; term > 1e-18 * sum; ++k) { term *= y * y / 4 / (k * (k + n)); sum += term; }
  return sign * sum * exp(-y);
}
static double gen_erfcx(double x) {
  if (x < 25) return exp(x * x) * erfc(x);
  double f = 0.5 / (x * x);
  return M_2_SQRTPI / 2 / x * (1 - f * (1 - 3 * f * (1 - 5 * f * (1 - 7 * f))));
}
static inline double gen_log_ndtr(double x) {
  double t = x * M_SQRT1_2;
  return x < -1 ? log(gen_erfcx(-t) / 2) - t * t : log1p(-erfc(t) / 2);
}
static inline long gen_wrap(long i, long n) { return i < 0 ? i + n : i; }
GEN_INLINE double gen_max(double a, double b) {
  const double r = a > b ? a : b;
  return a != a ? a : r;
}
GEN_INLINE double gen_min(double a, double b) {
  const double r = a < b ? a : b;
  return a != a ? a : r;
}
static inline double gen_xlogy(double x, double y) {
  return isnan(y) ? NAN : x == 0 ? 0 : x * log(y);
}
static inline double gen_softplus(double x) { return (x > 0 ? x : 0) + log1p(exp(-fabs(x))); }

typedef double gen_vector __attribute__((vector_size(64), aligned(8), may_alias));

/* Panels of 32 rows, by columns, times a vector: m rows from row p on. */
static inline void gen_rows(const double *restrict panels, long columns, long m, long p,
                            const double *restrict vector, double *restrict out) {
  for (long q = 0; q < m; q += 32) {
    const double *of = panels + (p + q) * columns;
    gen_vector a = {0}, b = {0}, d = {0}, e = {0};
    for (long j = 0; j < columns; ++j) {
      const gen_vector *r = (const gen_vector *)(of + 32 * j);
      const double f = vector[j];
      a += r[0] * f; b += r[1] * f; d += r[2] * f; e += r[3] * f;
    }
    gen_vector *to = (gen_vector *)(out + q);
    to[0] = a; to[1] = b; to[2] = d; to[3] = e;
  }
}
/* The entries of m rows times the rows, added to 8 partial sums a column. */
static inline void gen_columns(const double *restrict panels, long columns, long m, long p,
                               double *restrict rows, double *restrict sums) {
  for (long q = m; q % 32; ++q) rows[q] = 0;
  for (long q = 0; q < m; q += 32) {
    const double *of = panels + (p + q) * columns;
    const gen_vector *f = (const gen_vector *)(rows + q);
    const gen_vector a = f[0], b = f[1], d = f[2], e = f[3];
    for (long j = 0; j < columns; ++j) {
      const gen_vector *r = (const gen_vector *)(of + 32 * j);
      *(gen_vector *)(sums + 8 * j) += r[0] * a + r[1] * b + (r[2] * d + r[3] * e);
    }
  }
}
static inline double gen_eight(const double *s) {
  return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}
"""
