"""Discrepancies and total correlations of the aggregated posterior."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pyro.distributions as dist
import pytest
import torch
from failure_budget import share
from latent_gaussians import ROWS, one_latent
from scipy import integrate, stats
from torch import Tensor

from gendsl.runtime.objectives import (
    Elbo,
    GuideLikelihood,
    Layout,
    MaximumMeanDiscrepancy,
    ObjectiveError,
    Ramp,
    Site,
    Sites,
    TotalCorrelation,
    beta_tc_vae,
    info_vae,
)
from gendsl.runtime.objectives.aggregated import (
    aggregated_densities,
    decomposition,
    discrepancy,
)

LIMIT = stats.norm.isf(share() / 2)


@pytest.fixture(autouse=True)
def _double_precision():
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(22)
    yield
    torch.set_default_dtype(default)


def assert_near(estimates: Tensor, exact: float) -> None:
    error = float(estimates.std() / math.sqrt(len(estimates)))
    assert abs(float(estimates.mean()) - exact) <= LIMIT * error


def latent(q: dist.Distribution, particles: int, total: int | None = None) -> Sites:
    """One latent of standard normal prior with the given guide, (rows, entries)."""
    rows, entries = q.batch_shape[-1], q.event_shape[-1]
    p = dist.Normal(torch.zeros(entries), 1.0).to_event(1)
    z = q.rsample((particles,))
    site = Site("z", False, z, p.log_prob(z), q.log_prob(z), p, q)
    return Sites({"z": site}, particles, rows, total or rows, ROWS)


# --- discrepancies --------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["rbf", "imq"])
def test_discrepancy_is_its_definition(kernel):
    a, b = torch.randn(3, 2), torch.randn(4, 2) + 1

    def k(u: Tensor, v: Tensor) -> float:
        square = ((u - v) ** 2).sum().item() / 1.7**2
        return math.exp(-square / 2) if kernel == "rbf" else 1 / (1 + square)

    within = [
        np.mean([k(u, v) for u, v in itertools.permutations(sample, 2)]) for sample in (a, b)
    ]
    between = np.mean([k(u, v) for u in a for v in b])
    found = discrepancy(a, b, kernel, 1.7).item()
    assert found == pytest.approx(sum(within) - 2 * between, abs=1e-12)


@pytest.mark.parametrize(
    ("shift", "exact"), [(0.0, 0.0), (0.5, 0.047124), (1.0, 0.177268), (2.0, 0.561858)]
)
def test_discrepancy_of_normal_laws(shift, exact):
    """E k(x, y) = exp(-shift^2 / 6) / sqrt(3) with a kernel of length 1."""
    assert exact == pytest.approx(2 / math.sqrt(3) * (1 - math.exp(-(shift**2) / 6)), abs=1e-6)
    found = discrepancy(torch.randn(3000, 30, 1), torch.randn(3000, 30, 1) + shift, "rbf", 1.0)
    assert_near(found, exact)


@pytest.mark.parametrize("entries", [1, 5])
def test_penalty_compares_the_latents_of_the_rows_with_the_prior(entries):
    """q(z) = N(1, 1) in each entry: E exp(-r^2 / (2 d)) is a product over entries."""
    q = dist.Normal(torch.ones(20, entries), 1.0).to_event(1)
    within = (entries / (entries + 2)) ** (entries / 2)
    exact = 2 * within * (1 - math.exp(-entries / 2 / (entries + 2)))
    penalty = MaximumMeanDiscrepancy("z")
    assert_near(torch.stack([penalty(latent(q, 20)) for _ in range(200)]), exact)


def test_penalty_of_a_scalar_latent():
    """A prior that is one for all rows, and no event axis."""
    x = torch.zeros(40)
    penalty = MaximumMeanDiscrepancy("z", scale=1.0)
    mean, sd = torch.tensor(1.0), torch.tensor(1.0)
    found = [penalty(one_latent(x, mean, sd, 5)) for _ in range(300)]
    assert_near(torch.stack(found), 0.177268)


def test_penalties_in_the_loss():
    q = dist.Normal(torch.randn(6, 2), 0.5).to_event(1)
    sites = latent(q, 3)
    plain = Elbo(3)(sites)

    def loss(objective: Elbo) -> float:
        torch.manual_seed(4)
        return objective(sites).loss.item()

    torch.manual_seed(4)
    value = MaximumMeanDiscrepancy("z")(sites).item()
    found = info_vae(MaximumMeanDiscrepancy("z", weight=7.0), alpha=0.25, particles=3)
    kl = plain.terms["kl.z"].item()
    assert loss(found) == pytest.approx(0.75 * kl + 7 * value, abs=1e-12)
    outcome = found(sites)
    assert outcome.modified
    assert outcome.weights == {"kl.z": 0.75, "mmd.z": 7.0}
    assert outcome.bound.item() == pytest.approx(plain.bound.item(), abs=1e-12)
    correlation = TotalCorrelation("z")(sites).item()
    assert loss(beta_tc_vae("z", 4.0, 3)) == pytest.approx(kl + 3 * correlation, abs=1e-12)
    assert not Elbo(3, penalties=(TotalCorrelation("z", Ramp(0.0, 1.0, 5)),))(sites).modified


# --- the density of the aggregated posterior -------------------------------------------------


def test_density_from_a_batch_has_no_bias():
    """The mean over all batches of 3 of 5 rows that hold a row is q at that row's draw."""
    mean, sd = torch.randn(5, 2), torch.rand(5, 2) + 0.3
    z = mean + sd * torch.randn(5, 2)
    exact = dist.Normal(mean, sd).log_prob(z.unsqueeze(1)).sum(-1).exp().mean(1)
    p = dist.Normal(torch.zeros(2), 1.0).to_event(1)

    def estimates(chosen: list[int]) -> Tensor:
        q = dist.Normal(mean[chosen], sd[chosen]).to_event(1)
        drawn = z[chosen].unsqueeze(0)
        site = Site("z", False, drawn, p.log_prob(drawn), q.log_prob(drawn), p, q)
        sites = Sites({"z": site}, 1, 3, 5, ROWS)
        return aggregated_densities(sites, site)[0][0].exp()

    sums, counts = torch.zeros(5), torch.zeros(5)
    for batch in itertools.combinations(range(5), 3):
        chosen = list(batch)
        sums[chosen] += estimates(chosen)
        counts[chosen] += 1
    torch.testing.assert_close(sums / counts, exact)


