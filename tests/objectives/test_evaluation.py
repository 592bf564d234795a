"""Bounds of fitted models: linear ones, whose likelihood is known; and diagnostics of guides."""

from __future__ import annotations

import math

import numpy as np
import pyro.distributions as dist
import pytest
import torch
from failure_budget import share
from latent_gaussians import ROWS, chain, log_evidence, one_latent
from scipy import stats
from torch import Tensor

from gendsl.runtime.objectives import (
    Elbo,
    Estimate,
    Iwae,
    ObjectiveError,
    Site,
    Sites,
    evaluate,
)
from gendsl.runtime.objectives.evaluation import (
    active_units,
    elbo,
    log_likelihood,
    posterior_means,
)

LIMIT = stats.norm.isf(share() / 2)
EIGENVALUES = [4.0, 2.0, 1.0, 0.5, 0.5]


@pytest.fixture(autouse=True)
def _double_precision():
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(23)
    yield
    torch.set_default_dtype(default)


# --- a linear autoencoder: probabilistic principal components --------------------------------


def with_covariance(rows: int) -> Tensor:
    """Data with mean 0 and exactly these eigenvalues of the covariance, along the axes."""
    raw = torch.randn(rows, 5)
    raw = raw - raw.mean(0)
    whitener = torch.linalg.inv(torch.linalg.cholesky(raw.T @ raw / rows))
    return raw @ whitener.T * torch.tensor(EIGENVALUES).sqrt()


