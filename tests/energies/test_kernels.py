"""Kernels, score matching, noise contrast and annealing, against closed forms and enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from gendsl.runtime.energies.constants import anneal, sum_states
from gendsl.runtime.energies.matching import denoising, exact, finite_difference, sliced
from gendsl.runtime.energies.noise import contrast, independent_noise, normal_noise
from gendsl.runtime.energies.samplers import BlockGibbs, GibbsWithGradients, Hmc, Langevin
from gendsl.runtime.energies.units import free, log_odds


@pytest.fixture(autouse=True)
def _double():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(7)
    yield
    torch.set_default_dtype(before)


RNG = np.random.default_rng(5)
W = torch.as_tensor(RNG.normal(size=(4, 3)))
B, C = torch.as_tensor(RNG.normal(size=4)), torch.as_tensor(RNG.normal(size=3))


def rbm(values):
    v, h = values["v"], values["h"]
    return torch.einsum("...i,ij,...j->...", v, W, h) + v @ B + h @ C


def states(bits):
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=bits)))


def joint():
    """All 2^7 states of the machine, and their probabilities."""
    every = states(7)
    log_p = rbm({"v": every[:, :4], "h": every[:, 4:]})
    return every, (log_p - torch.logsumexp(log_p, 0)).exp()


def frequencies(every, found):
    places = 2 ** torch.arange(every.shape[1] - 1, -1, -1)
    counts = torch.bincount((found @ places.to(found.dtype)).long(), minlength=len(every))
    return counts / counts.sum()


def test_odds_are_those_of_the_conditional():
    v = states(4)
    values = {"v": v, "h": torch.full((len(v), 3), 0.3)}
    assert torch.allclose(log_odds(rbm, values, ("h",))["h"], v @ W + C)


def test_units_are_summed_out_with_their_gradients():
    weight = W.clone().requires_grad_()

    def machine(values):
        v, h = values["v"], values["h"]
        return torch.einsum("...i,ij,...j->...", v, weight, h) + v @ B + h @ C

    v = states(4)
    summed = torch.logsumexp(
        machine({"v": v[:, None].expand(16, 8, 4), "h": states(3).expand(16, 8, 3)}), 1
    )
    found = free(machine, {"v": v, "h": torch.zeros(16, 3)}, ("h",), lambda x, _: x.sum(-1))
    assert torch.allclose(found.value, summed)
    ours = torch.autograd.grad(found.log_weight.sum(), weight)[0]
    assert torch.allclose(ours, torch.autograd.grad(summed.sum(), weight)[0])


@pytest.mark.parametrize("kernel", ["gibbs", "gradients"])
def test_binary_chains_leave_the_law_invariant(kernel):
    every, p = joint()
    start = every[torch.multinomial(p, 40_000, replacement=True)]
    if kernel == "gibbs":
        move = BlockGibbs(((("h",), None), (("v",), None)))
        for_ = 3
    else:
        move, for_ = GibbsWithGradients("v"), 5
    values = {"v": start[:, :4], "h": start[:, 4:]}
    for _ in range(for_):
        values = move(rbm, values).values
    found = frequencies(every, torch.cat([values["v"], values["h"]], 1))
    assert 0.5 * float((found - p).abs().sum()) < 0.025  # sampling alone gives 0.016


def test_gibbs_finds_the_law_from_anywhere():
    every, p = joint()
    values = {"v": torch.zeros(40_000, 4), "h": torch.zeros(40_000, 3)}
    move = BlockGibbs(((("h",), None), (("v",), None)))
    for _ in range(60):
        values = move(rbm, values).values
    found = frequencies(every, torch.cat([values["v"], values["h"]], 1))
    assert 0.5 * float((found - p).abs().sum()) < 0.025


def normal(values):
    return -((values["x"] - 1.0) ** 2).sum(-1) / 2


@pytest.mark.parametrize("step", [0.1, 0.5])
def test_langevin_is_biased_as_predicted(step):
    move, values = Langevin(("x",), step), {"x": torch.zeros(100_000, 1)}
    for _ in range(200):
        values = move(normal, values).values
    assert float(values["x"].var()) == pytest.approx(1 / (1 - step / 2), rel=0.02)


@pytest.mark.parametrize("move", [Langevin(("x",), 0.4, adjusted=True), Hmc(("x",), 0.4, 5)])
def test_adjusted_chains_are_exact(move):
    values, accepted = {"x": torch.zeros(50_000, 2)}, []
    for _ in range(60):
        moved = move(normal, values)
        values = moved.values
        accepted.append(float(moved.accepted.double().mean()))
    assert float(values["x"].mean()) == pytest.approx(1.0, abs=0.015)
    assert float(values["x"].var(0).mean()) == pytest.approx(1.0, rel=0.02)
    assert 0.7 < np.mean(accepted[20:]) < 1


def gaussian(precision, loc):
    def log_density(x):
        away = x - loc
        return -torch.einsum("...i,ij,...j->...", away, precision, away) / 2

    return log_density


A = torch.tensor([[1.5, 0.4], [0.4, 0.8]], dtype=torch.float64)
LOC = torch.tensor([0.3, -0.2], dtype=torch.float64)


def test_exact_score_matching_of_a_normal_law():
    x = torch.randn(50, 2)
    away = x - LOC
    expected = ((away @ A) ** 2).sum(-1) / 2 - A.trace()
    assert torch.allclose(exact(gaussian(A, LOC), x, 1), expected)


def test_sliced_and_finite_differences_estimate_it():
    x = torch.randn(1, 2).expand(200_000, 2)
    expected = float(exact(gaussian(A, LOC), x[:1], 1).detach())
    for found in (sliced(gaussian(A, LOC), x, 1), finite_difference(gaussian(A, LOC), x)):
        error = float(found.detach().std()) / math.sqrt(len(x))
        assert abs(float(found.detach().mean()) - expected) < 5 * error + 1e-6


def test_denoising_is_least_at_the_noised_law():
    sigma, x = 0.5, torch.randn(400_000, 2)
    best = denoising(gaussian(torch.eye(2) / (1 + sigma**2), torch.zeros(2)), x, 1, sigma).mean()
    own = denoising(gaussian(torch.eye(2), torch.zeros(2)), x, 1, sigma).mean()
    expected = 1 / sigma**2 - 1 / (1 + sigma**2)  # E|s + e/sigma|^2 / 2 of two entries
    assert float(best.detach()) == pytest.approx(expected, rel=0.01)
    assert float((own - best).detach()) > 0


def test_noise_contrast_is_least_at_the_true_constant():
    law = torch.distributions.MultivariateNormal(LOC, precision_matrix=A)
    x = law.sample((200_000,))
    noise = normal_noise(x, 1)
    y = noise.sample((400_000,))
    model = gaussian(A, LOC)
    log_z = torch.tensor(0.5, requires_grad=True)
    optimiser = torch.optim.LBFGS([log_z], line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = contrast(model(x), model(y), noise.log_prob(x), noise.log_prob(y), log_z)
        loss.backward()
        return loss

    optimiser.step(closure)
    assert float(log_z.detach()) == pytest.approx(
        math.log(2 * math.pi) - 0.5 * float(A.logdet()), abs=0.01
    )


def test_noise_bits_have_the_frequencies_of_the_data():
    x = torch.tensor([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    assert torch.allclose(independent_noise(x, 1).mean, torch.tensor([0.5, 0.98, 0.5]))


def marginal(v):
    return v @ B + torch.nn.functional.softplus(v @ W + C).sum(-1)


def test_states_are_summed_over():
    assert float(sum_states(4, marginal)) == pytest.approx(
        float(torch.logsumexp(marginal(states(4)), 0))
    )


@pytest.mark.parametrize("backward", [False, True])
def test_annealing_finds_the_constant(backward):
    base = torch.zeros(4)

    def tempered(share, v):
        return (
            (1 - share) * (v @ base)
            + share * (v @ B)
            + torch.nn.functional.softplus(share * (v @ W + C)).sum(-1)
        )

    def move(share, v):
        h = torch.bernoulli(torch.sigmoid(share * (v @ W + C)))
        return torch.bernoulli(torch.sigmoid((1 - share) * base + share * (h @ W.T + B)))

    every = states(4)
    truth = float(torch.logsumexp(marginal(every), 0))
    p = torch.softmax(marginal(every), 0) if backward else torch.full((16,), 1 / 16)
    start = every[torch.multinomial(p, 2_000, replacement=True)]
    log_z_base = 4 * math.log(2) + 3 * math.log(2)
    found = anneal(
        tempered, move, start, np.linspace(0, 1, 50).tolist(), log_z_base, backward=backward
    )
    assert found.backward is backward
    assert abs(found.log_z - truth) < 5 * found.standard_error + 1e-3
    assert found.standard_error < 0.02
    assert found.effective > 1000
