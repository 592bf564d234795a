"""Distributions of whole numbers and of categories."""

from __future__ import annotations

from collections.abc import Mapping

from gendsl.library.distributions.spec import DistributionSpec, Form, Kernel, Parameter
from gendsl.types import (
    BINARY,
    COUNT,
    INTEGER,
    POSITIVE,
    REAL,
    UNIT,
    Index,
    Interval,
    Size,
    Structured,
    Support,
)

__all__ = ["DISCRETE"]

_TOTAL = Parameter("total_count", COUNT, "number of trials", symbol="n")
_PROBS = Parameter("probs", UNIT, "probability of success", symbol="p")
_LOGITS = Parameter("logits", REAL, "log odds of success", symbol=r"\log\tfrac{p}{1 - p}")


def _up_to_total(hulls: Mapping[str, Interval], sizes: Mapping[str, tuple[Size, ...]]) -> Support:
    """Whole numbers from 0 to `total_count`."""
    return Interval(integer=True, lower=0.0, upper=max(0.0, hulls["total_count"].upper))


def _categories(hulls: Mapping[str, Interval], sizes: Mapping[str, tuple[Size, ...]]) -> Support:
    """Categories: `index(K)` for K probabilities."""
    own = sizes.get("probs") or sizes.get("logits")
    return Index(own[-1]) if own else COUNT


def _from_low_to_high(
    hulls: Mapping[str, Interval], sizes: Mapping[str, tuple[Size, ...]]
) -> Support:
    """Whole numbers from `low` to `high`."""
    return Interval(integer=True, lower=hulls["low"].lower, upper=hulls["high"].upper)


def _between_cutpoints(
    hulls: Mapping[str, Interval], sizes: Mapping[str, tuple[Size, ...]]
) -> Support:
    """Categories: `index(K)` for K - 1 cutpoints."""
    own = sizes.get("cutpoints")
    return Index(own[-1] + Size.of(1)) if own else COUNT


_ORDINAL = (
    Parameter("predictor", REAL, "centre of the latent number", symbol="x"),
    Parameter("cutpoints", Structured("ordered"), "ends of the categories", 1, symbol="c"),
)

