"""Operations that act on each entry by itself, as C expressions."""

from __future__ import annotations

__all__ = ["ENTRYWISE", "PREAMBLE"]

ENTRYWISE: dict[str, str] = {
    "add": "({0} + {1})",
    "sub": "({0} - {1})",
    "rsub": "({1} - {0})",
    "mul": "({0} * {1})",
    "div": "({0} / {1})",
    "neg": "(-{0})",
    "exp": "exp({0})",
    "log": "log({0})",
    "log1p": "log1p({0})",
    "expm1": "expm1({0})",
    "log2": "log2({0})",
    "log10": "log10({0})",
    "sqrt": "sqrt({0})",
    "rsqrt": "(1 / sqrt({0}))",
    "reciprocal": "(1 / {0})",
    "abs": "fabs({0})",
    "sin": "sin({0})",
    "cos": "cos({0})",
    "tan": "tan({0})",
    "atan": "atan({0})",
    "sinh": "sinh({0})",
    "cosh": "cosh({0})",
    "tanh": "tanh({0})",
    "erf": "erf({0})",
    "erfc": "erfc({0})",
    "floor": "floor({0})",
    "ceil": "ceil({0})",
    "lgamma": "lgamma({0})",
    "digamma": "gen_digamma({0})",
    "special_log_ndtr": "gen_log_ndtr({0})",
    "special_erfcx": "gen_erfcx({0})",
    "sgn": "(({0} > 0) - ({0} < 0))",
    "sign": "(({0} > 0) - ({0} < 0))",
    "sigmoid": "(1 / (1 + exp(-{0})))",
    "relu": "({0} <= 0 ? 0 : {0})",
    "maximum": "({0} > {1} || isnan({0}) ? {0} : {1})",
    "minimum": "({0} < {1} || isnan({0}) ? {0} : {1})",
    "pow": "pow({0}, {1})",
    "square": "({0} * {0})",
    "where": "({0} != 0 ? {1} : {2})",
    "masked_fill": "({1} != 0 ? {2} : {0})",
    "ge": "({0} >= {1})",
    "gt": "({0} > {1})",
    "le": "({0} <= {1})",
    "lt": "({0} < {1})",
    "eq": "({0} == {1})",
    "ne": "({0} != {1})",
    "logical_and": "({0} != 0 && {1} != 0)",
    "logical_or": "({0} != 0 || {1} != 0)",
    "logical_not": "({0} == 0)",
    "isnan": "(isnan({0}) != 0)",
    "isinf": "(isinf({0}) != 0)",
    "xlogy": "gen_xlogy({0}, {1})",
    "softplus": "gen_softplus({0})",
    "sigmoid_backward": "({0} * {1} * (1 - {1}))",
    "tanh_backward": "({0} * (1 - {1} * {1}))",
    "log_sigmoid_backward": "({0} / (1 + exp({1})))",
    "threshold_backward": "({1} <= {2} ? 0 : {0})",
    "binary_cross_entropy_with_logits": "(gen_softplus({0}) - {0} * {1})",
    "softplus_backward": "({0} / (1 + exp(-{1})))",
    "log_sigmoid_forward:0": "(-gen_softplus(-{0}))",
    "log_sigmoid_forward:1": "0",
    "remainder": "({0} - floor({0} / {1}) * {1})",
    "trunc": "trunc({0})",
    "round": "nearbyint({0})",
    "fmod": "fmod({0}, {1})",
    "atan2": "atan2({0}, {1})",
    "asin": "asin({0})",
    "acos": "acos({0})",
}
"""By the name of the ATen operation; arguments in its order."""

PREAMBLE = """
#include <math.h>
#include <string.h>

static double gen_digamma(double x) {
  double r = 0;
  if (x <= 0) {
    if (floor(x) == x) return NAN;
    r -= M_PI / tan(M_PI * x);
    x = 1 - x;
  }
  while (x < 12) { r -= 1 / x; x += 1; }
  double f = 1 / (x * x);
  return r + log(x) - 0.5 / x - f * (1.0/12 - f * (1.0/120 - f * (1.0/252 - f * (1.0/240
    - f * (5.0/660 - f * (691.0/32760 - f / 12))))));
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
static inline double gen_max(double a, double b) { return isnan(a) || a > b ? a : b; }
static inline double gen_min(double a, double b) { return isnan(a) || a < b ? a : b; }
static inline double gen_xlogy(double x, double y) {
  return isnan(y) ? NAN : x == 0 ? 0 : x * log(y);
}
static inline double gen_softplus(double x) { return (x > 0 ? x : 0) + log1p(exp(-fabs(x))); }
"""
