"""Matrices, series, fields and ordered categories as unknowns, against known posteriors."""

from __future__ import annotations

import numpy as np
import pytest
from known_answers import assert_moments, fit
from scipy import special

import gendsl

rng = np.random.default_rng(31)

EDGES = np.array([[0, 1], [1, 2], [2, 3], [3, 0], [1, 3], [3, 4]])


def test_priors_of_correlations_and_of_their_factors():
    """Each correlation is Beta on (-1, 1), with both weights eta + (D - 2) / 2."""
    found = fit(
        """model M
dim D = 3
latent R: correlation[D] ~ LKJ(2)
latent L: cholesky_correlation[D] ~ LKJCholesky(2)
let C = L @ transpose(L)
observe y ~ Normal(0, 1)
""",
        {"y": 0.3},
        draws=1000,
    )
    sd = (2 * 2.5 + 1) ** -0.5
    for name in ("R", "C"):
        matrices = found.posterior[name]
        assert np.abs(np.diagonal(matrices, axis1=-2, axis2=-1) - 1).max() < 1e-12
        for row, column in ((1, 0), (2, 0), (2, 1)):
            assert_moments(matrices[..., row, column], 0, sd)


def test_covariances_by_their_conjugate_priors():
    y = rng.multivariate_normal([0, 0], [[1.5, 0.6], [0.6, 0.7]], 9)
    found = fit(
        """model M
plate n
latent S: covariance[2] ~ Wishart(6, [[0.5, 0.1], [0.1, 0.3]])
latent V: covariance[2] ~ InverseWishart(5, eye(2))
observe y[n]: real[2] ~ MultivariateNormal(0, V)
""",
        {"y": y},
        draws=1000,
    )
    scale = np.array([[0.5, 0.1], [0.1, 0.3]])
    diagonal = np.diag(scale)
    sd = np.sqrt(6 * (scale**2 + np.outer(diagonal, diagonal)))
    assert_moments(found.posterior["S"], 6 * scale, sd)
    df, scale = 5 + 9, np.eye(2) + y.T @ y
    diagonal, free = np.diag(scale), df - 2
    spread = (free + 1) * scale**2 + (free - 1) * np.outer(diagonal, diagonal)
    variance = spread / (free * (free - 1) ** 2 * (free - 3))
    assert_moments(found.posterior["V"], scale / (free - 1), np.sqrt(variance))


def test_correlated_effects():
    """The effects integrate out: the marginal of the correlation by quadrature."""
    true = np.array([[1.0, 0.7], [0.7, 1.0]])
    y = rng.multivariate_normal([0, 0], true + 0.25 * np.eye(2), 12)
    found = fit(
        """model M
plate g
latent L: cholesky_correlation[2] ~ LKJCholesky(1.5)
latent b[g]: real[2] ~ MultivariateNormal(0, scale_tril = diag(ones(2)) @ L)
let rho = L[1, 0]
observe y[g]: real[2] ~ Normal(b, 0.5)
""",
        {"y": y},
        draws=1000,
    )
    r = np.linspace(-0.99999, 0.99999, 4001)
    shape = 1.25 * np.eye(2) + r[:, None, None] * (1 - np.eye(2))
    energy = np.einsum("ni,rij,nj->r", y, np.linalg.inv(shape), y)
    log = 0.5 * np.log1p(-(r**2)) - energy / 2 - len(y) / 2 * np.linalg.slogdet(shape)[1]
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    mean = weight @ r
    assert_moments(found.posterior["rho"], mean, np.sqrt(weight @ r**2 - mean**2))


