"""Estimators of gradients against enumeration, quadrature and each other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyro.distributions as dist
import pytest
import torch
from failure_budget import share
from latent_gaussians import ROWS, chain, exact_chain_guide, one_latent
from scipy import stats
from torch import Tensor

from gendsl.runtime.objectives import (
    Elbo,
    FreeBits,
    Iwae,
    Objective,
    ObjectiveError,
    Renyi,
    Site,
    Sites,
)
from gendsl.runtime.objectives.gradients import mean_of_others

LIMIT = stats.norm.isf(share(8) / 2)
X = torch.tensor([2.0], dtype=torch.float64)


@pytest.fixture(autouse=True)
def _double_precision():
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(21)
    yield
    torch.set_default_dtype(default)


def number(value: float) -> Tensor:
    return torch.tensor(float(value), requires_grad=True)


def gradient_of(loss: Tensor, parameters: list[Tensor]) -> Tensor:
    found = torch.autograd.grad(-loss, parameters, allow_unused=True)
    flat = [
        (torch.zeros_like(p) if g is None else g).reshape(-1)
        for p, g in zip(parameters, found, strict=True)
    ]
    return torch.cat(flat)


def assert_means(draws: Tensor, exact: Tensor) -> None:
    """Each column's mean is the exact value."""
    error = draws.std(0) / math.sqrt(len(draws))
    assert ((draws.mean(0) - exact).abs() <= LIMIT * error + 1e-12).all()


# --- reparameterised latents -------------------------------------------------------------------


def test_gradient_along_the_path_vanishes_with_the_exact_guide():
    sd = number(math.sqrt(0.5))
    mean = number(1.0)
    for _ in range(3):
        path = Elbo(2, gradient="path")(one_latent(X, mean, sd, 2))
        assert gradient_of(path.loss, [mean, sd]).abs().max() < 1e-12
        total = Elbo(2, kl="sampled")(one_latent(X, mean, sd, 2))
        assert gradient_of(total.loss, [mean, sd]).abs().max() > 1e-3
        assert path.loss.item() == pytest.approx(total.loss.item(), abs=1e-12)


def test_gradient_along_the_path_vanishes_where_one_guide_depends_on_another():
    theta = torch.tensor(0.7)
    phi = exact_chain_guide(theta).requires_grad_()
    x = torch.tensor([0.3, -1.2])
    found = Elbo(3, gradient="path")(chain(x, phi, theta, 3, gated=False))
    assert gradient_of(found.loss, [phi]).abs().max() < 1e-12


def test_gradient_along_the_path_is_that_of_the_bound():
    mean, log_sd = number(0.5), number(math.log(0.8))
    draws = []
    for _ in range(700):
        sites = one_latent(X, mean, torch.exp(log_sd), 5)
        draws.append(gradient_of(Elbo(5, gradient="path")(sites).loss, [mean, log_sd]))
    assert_means(torch.stack(draws), torch.tensor([1.0, -0.28]))


def test_path_needs_the_guide_again_where_it_depends_on_other_latents():
    sites = chain(X, torch.zeros(5), torch.tensor(0.7), 1, gated=False)
    with pytest.raises(ObjectiveError, match="guide of v depends on u"):
        Elbo(gradient="path")(replace(sites, scores=None))
    with pytest.raises(ValueError, match="needs divergences that are sampled"):
        Elbo(gradient="path", free_bits=FreeBits(0.1))


