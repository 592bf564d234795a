"""Which latents are found to be conjugate given all else, and which are not."""

from __future__ import annotations

import pytest

from gendsl.frontend import check
from gendsl.graph.families import conjugate_latents
from gendsl.syntax.reading import source_from_text


def found(text, gaussian=()):
    model = check(source_from_text(f"model M\n{text}", "M.gen")).ir
    return {name: family for family, names in conjugate_latents(model, gaussian) for name in names}


CONJUGATE = {
    "beta-binomial": (
        "plate n\ninput k[n]: count\nlatent p ~ Beta(2, 3)\nobserve y[n] ~ Binomial(k, p)",
        {"p": "beta"},
    ),
    "a uniform prior": (
        "plate n\nlatent p ~ Uniform(0, 1)\nobserve y[n] ~ Bernoulli(p)",
        {"p": "beta"},
    ),
    "the failures": (
        "plate n\nlatent p ~ Beta(1, 2)\nlet q = 1 - p\nobserve y[n] ~ Bernoulli(q)",
        {"p": "beta"},
    ),
    "geometric and negative binomial": (
        "plate n\nlatent p: unit[2] ~ Beta(1, 2)\n"
        "observe y[n] ~ Geometric(p[0])\nobserve z[n] ~ NegativeBinomial(3.5, p[1])",
        {"p": "beta"},
    ),
    "one probability a group, hyperparameters unknown": (
        "plate n  plate g\ninput i[n]: index(g)\nlatent k ~ Pareto(1, 1.5)\n"
        "latent phi: unit ~ Uniform(0, 1)\nlatent p[g] ~ Beta(k * phi, k * (1 - phi))\n"
        "observe y[n] ~ Bernoulli(p[i])",
        {"p": "beta"},
    ),
    "the members of a group first, then nothing above": (
        "plate g\ninput t[g]: positive\nlatent b ~ Gamma(2, 1)\nlatent r[g] ~ Gamma(3, b)\n"
        "observe y[g] ~ Poisson(t * r)",
        {"r": "gamma"},
    ),
    "waiting times": (
        "plate n\nlatent r ~ Exponential(2)\nobserve y[n] ~ Exponential(r)\n"
        "observe z[n] ~ Gamma(2.5, scale=3 / r)",
        {"r": "gamma"},
    ),
    "an unknown factor": (
        "plate n\ninput x[n]: real\nlatent b ~ Normal(0, 1)\nlatent r ~ ChiSquared(3)\n"
        "observe y[n] ~ Poisson(r * exp(b * x))",
        {"r": "gamma"},
    ),
    "a frailty": (
        "plate n  plate g\ninput i[n]: index(g)\nlatent k ~ LogNormal(0, 1)\n"
        "latent z[g] ~ Gamma(2, 2)\nobserve y[n] ~ Weibull(3 * z[i] ** (-1 / k), k)",
        {"z": "gamma"},
    ),
    "a precision": (
        "plate n\nlatent m ~ Normal(0, 1)\nlatent t ~ Gamma(2, 1)\n"
        "observe y[n] ~ Normal(m, 1 / sqrt(t))\nobserve z[n] ~ Laplace(m, 1 / t)\n"
        "observe w[n] ~ LogNormal(m, 2 * t ** -0.5)",
        {"t": "gamma"},
    ),
    "a variance": (
        "plate n\nlatent m ~ Normal(0, 1)\nlatent v ~ InverseGamma(2, 1)\nlet s = sqrt(v)\n"
        "observe y[n] ~ Normal(m, s)\nobserve z[n] ~ Exponential(3 / v)",
        {"v": "inverse_gamma"},
    ),
    "a known covariance times a variance": (
        "plate n\ninput S: covariance[2]\nlatent v ~ InverseGamma(2, 1)\n"
        "observe y[n]: real[2] ~ MultivariateNormal([0, 0], v * S)",
        {"v": "inverse_gamma"},
    ),
    "categories": (
        "plate n  plate g  dim K = 3\ninput i[n]: index(g)\n"
        "latent p[g]: simplex[K] ~ Dirichlet(1)\nobserve y[n]: index(K) ~ Categorical(p[i])\n"
        "observe c[g]: count[K] ~ Multinomial(10, p)",
        {"p": "dirichlet"},
    ),
    "an observed chain": (
        "sequence t  plate state = 3\nlatent p[state]: simplex[state] ~ Dirichlet(1)\n"
        "observe z[t]: index(state) ~ Categorical(p[z[t-1]])",
        {"p": "dirichlet"},
    ),
    "missing values that nothing needs": (
        "plate n\nlatent p ~ Beta(2, 3)\nobserve y[n]: binary? ~ Bernoulli(p)",
        {"p": "beta"},
    ),
    "a report": (
        "plate n\nlatent p ~ Beta(2, 3)\nobserve y[n] ~ Bernoulli(p)\nlet odds = p / (1 - p)",
        {"p": "beta"},
    ),
    "discrete latents elsewhere": (
        "plate n\nlatent p ~ Beta(2, 3)\nlatent z[n]: binary ~ Bernoulli(0.3)\n"
        "observe y[n] ~ Bernoulli(p)\nobserve x[n] ~ Normal(z, 1)",
        {"p": "beta"},
    ),
}