DISCRETE = (
    DistributionSpec(
        name="Bernoulli",
        params=(_PROBS, _LOGITS),
        forms=(
            Form(("probs",), "dist.Bernoulli(probs)"),
            Form(("logits",), "dist.Bernoulli(logits=logits)"),
        ),
        support=BINARY,
        discrete=True,
        has_rsample=False,
        has_cdf=True,
        log_concave=True,
        kernels=(Kernel("probs", "beta"),),
        example={"probs": 0.3},
        examples=({"logits": 0.8},),
        summary="One trial: 1 for success, 0 for failure.",
        density=r"x \log p + (1 - x) \log(1 - p)",
    ),
    DistributionSpec(
        name="Binomial",
        params=(_TOTAL, _PROBS, _LOGITS),
        forms=(
            Form(("total_count", "probs"), "dist.Binomial(total_count, probs)"),
            Form(("total_count", "logits"), "dist.Binomial(total_count, logits=logits)"),
        ),
        support=_up_to_total,
        discrete=True,
        has_rsample=False,
        has_cdf=True,
        log_concave=True,
        kernels=(Kernel("probs", "beta"),),
        example={"total_count": 7, "probs": 0.35},
        examples=({"total_count": 5, "logits": -0.4},),
        summary="The number of successes in independent trials.",
        density=r"\log\tbinom{n}{x} + x \log p + (n - x) \log(1 - p)",
    ),
    DistributionSpec(
        name="BetaBinomial",
        params=(
            _TOTAL,
            Parameter("concentration1", POSITIVE, "weight of success", symbol="a"),
            Parameter("concentration0", POSITIVE, "weight of failure", symbol="b"),
        ),
        forms=(
            Form(
                ("total_count", "concentration1", "concentration0"),
                "dist.BetaBinomial(concentration1, concentration0, total_count)",
            ),
        ),
        support=_up_to_total,
        discrete=True,
        has_rsample=False,
        has_cdf=True,
        example={"total_count": 8, "concentration1": 2.0, "concentration0": 3.0},
        summary="Binomial with a Beta probability: more spread than independent trials have.",
        density=r"\log\tbinom{n}{x} + \log B(x + a, n - x + b) - \log B(a, b)",
    ),
    DistributionSpec(
        name="Categorical",
        params=(
            Parameter(
                "probs", Structured("simplex"), "probability of each category", 1, symbol="p"
            ),
            Parameter("logits", REAL, "log probabilities, up to a constant", 1, symbol=r"\log p"),
        ),
        forms=(
            Form(("probs",), "dist.Categorical(probs)"),
            Form(("logits",), "dist.Categorical(logits=logits)"),
        ),
        support=_categories,
        discrete=True,
        has_rsample=False,
        kernels=(Kernel("probs", "dirichlet"),),
        example={"probs": [0.2, 0.5, 0.3]},
        examples=({"logits": [0.4, -1.0, 0.3, 2.0]},),
        summary="One of several categories, from 0.",
        density=r"\log p_x",
    ),
    DistributionSpec(
        name="Poisson",
        params=(Parameter("rate", POSITIVE, "mean", symbol=r"\lambda"),),
        forms=(Form(("rate",), "dist.Poisson(rate)"),),
        support=COUNT,
        discrete=True,
        has_rsample=False,
        has_cdf=True,
        log_concave=True,
        kernels=(Kernel("rate", "gamma"),),
        example={"rate": 3.2},
        summary="The number of events that come at a constant rate.",
        density=r"x \log\lambda - \lambda - \log x!",
    ),
    DistributionSpec(
        name="NegativeBinomial",
        params=(
            Parameter(
                "total_count", POSITIVE, "number of failures that ends the count", symbol="r"
            ),
            _PROBS,
            _LOGITS,
            Parameter("mean", POSITIVE, "mean", symbol=r"r p / (1 - p)"),
            Parameter(
                "concentration",
                POSITIVE,
                "the variance is mean + mean^2 / concentration",
                symbol="r",
            ),
        ),
        forms=(
            Form(("total_count", "probs"), "dist.NegativeBinomial(total_count, probs)"),
            Form(("total_count", "logits"), "dist.NegativeBinomial(total_count, logits=logits)"),
            Form(
                ("mean", "concentration"),
                "dist.NegativeBinomial("
                "concentration, logits=torch.log(torch.as_tensor(mean / concentration)))",
            ),
        ),
        support=COUNT,
        discrete=True,
        has_rsample=False,
        has_cdf=True,
        kernels=(Kernel("probs", "beta"),),
        example={"total_count": 3.5, "probs": 0.4},
        examples=(
            {"total_count": 2.0, "logits": -0.3},
            {"mean": 4.0, "concentration": 1.5},
        ),
        summary="Poisson with a Gamma rate: counts with more spread than their mean.",
        density=r"\log\tfrac{\Gamma(r + x)}{\Gamma(r)\, x!} + r \log(1 - p) + x \log p",
    ),
    DistributionSpec(
        name="Geometric",
        params=(_PROBS, _LOGITS),
        forms=(
            Form(("probs",), "dist.Geometric(probs)"),
            Form(("logits",), "dist.Geometric(logits=logits)"),
        ),
        support=COUNT,
        discrete=True,
        has_rsample=False,
        has_cdf=True,
        log_concave=True,
        kernels=(Kernel("probs", "beta"),),
        example={"probs": 0.35},
        examples=({"logits": 0.2},),
        summary="The number of failures before the first success.",
        density=r"x \log(1 - p) + \log p",
    ),
    DistributionSpec(
        name="Multinomial",
        params=(
            _TOTAL,
            Parameter(
                "probs", Structured("simplex"), "probability of each category", 1, symbol="p"
            ),
            Parameter("logits", REAL, "log probabilities, up to a constant", 1, symbol=r"\log p"),
        ),
        forms=(
            Form(("total_count", "probs"), "runtime.Multinomial(total_count, probs)"),
            Form(
                ("total_count", "logits"),
                "runtime.Multinomial(total_count, torch.softmax(logits, -1))",
            ),
        ),
        support=_up_to_total,
        event_dim=1,
        event_from="probs",
        discrete=True,
        has_rsample=False,
        kernels=(Kernel("probs", "dirichlet"),),
        example={"total_count": 5, "probs": [0.2, 0.5, 0.3]},
        examples=({"total_count": 4, "logits": [0.4, -1.0, 0.3]},),
        summary="How often each category comes up in independent trials.",
        density=r"\log n! + \sum_k (x_k \log p_k - \log x_k!)",
    ),
    DistributionSpec(
        name="DirichletMultinomial",
        params=(
            _TOTAL,
            Parameter("concentration", POSITIVE, "weight of each category", 1, symbol="a"),
        ),
        forms=(
            Form(
                ("total_count", "concentration"),
                "runtime.DirichletMultinomial(total_count, concentration)",
            ),
        ),
        support=_up_to_total,
        event_dim=1,
        event_from="concentration",
        discrete=True,
        has_rsample=False,
        example={"total_count": 5, "concentration": [1.5, 2.0, 0.8]},
        summary="Multinomial with Dirichlet probabilities: more spread than independent trials.",
        density=(
            r"\log\tfrac{n! \, \Gamma(A)}{\Gamma(n + A)} + \sum_k"
            r" \log\tfrac{\Gamma(x_k + a_k)}{x_k! \, \Gamma(a_k)}, \quad A = \sum_k a_k"
        ),
    ),
    DistributionSpec(
        name="DiscreteUniform",
        params=(
            Parameter("low", INTEGER, "smallest value", symbol="l"),
            Parameter("high", INTEGER, "largest value", symbol="h"),
        ),
        forms=(Form(("low", "high"), "runtime.DiscreteUniform(low, high)"),),
        support=_from_low_to_high,
        discrete=True,
        has_rsample=False,
        has_cdf=True,
        log_concave=True,
        example={"low": 2, "high": 7},
        summary="Every whole number from one to another is equally likely, both included.",
        density=r"-\log(h - l + 1)",
    ),
    DistributionSpec(
        name="DiscretizedLogistic",
        params=(
            Parameter("loc", REAL, "centre", symbol="m"),
            Parameter("scale", POSITIVE, "spread", symbol="s"),
            Parameter("low", INTEGER, "smallest value", symbol="l"),
            Parameter("high", INTEGER, "largest value", symbol="h"),
        ),
        forms=(
            Form(
                ("loc", "scale", "low", "high"),
                "runtime.DiscretizedLogistic(loc, scale, low, high)",
            ),
        ),
        support=_from_low_to_high,
        discrete=True,
        has_rsample=False,
        has_cdf=True,
        example={"loc": 3.2, "scale": 1.1, "low": 0, "high": 7},
        summary=(
            "A logistic number, rounded; what is beyond the smallest and the largest value counts "
            "as these. Mixtures of it suit the brightness of pixels."
        ),
        density=(
            r"\log(\sigma((x + \tfrac12 - m) / s) - \sigma((x - \tfrac12 - m) / s)),"
            r" \quad \text{the ends } \pm\infty \text{ at } l \text{ and } h"
        ),
        references=(
            "Salimans, Karpathy, Chen and Kingma (2017), PixelCNN++: improving the PixelCNN with "
            "discretized logistic mixture likelihood and other modifications, ICLR",
        ),
    ),
    DistributionSpec(
        name="OrderedLogistic",
        params=_ORDINAL,
        forms=(
            Form(
                ("predictor", "cutpoints"),
                "dist.Categorical(logits=runtime.ordered_logistic(predictor, cutpoints))",
            ),
        ),
        support=_between_cutpoints,
        discrete=True,
        has_rsample=False,
        example={"predictor": 0.4, "cutpoints": [-1.0, 0.5, 1.7]},
        summary="Ordered categories: a logistic value around the predictor, cut at the cutpoints.",
        density=(
            r"\log(\sigma(c_y - x) - \sigma(c_{y - 1} - x)),"
            r" \quad c_{-1} = -\infty, \; c_{K - 1} = \infty"
        ),
        references=("Regression models for ordinal data (McCullagh, 1980)",),
    ),
    DistributionSpec(
        name="OrderedProbit",
        params=_ORDINAL,
        forms=(
            Form(
                ("predictor", "cutpoints"),
                "dist.Categorical(logits=runtime.ordered_probit(predictor, cutpoints))",
            ),
        ),
        support=_between_cutpoints,
        discrete=True,
        has_rsample=False,
        example={"predictor": 0.4, "cutpoints": [-1.0, 0.5, 1.7]},
        summary="Ordered categories: a normal value around the predictor, cut at the cutpoints.",
        density=(
            r"\log(\Phi(c_y - x) - \Phi(c_{y - 1} - x)),"
            r" \quad c_{-1} = -\infty, \; c_{K - 1} = \infty"
        ),
        references=("Regression models for ordinal data (McCullagh, 1980)",),
    ),
)