def bound_of_two(mean: float, log_sd: float, shift: float) -> float:
    """The importance-weighted bound of two draws at x = 2, by quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    z = mean + math.exp(log_sd) * nodes
    log_w = stats.norm.logpdf(z) + stats.norm.logpdf(2 - z - shift) - stats.norm.logpdf(nodes)
    w = np.exp(log_w + log_sd)
    return float((weights[:, None] * weights * np.log((w[:, None] + w) / 2)).sum())


@pytest.mark.parametrize("kind", ["total", "doubly"])
def test_gradients_of_the_importance_weighted_bound(kind):
    at = [0.5, math.log(0.8), 0.2]
    assert bound_of_two(0.5, math.log(0.8), 0.0) == pytest.approx(-2.385718716, abs=1e-7)
    exact = [
        (bound_of_two(*np.add(at, h)) - bound_of_two(*np.subtract(at, h))) / 2e-5
        for h in 1e-5 * np.eye(3)
    ]
    mean, log_sd, shift = (number(value) for value in at)
    draws = []
    for _ in range(400):
        sites = one_latent(X.expand(50), mean, torch.exp(log_sd), 2, shift=shift)
        draws.append(gradient_of(Iwae(2, kind)(sites).loss, [mean, log_sd, shift]))
    assert_means(torch.stack(draws), torch.tensor(exact))


def test_doubly_reparameterised_gradient_is_its_formula():
    """sum_k v_k^2 (d log w / d z)(d z / d phi) for the guide, sum_k v_k d log w for the model."""
    mean, log_sd, shift = number(0.5), number(math.log(0.8)), number(0.2)
    sites = one_latent(X, mean, torch.exp(log_sd), 6, shift=shift)
    found = Iwae(6, "doubly")(sites)
    z = sites["z"].value.detach()[:, 0]
    log_w = (sites["z"].log_p - sites["z"].log_q + sites["x"].log_p).detach()[:, 0]
    share_of = torch.softmax(log_w, 0)
    slope = -z + (2 - z - 0.2) + (z - 0.5) / 0.64
    expected = [
        (share_of**2 * slope).sum(),
        (share_of**2 * slope * (z - 0.5)).sum(),
        (share_of * (2 - z - 0.2)).sum(),
    ]
    gradient = gradient_of(found.loss, [mean, log_sd, shift])
    torch.testing.assert_close(gradient, torch.stack(expected))
    assert found.loss.item() == pytest.approx(Iwae(6)(sites).loss.item(), abs=1e-12)


def test_doubly_reparameterised_gradient_has_less_noise():
    """Its signal does not drown as particles grow in number; that of the total one does."""
    mean, log_sd = number(0.9), number(math.log(0.8))
    noise = {}
    for kind in ("total", "doubly"):
        draws = []
        for _ in range(300):
            sites = one_latent(X, mean, torch.exp(log_sd), 64)
            draws.append(gradient_of(Iwae(64, kind)(sites).loss, [mean, log_sd]))
        noise[kind] = torch.stack(draws).std(0)
    assert (noise["doubly"] < 0.5 * noise["total"]).all()


def test_doubly_reparameterised_gradient_where_one_guide_depends_on_another():
    """The same in the mean as the total gradient; for the model the same at every draw."""
    phi = torch.tensor([0.2, -0.4, 0.5, 0.3, -0.2], requires_grad=True)
    theta = number(0.7)
    x = torch.tensor([0.3, -1.2]).repeat(20)
    differences = []
    for seed in range(80):
        torch.manual_seed(seed)
        total = Iwae(3)(chain(x, phi, theta, 3, gated=False))
        torch.manual_seed(seed)
        doubly = Iwae(3, "doubly")(chain(x, phi, theta, 3, gated=True))
        assert total.loss.item() == pytest.approx(doubly.loss.item(), abs=1e-12)
        one, two = (gradient_of(found.loss, [phi, theta]) for found in (total, doubly))
        differences.append(one - two)
    found = torch.stack(differences)
    assert found[:, -1].abs().max() < 1e-12
    assert found[:, :-1].std(0).min() > 1e-3
    assert_means(found[:, :-1], torch.zeros(5))


def test_doubly_reparameterised_gradient_of_dependent_guides_is_its_formula():
    """With draws as functions of noise, the guide's parameters in log q cut from the graph."""
    phi = torch.tensor([0.2, -0.4, 0.5, 0.3, -0.2], requires_grad=True)
    x, theta = torch.tensor([0.3, -1.2]), torch.tensor(0.7)
    torch.manual_seed(3)
    gradient = gradient_of(Iwae(4, "doubly")(chain(x, phi, theta, 4, gated=True)).loss, [phi])
    torch.manual_seed(3)
    sites = chain(x, phi, theta, 4, gated=False)
    u, v = sites["u"].value, sites["v"].value
    cut = phi.detach()
    q_u = dist.Normal(cut[0] * x, torch.exp(cut[1]))
    q_v = dist.Normal(cut[2] * u + cut[3] * x, torch.exp(cut[4]))
    log_p = dist.Normal(0.0, 1.0).log_prob(u) + dist.Normal(theta * u, 1.0).log_prob(v)
    log_w = log_p + dist.Normal(v, 1.0).log_prob(x) - q_u.log_prob(u) - q_v.log_prob(v)
    share_of = torch.softmax(log_w.detach(), 0)
    (expected,) = torch.autograd.grad((share_of**2 * log_w).sum(0).mean(), phi)
    torch.testing.assert_close(gradient, expected)