OTHER = {
    "logits": "plate n\nlatent p ~ Beta(2, 3)\nobserve y[n] ~ Bernoulli(logits=p)",
    "half of it": "plate n\nlatent p ~ Beta(2, 3)\nobserve y[n] ~ Bernoulli(p / 2)",
    "twice in one factor": (
        "plate n\nlatent v ~ InverseGamma(2, 3)\nobserve y[n] ~ Normal(v, sqrt(v))"
    ),
    "a second use that is none": (
        "plate n\nlatent p ~ Beta(2, 3)\nobserve y[n] ~ Bernoulli(p)\nobserve z[n] ~ Normal(p, 1)"
    ),
    "a scale, not a variance": (
        "plate n\nlatent v ~ InverseGamma(2, 3)\nobserve y[n] ~ Normal(0, v)"
    ),
    "a variance with a gamma prior": (
        "plate n\nlatent v ~ Gamma(2, 3)\nobserve y[n] ~ Normal(0, sqrt(v))"
    ),
    "a frailty with another shape": (
        "plate n\nlatent k ~ LogNormal(0, 1)\nlatent z ~ Gamma(2, 2)\n"
        "observe y[n] ~ Weibull(3 * z ** (-1 / k), 2 * k)"
    ),
    "a frailty to a power": (
        "plate n\nlatent k ~ LogNormal(0, 1)\nlatent z ~ Gamma(2, 2)\n"
        "observe y[n] ~ Weibull(3 * z ** (-2 / k), k)\nobserve x[n] ~ Poisson(z ** (1 / k))"
    ),
    "a sum": "plate n\nlatent r ~ Gamma(2, 3)\nobserve y[n] ~ Poisson(r + 1)",
    "several members in one factor": (
        "plate g  plate n\nlatent r[g] ~ Gamma(2, 3)\nobserve y[n] ~ Poisson(sum(r, g))"
    ),
    "zero inflation": (
        "plate n\nlatent r ~ Gamma(2, 3)\nobserve y[n] ~ ZeroInflated(0.2, Poisson(r))"
    ),
    "the zeros of zero inflation": (
        "plate n\nlatent p ~ Beta(2, 3)\nobserve y[n] ~ ZeroInflated(p, Poisson(2))"
    ),
    "a mixture": (
        "plate n\nlatent w: simplex[2] ~ Dirichlet(1)\n"
        "observe y[n] ~ Mixture(w, Normal(0, 1), Normal(3, 1))"
    ),
    "truncation": ("plate n\nlatent r ~ Gamma(2, 3)\nobserve y[n]: integer(1, inf) ~ Poisson(r)"),
    "censoring": (
        "plate n\nlatent r ~ Gamma(2, 3)\nobserve y[n] ~ Censored(Exponential(r), upper=2)"
    ),
    "latent categories": (
        "plate n  plate K = 2\nlatent w: simplex[K] ~ Dirichlet(1)\n"
        "latent z[n]: index(K) ~ Categorical(w)\nlet m[K] = K\nobserve y[n] ~ Normal(m[K = z], 1)"
    ),
    "members picked by a latent": (
        "plate n  plate K = 2\nlatent p[K] ~ Beta(1, 1)\n"
        "latent z[n]: index(K) ~ Categorical([0.3, 0.7])\nobserve y[n] ~ Bernoulli(p[z])"
    ),
    "one entry of a simplex": (
        "plate n\nlatent w: simplex[3] ~ Dirichlet(1)\nobserve y[n] ~ Bernoulli(w[0])"
    ),
    "a narrower type": (
        "plate n\nlatent p: real(0.5, 1) ~ Beta(2, 3)\nobserve y[n] ~ Bernoulli(p)"
    ),
    "a uniform prior on a part": (
        "plate n\nlatent p: unit ~ Uniform(0, 0.5)\nobserve y[n] ~ Bernoulli(p)"
    ),
    "a uniform prior with an unknown end": (
        "plate n\nlatent u: unit ~ Beta(2, 2)\nlatent p ~ Uniform(0, u)\n"
        "observe y[n] ~ Bernoulli(p)"
    ),
    "a bound elsewhere": (
        "plate n\nlatent p ~ Beta(2, 3)\nlatent q: real(0, p) ~ Uniform(0, 1)\n"
        "observe y[n] ~ Bernoulli(p)\nobserve z[n] ~ Normal(q, 1)"
    ),
    "an energy": ("plate n\nlatent p ~ Beta(2, 3)\nenergy p ** 2\nobserve y[n] ~ Bernoulli(p)"),
    "a claim": (
        "plate n\nlatent p ~ Beta(2, 3)\nobserve y[n] ~ Bernoulli(p)\n"
        "let above: positive = p - 0.1\nobserve z[n] ~ Exponential(above)"
    ),
    "a reported claim": (
        "plate n\nlatent p ~ Beta(2, 3)\nobserve y[n] ~ Bernoulli(p)\n"
        "let above: positive = p - 0.1"
    ),
    "a latent of a location-scale family below": (
        "plate n\nlatent v ~ InverseGamma(2, 3)\nlatent a[n] ~ Normal(0, sqrt(v))\n"
        "observe y[n] ~ Poisson(exp(a))"
    ),
    "missing values that something needs": (
        "plate n\nlatent p ~ Beta(2, 3)\nobserve x[n]: binary? ~ Bernoulli(p)\n"
        "observe y[n] ~ Normal(x, 1)"
    ),
    "a latent that is held apart": (
        "sequence t\nlatent r[0] ~ Gamma(1, 1)\nlatent r[t] ~ Gamma(2, r[t-1])\n"
        "observe y[t] ~ Poisson(r)"
    ),
}


