"""Weights over time."""

from __future__ import annotations

import math

import pytest
import torch
from latent_gaussians import one_latent

from gendsl.runtime.objectives import START, Clock, Constant, Cyclic, Elbo, Ramp
from gendsl.runtime.objectives.schedules import as_schedule


def values(schedule, times, unit="epoch"):
    clocks = [Clock(step=t) if unit == "step" else Clock(epoch=t) for t in times]
    return [schedule(clock) for clock in clocks]


def test_constant():
    assert as_schedule(3)(START) == 3.0
    assert as_schedule(Constant(0.5)) == Constant(0.5)
    assert Constant(0.5).final == 0.5


def test_ramps():
    warm_up = Ramp(0.0, 1.0, 10)
    assert values(warm_up, [0, 2.5, 5, 10, 11]) == [0.0, 0.25, 0.5, 1.0, 1.0]
    late = Ramp(2.0, 1.0, 4, delay=3, unit="step")
    assert values(late, [0, 3, 4, 5, 7, 99], "step") == [2.0, 2.0, 1.75, 1.5, 1.0, 1.0]
    assert late(Clock(step=0, epoch=50.0)) == 2.0
    jump = Ramp(0.0, 1.0, 0, delay=2)
    assert values(jump, [0, 1.99, 2, 3]) == [0.0, 0.0, 1.0, 1.0]
    cosine = Ramp(0.0, 1.0, 4, shape="cosine")
    assert values(cosine, [0, 1, 2, 3, 4]) == pytest.approx(
        [0, 0.5 - math.sqrt(0.125), 0.5, 0.5 + math.sqrt(0.125), 1]
    )


def test_cycles():
    cyclic = Cyclic(0.0, 1.0, period=10, cycles=2, rising=0.5)
    times = [0, 2.5, 5, 9, 10, 12.5, 15, 19.9, 20, 100]
    assert values(cyclic, times) == [0.0, 0.5, 1.0, 1.0, 0.0, 0.5, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Ramp(0.0, math.inf, 1),
        lambda: Ramp(0.0, 1.0, -1),
        lambda: Ramp(0.0, 1.0, 1, delay=-1),
        lambda: Cyclic(0.0, 1.0, 0),
        lambda: Cyclic(0.0, 1.0, 1, rising=0),
        lambda: Constant(math.nan),
    ],
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValueError, match=r"finite|negative|cycle"):
        wrong()


def test_a_scheduled_weight_is_read_from_the_clock():
    sites = one_latent(torch.ones(3), torch.tensor(0.3), torch.tensor(0.6))
    objective = Elbo(weights={"kl": Ramp(0.0, 1.0, 4), "x": 2.0})
    found = {epoch: objective(sites, Clock(epoch=epoch)) for epoch in (0.0, 1.0, 4.0)}
    likelihood, kl = found[0.0].terms["log_likelihood.x"], found[0.0].terms["kl.z"]
    for epoch, weight in ((0.0, 0.0), (1.0, 0.25), (4.0, 1.0)):
        torch.testing.assert_close(found[epoch].loss, weight * kl - 2 * likelihood)
        torch.testing.assert_close(found[epoch].bound, likelihood - kl)
    assert found[1.0].weights == {"kl.z": 0.25, "log_likelihood.x": 2.0}