def test_doubly_reparameterised_gradient_is_refused_without_a_gate():
    sites = chain(X, torch.zeros(5), torch.tensor(0.7), 2, gated=False)
    with pytest.raises(ObjectiveError, match="needs a gate"):
        Iwae(2, "doubly")(sites)


# --- discrete latents: expectations over all draws, exactly --------------------------------------

ODDS = torch.tensor([0.4, -0.8], dtype=torch.float64)


def discrete(values: Tensor, phi: Tensor, theta: Tensor, *, normal: Tensor | None = None) -> Sites:
    """z[row] ~ Bernoulli(0.3), x[row] ~ Normal(theta z, 1) for two rows; `values` are the draws.

    With `normal`, also y ~ N(theta z + z, 1) of the guide's N(phi_2 z, 1), which is a path.
    """
    particles, rows = values.shape
    x = torch.tensor([0.5, 2.0])[:rows]
    q, p = dist.Bernoulli(logits=phi[0] + phi[1] * x), dist.Bernoulli(torch.tensor(0.3))
    sites = {"z": Site("z", False, values, p.log_prob(values), q.log_prob(values), p, q)}
    mean = theta * values
    if normal is not None:
        q_y, p_y = dist.Normal(phi[2] * values, 1.0), dist.Normal(theta * values + values, 1.0)
        y = q_y.loc + normal
        on = frozenset("z")
        densities = (p_y.log_prob(y), q_y.log_prob(y))
        sites["y"] = Site("y", False, y, *densities, p_y, q_y, p_parents=on, q_parents=on)
        mean = mean + y
    likelihood = dist.Normal(mean, 1.0)
    sites["x"] = Site("x", True, x, likelihood.log_prob(x), p_parents=frozenset("z"))
    return Sites(sites, particles, rows, rows, ROWS)


def over_all_draws(
    particles: int, rows: int, of: Callable[[Tensor], tuple[Tensor, Tensor]]
) -> Tensor:
    """The sum over all draws of probability times value; `of` gives log probability and value."""
    total: Tensor | float = 0.0
    for bits in itertools.product([0.0, 1.0], repeat=particles * rows):
        log_probability, value = of(torch.tensor(bits).reshape(particles, rows))
        total = total + torch.exp(log_probability) * value
    assert isinstance(total, Tensor)
    return total


def value_of(objective: Objective, sites: Sites) -> Tensor:
    """The objective as a plain function of densities, for any draws."""
    log_w = sites["z"].log_p - sites["z"].log_q + sites["x"].log_p
    if isinstance(objective, Iwae):
        return (torch.logsumexp(log_w, 0) - math.log(len(log_w))).mean()
    return log_w.mean()


@pytest.mark.parametrize(
    "objective",
    [
        Elbo(1, baseline="none"),
        Elbo(2),
        Elbo(2, kl="sampled"),
        Elbo(3, kl="sampled", baseline="leave_one_out"),
        Iwae(1),
        Iwae(2),
        Iwae(3),
    ],
    ids=str,
)
def test_score_function_gradient_is_unbiased(objective):
    phi, theta = torch.tensor([0.4, -0.8], requires_grad=True), number(1.3)
    k = objective.particles

    def exact(draws: Tensor) -> tuple[Tensor, Tensor]:
        sites = discrete(draws, phi, theta)
        return sites["z"].log_q.sum(), value_of(objective, sites)

    def estimate(draws: Tensor) -> tuple[Tensor, Tensor]:
        sites = discrete(draws, phi, theta)
        return sites["z"].log_q.detach().sum(), gradient_of(objective(sites).loss, [phi, theta])

    expected = gradient_of(-over_all_draws(k, 2, exact), [phi, theta])
    torch.testing.assert_close(over_all_draws(k, 2, estimate), expected)


