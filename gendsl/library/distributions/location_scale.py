"""Distributions on the whole real line, placed and stretched by a location and a scale."""

from __future__ import annotations

from gendsl.library.distributions.spec import DistributionSpec, Form, Kernel, Parameter
from gendsl.types import POSITIVE, REAL

__all__ = ["LOCATION_SCALE"]

_LOC = Parameter("loc", REAL, "centre", symbol="m")
_SCALE = Parameter("scale", POSITIVE, "width", symbol="s")


def _pyro(name: str) -> tuple[Form, ...]:
    return (Form(("loc", "scale"), f"dist.{name}(loc, scale)"),)


LOCATION_SCALE = (
    DistributionSpec(
        name="Normal",
        params=(
            Parameter("loc", REAL, "mean", symbol="m"),
            Parameter("scale", POSITIVE, "standard deviation", symbol="s"),
        ),
        forms=_pyro("Normal"),
        support=REAL,
        has_cdf=True,
        symmetric=True,
        log_concave=True,
        gaussian=("loc",),
        kernels=(Kernel("scale", "gamma", -2),),
        example={"loc": 0.7, "scale": 1.3},
        summary="The bell curve: sums of many small independent effects.",
        density=r"-\tfrac{1}{2} z^2 - \log(s \sqrt{2\pi}), \quad z = (x - m) / s",
    ),
    DistributionSpec(
        name="StudentT",
        params=(
            Parameter("df", POSITIVE, "degrees of freedom", symbol=r"\nu"),
            Parameter("loc", REAL, "centre", default=0.0, symbol="m"),
            Parameter("scale", POSITIVE, "width", default=1.0, symbol="s"),
        ),
        forms=(Form(("df", "loc", "scale"), "dist.StudentT(df, loc, scale)"),),
        support=REAL,
        has_cdf=True,
        symmetric=True,
        example={"df": 3.5, "loc": -0.4, "scale": 2.0},
        examples=({"df": 4.0},),
        summary="A bell curve with heavy tails, which forgives outliers.",
        density=(
            r"\log\Gamma(\tfrac{\nu + 1}{2}) - \log\Gamma(\tfrac{\nu}{2}) - \tfrac{1}{2}"
            r"\log(\pi\nu s^2) - \tfrac{\nu + 1}{2} \log(1 + z^2 / \nu), \quad z = (x - m) / s"
        ),
    ),
    DistributionSpec(
        name="Cauchy",
        params=(_LOC, _SCALE),
        forms=_pyro("Cauchy"),
        support=REAL,
        has_cdf=True,
        symmetric=True,
        example={"loc": 0.5, "scale": 2.0},
        summary="Tails so heavy that there is no mean; StudentT with one degree of freedom.",
        density=r"-\log(\pi s (1 + z^2)), \quad z = (x - m) / s",
    ),
    DistributionSpec(
        name="Laplace",
        params=(_LOC, _SCALE),
        forms=_pyro("Laplace"),
        support=REAL,
        has_cdf=True,
        symmetric=True,
        log_concave=True,
        kernels=(Kernel("scale", "gamma", -1),),
        example={"loc": -1.0, "scale": 0.8},
        summary="Two exponentials back to back; as a prior it draws towards the centre.",
        density=r"-|x - m| / s - \log(2 s)",
    ),
    DistributionSpec(
        name="Logistic",
        params=(_LOC, _SCALE),
        forms=_pyro("Logistic"),
        support=REAL,
        has_cdf=True,
        symmetric=True,
        log_concave=True,
        example={"loc": 0.3, "scale": 0.6},
        summary="Its distribution function is the sigmoid.",
        density=r"-z - 2 \log(1 + e^{-z}) - \log s, \quad z = (x - m) / s",
    ),
    DistributionSpec(
        name="Gumbel",
        params=(_LOC, _SCALE),
        forms=_pyro("Gumbel"),
        support=REAL,
        has_cdf=True,
        log_concave=True,
        example={"loc": 1.0, "scale": 1.5},
        summary="The largest of many independent values.",
        density=r"-z - e^{-z} - \log s, \quad z = (x - m) / s",
    ),
    DistributionSpec(
        name="AsymmetricLaplace",
        params=(
            Parameter("loc", REAL, "mode", symbol="m"),
            Parameter("scale", POSITIVE, "geometric mean of the widths of the sides", symbol="s"),
            Parameter(
                "asymmetry",
                POSITIVE,
                "the left side is s a wide, the right side s / a",
                symbol="a",
            ),
        ),
        forms=(
            Form(
                ("loc", "scale", "asymmetry"),
                "runtime.AsymmetricLaplace(loc, scale, asymmetry)",
            ),
        ),
        support=REAL,
        has_cdf=True,
        log_concave=True,
        kernels=(Kernel("scale", "gamma", -1),),
        example={"loc": 0.5, "scale": 1.2, "asymmetry": 1.6},
        summary="Two exponentials of different widths back to back.",
        density=(
            r"-\lvert x - m \rvert / w - \log(s a + s / a), \quad w = s a \text{ below } m,"
            r" \; s / a \text{ above}"
        ),
        references=(
            "A multivariate and asymmetric generalization of Laplace distribution"
            " (Kozubowski and Podgórski, 2000)",
        ),
    ),
    DistributionSpec(
        name="SkewNormal",
        params=(
            _LOC,
            _SCALE,
            Parameter(
                "skewness", REAL, "slant: positive leans right, 0 is the normal", symbol="a"
            ),
        ),
        forms=(Form(("loc", "scale", "skewness"), "runtime.SkewNormal(loc, scale, skewness)"),),
        support=REAL,
        has_cdf=True,
        log_concave=True,
        example={"loc": -0.5, "scale": 1.4, "skewness": 2.5},
        examples=({"loc": 0.3, "scale": 0.8, "skewness": -0.7},),
        summary="A bell curve that leans to one side.",
        density=(
            r"\log 2 - \tfrac{1}{2} z^2 - \log(s \sqrt{2\pi}) + \log\Phi(a z),"
            r" \quad z = (x - m) / s"
        ),
        references=(
            "A class of distributions which includes the normal ones (Azzalini, 1985)",
            "Tables for computing bivariate normal probabilities (Owen, 1956)",
        ),
    ),
    DistributionSpec(
        name="ExGaussian",
        params=(
            Parameter("loc", REAL, "mean of the normal part", symbol="m"),
            Parameter("scale", POSITIVE, "standard deviation of the normal part", symbol="s"),
            Parameter("rate", POSITIVE, "rate of the exponential part", symbol="b"),
        ),
        forms=(Form(("loc", "scale", "rate"), "runtime.ExGaussian(loc, scale, rate)"),),
        support=REAL,
        has_cdf=True,
        log_concave=True,
        location_scale=False,
        example={"loc": 0.4, "scale": 0.7, "rate": 0.9},
        examples=({"loc": 0.0, "scale": 1.5, "rate": 4.0},),
        summary="A normal value plus an exponential one: reaction times.",
        density=(r"\log b + \tfrac{1}{2} b^2 s^2 - b (x - m) + \log\Phi(\tfrac{x - m}{s} - b s)"),
        references=("Response times (Luce, 1986)",),
    ),
    DistributionSpec(
        name="Flat",
        params=(),
        forms=(Form((), "runtime.Flat()"),),
        support=REAL,
        has_rsample=False,
        log_concave=True,
        improper=True,
        example={},
        summary="Density 1 everywhere on the declared type; never renormalised.",
        density="0",
    ),
)