def test_total_correlation_of_a_mixture():
    """Two rows with normal guides at (1, 1) and (-1, -1), by quadrature."""
    a, sd = 1.0, 0.6
    grid = np.linspace(-5, 5, 401)
    one, two = stats.norm.pdf(grid, a, sd), stats.norm.pdf(grid, -a, sd)
    joint = (np.outer(one, one) + np.outer(two, two)) / 2
    product = np.outer((one + two) / 2, (one + two) / 2)
    inner = integrate.simpson(joint * np.log(joint / product), grid)
    exact = integrate.simpson(inner, grid)
    q = dist.Normal(torch.tensor([[a, a], [-a, -a]]), sd).to_event(1)
    found = torch.stack([TotalCorrelation("z")(latent(q, 500)) for _ in range(60)])
    assert 0.1 < exact < math.log(2)
    assert_near(found, float(exact))


def test_total_correlation_of_nearly_normal_data():
    """Rows from a normal law of correlation 0.8 less the noise of the guide: 0.51083 nats."""
    exact = -0.5 * math.log(1 - 0.64)
    assert exact == pytest.approx(0.51083, abs=1e-5)
    noise = 0.1
    factor = torch.linalg.cholesky(torch.tensor([[1 - noise, 0.8], [0.8, 1 - noise]]))
    x = torch.randn(1500, 2) @ factor.T
    q = dist.Normal(x, math.sqrt(noise)).to_event(1)
    found = TotalCorrelation("z")(latent(q, 1)).item()
    assert found == pytest.approx(exact, abs=0.06)


def test_parts_of_the_divergence():
    far = dist.Normal(torch.tensor([[50.0, 0.0], [-50.0, 0.0], [0.0, 90.0]]), 1.0).to_event(1)
    parts = decomposition(latent(far, 10), "z")
    assert parts["mutual_information"].item() == pytest.approx(math.log(3), abs=1e-9)
    same = dist.Normal(torch.zeros(3, 2) + 0.5, 1.0).to_event(1)
    parts_of_same = decomposition(latent(same, 2000), "z")
    assert parts_of_same["mutual_information"].item() == pytest.approx(0.0, abs=1e-12)
    assert parts_of_same["total_correlation"].item() == pytest.approx(0.0, abs=1e-12)
    for found in (parts, parts_of_same):
        names = ("mutual_information", "total_correlation", "entries")
        assert sum(found[n].item() for n in names) == pytest.approx(found["kl"].item(), abs=1e-9)


