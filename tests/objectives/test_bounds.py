"""Values of bounds against closed forms and quadrature."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pyro.distributions as dist
import pytest
import torch
from failure_budget import share
from latent_gaussians import ROWS, chain, exact_chain_guide, log_evidence, one_latent
from scipy import integrate, stats

from gendsl.runtime.objectives import (
    Clock,
    Elbo,
    FreeBits,
    Iwae,
    Layout,
    ObjectiveError,
    Ramp,
    Renyi,
    Site,
    Sites,
)
from gendsl.runtime.objectives.kl import divergence, divergence_by_entry
from gendsl.runtime.objectives.multisample import importance, log_mean

X = torch.tensor([2.0], dtype=torch.float64)
LIMIT = stats.norm.isf(share() / 2)


@pytest.fixture(autouse=True)
def _double_precision():
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(20)
    yield
    torch.set_default_dtype(default)


def number(value: float) -> torch.Tensor:
    return torch.tensor(value, requires_grad=True)


def assert_near(estimates: torch.Tensor, exact: float, tolerance: float = 0.0) -> None:
    error = float(estimates.std() / math.sqrt(len(estimates)))
    assert abs(float(estimates.mean()) - exact) <= LIMIT * error + tolerance


# --- one normal latent ----------------------------------------------------------------------


def test_elbo_of_one_point():
    """x = 2, z ~ N(0, 1), x | z ~ N(z, 1), guide N(0.5, 0.8^2): each term, and the loss."""
    sites = one_latent(X, number(0.5), number(0.8), 400_000)
    found = Elbo(400_000)(sites)
    assert found.analytic == {"z"}
    assert found.terms["kl.z"].item() == pytest.approx(0.1681435513, abs=1e-10)
    assert_near(sites["x"].log_p[:, 0].detach(), -2.532082085 + 0.1681435513)
    assert found.terms["log_likelihood.x"].item() == pytest.approx(
        sites["x"].log_p.mean().item(), abs=1e-12
    )
    assert found.bound.item() == pytest.approx(-found.loss.item(), abs=1e-12)
    assert (found.modified, found.bound_name, found.points) == (False, "ELBO", ())


def test_gradient_of_elbo_of_one_point():
    mean, log_sd = number(0.5), number(math.log(0.8))
    gradients = []
    for _ in range(200):
        loss = Elbo(500)(one_latent(X, mean, torch.exp(log_sd), 500)).loss
        gradients.append(torch.stack(torch.autograd.grad(-loss, [mean, log_sd])))
    found = torch.stack(gradients)
    assert_near(found[:, 0], 1.0)
    assert_near(found[:, 1], -0.28)


@pytest.mark.parametrize(
    ("particles", "exact", "error"),
    [(2, -2.385718716, 0.0), (5, -2.309441, 0.000153), (50, -2.269411, 0.000145)],
)
def test_importance_weighted_bound_of_one_point(particles, exact, error):
    rows = 1_000_000 // particles
    sites = one_latent(X.expand(rows), number(0.5), number(0.8), particles)
    assert_near(log_mean(importance(sites).log_w).detach(), exact, LIMIT * error)
    found = Iwae(particles)(sites)
    assert found.loss.item() == pytest.approx(-found.bound.item(), abs=1e-12)
    assert found.bound_name == f"IWAE-{particles}"


def test_bounds_rise_with_particles_and_fall_with_the_order():
    """With the prior as guide at x = 1: -1.9189, -1.6535, -1.5573, ... up to -1.5155."""
    x = torch.ones(40_000)
    known = {1: -1.918939, 2: -1.6535, 5: -1.5573, 10: -1.5347, 50: -1.5193}
    log_w = importance(one_latent(x, number(0.0), number(1.0), 50)).log_w.detach()
    for k, exact in known.items():
        assert_near(log_mean(log_w[:k]), exact, 2e-4)
    assert log_evidence(x[0]).item() == pytest.approx(-1.515512, abs=1e-6)
    sites = one_latent(x[:500], number(0.0), number(1.0), 5)
    losses = [Renyi(alpha, 5)(sites).loss.item() for alpha in (-2.0, 0.0, 0.5, 1.0, 3.0)]
    assert losses == sorted(losses)
    assert losses[1] == pytest.approx(Iwae(5)(sites).loss.item(), abs=1e-12)
    assert losses[3] == pytest.approx(Elbo(5, kl="sampled")(sites).loss.item(), abs=1e-12)


def test_renyi_near_order_one_is_continuous():
    sites = one_latent(X, number(0.5), number(0.8), 7)
    around = [Renyi(1 + e, 7)(sites).loss.item() for e in (-1e-5, 0.0, 1e-5)]
    assert around[1] == pytest.approx((around[0] + around[2]) / 2, abs=1e-8)


def test_renyi_against_quadrature():
    """With one particle every order is the ELBO; with two, order 1/2, a double integral."""
    q, grid = stats.norm(0.5, 0.8), np.linspace(-6.0, 7.0, 1301)
    log_w = stats.norm.logpdf(grid) + stats.norm.logpdf(2.0 - grid) - q.logpdf(grid)
    pairs = 2 * np.log((np.exp(log_w / 2)[:, None] + np.exp(log_w / 2)[None]) / 2)
    weights = q.pdf(grid)[:, None] * q.pdf(grid)[None]
    exact = integrate.simpson(integrate.simpson(pairs * weights, grid), grid)
    values = importance(one_latent(X.expand(400_000), number(0.5), number(0.8), 2)).log_w
    assert_near(2 * log_mean(values.detach() / 2), exact)
    sites = one_latent(X, number(0.5), number(0.8), 2)
    expected = 2 * log_mean(importance(sites).log_w / 2)
    assert Renyi(0.5, 2)(sites).loss.item() == pytest.approx(-expected.item(), abs=1e-12)


def test_a_warm_up_weighs_the_latents_and_reports_the_bound():
    """From the likelihood at draws of the guide, at weight 0, to the bound itself, at 1."""
    sites = one_latent(X, number(0.5), number(0.8), 50)
    course = Iwae(50, weight=Ramp(0.0, 1.0, 10.0))
    likelihood = next(s for s in sites if s.observed).log_p
    start, middle, end = (course(sites, Clock(0, e)) for e in (0.0, 5.0, 10.0))
    assert -start.loss.item() == pytest.approx(log_mean(likelihood).mean().item(), abs=1e-12)
    assert end.loss.item() == pytest.approx(Iwae(50)(sites).loss.item(), abs=1e-12)
    half = likelihood + 0.5 * (importance(sites).log_w - likelihood)
    assert -middle.loss.item() == pytest.approx(log_mean(half).mean().item(), abs=1e-12)
    for found in (start, middle, end):
        assert found.bound.item() == pytest.approx(Iwae(50)(sites).bound.item(), abs=1e-12)
    assert [o.modified for o in (start, middle, end)] == [True, True, False]


@pytest.mark.parametrize("objective", [Elbo(3, kl="sampled"), Iwae(3), Renyi(0.5, 3)])
def test_bounds_are_exact_where_the_guide_is(objective):
    """log w is then constant, so there is no noise: N(x / 2, 1 / 2)."""
    found = objective(one_latent(X, X / 2, number(math.sqrt(0.5)), 3))
    assert found.loss.item() == pytest.approx(-log_evidence(X).item(), abs=1e-12)


# --- several latents ------------------------------------------------------------------------


@pytest.mark.parametrize("gated", [False, True])
def test_two_latents_with_the_exact_guide(gated):
    """Every draw of log w is log p(x); the divergence of v given u is one for each particle."""
    theta = number(0.7)
    x = torch.tensor([0.3, -1.2, 2.0])
    sites = chain(x, exact_chain_guide(theta), theta, 4, gated=gated)
    exact = dist.Normal(0.0, torch.sqrt(2 + theta**2)).log_prob(x).mean()
    assert Iwae(4)(sites).bound.item() == pytest.approx(exact.item(), abs=1e-12)
    assert Elbo(4, kl="sampled")(sites).bound.item() == pytest.approx(exact.item(), abs=1e-12)
    found = Elbo(4)(sites)
    assert found.analytic == {"u", "v"}
    assert divergence(sites, sites["v"]).value.shape == (4, 3)
    many = chain(x, exact_chain_guide(theta), theta, 100_000, gated=gated)
    terms = [sites.latents for sites in (many,)][0]
    gain = many["x"].log_p - sum(divergence(many, site).value for site in terms)
    assert_near(gain.mean(1).detach(), exact.item())


def test_divergence_is_sampled_where_the_guide_draws_its_parameters_from_the_latent():
    """A bottom-up guide: u ~ q, v ~ q(v | u), and the model has p(u | v)."""
    u_guide = dist.Normal(torch.zeros(2), 1.0)
    u = u_guide.rsample((3,))
    v_guide = dist.Normal(u, 0.5)
    v = v_guide.rsample()
    u_model, v_model = dist.Normal(0.5 * v, 1.0), dist.Normal(0.0, 1.0).expand([2])
    u_site = Site(
        *("u", False, u, u_model.log_prob(u), u_guide.log_prob(u), u_model, u_guide),
        p_parents=frozenset("v"),
    )
    v_site = Site(
        *("v", False, v, v_model.log_prob(v), v_guide.log_prob(v), v_model, v_guide),
        q_parents=frozenset("u"),
    )
    sites = Sites({"u": u_site, "v": v_site}, 3, 2, 2, ROWS)
    assert sites.later("u") == {"v"}
    assert divergence(sites, v_site).analytic
    found = divergence(sites, u_site)
    assert not found.analytic
    assert torch.equal(found.value, u_site.log_q - u_site.log_p)
    with pytest.raises(ObjectiveError, match="depends on v"):
        divergence(sites, u_site, "analytic")


def test_latent_along_a_sequence_is_sampled():
    q = dist.Normal(torch.zeros(2, 5), 1.0)
    z = q.rsample((1,))
    p = dist.Normal(torch.cat([torch.zeros(1, 2, 1), z[..., :-1]], -1), 1.0)
    layout = Layout(depth=2, row=-2)
    log_p, log_q = p.log_prob(z).sum(-1), q.log_prob(z).sum(-1)
    site = Site("z", False, z, log_p, log_q, p, q, p_parents=frozenset("z"))
    sites = Sites({"z": site}, 1, 2, 2, layout)
    assert not divergence(sites, site).analytic
    entries = divergence_by_entry(sites, site)
    assert entries.value.shape == (1, 2, 5)
    torch.testing.assert_close(entries.value.sum(-1), log_q - log_p)


@pytest.mark.parametrize("row", [-1, -2])
@pytest.mark.parametrize("particles", [1, 3])
def test_divergence_in_any_layout(row, particles):
    """A latent of 4 entries over rows and a plate of 2: parameters are those of all members."""
    plates = (2, 5) if row == -1 else (5, 2)
    mean = torch.randn(*plates, 4)
    q = dist.Normal(mean, 0.5).to_event(1)
    p = dist.Normal(torch.randn(4), 1.0).to_event(1)
    z = q.rsample((particles,))
    over = 1 if row == -1 else 2
    log_p, log_q = p.log_prob(z).sum(over), q.log_prob(z).sum(over)
    site = Site("z", False, z, log_p, log_q, p, q)
    sites = Sites({"z": site}, particles, 5, 5, Layout(2, row))
    whole, entries = divergence(sites, site), divergence_by_entry(sites, site)
    exact = math.log(2) + (0.25 + (mean - p.mean) ** 2) / 2 - 0.5
    torch.testing.assert_close(whole.value, exact.sum((-1, over - 1)).unsqueeze(0))
    expected = exact if row == -2 else exact.transpose(0, 1)
    torch.testing.assert_close(entries.value, expected.reshape(1, 5, 8))
    sampled = divergence_by_entry(sites, site, "sampled").value
    torch.testing.assert_close(sampled.sum(-1), log_q - log_p)


def test_divergence_of_parameters_that_are_the_same_for_all_members():
    """q has no batch at all, and counts for each of the 3 rows and 2 members."""
    q, p = dist.Normal(1.0, 1.0), dist.Normal(0.0, 1.0)
    z = q.rsample((1, 3, 2))
    site = Site("z", False, z, p.log_prob(z).sum(-1), q.log_prob(z).sum(-1), p, q)
    sites = Sites({"z": site}, 1, 3, 3, Layout(2, -2))
    assert torch.equal(divergence(sites, site).value, torch.ones(1, 3))


# --- minibatches and latents of all the data -------------------------------------------------


def with_a_global(x: torch.Tensor, total: int, particles: int, *, once: bool) -> Sites:
    """w ~ N(0, 1) of all the data, z ~ N(w, 1), x ~ N(z, 1)."""
    rows = len(x)
    q_w = dist.Normal(number(0.4), number(0.3))
    w = q_w.rsample((1 if once else particles, 1))
    p_w = dist.Normal(0.0, 1.0)
    q = dist.Normal(0.5 * x, number(0.8))
    z = q.rsample((particles,))
    p, likelihood = dist.Normal(w, 1.0), dist.Normal(z, 1.0)
    sites = {
        "w": Site("w", False, w, p_w.log_prob(w), q_w.log_prob(w), p_w, q_w, local=False),
        "z": Site("z", False, z, p.log_prob(z), q.log_prob(z), p, q, p_parents=frozenset("w")),
        "x": Site("x", True, x, likelihood.log_prob(x), p_parents=frozenset("z")),
    }
    return Sites(sites, particles, rows, total, ROWS)


def test_batches_of_rows_give_the_loss_of_all_in_the_mean():
    x = torch.tensor([0.0, 1.0, 4.0, -2.0])

    def loss(rows: torch.Tensor) -> float:
        torch.manual_seed(1)
        sites = with_a_global(rows, 4, 1, once=True)
        return Elbo()(sites).terms["kl.w"].item(), Elbo()(sites).terms["kl.z"].item()

    whole = loss(x)
    batches = [loss(torch.stack(pair)) for pair in itertools.combinations(x, 2)]
    assert np.mean(batches, 0) == pytest.approx(whole, abs=1e-12)
    kl = math.log(1 / 0.3) + (0.09 + 0.16) / 2 - 0.5
    assert whole[0] == pytest.approx(kl / 4, abs=1e-12)


def test_rows_are_weighted_jointly_where_particles_differ_in_what_they_share():
    x = torch.tensor([0.0, 1.0, 4.0, -2.0])
    covariance = 2 * torch.eye(4) + torch.ones(4, 4)
    exact = dist.MultivariateNormal(torch.zeros(4), covariance).log_prob(x).item()
    for once in (True, False):
        found = [Iwae(20)(with_a_global(x, 4, 20, once=once)).bound for _ in range(300)]
        bound = 4 * torch.stack(found)
        assert bound.mean().item() < exact
    sites = with_a_global(x, 4, 20, once=False)
    log_w = sum(s.log_p - (0 if s.log_q is None else s.log_q) for s in [sites["z"], sites["x"]])
    joint = log_mean(log_w.sum(1) + (sites["w"].log_p - sites["w"].log_q)[:, 0])
    assert Iwae(20)(sites).bound.item() == pytest.approx(joint.item() / 4, abs=1e-12)
    with pytest.raises(ObjectiveError, match="drawn once"):
        Iwae(20)(with_a_global(x[:2], 4, 20, once=False))


def test_what_is_drawn_once_stands_beside_the_weights_of_rows():
    sites = with_a_global(torch.tensor([0.0, 1.0]), 4, 20, once=True)
    rows = sites["z"].log_p - sites["z"].log_q + sites["x"].log_p
    shared = (sites["w"].log_p - sites["w"].log_q).item()
    expected = log_mean(rows).mean().item() + shared / 4
    for found in (Iwae(20)(sites), Renyi(0.0, 20)(sites)):
        assert found.bound.item() == pytest.approx(expected, abs=1e-12)
        assert found.loss.item() == pytest.approx(-expected, abs=1e-12)


# --- weights and floors ---------------------------------------------------------------------

BETAS = [
    (0.25, 0.8, 0.2, 0.72472, 1.76366),
    (0.5, 0.6667, 0.3333, 0.43820, 1.57936),
    (1.0, 0.5, 0.5, 0.22157, 1.51551),
    (2.0, 0.3333, 0.6667, 0.09162, 1.56612),
    (4.0, 0.2, 0.8, 0.03157, 1.67051),
]


@pytest.mark.parametrize(("beta", "mean", "variance", "rate", "loss"), BETAS)
def test_optima_of_weighted_divergences(beta, mean, variance, rate, loss):
    """At x = 1 the guide N(1 / (1 + beta), beta / (1 + beta)) has no gradient."""
    at, sd = number(1 / (1 + beta)), number(math.sqrt(beta / (1 + beta)))
    assert (at.item(), sd.item() ** 2) == pytest.approx((mean, variance), abs=1e-4)
    ends = torch.tensor([-1.0, 1.0])  # these two draws have the moments of a normal law
    sites = one_latent(torch.ones(1), at, sd, 2, draw=lambda q, _: q.loc + q.scale * ends[:, None])
    found = Elbo(2, weights={"kl": beta})(sites)
    assert found.terms["kl.z"].item() == pytest.approx(rate, abs=1e-5)
    assert found.bound.item() == pytest.approx(-loss, abs=1e-5)
    assert found.modified == (beta != 1)
    gradients = torch.autograd.grad(found.loss, [at, sd])
    assert [g.item() for g in gradients] == pytest.approx([0.0, 0.0], abs=1e-12)


def with_divergences(levels: torch.Tensor) -> tuple[Sites, torch.Tensor]:
    """A latent of unit variance whose entries have the given divergences, (rows, entries)."""
    mean = torch.sqrt(2 * levels).requires_grad_()
    q = dist.Normal(mean, 1.0).to_event(1)
    p = dist.Normal(torch.zeros(levels.shape[-1]), 1.0).to_event(1)
    z = q.rsample((1,))
    site = Site("z", False, z, p.log_prob(z), q.log_prob(z), p, q)
    return Sites({"z": site}, 1, len(levels), len(levels), ROWS), mean


def test_free_bits():
    """Divergences 0.02 and 0.3 with a floor of 0.1 are 0.4, and the first has no gradient."""
    sites, mean = with_divergences(torch.tensor([[0.02, 0.3]]))
    found = Elbo(free_bits=FreeBits(0.1))(sites)
    assert found.loss.item() == pytest.approx(0.4, abs=1e-12)
    assert found.bound.item() == pytest.approx(-0.32, abs=1e-12)
    assert found.modified
    (gradient,) = torch.autograd.grad(found.loss, mean)
    torch.testing.assert_close(gradient, torch.tensor([[0.0, math.sqrt(0.6)]]))
    whole = Elbo(free_bits=FreeBits(0.5, per="latent"))(sites)
    assert whole.loss.item() == pytest.approx(0.5, abs=1e-12)
    assert not torch.autograd.grad(whole.loss, mean, allow_unused=True)[0].any()


def test_free_bits_compare_the_mean_over_the_batch_or_each_row():
    sites, _ = with_divergences(torch.tensor([[0.0, 0.3], [0.4, 0.05]]))
    batch = Elbo(free_bits=FreeBits(0.19))(sites).loss.item()
    rows = Elbo(free_bits=FreeBits(0.19, over="row"))(sites).loss.item()
    assert batch == pytest.approx(0.2 + 0.19, abs=1e-12)
    assert rows == pytest.approx((0.19 + 0.3 + 0.4 + 0.19) / 2, abs=1e-12)


def test_free_bits_compare_the_mean_over_particles():
    """Sampled divergences of 0.1, -0.5 and 1.9 have mean 0.5, above the floor of 0.4."""
    q, p = dist.Normal(torch.zeros(1), 1.0), dist.Normal(torch.ones(1), 1.0)
    z = torch.tensor([[0.4], [1.0], [-1.4]])  # log q - log p is 0.5 - z
    site = Site("z", False, z, p.log_prob(z), q.log_prob(z), p, q)
    sites = Sites({"z": site}, 3, 1, 1, ROWS)
    for nats, exact in ((0.4, 0.5), (0.6, 0.6)):
        for per in ("entry", "latent"):
            found = Elbo(3, kl="sampled", free_bits=FreeBits(nats, per=per))(sites)
            assert found.loss.item() == pytest.approx(exact, abs=1e-12)


def test_free_bits_of_some_latents():
    sites, _ = with_divergences(torch.tensor([[0.02, 0.3]]))
    other = replace(sites["z"], name="y")
    both = replace(sites, sites={"z": sites["z"], "y": other})
    found = Elbo(free_bits=FreeBits(0.1, latents=("y",)))(both)
    assert found.loss.item() == pytest.approx(0.32 + 0.4, abs=1e-12)


def test_the_weight_of_a_variable_goes_before_that_of_its_group():
    sites, _ = with_divergences(torch.tensor([[0.02, 0.3]]))
    both = replace(sites, sites={"z": sites["z"], "y": replace(sites["z"], name="y")})
    found = Elbo(weights={"kl": 3.0, "y": 0.5})(both)
    assert found.loss.item() == pytest.approx(3.5 * 0.32, abs=1e-12)
    assert found.weights == {"kl.z": 3.0, "kl.y": 0.5}


def test_free_bits_of_tied_entries_are_of_the_latent():
    q = dist.MultivariateNormal(torch.ones(1, 2), torch.eye(2))
    p = dist.MultivariateNormal(torch.zeros(2), torch.eye(2))
    z = q.rsample((1,))
    sites = Sites({"z": Site("z", False, z, p.log_prob(z), q.log_prob(z), p, q)}, 1, 1, 1, ROWS)
    assert Elbo(free_bits=FreeBits(3.0, per="latent"))(sites).loss.item() == 3.0
    with pytest.raises(ObjectiveError, match="tied"):
        Elbo(free_bits=FreeBits(3.0))(sites)


# --- what is refused ------------------------------------------------------------------------


def test_refusals():
    sites = one_latent(X, number(0.5), number(0.8), 2)
    with pytest.raises(ObjectiveError, match="2 particles were drawn, not 1"):
        Elbo()(sites)
    with pytest.raises(ObjectiveError, match="2 particles were drawn, not 5"):
        Iwae()(sites)
    with pytest.raises(ObjectiveError, match="weight for y"):
        Elbo(2, weights={"y": 2.0})(sites)
    with pytest.raises(ObjectiveError, match="which is no latent"):
        Elbo(2, free_bits=FreeBits(1.0, latents=("x",)))(sites)
    with pytest.raises(ObjectiveError, match="without a guide"):
        Sites({"z": Site("z", False, X, torch.zeros(1, 1))}, 1, 1, 1)
    with pytest.raises(ObjectiveError, match=r"shape \(3,\), not \(1, 3\)"):
        Sites({"x": Site("x", True, X, torch.zeros(3))}, 1, 3, 3)


def test_a_term_of_weight_0_is_left_out():
    """An autoencoder: the divergence of a value that the prior excludes is infinite."""
    q, p = dist.Normal(number(0.5), 1.0), dist.Uniform(0.0, 1.0)
    z = q.rsample((1, 2))
    log_p = torch.full((1, 2), -math.inf)
    site = Site("z", False, z, log_p, q.log_prob(z), p, q)
    x = Site("x", True, X, dist.Normal(z, 1.0).log_prob(X), p_parents=frozenset("z"))
    found = Elbo(weights={"kl": 0.0})(Sites({"z": site, "x": x}, 1, 2, 2, ROWS))
    assert torch.isfinite(found.loss)
    assert found.bound == -math.inf
    assert torch.isfinite(torch.autograd.grad(found.loss, q.loc)[0])


def test_a_point_as_guide_is_said():
    q, p = (
        dist.Delta(torch.tensor([[0.3]])).to_event(1),
        dist.Normal(torch.zeros(1), 1.0).to_event(1),
    )
    z = q.rsample((1,))
    site = Site("z", False, z, p.log_prob(z), q.log_prob(z), p, q)
    found = Elbo()(Sites({"z": site}, 1, 1, 1, ROWS))
    assert found.points == ("z",)
    assert found.loss.item() == pytest.approx(-p.log_prob(torch.tensor([0.3])).item(), abs=1e-12)