@pytest.mark.parametrize("form", ["edges", "adjacency"])
def test_field_on_a_graph(form):
    """Normal on the plane of fields that sum to zero."""
    weights = np.zeros((5, 5))
    weights[tuple(EDGES.T)] = 1.0
    weights += weights.T
    y = rng.normal(size=5)
    inputs, law = {
        "edges": (
            "plate edge\ninput a[edge]: index(area)\ninput b[edge]: index(area)",
            "collect(a, edge), collect(b, edge), 0.7",
        ),
        "adjacency": ("input W: count[area, area]", "adjacency = W, scale = 0.7"),
    }[form]
    data = (
        {"y": y, "a": EDGES[:, 0], "b": EDGES[:, 1]} if form == "edges" else {"y": y, "W": weights}
    )
    found = fit(
        f"""model M
plate area
{inputs}
latent phi: zero_sum[area] ~ ICAR({law})
observe y[area] ~ Normal(phi[area], 0.8)
""",
        data,
    )
    laplacian = np.diag(weights.sum(1)) - weights
    axes = np.linalg.svd(np.ones((1, 5)))[2][1:]
    precision = axes @ laplacian @ axes.T / 0.7**2 + np.eye(4) / 0.8**2
    covariance = axes.T @ np.linalg.inv(precision) @ axes
    mean = covariance @ y / 0.8**2
    assert_moments(found.posterior["phi"], mean, np.sqrt(np.diag(covariance)))


def test_series_as_one_value():
    """A random walk seen with noise is normal; so are coefficients given the series."""
    y, z = rng.normal(size=6).cumsum(), rng.normal(size=20)
    found = fit(
        """model M
sequence t  dim T = 20
latent w: real[t] ~ GaussianRandomWalk(0.6, 2, drift = 0.1)
observe y[t] ~ Normal(w[t], 0.5)
latent phi: real[2] ~ Normal(0, 1)
observe z: real[T] ~ AR(phi, 0.9, initial = [0.3, -0.2], intercept = 0.1)
""",
        {"y": y, "z": z},
    )
    steps = np.arange(6)
    prior = 4 + 0.36 * np.minimum(steps, steps[:, None])
    gain = prior @ np.linalg.inv(prior + 0.25 * np.eye(6))
    mean = 0.1 * steps + gain @ (y - 0.1 * steps)
    assert_moments(found.posterior["w"], mean, np.sqrt(np.diag(prior - gain @ prior)))
    whole = np.concatenate([[0.3, -0.2], z])
    lags = np.stack([whole[1:-1], whole[:-2]], 1)
    covariance = np.linalg.inv(np.eye(2) + lags.T @ lags / 0.81)
    mean = covariance @ lags.T @ (z - 0.1) / 0.81
    assert_moments(found.posterior["phi"], mean, np.sqrt(np.diag(covariance)))


@pytest.mark.parametrize("name", ["OrderedLogistic", "OrderedProbit"])
def test_cutpoints(name):
    """Two cutpoints, by quadrature over the plane."""
    counts = np.array([4, 9, 3])
    found = fit(
        f"""model M
plate n  dim K
latent c: ordered[K - 1] ~ Normal(0, 2)
observe y[n]: index(K) ~ {name}(0.5, c)
""",
        {"y": np.repeat([0, 1, 2], counts), "K": 3},
    )
    cdf = special.expit if name == "OrderedLogistic" else special.ndtr
    at = np.linspace(-8, 8, 1001)
    low, high = np.meshgrid(at, at, indexing="ij")
    first, both = cdf(low - 0.5), cdf(high - 0.5)
    with np.errstate(all="ignore"):
        log = counts @ np.log([first.ravel(), (both - first).ravel(), 1 - both.ravel()])
    log = np.where(high > low, log.reshape(low.shape) - (low**2 + high**2) / 8, -np.inf)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    mean = np.array([np.sum(weight * low), np.sum(weight * high)])
    second = np.array([np.sum(weight * low**2), np.sum(weight * high**2)])
    assert_moments(found.posterior["c"], mean, np.sqrt(second - mean**2))


def test_discrete_uniform_is_summed_out():
    """How many sides a die has."""
    found = gendsl.compile("""model M
plate n
latent sides ~ DiscreteUniform(4, 8)
observe y[n] ~ DiscreteUniform(1, sides)
""").fit({"y": [2, 5, 1]}, progress=False, seed=1)
    possible = np.array([5, 6, 7, 8.0])
    weight = possible**-3 / np.sum(possible**-3)
    evidence = np.log(np.sum(possible**-3) / 5)
    assert found.tree.attrs["log_evidence"] == pytest.approx(evidence, abs=1e-10)
    exact = found.tree["exact_probabilities"]["sides"].to_numpy()
    assert exact == pytest.approx([0, *weight], abs=1e-10)