def test_layout_does_not_matter():
    """Entries along a plate of 2 beside the rows are like entries of the event."""
    mean = torch.randn(4, 2, 3)
    flat_q = dist.Normal(mean.reshape(4, 6), 0.7).to_event(1)
    flat = latent(flat_q, 5)
    z = flat["z"].value.reshape(5, 4, 2, 3)
    p = dist.Normal(torch.zeros(3), 1.0).to_event(1)
    results = []
    for row in (-2, -1):
        drawn = z if row == -2 else z.transpose(1, 2)
        q = dist.Normal(mean if row == -2 else mean.transpose(0, 1), 0.7).to_event(1)
        log_p, log_q = (d.log_prob(drawn).sum(2 if row == -2 else 1) for d in (p, q))
        site = Site("z", False, drawn, log_p, log_q, p, q)
        sites = Sites({"z": site}, 5, 4, 9, Layout(2, row))
        results.append(decomposition(sites, "z"))
    expected = decomposition(replace(flat, total=9), "z")
    for found in results:
        assert found == {name: pytest.approx(expected[name].item(), abs=1e-12) for name in found}


def test_refusals():
    mean = torch.zeros(2)
    q = dist.MultivariateNormal(torch.zeros(3, 2), torch.eye(2))
    sites = latent(q, 2)
    with pytest.raises(ObjectiveError, match="tied"):
        TotalCorrelation("z")(sites)
    with pytest.raises(ObjectiveError, match="x is no latent"):
        TotalCorrelation("x")(sites)
    one = latent(dist.Normal(mean.expand(1, 2), 1.0).to_event(1), 2, total=8)
    with pytest.raises(ObjectiveError, match="2 rows"):
        TotalCorrelation("z")(one)
    with pytest.raises(ObjectiveError, match="2 or more"):
        MaximumMeanDiscrepancy("z")(one)
    tied = replace(sites["z"], p_parents=frozenset("u"))
    with pytest.raises(ObjectiveError, match="no prior of its own"):
        MaximumMeanDiscrepancy("z")(replace(sites, sites={"z": tied}))
    with pytest.raises(ObjectiveError, match="needs draws, not all values"):
        TotalCorrelation("z")(replace(sites, probabilities=torch.full((2, 3), 0.5)))
    odds = torch.zeros(3, requires_grad=True)
    law = dist.Bernoulli(logits=odds)
    bits = law.sample((2,))
    densities = (dist.Bernoulli(0.5).log_prob(bits), law.log_prob(bits))
    discrete = Site("b", False, bits, *densities, dist.Bernoulli(0.5), law)
    with pytest.raises(ObjectiveError, match="b has none"):
        MaximumMeanDiscrepancy("z")(replace(sites, sites={"z": sites["z"], "b": discrete}))
    with pytest.raises(ObjectiveError, match="weight of `TotalCorrelation`"):
        beta_tc_vae("z", Ramp(0.0, 1.0, 5))


# --- the guide of an observed variable --------------------------------------------------------


def test_guide_of_an_observed_label():
    logits = torch.randn(3, 4)
    q, p = dist.Categorical(logits=logits), dist.Categorical(torch.full((4,), 0.25))
    y = torch.tensor([0, 3, 1])
    log_p, log_q = p.log_prob(y).unsqueeze(0), q.log_prob(y).unsqueeze(0)
    site = Site("y", True, y, log_p, log_q, p, q)
    sites = Sites({"y": site}, 1, 3, 30, ROWS)
    found = Elbo(penalties=(GuideLikelihood("y", 2.0),))(sites)
    cross_entropy = torch.nn.functional.cross_entropy(logits, y).item()
    assert found.terms["guide.y"].item() == pytest.approx(cross_entropy, abs=1e-12)
    assert found.loss.item() == pytest.approx(math.log(4) + 2 * cross_entropy, abs=1e-12)
    assert found.bound.item() == pytest.approx(-math.log(4), abs=1e-12)
    with pytest.raises(ObjectiveError, match="z is no observed"):
        GuideLikelihood("z")(sites)
