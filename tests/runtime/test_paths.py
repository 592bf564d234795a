"""The sum over the paths of a chain: value, gradient and draws, in C and in torch."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from failure_budget import share
from scipy.stats import binom

from gendsl.runtime import paths
from gendsl.runtime.backend import tensors
from gendsl.runtime.paths import drawn_paths, log_sum_of_paths

SHAPES = {  # B, T, K, then 1 or B for start and pair, 1 or T - 1 steps of pairs, 1 or B for single
    "one chain": (1, 5, 3, 1, 1, 1, 1),
    "two states": (3, 4, 2, 3, 1, 1, 3),
    "steps that differ": (2, 5, 3, 1, 2, 4, 2),
    "emissions in common": (2, 4, 3, 2, 2, 1, 1),
    "a single step": (2, 1, 3, 1, 1, 1, 2),
    "many states": (1, 3, 9, 1, 1, 2, 1),
}


@pytest.fixture(autouse=True)
def double():
    with tensors(torch.float64, torch.device("cpu"), 3):
        yield


@pytest.fixture(params=["C", "torch"])
def way(request, monkeypatch):
    if request.param == "torch":
        monkeypatch.setattr(paths, "_library", lambda _: None)
    elif paths._library(3) is None:
        pytest.skip("there is no C compiler")
    return request.param


def potentials(shape, scale=1.0, moves=1.0):
    members, length, states, starts, pairs, steps, singles = shape
    del members
    start = scale * torch.randn(starts, states)
    pair = moves * torch.randn(pairs, steps, states, states)
    return start, pair, scale * torch.randn(states, singles, length)


def by_hand(start, pair, single, shape):
    """Every path by itself, (path, chain)."""
    members, length, states, *_ = shape
    start, single = start.expand(members, states), single.expand(states, members, length)
    pair = pair.expand(members, max(1, length - 1), states, states)
    found = []
    for path in itertools.product(range(states), repeat=length):
        total = start[:, path[0]] + sum(single[z, :, t] for t, z in enumerate(path))
        for t, (old, new) in enumerate(itertools.pairwise(path)):
            total = total + pair[:, t, old, new]
        found.append(total)
    return torch.stack(found)


def compared(own, shape):
    """Value and gradients, here and by hand."""
    leaves = [[a.clone().requires_grad_() for a in own] for _ in range(2)]
    weight = torch.linspace(0.5, 2.0, shape[0])
    found = log_sum_of_paths(*leaves[0])
    wanted = torch.logsumexp(by_hand(*leaves[1], shape), 0)
    here = torch.autograd.grad((found * weight).sum(), leaves[0])
    there = torch.autograd.grad((wanted * weight).sum(), leaves[1], allow_unused=True)
    np.testing.assert_allclose(found.detach(), wanted.detach(), rtol=1e-12, atol=1e-12)
    for a, b in zip(here, there, strict=True):
        wanted_slope = torch.zeros_like(a) if b is None else torch.nan_to_num(b)
        np.testing.assert_allclose(a, wanted_slope, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", SHAPES)
def test_value_and_gradient(name, way):
    compared(potentials(SHAPES[name]), SHAPES[name])


@pytest.mark.parametrize(
    ("scale", "moves"), [(1e4, 1.0), (300.0, 300.0), (1e4, 1e4), (30.0, 90.0)]
)
def test_potentials_far_apart(scale, moves, way):
    shape = (2, 6, 3, 1, 1, 1, 2)
    for _ in range(5):
        compared(potentials(shape, scale, moves), shape)


@pytest.mark.parametrize("scale", [1.0, 50.0, 1e4])
def test_steps_that_are_impossible(scale, way):
    """What the likely states cannot reach may be the only way on."""
    shape = (2, 6, 3, 1, 1, 1, 2)
    for _ in range(5):
        start, pair, single = potentials(shape, scale)
        pair[:, :, 0, 1] = pair[:, :, 2, 0] = start[:, 1] = -torch.inf
        compared((start, pair, single), shape)


def test_what_is_lost_for_a_while_comes_back(way):
    """Two states that never meet: first one is likelier by exp(1000), then the other."""
    pair = torch.tensor([[0.0, -torch.inf], [-torch.inf, 0.0]])[None, None]
    single = torch.zeros(2, 1, 9)
    single[0, 0, :3], single[1, 0, 3:6], single[0, 0, 6:] = 400.0, 1000.0, 400.0
    found = log_sum_of_paths(torch.zeros(1, 2), pair, single)
    assert float(found) == pytest.approx(3000.0, rel=1e-14)


def test_no_path_at_all(way):
    start = torch.zeros(1, 2, requires_grad=True)
    pair = torch.full((1, 1, 2, 2), -torch.inf)
    found = log_sum_of_paths(start, pair, torch.zeros(2, 1, 4))
    assert float(found.detach()) == -torch.inf
    (slope,) = torch.autograd.grad(found.sum(), start)
    assert (slope == 0).all()


def test_a_number_that_is_none_stays_one(way):
    single = torch.zeros(2, 1, 4)
    single[1, 0, 2] = torch.nan
    assert torch.isnan(log_sum_of_paths(torch.zeros(1, 2), torch.zeros(1, 1, 2, 2), single)).all()


def test_second_derivatives(way):
    own = [a.requires_grad_() for a in potentials((2, 4, 3, 1, 1, 1, 2))]
    assert torch.autograd.gradgradcheck(log_sum_of_paths, own)


def test_a_long_chain_in_both_ways(monkeypatch):
    own = potentials((1, 3000, 4, 1, 1, 1, 1), 3.0)
    first = log_sum_of_paths(*own)
    monkeypatch.setattr(paths, "_library", lambda _: None)
    np.testing.assert_allclose(first, log_sum_of_paths(*own), rtol=1e-12)


@pytest.mark.parametrize("impossible", [False, True])
def test_paths_are_drawn_jointly(impossible, way):
    shape = (2, 3, 3, 1, 1, 1, 2)
    start, pair, single = potentials(shape, 1.5)
    if impossible:
        pair[:, :, 0, 1] = -torch.inf
    logs = by_hand(start, pair, single, shape)
    weights = torch.softmax(logs, 0).numpy()
    count = 4000
    chains = torch.arange(2).repeat(count)
    drawn = drawn_paths(start, pair, single, chains).numpy()
    limit = share(2 * len(weights)) / 2
    for chain in (0, 1):
        seen = Counter(map(tuple, drawn[chain::2].tolist()))
        for number, path in enumerate(itertools.product(range(3), repeat=3)):
            p = min(1.0, weights[number, chain])
            assert binom.cdf(seen[path], count, p) > limit
            assert binom.sf(seen[path] - 1, count, p) > limit