def test_score_function_beside_a_path():
    """A discrete latent, and a normal one whose guide depends on it, by quadrature."""
    phi, theta = torch.tensor([0.4, -0.8, 0.3], requires_grad=True), number(1.3)
    nodes, weights = (torch.tensor(a) for a in np.polynomial.hermite_e.hermegauss(30))
    weights = weights / weights.sum()

    def at(draws: Tensor, node: Tensor) -> Sites:
        return discrete(draws, phi, theta, normal=node)

    def exact(draws: Tensor) -> tuple[Tensor, Tensor]:
        value = torch.zeros(())
        for node, weight in zip(nodes, weights, strict=True):
            sites = at(draws, node)
            gain = sum(s.log_p - (0 if s.log_q is None else s.log_q) for s in sites)
            value = value + weight * gain.mean()
        return at(draws, nodes[0])["z"].log_q.sum(), value

    def estimate(draws: Tensor) -> tuple[Tensor, Tensor]:
        value = torch.zeros(4)
        for node, weight in zip(nodes, weights, strict=True):
            loss = Elbo(1, baseline="none")(at(draws, node)).loss
            value = value + weight * gradient_of(loss, [phi, theta])
        return at(draws, nodes[0])["z"].log_q.detach().sum(), value

    expected = gradient_of(-over_all_draws(1, 1, exact), [phi, theta])
    torch.testing.assert_close(over_all_draws(1, 1, estimate), expected)


def of_all_data(w: Tensor, z: Tensor, phi: Tensor, theta: Tensor) -> Sites:
    """A discrete latent w of all the data beside z[row]: z ~ Bernoulli(0.3 + 0.4 w)."""
    sites = discrete(z, phi, theta)
    q, p = dist.Bernoulli(logits=phi[2]), dist.Bernoulli(torch.tensor(0.6))
    of_w = Site("w", False, w, p.log_prob(w), q.log_prob(w), p, q, local=False)
    p_z = dist.Bernoulli(0.3 + 0.4 * w)
    of_z = replace(sites["z"], p=p_z, log_p=p_z.log_prob(z), p_parents=frozenset("w"))
    return replace(sites, sites={"w": of_w, "z": of_z, "x": sites["x"]}, total=sites.rows)


@pytest.mark.parametrize("objective", [Elbo(2), Elbo(2, kl="sampled"), Iwae(2)], ids=str)
def test_score_function_gradient_of_a_latent_of_all_the_data(objective):
    phi, theta = torch.tensor([0.4, -0.8, 0.2], requires_grad=True), number(1.3)

    def sites_of(draws: Tensor) -> Sites:
        return of_all_data(draws[:, :1], draws[:, 1:], phi, theta)

    def exact(draws: Tensor) -> tuple[Tensor, Tensor]:
        s = sites_of(draws)
        rows = (s["z"].log_p - s["z"].log_q + s["x"].log_p).sum(1)
        log_w = rows + (s["w"].log_p - s["w"].log_q)[:, 0]
        joint = torch.logsumexp(log_w, 0) - math.log(2)
        value = joint if isinstance(objective, Iwae) else log_w.mean()
        return s["z"].log_q.sum() + s["w"].log_q.sum(), value / 2

    def estimate(draws: Tensor) -> tuple[Tensor, Tensor]:
        probability, _ = exact(draws)
        return probability.detach(), gradient_of(objective(sites_of(draws)).loss, [phi, theta])

    expected = gradient_of(-over_all_draws(2, 3, exact), [phi, theta])
    torch.testing.assert_close(over_all_draws(2, 3, estimate), expected)


@pytest.mark.parametrize("total", [2, 6])
def test_score_function_gradient_of_a_latent_that_particles_share(total):
    """w is drawn once for both particles; the rows are all of the data, or some of them."""
    phi, theta = torch.tensor([0.4, -0.8, 0.2], requires_grad=True), number(1.3)

    def sites_of(draws: Tensor) -> Sites:
        z = draws[:, 1:].reshape(2, 2)
        return replace(of_all_data(draws[:, :1], z, phi, theta), total=total)

    def exact(draws: Tensor) -> tuple[Tensor, Tensor]:
        s = sites_of(draws)
        rows = (s["z"].log_p - s["z"].log_q + s["x"].log_p).mean()
        value = rows + (s["w"].log_p - s["w"].log_q).mean() / total
        return s["z"].log_q.sum() + s["w"].log_q.sum(), value

    def estimate(draws: Tensor) -> tuple[Tensor, Tensor]:
        probability, _ = exact(draws)
        loss = Elbo(2, kl="sampled")(sites_of(draws)).loss
        return probability.detach(), gradient_of(loss, [phi, theta])

    expected = gradient_of(-over_all_draws(1, 5, exact), [phi, theta])
    torch.testing.assert_close(over_all_draws(1, 5, estimate), expected)
    with pytest.raises(ObjectiveError, match="w is drawn once"):
        Iwae(2)(sites_of(torch.zeros(1, 5)))


