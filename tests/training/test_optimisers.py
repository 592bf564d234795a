"""Optimisers against their published rules in numpy, and schedules at known points."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gendsl.diagnostics import DataError
from gendsl.runtime.training.optimisers import OPTIMISERS, build_optimiser
from gendsl.runtime.training.schedules import SCHEDULES, build_schedule

STEPS = 7
RATE, BETA1, BETA2, EPS, DECAY = 0.03, 0.8, 0.95, 1e-3, 0.1


def adam(p, g, s, t, *, decay=0.0, decoupled=0.0, amsgrad=False):
    p = p * (1 - RATE * decoupled)
    g = g + decay * p
    s["m"] = BETA1 * s.get("m", 0) + (1 - BETA1) * g
    s["v"] = BETA2 * s.get("v", 0) + (1 - BETA2) * g**2
    s["top"] = np.maximum(s.get("top", 0), s["v"]) if amsgrad else s["v"]
    return p - RATE * (s["m"] / (1 - BETA1**t)) / (np.sqrt(s["top"] / (1 - BETA2**t)) + EPS)


def adamax(p, g, s, t):
    s["m"] = BETA1 * s.get("m", 0) + (1 - BETA1) * g
    s["u"] = np.maximum(BETA2 * s.get("u", 0), np.abs(g) + EPS)
    return p - RATE / (1 - BETA1**t) * s["m"] / s["u"]


def sgd(p, g, s, t, *, momentum=0.0, nesterov=False, decay=0.0):
    g = g + decay * p
    s["b"] = g if t == 1 else momentum * s["b"] + g
    return p - RATE * (g + momentum * s["b"] if nesterov else s["b"])


def rmsprop(p, g, s, t, *, centered=False, momentum=0.0):
    s["v"] = BETA2 * s.get("v", 0) + (1 - BETA2) * g**2
    s["g"] = BETA2 * s.get("g", 0) + (1 - BETA2) * g
    variance = s["v"] - s["g"] ** 2 if centered else s["v"]
    s["b"] = momentum * s.get("b", 0) + g / (np.sqrt(variance) + EPS)
    return p - RATE * s["b"]


def lion(p, g, s, t):
    m = s.get("m", 0)
    s["m"] = BETA2 * m + (1 - BETA2) * g
    return p - RATE * (np.sign(BETA1 * m + (1 - BETA1) * g) + DECAY * p)


BETAS = {"beta1": BETA1, "beta2": BETA2}
MOMENTS = {**BETAS, "eps": EPS}
ALPHA = {"alpha": BETA2, "eps": EPS}
CASES = {
    "adam": [
        (adam, {}, MOMENTS),
        (adam, {"decay": DECAY}, {**MOMENTS, "weight_decay": DECAY}),
        (adam, {"amsgrad": True}, {**MOMENTS, "amsgrad": True}),
    ],
    "adamw": [(adam, {"decoupled": DECAY}, {**MOMENTS, "weight_decay": DECAY})],
    "adamax": [(adamax, {}, MOMENTS)],
    "sgd": [
        (sgd, {}, {}),
        (sgd, {"momentum": 0.7}, {"momentum": 0.7}),
        (
            sgd,
            {"momentum": 0.7, "nesterov": True, "decay": DECAY},
            {"momentum": 0.7, "nesterov": True, "weight_decay": DECAY},
        ),
    ],
    "rmsprop": [
        (rmsprop, {}, ALPHA),
        (
            rmsprop,
            {"centered": True, "momentum": 0.7},
            {**ALPHA, "centered": True, "momentum": 0.7},
        ),
    ],
    "lion": [(lion, {}, {**BETAS, "weight_decay": DECAY})],
}


def test_every_optimiser_has_a_reference():
    assert CASES.keys() == OPTIMISERS.keys()


@pytest.mark.parametrize(
    ("name", "rule", "how", "options"),
    [(name, *case) for name, cases in CASES.items() for case in cases],
)
def test_steps_follow_the_published_rule(name, rule, how, options):
    rng = np.random.default_rng(1)
    start = rng.normal(size=(2, 3))
    parameter = torch.tensor(start, requires_grad=True)
    optimiser = build_optimiser(name, {"learning_rate": RATE, **options}, [parameter])
    expected, state = start.copy(), {}
    for t in range(1, STEPS + 1):
        gradient = rng.normal(size=(2, 3))
        parameter.grad = torch.tensor(gradient)
        optimiser.step()
        expected = rule(expected, gradient, state, t, **how)
        np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_option_is_taken(name):
    for choice in OPTIMISERS[name].choices:
        options = {choice.name: choice.default}
        build_optimiser(name, options, [torch.zeros(1, requires_grad=True)])


def test_adam_is_fused():
    optimiser = build_optimiser("adam", {}, [torch.zeros(1, requires_grad=True)])
    assert optimiser.defaults["fused"]


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("constant", {}, {0: 1, 50: 1, 100: 1}),
        ("linear", {}, {0: 1, 25: 0.75, 100: 0}),
        ("linear", {"end": 0.5}, {0: 1, 50: 0.75, 100: 0.5}),
        ("cosine", {}, {0: 1, 25: (1 + math.sqrt(0.5)) / 2, 50: 0.5, 100: 0}),
        ("cosine", {"end": 0.2}, {0: 1, 50: 0.6, 100: 0.2}),
        ("exponential", {"end": 0.01}, {0: 1, 50: 0.1, 100: 0.01}),
        ("step", {"every": 10, "factor": 0.5}, {0: 1, 9: 1, 10: 0.5, 29: 0.25, 30: 0.125}),
        (
            "one_cycle",
            {"peak": 0.5, "start": 0.1, "end": 0.0},
            {0: 0.1, 25: 0.55, 50: 1, 75: 0.5, 100: 0},
        ),
    ],
)
def test_schedules_at_known_points(name, options, expected):
    factor = build_schedule(name, options, steps=101)
    assert {t: factor(t) for t in expected} == pytest.approx(expected, abs=1e-15)


def test_warmup_rises_in_a_line_before_the_schedule():
    factor = build_schedule("linear", {}, steps=4 + 11, warmup=4)
    assert [factor(t) for t in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factor(9) == pytest.approx(0.5)
    assert factor(14) == pytest.approx(0.0)


@pytest.mark.parametrize("name", SCHEDULES)
def test_one_step_is_enough_for_every_schedule(name):
    assert build_schedule(name, {}, steps=1)(0) >= 0


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("adam", {"learning_rate": 0}),
        ("adam", {"learning_rate": math.nan}),
        ("adam", {"learning_rate": True}),
        ("adam", {"beta1": 1.0}),
        ("adam", {"amsgrad": 1}),
        ("sgd", {"nesterov": True}),
        ("sgd", {"beta1": 0.9}),
        ("adm", {}),
    ],
)
def test_wrong_options_are_refused(name, options):
    with pytest.raises(DataError, match="GD851"):
        build_optimiser(name, options, [torch.zeros(1, requires_grad=True)])
