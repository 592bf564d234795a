"""Special functions and the link functions of statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import inf

from gendsl.library.functions import intervals
from gendsl.library.functions.spec import FunctionSpec
from gendsl.types import COUNT, POSITIVE, REAL, UNIT, Interval

__all__ = ["SPECIAL"]

_LGAMMA_ARGMIN = 1.4616321449683623
"""Where the gamma function is least on the positive numbers."""

_SIGMOID_SCALAR = "0.5 * (1 + math.tanh(0.5 * x))"


def _sigmoid(x: float) -> float:
    return 0.5 * (1 + math.tanh(0.5 * x))


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _dipping(at_least: float) -> intervals.Range:
    """The range of log gamma (or gamma, by `at_least`) on the positive numbers."""

    def value(x: float) -> float:
        if x <= 0 or x == inf:
            return inf
        try:
            return math.lgamma(x) if at_least < 0 else math.gamma(x)
        except OverflowError:
            return inf

    def range_(hulls: Sequence[Interval]) -> Interval:
        x = hulls[0]
        ends = [value(x.lower), value(x.upper)]
        if x.lower <= _LGAMMA_ARGMIN <= x.upper:
            ends.append(at_least)
        return intervals.hull(ends)

    return range_


def _normal_cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


_ERROR_FUNCTIONS = (
    FunctionSpec(
        name="erf",
        params=("x",),
        range=intervals.increasing(math.erf),
        torch="torch.erf(x)",
        scalar="math.erf(x)",
        summary="Error function.",
        tex=r"\tfrac{2}{\sqrt\pi} \int_0^x e^{-t^2} dt",
    ),
    FunctionSpec(
        name="erfc",
        params=("x",),
        range=intervals.decreasing(math.erfc),
        torch="torch.erfc(x)",
        scalar="math.erfc(x)",
        summary="1 minus the error function, accurate where that is near 1.",
        tex=r"1 - \operatorname{erf} x",
    ),
    FunctionSpec(
        name="normal_cdf",
        params=("x",),
        range=intervals.increasing(_normal_cdf),
        torch="torch.special.ndtr(x)",
        scalar="0.5 * math.erfc(-x / math.sqrt(2))",
        summary="Probability that a standard normal value is not above x.",
        tex=r"\Phi(x)",
    ),
    FunctionSpec(
        name="probit",
        params=("x",),
        domain=(UNIT,),
        range=intervals.constant(REAL),
        torch="torch.special.ndtri(x)",
        summary="Inverse of `normal_cdf`.",
        tex=r"\Phi^{-1}(x)",
    ),
    FunctionSpec(
        name="log_normal_cdf",
        params=("x",),
        range=intervals.constant(Interval(upper=0.0)),
        torch="torch.special.log_ndtr(x)",
        summary="Logarithm of `normal_cdf`, without underflow.",
        tex=r"\log \Phi(x)",
    ),
    FunctionSpec(
        name="erfinv",
        params=("x",),
        domain=(Interval(lower=-1.0, upper=1.0),),
        range=intervals.constant(REAL),
        torch="torch.erfinv(x)",
        summary="Inverse of `erf`.",
        tex=r"\operatorname{erf}^{-1} x",
    ),
)

_INCOMPLETE = (
    "torch.exp(runtime.{}(torch.as_tensor(1.0 * a), torch.as_tensor(1.0 * x)))"  # not of integers
)

_GAMMA_FUNCTIONS = (
    FunctionSpec(
        name="lgamma",
        params=("x",),
        domain=(POSITIVE,),
        range=_dipping(math.lgamma(_LGAMMA_ARGMIN)),
        torch="torch.lgamma(x)",
        scalar="math.lgamma(x)",
        summary="Logarithm of the gamma function.",
        tex=r"\log\Gamma(x)",
    ),
    FunctionSpec(
        name="gamma",
        params=("x",),
        domain=(POSITIVE,),
        range=_dipping(math.gamma(_LGAMMA_ARGMIN)),
        torch="torch.exp(torch.lgamma(x))",
        scalar="math.gamma(x)",
        summary="Gamma function; gamma(n + 1) is the factorial of n.",
        tex=r"\Gamma(x)",
    ),
    FunctionSpec(
        name="digamma",
        params=("x",),
        domain=(POSITIVE,),
        range=intervals.constant(REAL),
        torch="torch.digamma(x)",
        summary="Slope of the logarithm of the gamma function.",
        tex=r"\psi(x)",
    ),
    FunctionSpec(
        name="trigamma",
        params=("x",),
        domain=(POSITIVE,),
        range=intervals.constant(POSITIVE),
        torch="runtime.trigamma(x)",
        summary="Slope of `digamma`.",
        tex=r"\psi'(x)",
    ),
    FunctionSpec(
        name="beta",
        params=("x", "y"),
        domain=(POSITIVE, POSITIVE),
        range=intervals.constant(POSITIVE),
        torch=(
            "torch.exp(torch.lgamma(torch.as_tensor(x)) + torch.lgamma(torch.as_tensor(y))"
            " - torch.lgamma(torch.as_tensor(x + y)))"
        ),
        scalar="math.exp(math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y))",
        summary="Beta function.",
        tex=r"B(x, y)",
    ),
    FunctionSpec(
        name="lbeta",
        params=("x", "y"),
        domain=(POSITIVE, POSITIVE),
        range=intervals.constant(REAL),
        torch=(
            "torch.lgamma(torch.as_tensor(x)) + torch.lgamma(torch.as_tensor(y))"
            " - torch.lgamma(torch.as_tensor(x + y))"
        ),
        scalar="math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)",
        summary="Logarithm of the beta function.",
        tex=r"\log B(x, y)",
    ),
    FunctionSpec(
        name="lchoose",
        params=("n", "k"),
        domain=(POSITIVE, POSITIVE),
        range=intervals.constant(REAL),
        torch=(
            "torch.lgamma(torch.as_tensor(n + 1)) - torch.lgamma(torch.as_tensor(k + 1))"
            " - torch.lgamma(torch.as_tensor(n - k + 1))"
        ),
        scalar="math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)",
        summary="Logarithm of the number of ways to choose k of n.",
        tex=r"\log\tbinom{n}{k}",
    ),
    FunctionSpec(
        name="gammainc",
        params=("a", "x"),
        domain=(POSITIVE, POSITIVE),
        range=intervals.constant(UNIT),
        torch=_INCOMPLETE.format("log_gammainc"),
        summary="Regularised incomplete gamma function: probability that a Gamma(a, 1) value is "
        "not above x.",
        tex=r"P(a, x)",
    ),
    FunctionSpec(
        name="gammaincc",
        params=("a", "x"),
        domain=(POSITIVE, POSITIVE),
        range=intervals.constant(UNIT),
        torch=_INCOMPLETE.format("log_gammaincc"),
        summary="1 minus `gammainc`, accurate where that is near 1.",
        tex=r"Q(a, x)",
    ),
    FunctionSpec(
        name="betainc",
        params=("a", "b", "x"),
        domain=(POSITIVE, POSITIVE, UNIT),
        range=intervals.constant(UNIT),
        torch="torch.exp(runtime.log_betainc("
        "torch.as_tensor(1.0 * a), torch.as_tensor(1.0 * b), torch.as_tensor(1.0 * x)))",
        summary="Regularised incomplete beta function: probability that a Beta(a, b) value is "
        "not above x.",
        tex=r"I_x(a, b)",
    ),
    FunctionSpec(
        name="choose",
        params=("n", "k"),
        domain=(COUNT, COUNT),
        range=intervals.constant(POSITIVE),
        torch=(
            "torch.exp(torch.lgamma(torch.as_tensor(n + 1)) - torch.lgamma(torch.as_tensor(k + 1))"
            " - torch.lgamma(torch.as_tensor(n - k + 1)))"
        ),
        scalar="float(math.comb(int(n), int(k)))",
        smooth=False,
        summary="Number of ways to choose k of n, rounded as real numbers are.",
        tex=r"\tbinom{n}{k}",
    ),
)


def _sigmoid_named(name: str, summary: str) -> FunctionSpec:
    return FunctionSpec(
        name=name,
        params=("x",),
        range=intervals.increasing(_sigmoid),
        torch="torch.sigmoid(x)",
        scalar=_SIGMOID_SCALAR,
        summary=summary,
        tex=r"1 / (1 + e^{-x})",
    )


def _inv_cloglog(x: float) -> float:
    return -math.expm1(-math.exp(min(x, 700.0)))


_LINKS = (
    _sigmoid_named("sigmoid", "From log odds to a probability."),
    _sigmoid_named("inv_logit", "Another name of `sigmoid`."),
    FunctionSpec(
        name="logit",
        params=("x",),
        domain=(UNIT,),
        range=intervals.increasing(
            lambda p: math.log(p) - math.log1p(-p), low=0.0, high=1.0, at_low=-inf, at_high=inf
        ),
        torch="torch.logit(x)",
        scalar="math.log(x) - math.log1p(-x)",
        summary="Log odds of a probability.",
        tex=r"\log\tfrac{x}{1 - x}",
    ),
    FunctionSpec(
        name="cloglog",
        params=("x",),
        domain=(UNIT,),
        range=intervals.constant(REAL),
        torch="torch.log(-torch.log1p(-x))",
        scalar="math.log(-math.log1p(-x))",
        summary="Complementary log-log link of a probability.",
        tex=r"\log(-\log(1 - x))",
    ),
    FunctionSpec(
        name="inv_cloglog",
        params=("x",),
        range=intervals.increasing(_inv_cloglog),
        torch="-torch.expm1(-torch.exp(x))",
        scalar="-math.expm1(-math.exp(min(x, 700.0)))",
        summary="Inverse of `cloglog`.",
        tex=r"1 - e^{-e^x}",
    ),
    FunctionSpec(
        name="log_sigmoid",
        params=("x",),
        range=intervals.increasing(lambda x: 0.0 - _softplus(-x)),
        torch="torch.nn.functional.logsigmoid(x)",
        scalar="min(x, 0.0) - math.log1p(math.exp(-abs(x)))",
        summary="Logarithm of `sigmoid`, without underflow.",
        tex=r"-\log(1 + e^{-x})",
    ),
    FunctionSpec(
        name="softplus",
        params=("x",),
        range=intervals.increasing(_softplus),
        # The default threshold of 20 would be wrong in the tenth digit.
        torch="torch.nn.functional.softplus(x, threshold=40)",
        scalar="max(x, 0.0) + math.log1p(math.exp(-abs(x)))",
        summary="A smooth way to make a number positive.",
        tex=r"\log(1 + e^x)",
    ),
    FunctionSpec(
        name="relu",
        params=("x",),
        range=lambda hulls: intervals.elementwise_max(
            [hulls[0], Interval(hulls[0].integer, 0.0, 0.0)]
        ),
        torch="torch.relu(x)",
        scalar="max(x, 0.0)",
        smooth=False,
        summary="x where it is positive, 0 elsewhere.",
        tex=r"\max(x, 0)",
    ),
)

_SUMS_OF_EXPONENTIALS = (
    FunctionSpec(
        name="logaddexp",
        params=("x", "y"),
        range=lambda hulls: Interval(lower=max(h.lower for h in hulls), upper=inf),
        torch="torch.logaddexp(torch.as_tensor(x), torch.as_tensor(y))",
        summary="Logarithm of the sum of two exponentials, without overflow.",
        tex=r"\log(e^x + e^y)",
    ),
    FunctionSpec(
        name="log_diff_exp",
        params=("x", "y"),
        range=lambda hulls: Interval(upper=hulls[0].upper),
        torch="x + runtime.log_complement(torch.as_tensor(y - x))",
        summary="Logarithm of the difference of two exponentials; x is above y.",
        tex=r"\log(e^x - e^y)",
    ),
    FunctionSpec(
        name="log1mexp",
        params=("x",),
        domain=(Interval(upper=0.0),),
        range=intervals.constant(Interval(upper=0.0)),
        torch="runtime.log_complement(x)",
        summary="Logarithm of 1 minus the exponential of a negative number, without cancellation.",
        tex=r"\log(1 - e^x)",
    ),
)

SPECIAL = (*_ERROR_FUNCTIONS, *_GAMMA_FUNCTIONS, *_LINKS, *_SUMS_OF_EXPONENTIALS)