def test_baselines_take_noise_away():
    phi, theta = torch.tensor([0.4, -0.8], requires_grad=True), number(1.3)
    noise = {}
    for baseline in ("none", "leave_one_out"):
        draws = []
        for _ in range(300):
            q = dist.Bernoulli(logits=phi[0] + phi[1] * torch.tensor([0.5, 2.0]))
            sites = discrete(q.sample((4,)), phi, theta)
            draws.append(gradient_of(Elbo(4, kl="sampled", baseline=baseline)(sites).loss, [phi]))
        noise[baseline] = torch.stack(draws).var(0)
    assert (noise["leave_one_out"] < 0.5 * noise["none"]).all()


def test_mean_of_others():
    found = mean_of_others(torch.tensor([[1.0], [2.0], [6.0]]))
    assert found[:, 0].tolist() == [4.0, 3.5, 1.5]


def test_running_baseline_is_the_mean_of_signals_before():
    phi, theta = torch.tensor([0.4, -0.8], requires_grad=True), number(1.3)
    memory: dict[str, Tensor] = {}
    draws = torch.tensor([[1.0, 0.0]])
    objective = Elbo(1, kl="sampled", baseline="running")
    plain = Elbo(1, kl="sampled", baseline="none")

    def found(which: Elbo) -> Tensor:
        loss = which(discrete(draws, phi, theta), memory=memory).loss
        return gradient_of(loss, [phi])

    torch.testing.assert_close(found(objective), found(plain))  # nothing came before
    sites = discrete(draws, phi, theta)
    signal = (sites["z"].log_p - sites["z"].log_q + sites["x"].log_p).detach()
    mean = signal.mean()
    torch.testing.assert_close(memory["baseline.rows"], torch.stack([mean, mean * 0 + 1]) * 0.01)
    score = gradient_of(-(sites["z"].log_q * mean).mean(), [phi])
    torch.testing.assert_close(found(objective), found(plain) - score)
    with pytest.raises(ObjectiveError, match="memory that lasts"):
        objective(discrete(draws, phi, theta))
    with pytest.raises(ObjectiveError, match="at least 2"):
        Elbo(1, baseline="leave_one_out")(discrete(draws, phi, theta))


def test_all_values_of_a_discrete_latent():
    """The particles are 0 and 1: bound and gradient are exact, without draws."""
    phi, theta = torch.tensor([0.4, -0.8], requires_grad=True), number(1.3)
    values = torch.tensor([[0.0, 0.0], [1.0, 1.0]])

    def exact(draws: Tensor) -> tuple[Tensor, Tensor]:
        drawn = discrete(draws, phi, theta)
        return drawn["z"].log_q.sum(), value_of(Elbo(), drawn)

    value = over_all_draws(1, 2, exact)
    expected = gradient_of(-value, [phi, theta])
    for way in ("auto", "sampled"):
        sites = discrete(values, phi, theta)
        sites = replace(sites, probabilities=torch.exp(sites["z"].log_q))
        found = Elbo(1, kl=way)(sites)
        assert found.loss.item() == pytest.approx(-value.item(), abs=1e-12)
        torch.testing.assert_close(gradient_of(found.loss, [phi, theta]), expected)
    with pytest.raises(ObjectiveError, match="tried in turn"):
        Iwae(2)(sites)


@pytest.mark.parametrize("objective", [Elbo(2, gradient="path"), Iwae(2, "doubly"), Renyi(0.5, 2)])
def test_draws_without_derivatives_are_refused(objective):
    phi = torch.tensor([0.4, -0.8], requires_grad=True)
    with pytest.raises(ObjectiveError, match="z has none"):
        objective(discrete(torch.zeros(2, 2), phi, number(1.3)))


def test_score_function_needs_rows_that_are_independent():
    """A term of all the data that depends on z, as a sum over rows would."""
    phi = torch.tensor([0.4, -0.8], requires_grad=True)
    sites = discrete(torch.zeros(2, 2), phi, number(1.3))
    tied = Site("t", True, X, torch.zeros(2, 1), local=False, p_parents=frozenset("z"))
    with pytest.raises(ObjectiveError, match="t depends on all of z"):
        Elbo(2)(replace(sites, sites={**sites.sites, "t": tied}))
