"""Distributions on intervals and on the circle."""

from __future__ import annotations

from collections.abc import Mapping

from gendsl.library.distributions.spec import DistributionSpec, Form, Kernel, Parameter
from gendsl.types import POSITIVE, REAL, UNIT, Interval, Size, Structured, Support

__all__ = ["BOUNDED"]


def _between(hulls: Mapping[str, Interval], sizes: Mapping[str, tuple[Size, ...]]) -> Support:
    """Real numbers from `low` to `high`."""
    return Interval(lower=hulls["low"].lower, upper=hulls["high"].upper)


BOUNDED = (
    DistributionSpec(
        name="Beta",
        params=(
            Parameter("concentration1", POSITIVE, "weight of 1", symbol="a"),
            Parameter("concentration0", POSITIVE, "weight of 0", symbol="b"),
            Parameter("mean", UNIT, "mean", symbol="a / (a + b)"),
            Parameter("concentration", POSITIVE, "sum of the two weights", symbol="a + b"),
        ),
        forms=(
            Form(
                ("concentration1", "concentration0"),
                "dist.Beta(concentration1, concentration0)",
            ),
            Form(
                ("mean", "concentration"),
                "dist.Beta(mean * concentration, (1 - mean) * concentration)",
            ),
        ),
        support=UNIT,
        has_cdf=True,
        family="beta",
        example={"concentration1": 2.0, "concentration0": 3.5},
        examples=({"mean": 0.3, "concentration": 5.0},),
        summary="A probability; conjugate for the probability of successes.",
        density=r"(a - 1) \log x + (b - 1) \log(1 - x) - \log B(a, b)",
    ),
    DistributionSpec(
        name="Uniform",
        params=(
            Parameter("low", REAL, "lower end", symbol="l"),
            Parameter("high", REAL, "upper end, above the lower", symbol="h"),
        ),
        forms=(Form(("low", "high"), "dist.Uniform(low, high)", "runtime.Uniform(low, high)"),),
        support=_between,
        has_cdf=True,
        log_concave=True,
        family="beta",  # where it is that of 0 to 1
        example={"low": -1.0, "high": 2.5},
        summary="Every value between two ends is equally likely.",
        density=r"-\log(h - l)",
    ),
    DistributionSpec(
        name="Kumaraswamy",
        params=(
            Parameter("concentration1", POSITIVE, "exponent of x", symbol="a"),
            Parameter("concentration0", POSITIVE, "exponent of 1 - x^a", symbol="b"),
        ),
        forms=(
            Form(
                ("concentration1", "concentration0"),
                "runtime.Kumaraswamy(concentration1, concentration0)",
            ),
        ),
        support=UNIT,
        has_cdf=True,
        kernels=(Kernel("concentration0", "gamma"),),
        example={"concentration1": 1.6, "concentration0": 2.2},
        summary="Much like Beta, with a distribution function in closed form.",
        density=r"\log(a b) + (a - 1) \log x + (b - 1) \log(1 - x^a)",
        references=(
            "A generalized probability density function for double-bounded random processes"
            " (Kumaraswamy, 1980)",
        ),
    ),
    DistributionSpec(
        name="VonMises",
        params=(
            Parameter("loc", REAL, "mean direction", symbol="m"),
            Parameter(
                "concentration", POSITIVE, "how tightly it clusters there", symbol=r"\kappa"
            ),
        ),
        forms=(Form(("loc", "concentration"), "runtime.VonMises(loc, concentration)"),),
        support=Structured("angle"),
        has_rsample=False,
        symmetric=True,
        example={"loc": 0.6, "concentration": 1.9},
        summary="The bell curve of the circle, on angles from -π to π.",
        density=r"\kappa \cos(x - m) - \log(2\pi I_0(\kappa))",
    ),
)