def optimum() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Loadings, variance of the noise, and mean and sd of the exact guide as maps of x."""
    variance = torch.tensor(sum(EIGENVALUES[2:]) / 3)
    loadings = torch.diag((torch.tensor(EIGENVALUES) - variance).clamp(min=0).sqrt())[:, :2]
    precision = loadings.T @ loadings / variance + torch.eye(2)
    encoder = torch.linalg.inv(precision) @ loadings.T / variance
    return loadings, variance, encoder, precision.diagonal() ** -0.5


def linear(x: Tensor, parameters: tuple[Tensor, ...], particles: int) -> Sites:
    """z ~ N(0, I), x ~ N(W z, s^2 I), with guide N(A x, diag(sd^2))."""
    loadings, variance, encoder, sd = parameters
    q = dist.Normal(x @ encoder.T, sd).to_event(1)
    p = dist.Normal(torch.zeros(2), 1.0).to_event(1)
    z = q.rsample((particles,))
    likelihood = dist.Normal(z @ loadings.T, variance.sqrt()).to_event(1)
    sites = {
        "z": Site("z", False, z, p.log_prob(z), q.log_prob(z), p, q),
        "x": Site("x", True, x, likelihood.log_prob(x), p_parents=frozenset("z")),
    }
    return Sites(sites, particles, len(x), len(x), ROWS)


def test_linear_autoencoder_at_its_optimum():
    """The likelihood of probabilistic principal components, -7.52622 nats a row, without noise."""
    x = with_covariance(200)
    found = evaluate(
        [lambda k: linear(x[:80], optimum(), k), lambda k: linear(x[80:], optimum(), k)], 3, 2
    )
    assert found.log_likelihood.mean == pytest.approx(-7.52622, abs=5e-6)
    assert found.log_likelihood.rows == 200
    covariance = torch.diag(torch.tensor([4.0, 2.0] + [2 / 3] * 3))
    rows = dist.MultivariateNormal(torch.zeros(5), covariance).log_prob(x)
    error = rows.std().item() / math.sqrt(200)
    assert found.log_likelihood.standard_error == pytest.approx(error, abs=1e-10)
    assert found.effective == pytest.approx(3.0)
    assert found.active["z"].tolist() == [True, True]
    kl = torch.log(torch.tensor([4.0, 2.0]) / (2 / 3)).sum() / 2  # half the log of each eigenvalue
    assert found.terms["kl.z"].mean == pytest.approx(kl.item(), abs=1e-10)
    by_entry = [math.log(6) / 2, math.log(3) / 2]
    assert found.divergences["z"].tolist() == pytest.approx(by_entry, abs=1e-10)
    assert set(found.terms) == {"log_likelihood.x", "kl.z"}
    noise = LIMIT * found.elbo.standard_error
    assert found.elbo.mean == pytest.approx(-7.52622, abs=noise)


def test_linear_autoencoder_has_no_gradient_at_its_optimum():
    x = with_covariance(400)
    parameters = tuple(p.clone().requires_grad_() for p in optimum())
    gradients = []
    for _ in range(200):
        loss = Elbo(5)(linear(x, parameters, 5)).loss
        flat = [g.reshape(-1) for g in torch.autograd.grad(loss, parameters)]
        gradients.append(torch.cat(flat))
    found = torch.stack(gradients)
    z = found.mean(0) / (found.std(0) / math.sqrt(200))
    assert z.abs().max() < stats.norm.isf(share(found.shape[1]) / 2)
    path = Elbo(5, gradient="path")(linear(x, parameters, 5)).loss
    for gradient in torch.autograd.grad(path, parameters[2:]):
        assert gradient.abs().max() < 1e-10


@pytest.mark.parametrize("objective", [Elbo(4), Iwae(4, "doubly")], ids=["elbo", "doubly"])
def test_linear_autoencoder_is_learned(objective):
    """From a start that is off in all parameters, without exceeding the exact optimum."""
    x = with_covariance(300)
    loadings, variance, encoder, sd = optimum()
    start = [loadings + 0.3 * torch.randn(5, 2), torch.tensor(0.5), encoder * 0.3, sd.log() + 0.5]
    free = [p.clone().requires_grad_() for p in start]

    def parameters() -> tuple[Tensor, ...]:
        return (free[0], torch.exp(free[1]), free[2], torch.exp(free[3]))

    optimiser = torch.optim.Adam(free, lr=0.03)
    for _ in range(500):
        optimiser.zero_grad()
        objective(linear(x, parameters(), 4)).loss.backward()
        optimiser.step()
    found = log_likelihood(lambda k: linear(x, parameters(), k), 200, 200).bounds.mean().item()
    assert -7.52622 - 0.02 < found < -7.52622 + 1e-3
    del variance


# --- evaluation by chunks ---------------------------------------------------------------------


def test_chunks_give_the_bound_of_all_draws():
    x, pool = torch.tensor([0.5, 2.0, -1.0]), torch.randn(20, 3)
    used = 0

    def draw(particles: int) -> Sites:
        nonlocal used
        noise = pool[used : used + particles]
        used += particles
        return one_latent(
            *(x, torch.tensor(0.5), torch.tensor(0.8), particles),
            draw=lambda q, _: q.loc + q.scale * noise,
        )

    found = log_likelihood(draw, 20, 7)
    assert used == 20
    used = 0
    sites = draw(20)
    w = np.exp((sites["z"].log_p - sites["z"].log_q + sites["x"].log_p).numpy())
    np.testing.assert_allclose(found.bounds, np.log(w.mean(0)), rtol=1e-12)
    np.testing.assert_allclose(found.effective, w.sum(0) ** 2 / (w**2).sum(0), rtol=1e-12)
    used = 0
    by_row = elbo(draw, 20, 6)
    np.testing.assert_allclose(by_row["kl.z"], 0.1681435513, atol=1e-10)
    expected = sites["x"].log_p.mean(0) - 0.1681435513
    np.testing.assert_allclose(by_row["elbo"], expected, atol=1e-10)


def test_bound_from_the_prior():
    """E07: x = 1 with the prior as guide; 500 draws come within 0.001 of -1.51551."""
    x = torch.ones(2000)

    def draw(particles: int) -> Sites:
        return one_latent(x, torch.tensor(0.0), torch.tensor(1.0), particles)

    found = log_likelihood(draw, 500, 100).estimate
    assert found.mean == pytest.approx(-1.516, abs=0.0005 + LIMIT * found.standard_error)
    assert found.mean < log_evidence(x[0]).item() + LIMIT * found.standard_error


def of_all_rows(x: Tensor, particles: int, total: int, *, once: bool = False) -> Sites:
    """w ~ N(0, 1) of all the data, x ~ N(w, 1), with its exact guide given 3 rows."""
    variance = torch.tensor(1.0 / (1 + len(x)))
    q, p = dist.Normal(x.sum() * variance, variance.sqrt()), dist.Normal(0.0, 1.0)
    w = q.rsample((1 if once else particles, 1))
    likelihood = dist.Normal(w, 1.0)
    sites = {
        "w": Site("w", False, w, p.log_prob(w), q.log_prob(w), p, q, local=False),
        "x": Site("x", True, x, likelihood.log_prob(x), p_parents=frozenset("w")),
    }
    return Sites(sites, particles, len(x), total, ROWS)


def test_latents_of_all_the_data():
    x = torch.tensor([0.5, 2.0, -1.0])
    covariance = torch.eye(3) + 1
    exact = dist.MultivariateNormal(torch.zeros(3), covariance).log_prob(x).item()
    found = evaluate([lambda k: of_all_rows(x, k, 3)], 10, 4)
    assert found.log_likelihood.total == pytest.approx(exact, abs=1e-10)
    assert (found.log_likelihood.rows, found.log_likelihood.standard_error) == (3, None)
    kl = math.log(2) + (0.25 + 0.375**2) / 2 - 0.5  # of N(1.5 / 4, 1 / 4)
    assert found.terms["kl.w"].total == pytest.approx(kl, abs=1e-10)
    once = log_likelihood(lambda k: of_all_rows(x, k, 3, once=True), 10, 10)
    assert once.bounds.sum().item() == pytest.approx(exact, abs=1e-10)
    with pytest.raises(ObjectiveError, match="in one chunk"):
        log_likelihood(lambda k: of_all_rows(x, k, 3, once=True), 10, 5)
    with pytest.raises(ObjectiveError, match="drawn once"):
        log_likelihood(lambda k: of_all_rows(x, k, 9), 10, 10)


# --- numbers ----------------------------------------------------------------------------------


def test_estimate():
    found = Estimate.of(torch.tensor([1.0, 3.0, 5.0, 7.0]))
    assert (found.mean, found.total, found.rows) == (4.0, 16.0, 4)
    assert found.standard_error == pytest.approx(math.sqrt(20 / 3) / 2)
    assert Estimate.of(torch.tensor([1.0])).standard_error is None


def test_bits_per_dimension():
    """Uniform over 256 values in each of 12 dimensions is 8 bits."""
    assert Estimate(-12 * math.log(256), None, 1).bits_per_dimension(12) == pytest.approx(8.0)
    with pytest.raises(ValueError, match="0 dimensions"):
        Estimate(-1.0, None, 1).bits_per_dimension(0)


def test_active_units():
    """Variances 0.0121 and 0.0081 over the data: above and below 0.01."""
    signs = torch.tensor([1.0, -1.0]).repeat(10)
    means = torch.stack([0.11 * signs, 0.09 * signs + 3.0], 1)
    assert active_units(means).tolist() == [True, False]
    assert active_units(means, 0.005).tolist() == [True, True]
    with pytest.raises(ValueError, match="several rows"):
        active_units(means[:1])


def test_posterior_means():
    """Of all particles where the guide depends on other latents; none of categories."""
    x = torch.tensor([0.3, -1.2])
    phi = torch.tensor([0.5, 0.0, 2.0, 1.0, 0.0])
    sites = chain(x, phi, torch.tensor(0.7), 4, gated=False)
    assert posterior_means(sites, sites["u"])[:, 0].tolist() == pytest.approx([0.15, -0.6])
    expected = (2 * sites["u"].value + x).mean(0)
    torch.testing.assert_close(posterior_means(sites, sites["v"])[:, 0], expected)
    q = dist.Categorical(logits=torch.zeros(2, 3))
    z = torch.zeros(1, 2)
    site = Site("c", False, z, q.log_prob(z), q.log_prob(z), q, q)
    assert posterior_means(Sites({"c": site}, 1, 2, 2, ROWS), site) is None
    same = dist.Normal(torch.tensor(1.5), 1.0)  # for all rows
    value = same.sample((1, 2))
    site = Site("s", False, value, value * 0, same.log_prob(value), same, same)
    found = posterior_means(Sites({"s": site}, 1, 2, 2, ROWS), site)
    assert found.tolist() == [[1.5], [1.5]]
