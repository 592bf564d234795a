"""Draws of discrete latents with derivatives."""

from __future__ import annotations

import pytest
import torch
from failure_budget import share
from scipy import stats

from gendsl.runtime.objectives.relaxations import (
    estimator_for,
    gumbel_softmax,
    straight_through_bernoulli,
    straight_through_one_hot,
)

LOGITS = torch.tensor([0.3, -1.0, 1.2], dtype=torch.float64)
GAINS = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
MANY = 40_000


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(24)


def exact_gradient() -> torch.Tensor:
    """Of the sum of probability times gain, in the logits."""
    logits = LOGITS.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(torch.softmax(logits, 0) @ GAINS, logits)
    return gradient


def assert_frequencies(drawn: torch.Tensor, probabilities: torch.Tensor) -> None:
    counts = drawn.sum(0).numpy()
    expected = (probabilities * len(drawn)).numpy()
    assert stats.chisquare(counts, expected).pvalue > share()


@pytest.mark.parametrize("temperature", [0.1, 1.0, 5.0])
def test_largest_entry_of_a_relaxed_draw_is_a_categorical_draw(temperature):
    drawn = gumbel_softmax(LOGITS.expand(MANY, 3), temperature)
    torch.testing.assert_close(drawn.sum(-1), torch.ones(MANY, dtype=torch.float64))
    largest = torch.nn.functional.one_hot(drawn.argmax(-1), 3)
    assert_frequencies(largest, torch.softmax(LOGITS, 0))


def test_relaxed_draws_have_the_density_of_the_concrete_distribution():
    """With two categories the log odds of an entry are logistic."""
    logits = torch.tensor([0.7, -0.4], dtype=torch.float64)
    drawn = gumbel_softmax(logits.expand(MANY, 2), 0.5)
    odds = 0.5 * (drawn[:, 0].log() - drawn[:, 1].log())
    assert stats.kstest(odds.numpy(), stats.logistic(1.1).cdf).pvalue > share()


def test_gradient_of_relaxed_draws_tends_to_the_exact_one():
    """At temperature 0.1 the bias is below 0.01, at 5 it is not."""

    def mean_of(temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
        logits = LOGITS.expand(200_000, 3).clone().requires_grad_()
        drawn = gumbel_softmax(logits, temperature)
        (gradient,) = torch.autograd.grad((drawn @ GAINS).sum(), logits)
        return gradient.mean(0), gradient.std(0) / len(gradient) ** 0.5

    warm, _ = mean_of(5.0)
    cold, error = mean_of(0.1)
    bias = (cold - exact_gradient()).abs()
    assert (bias < stats.norm.isf(share(3) / 2) * error + 0.01).all()
    assert (warm - exact_gradient()).abs().max() > 0.05


def test_straight_through_draws():
    logits = LOGITS.expand(MANY, 3).clone().requires_grad_()
    drawn = straight_through_one_hot(logits)
    assert_frequencies(drawn.detach(), torch.softmax(LOGITS, 0))
    (gradient,) = torch.autograd.grad((drawn @ GAINS).sum(), logits)
    torch.testing.assert_close(gradient, exact_gradient().expand(MANY, 3))
    hard = gumbel_softmax(LOGITS.expand(MANY, 3), 0.5, straight_through=True)
    assert sorted(set(hard.unique().tolist())) == [0.0, 1.0]
    assert_frequencies(hard, torch.softmax(LOGITS, 0))


def test_straight_through_binary_draws():
    probability = torch.full((MANY,), 0.3, dtype=torch.float64, requires_grad=True)
    drawn = straight_through_bernoulli(probability)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert stats.binomtest(int(drawn.sum()), MANY, 0.3).pvalue > share()
    (gradient,) = torch.autograd.grad((3 * drawn).sum(), probability)
    assert (gradient == 3).all()


def test_temperature_is_positive():
    with pytest.raises(ValueError, match="positive, not 0"):
        gumbel_softmax(LOGITS, 0.0)


def test_estimators():
    assert estimator_for(None, 10, reparameterised=True) == "path"
    assert estimator_for(None, 1, reparameterised=False) == "score"
    assert estimator_for(10, 1, reparameterised=False) == "enumerate"
    assert estimator_for(2, 6, reparameterised=False) == "enumerate"
    assert estimator_for(2, 7, reparameterised=False) == "score"
    assert estimator_for(2, 10**6, reparameterised=False) == "score"