SIMULATED = """model M
dim D = 3  dim T = 5  plate area = 4
latent R: correlation[D] ~ LKJ(2)
latent L: cholesky_correlation[D] ~ LKJCholesky(2)
latent S: covariance[D] ~ Wishart(6, R)
latent V: covariance[D] ~ InverseWishart(6, S)
latent M: real[2, D] ~ MatrixNormal(zeros(2, D), eye(2), V)
latent w: real[T] ~ GaussianRandomWalk(1, 1)
latent s: real[T] ~ AR([0.5, 0.2], 1, 1)
latent f: zero_sum[area] ~ ICAR(adjacency = ones(area, area) - eye(area))
latent g: real[area] ~ CAR(f, ones(area, area) - eye(area), 0.5, 1)
latent x ~ SkewNormal(0, 1, 3)
latent p ~ Wald(1, 2)
latent e ~ ExGaussian(0, p, 1)
latent h ~ HalfStudentT(3, p)
latent c: ordered[2] ~ Normal(0, 1)
observe y: index(3) ~ OrderedLogistic(x, c)
observe z: count[3] ~ DirichletMultinomial(4, 1)
observe t: real[D] ~ MultivariateStudentT(5, 0, S)
"""


def test_priors_are_simulated():
    drawn = gendsl.compile(SIMULATED).simulate(50, seed=3)
    groups = [g.dataset for g in drawn.subtree if g.data_vars]
    assert {n for g in groups for n in g.data_vars} >= set("RLSVMwsfgxpehcyzt")
    for values in (v for g in groups for v in g.data_vars.values()):
        assert np.isfinite(values.to_numpy().astype(float)).all()
    prior = drawn["prior"]
    assert np.abs(prior["f"].sum("area")).max() < 1e-9
    assert (np.linalg.eigvalsh(prior["V"]) > 0).all()
    assert (drawn["prior_predictive"]["z"].to_numpy().sum(-1) == 4).all()


GRAPH = """model M
plate area = 4  plate edge
input a[edge]: index(area)
input b[edge]: index(area)
latent f: zero_sum[area] ~ ICAR(collect(a, edge), collect(b, edge))
observe y ~ Normal(f[0], 1)
"""
WEIGHTS = """model M
plate area = 3
input W: count[area, area]
latent f: real[area] ~ CAR(0, W, 0.5, 1)
observe y ~ Normal(f[0], 1)
"""
FREEDOM = """model M
input nu: positive
latent S: covariance[3] ~ Wishart(nu, eye(3))
observe y ~ Normal(S[0, 0], 1)
"""
REFUSED = {
    "in two parts": (GRAPH, {"a": [0, 2], "b": [1, 3]}, "GD828.*falls into 2 parts"),
    "an edge twice": (GRAPH, {"a": [0, 1, 1, 2], "b": [1, 0, 2, 3]}, "GD828.*stands there twice"),
    "a loop": (GRAPH, {"a": [0, 1, 2, 2], "b": [1, 2, 3, 2]}, "GD828.*a node with itself"),
    "an asymmetry": (WEIGHTS, {"W": [[0, 1, 0], [0, 0, 1], [0, 1, 0]]}, "GD828.*symmetric"),
    "an island": (WEIGHTS, {"W": [[0, 1, 0], [1, 0, 0], [0, 0, 0]]}, "GD828.*no neighbours"),
    "no freedom": (FREEDOM, {"nu": 1.5}, "GD828.*more than 2 degrees of freedom.*1.5"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_density_is_refused(name):
    text, data, message = REFUSED[name]
    with pytest.raises(gendsl.DataError, match=f"(?s){message}"):
        fit(text, {**data, "y": 0.0})