@pytest.mark.parametrize("name", CONJUGATE)
def test_conjugate(name):
    text, expected = CONJUGATE[name]
    assert found(text) == expected


@pytest.mark.parametrize("name", OTHER)
def test_not_conjugate(name):
    assert found(OTHER[name]) == {}


def test_of_two_in_a_product_one_is_chosen():
    text = (
        "plate n\nlatent a ~ Gamma(2, 3)\nlatent b[n] ~ Gamma(2, 3)\nobserve y[n] ~ Poisson(a * b)"
    )
    assert found(text) == {"b": "gamma"}


REGRESSION = (
    "plate n  dim D = 2\ninput X[n]: real[D]\nlatent v ~ InverseGamma(2, 3)\n"
    "latent b: real[D] ~ Normal(0, {prior})\nlatent a ~ Normal(0, 5 * sqrt(v))\n"
    "observe y[n] ~ Normal(a + X @ b, sqrt(v))"
)


def test_normal_inverse_gamma():
    assert found(REGRESSION.format(prior="2 * sqrt(v)"), ("a", "b")) == {"v": "inverse_gamma"}


def test_a_block_of_which_a_part_does_not_scale():
    assert found(REGRESSION.format(prior="2"), ("a", "b")) == {}


GROUPS = (
    "plate n  plate g\ninput i[n]: index(g)\ninput j[n]: index(g)\n"
    "latent v[g] ~ InverseGamma(2, 3)\nlatent m[g] ~ Normal(0, sqrt(v))\n"
    "observe y[n] ~ Normal(m[i], sqrt(v[{index}]))"
)


def test_a_block_for_each_group():
    assert found(GROUPS.format(index="i"), ("m",)) == {"v": "inverse_gamma"}


def test_groups_that_are_tied():
    assert found(GROUPS.format(index="j"), ("m",)) == {}
