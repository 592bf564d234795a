"""Recorded steps: the same weights, bit for bit, as steps that run the program each time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import gendsl
from gendsl.runtime.training.gradients import Descent
from gendsl.runtime.training.settings import Losses
from gendsl.runtime.training.trainable import Trainable
from gendsl.runtime.variational import recorded
from gendsl.runtime.variational.recorded import Recorded, recordable

PIXELS = """\
model Pixels
plate image
net decode: real[2] -> real[6] = mlp(hidden=[8])
latent z[image]: real[2] ~ Normal(0, 1)
observe x[image]: binary[6] ~ Bernoulli(logits=decode(z))
"""
TWO = """\
model Two
plate image
net inner: real[2] -> (loc: real[3], scale: positive[3]) = mlp(hidden=[8])
net outer: real[3] -> real[6] = mlp(hidden=[8], dropout=0.2)
latent top[image]: real[2] ~ Normal(0, 1)
latent z[image]: real[3] ~ Normal(inner(top))
observe x[image]: binary[6] ~ Bernoulli(logits=outer(z))
"""
SCHOOLS = """\
model Schools
plate school
latent mu ~ Normal(0, 5)
latent tau: positive ~ HalfNormal(5)
latent theta[school] ~ Normal(mu, tau)
observe x[school] ~ Normal(theta, 10)
infer svi
"""
BINARY = (np.random.default_rng(2).random((70, 6)) < 0.3).astype(int)


@pytest.fixture
def made(monkeypatch):
    """The recordings that a fit makes."""
    found = []

    class Noted(Recorded):
        def __init__(self, *args):
            super().__init__(*args)
            found.append(self)

    monkeypatch.setattr(recorded, "Recorded", Noted)
    return found


def weights(text, data, steps, monkeypatch, **options):
    """The weights of a fit that records from so many steps on."""
    monkeypatch.setattr(recorded, "WORTH_RECORDING", steps)
    given = {"epochs": 6, "draws": 5, "seed": 3, "progress": False} | options
    fit = gendsl.compile(text).fit({"x": data}, **given)
    return {n: a.tobytes() for n, a in fit.learned.arrays().items()}


@pytest.mark.parametrize(
    ("text", "data", "options"),
    [
        (PIXELS, BINARY, {"batch_size": 20}),
        (PIXELS, gendsl.Binarised(BINARY * 0.9), {"batch_size": 20}),
        (PIXELS, BINARY, {"batch_size": 20, "bound": "iwae", "gradient": "doubly"}),
        (PIXELS, BINARY, {"batch_size": 20, "kl_warmup": 2}),
        (PIXELS, BINARY, {"batch_size": 20, "mmd": 1.0}),
        (TWO, BINARY, {"batch_size": 20, "gradient": "path"}),
        (SCHOOLS, np.linspace(-5, 20, 8), {"epochs": 40}),
    ],
)
def test_weights_are_the_same_bit_for_bit(text, data, options, made, monkeypatch):
    direct = weights(text, data, 10**9, monkeypatch, **options)
    assert made == []
    assert weights(text, data, 1, monkeypatch, **options) == direct
    assert len(made) == 1


def test_a_cycle_of_weights_is_not_recorded(made, monkeypatch):
    weights(PIXELS, BINARY, 1, monkeypatch, batch_size=20, kl_warmup=1, kl_cycles=2)
    assert made == []


def test_batch_normalisation_is_not_recorded(made, monkeypatch):
    text = PIXELS.replace("hidden=[8]", "hidden=[8], normalisation=batch")
    weights(text, BINARY, 1, monkeypatch, batch_size=20)
    assert made == []
    assert not recordable({"f": torch.nn.Sequential(torch.nn.BatchNorm1d(2))})
    assert recordable({"f": torch.nn.Sequential(torch.nn.Linear(2, 2))})


def test_a_step_that_depends_on_its_data_is_refused():
    """A recording would go on with the branch of the batch that it was made of."""
    weight = torch.ones((), requires_grad=True)

    def step(batch, memory):
        total = (weight * batch["x"]).sum()
        return Losses(total * (2.0 if float(batch["x"][0].detach()) > 0 else 1.0), {})

    batch = {"x": torch.tensor([1.0, -1.0, -1.0])}
    with pytest.raises((RuntimeError, ValueError)):
        Recorded(step, batch, [weight])


@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_gradients_lie_as_their_parameters_each_in_memory_of_its_own(clip_norm):
    """A fused optimiser reads memory as it lies, and clipping writes to it."""
    x = torch.linspace(-1, 2, 15).reshape(5, 3)

    def trained(record):
        a, b = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
        c = torch.zeros(3, 2, requires_grad=True)

        def step(batch, memory):  # a and b have one gradient; that of c is one number, expanded
            return Losses((batch["x"] * (a + b)).sum() + c.sum(), {})

        trainable = Trainable({}, {"a": a, "b": b, "c": c})
        optimiser = torch.optim.SGD([a, b, c], lr=0.1, fused=True)
        descent = Descent(trainable, optimiser, clip_norm=clip_norm)
        run = Recorded(step, {"x": x}, [a, b, c]) if record else step
        for _ in range(3):
            optimiser.zero_grad()
            descent.step(run({"x": x}, {}), descent.before())
        return [t.detach().numpy().tobytes() for t in (a, b, c)]

    assert trained(record=True) == trained(record=False)
