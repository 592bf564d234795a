"""Distributions on the positive half-line."""

from __future__ import annotations

from collections.abc import Mapping

from gendsl.library.distributions.spec import DistributionSpec, Form, Kernel, Parameter
from gendsl.types import POSITIVE, REAL, Interval, Size, Support

__all__ = ["POSITIVE_LINE"]

_SCALE = Parameter("scale", POSITIVE, "width", symbol="s")
_SHAPE = Parameter("concentration", POSITIVE, "shape", symbol="a")


def _above_scale(hulls: Mapping[str, Interval], sizes: Mapping[str, tuple[Size, ...]]) -> Support:
    """Positive numbers from `scale` up."""
    return Interval(lower=max(0.0, hulls["scale"].lower))


POSITIVE_LINE = (
    DistributionSpec(
        name="LogNormal",
        params=(
            Parameter("loc", REAL, "mean of the logarithm", symbol="m"),
            Parameter("scale", POSITIVE, "standard deviation of the logarithm", symbol="s"),
        ),
        forms=(Form(("loc", "scale"), "dist.LogNormal(loc, scale)"),),
        support=POSITIVE,
        has_cdf=True,
        gaussian_given=("loc",),
        kernels=(Kernel("scale", "gamma", -2),),
        example={"loc": 0.4, "scale": 0.7},
        summary="The exponential of a normal value: products of many small effects.",
        density=r"-\tfrac{1}{2} z^2 - \log(x s \sqrt{2\pi}), \quad z = (\log x - m) / s",
    ),
    DistributionSpec(
        name="Gamma",
        params=(
            _SHAPE,
            Parameter("rate", POSITIVE, "rate; the mean is concentration / rate", symbol="b"),
            Parameter("scale", POSITIVE, "one over the rate", symbol="1 / b"),
        ),
        forms=(
            Form(("concentration", "rate"), "dist.Gamma(concentration, rate)"),
            Form(("concentration", "scale"), "dist.Gamma(concentration, 1 / scale)"),
        ),
        support=POSITIVE,
        has_cdf=True,
        family="gamma",
        kernels=(Kernel("rate", "gamma"), Kernel("scale", "gamma", -1)),
        example={"concentration": 2.5, "rate": 1.5},
        examples=({"concentration": 1.2, "scale": 2.0},),
        summary="The waiting time until `concentration` events that come at the given rate.",
        density=r"a \log b - \log\Gamma(a) + (a - 1) \log x - b x",
    ),
    DistributionSpec(
        name="InverseGamma",
        params=(
            _SHAPE,
            Parameter("rate", POSITIVE, "rate of 1/x, which is the scale of x", symbol="b"),
        ),
        forms=(Form(("concentration", "rate"), "dist.InverseGamma(concentration, rate)"),),
        support=POSITIVE,
        has_cdf=True,
        family="inverse_gamma",
        kernels=(Kernel("rate", "gamma"),),
        example={"concentration": 3.0, "rate": 2.0},
        summary="One over a Gamma value; conjugate for a normal variance.",
        density=r"a \log b - \log\Gamma(a) - (a + 1) \log x - b / x",
    ),
    DistributionSpec(
        name="ChiSquared",
        params=(Parameter("df", POSITIVE, "degrees of freedom", symbol="k"),),
        forms=(Form(("df",), "dist.Chi2(df)"),),
        support=POSITIVE,
        has_cdf=True,
        family="gamma",
        example={"df": 5.0},
        summary="The sum of `df` squared standard normal values.",
        density=(
            r"(\tfrac{k}{2} - 1) \log x - \tfrac{x}{2} - \tfrac{k}{2} \log 2"
            r" - \log\Gamma(\tfrac{k}{2})"
        ),
    ),
    DistributionSpec(
        name="Exponential",
        params=(Parameter("rate", POSITIVE, "rate; the mean is 1 / rate", symbol="b"),),
        forms=(Form(("rate",), "dist.Exponential(rate)"),),
        support=POSITIVE,
        has_cdf=True,
        log_concave=True,
        family="gamma",
        kernels=(Kernel("rate", "gamma"),),
        example={"rate": 1.7},
        summary="The waiting time for an event that is equally likely at any moment.",
        density=r"\log b - b x",
    ),
    DistributionSpec(
        name="Weibull",
        params=(_SCALE, _SHAPE),
        forms=(Form(("scale", "concentration"), "dist.Weibull(scale, concentration)"),),
        support=POSITIVE,
        has_cdf=True,
        kernels=(Kernel("scale", "gamma", -1, exponent="concentration"),),
        example={"scale": 1.4, "concentration": 1.8},
        summary="A lifetime; the hazard grows with age where the concentration exceeds 1.",
        density=r"\log(a / s) + (a - 1) \log(x / s) - (x / s)^a",
    ),
    DistributionSpec(
        name="HalfNormal",
        params=(
            Parameter("scale", POSITIVE, "standard deviation of the whole normal", symbol="s"),
        ),
        forms=(Form(("scale",), "dist.HalfNormal(scale)"),),
        support=POSITIVE,
        has_cdf=True,
        log_concave=True,
        kernels=(Kernel("scale", "gamma", -2),),
        example={"scale": 1.6},
        summary="The absolute value of a centred normal value.",
        density=r"\tfrac{1}{2} \log\tfrac{2}{\pi} - \log s - \tfrac{1}{2} (x / s)^2",
    ),
    DistributionSpec(
        name="HalfCauchy",
        params=(Parameter("scale", POSITIVE, "median", symbol="s"),),
        forms=(Form(("scale",), "dist.HalfCauchy(scale)"),),
        support=POSITIVE,
        has_cdf=True,
        example={"scale": 2.0},
        summary="The absolute value of a centred Cauchy value; a wide prior for scales.",
        density=r"\log 2 - \log(\pi s (1 + (x / s)^2))",
    ),
    DistributionSpec(
        name="HalfStudentT",
        params=(
            Parameter("df", POSITIVE, "degrees of freedom", symbol=r"\nu"),
            Parameter("scale", POSITIVE, "width of the whole StudentT", symbol="s"),
        ),
        forms=(Form(("df", "scale"), "dist.FoldedDistribution(dist.StudentT(df, 0.0, scale))"),),
        support=POSITIVE,
        has_cdf=True,
        example={"df": 3.5, "scale": 1.7},
        summary="The absolute value of a centred StudentT value; a prior for scales.",
        density=(
            r"\log 2 + \log\Gamma(\tfrac{\nu + 1}{2}) - \log\Gamma(\tfrac{\nu}{2})"
            r" - \tfrac{1}{2} \log(\pi\nu s^2)"
            r" - \tfrac{\nu + 1}{2} \log(1 + (x / s)^2 / \nu)"
        ),
        references=(
            "Prior distributions for variance parameters in hierarchical models (Gelman, 2006)",
        ),
    ),
    DistributionSpec(
        name="Rayleigh",
        params=(Parameter("scale", POSITIVE, "standard deviation of each part", symbol="s"),),
        forms=(Form(("scale",), "dist.Weibull(2.0 ** 0.5 * scale, 2.0)"),),
        support=POSITIVE,
        has_cdf=True,
        log_concave=True,
        kernels=(Kernel("scale", "gamma", -2),),
        example={"scale": 1.3},
        summary="The length of a vector of two centred normal values.",
        density=r"\log x - 2 \log s - \tfrac{1}{2} (x / s)^2",
    ),
    DistributionSpec(
        name="Wald",
        params=(
            Parameter("mean", POSITIVE, "mean", symbol="m"),
            Parameter(
                "concentration", POSITIVE, "shape; the variance is mean^3 / shape", symbol="k"
            ),
        ),
        forms=(Form(("mean", "concentration"), "runtime.Wald(mean, concentration)"),),
        support=POSITIVE,
        has_rsample=False,
        has_cdf=True,
        kernels=(Kernel("concentration", "gamma"),),
        example={"mean": 1.4, "concentration": 2.5},
        summary="The inverse Gaussian: when a Brownian motion with drift first reaches a level.",
        density=r"\tfrac{1}{2} \log\tfrac{k}{2\pi x^3} - \tfrac{k (x - m)^2}{2 m^2 x}",
        references=(
            "Generating random variates using transformations with multiple roots"
            " (Michael, Schucany and Haas, 1976)",
        ),
    ),
    DistributionSpec(
        name="Pareto",
        params=(
            Parameter("scale", POSITIVE, "smallest possible value", symbol="s"),
            Parameter("alpha", POSITIVE, "tail exponent", symbol="a"),
        ),
        forms=(Form(("scale", "alpha"), "runtime.Pareto(scale, alpha)"),),
        support=_above_scale,
        has_cdf=True,
        kernels=(Kernel("alpha", "gamma"),),
        example={"scale": 1.5, "alpha": 3.0},
        summary="A power law above a smallest value.",
        density=r"\log a + a \log s - (a + 1) \log x \quad (x \ge s)",
    ),
)
