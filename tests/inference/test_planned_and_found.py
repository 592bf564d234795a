"""What the planner must see, and what the recorded density must survive."""

import itertools

import numpy as np
import pytest
from scipy.stats import norm

import gendsl


def refused(text: str) -> str:
    with pytest.raises(gendsl.CompileError) as caught:
        gendsl.compile(text)
    return str(caught.value)


def test_a_bound_that_sums_a_discrete_latent_over_its_plate_ties_its_members():
    text = """model M
    plate s = 3  plate n
    latent m ~ Normal(0, 1)
    latent z[s] ~ Bernoulli(0.3)
    observe w[s] ~ Normal(z, 1)
    observe y[n]: real(-10, 1 + sum(z, s)) ~ Normal(m, 1)
    """
    model = gendsl.compile(text)
    assert "members of s are tied" in str(model.plan)
    w, y, m = np.array([0.1, 0.9, 0.4]), np.array([0.5, 1.4]), 0.3
    total = 0.0
    for z in itertools.product((0, 1), repeat=3):
        upper = 1 + sum(z)
        each = norm.pdf(y, m) / (norm.cdf(upper, m) - norm.cdf(-10, m)) * (y <= upper)
        prior = np.where(z, 0.3, 0.7).prod() * norm.pdf(w, z).prod()
        total += prior * each.prod()
    found = model.log_density({"m": m}, {"w": w, "y": y})
    assert found == pytest.approx(np.log(total) + norm.logpdf(m), rel=1e-9)


def test_a_bound_that_uses_a_missing_covariate_makes_it_an_unknown():
    text = """model M
    plate n
    param m: real
    observe c[n]: positive? ~ HalfNormal(1)
    observe y[n]: real(-10, c) ~ Normal(m, 1)
    """
    plan = gendsl.compile(text).compiled.plan
    assert plan.method == "svi"
    assert plan.guide.completed == ("c",)
    assert "`c` integrated out" in refused(text + "infer mle")


def test_an_undirected_discrete_model_is_not_called_exact():
    text = "model M latent k: binary energy 0.3 * k observe y ~ Normal(k, 1)"
    assert "log Z" in refused(text)


def test_a_covariance_that_is_inferred_can_be_sampled():
    text = """model M
    plate n  dim D = 2
    latent s: positive[D] ~ HalfNormal(1)
    observe y[n]: real[D] ~ MultivariateNormal(zeros(D), covariance_matrix=diag(s))
    """
    y = np.random.default_rng(0).normal(size=(200, 2)) * [1.0, 0.5]
    budget = {"chains": 2, "draws": 200, "warmup": 200}
    fit = gendsl.compile(text).fit({"y": y}, seed=1, progress=False, **budget)
    found = fit.posterior["s"].to_numpy().mean((0, 1))
    np.testing.assert_allclose(found, (y**2).mean(0), rtol=0.15)


@pytest.mark.parametrize("name", ["x_known", "once", "take", "kept", "n_n", "energy_1"])
def test_names_that_the_program_uses_itself_are_legal(name):
    text = f"""model M
    plate n
    input w[n]: real
    latent {name} ~ Normal(0, 1)
    observe x[n]: real? ~ Normal({name} + mean(w, n), 1)
    energy 0.5 * {name} ** 2
    """
    data = {"w": [1.0, 2.0], "x": [1.0, np.nan]}
    fit = gendsl.compile(text).fit(data, chains=1, draws=10, warmup=10, progress=False)
    assert name in fit.posterior
