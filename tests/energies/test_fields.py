"""Markov random fields of bits: classes of entries that are drawn at once, samples and log Z."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from failure_budget import share
from scipy.stats import norm

import gendsl
from gendsl.runtime.energies.colours import greedy
from gendsl.runtime.energies.kernels import kernel_of
from gendsl.runtime.energies.samplers import BlockGibbs, Turns

ISING = """model Ising
plate site
plate edge
input from_[edge]: index(site)
input to[edge]: index(site)
param J: real
observe s[site]: binary
let spin[site] = 2 * s[site] - 1
energy -J * spin[from_] * spin[to]
"""

BOLTZMANN = """model Machine
plate row
dim D = 5
param J: real[D, D]
param b: real[D]
observe v[row]: binary[D]
energy -({pairs} + v @ b)
"""


def lattice(side):
    """The edges of a square lattice whose ends meet: right and down of each site."""
    sites = np.arange(side * side).reshape(side, side)
    ends = [(sites, np.roll(sites, -1, 1)), (sites, np.roll(sites, -1, 0))]
    return np.concatenate([np.stack([a.ravel(), b.ravel()]) for a, b in ends], 1)


def kaufman(side, coupling):
    """Log Z of the Ising model on such a lattice (Kaufman 1949, equation 50), in nats."""
    k = np.arange(2 * side)
    bulk = np.cosh(2 * coupling) ** 2 / np.sinh(2 * coupling)
    gamma = np.arccosh(np.maximum(bulk - np.cos(np.pi * k / side), 1.0))
    gamma[0] = 2 * coupling + math.log(math.tanh(coupling))
    half = side * gamma / 2
    cosh = np.logaddexp(half, -half)
    sinh = np.abs(half) + np.log1p(-np.exp(-2 * np.abs(half)))
    logs = np.array([cosh[1::2].sum(), sinh[1::2].sum(), cosh[::2].sum(), sinh[::2].sum()])
    signs = np.array([1.0, 1.0, 1.0, np.prod(np.sign(half[::2]))])
    top = logs.max()
    bracket = top + math.log((signs * np.exp(logs - top)).sum())
    return -math.log(2) + side**2 / 2 * math.log(2 * math.sinh(2 * coupling)) + bracket


def away(comparisons=1):
    """How many standard errors are too many."""
    return norm.isf(share(comparisons) / 2)


def spins(side):
    return np.array(list(itertools.product((-1, 1), repeat=side * side)))


def bonds(values, edges):
    return (values[:, edges[0]] * values[:, edges[1]]).sum(1)


def field(side, coupling):
    """The Ising model with a given coupling."""
    edges = lattice(side)
    bits = np.random.default_rng(0).integers(0, 2, side * side)
    data = {"from_": edges[0], "to": edges[1], "s": bits}
    fit = gendsl.compile(ISING).fit(
        data, infer="contrastive_divergence", seed=1, progress=False, epochs=1
    )
    with torch.no_grad():
        fit.learned.free["J"].fill_(coupling)
    fit.learned.state.clear()  # its chains are not of this coupling
    return fit


@pytest.mark.parametrize(("length", "most"), [(6, 2), (7, 3)])
def test_cycles_have_the_colours_of_their_parity(length, most):
    ring = np.eye(length, dtype=bool)
    adjacent = np.roll(ring, 1, 0) | np.roll(ring, -1, 0)
    colours = greedy(adjacent)
    assert colours.max() + 1 == most
    assert not (adjacent & (colours[:, None] == colours)).any()


def test_the_sites_of_a_lattice_are_drawn_in_two_classes():
    fit = field(4, 0.3)
    with fit._task(fit.data) as task:
        kernel = kernel_of(task, fit.plan.options)
    assert isinstance(kernel, BlockGibbs)
    board = torch.arange(16).reshape(4, 4)
    parity = (board // 4 + board % 4).reshape(-1) % 2
    first, second = (masks["s"].reshape(-1) for _, masks in kernel.groups)
    assert torch.equal(first, parity == 0)
    assert torch.equal(second, parity == 1)


def test_log_z_of_a_small_lattice_by_all_states_and_by_the_closed_form():
    fit, edges = field(4, 0.3), lattice(4)
    enumerated = np.logaddexp.reduce(0.3 * bonds(spins(4), edges))
    assert kaufman(4, 0.3) == pytest.approx(enumerated, rel=1e-12)
    assert fit.log_z("exact").value == pytest.approx(enumerated, rel=1e-10)
    found = fit.log_z("annealed", chains=200, steps=200, seed=2)
    assert abs(found.value - enumerated) < away() * found.standard_error + 0.01
    assert found.standard_error < 0.1


def test_samples_of_a_lattice_have_its_mean_energy():
    fit, edges = field(4, 0.3), lattice(4)
    states = bonds(spins(4), edges)
    p = np.exp(0.3 * states - np.logaddexp.reduce(0.3 * states))
    mean = p @ states
    sd = math.sqrt(p @ (states - mean) ** 2)
    drawn = fit.generate(1000, sweeps=60, seed=3).s
    assert drawn.dims == ("draw", "site")
    found = bonds(2 * drawn.to_numpy() - 1, edges).mean()
    assert abs(found - mean) < away() * sd / math.sqrt(1000)


@pytest.mark.slow
def test_log_z_of_a_large_lattice_is_kaufmans():
    found = field(16, 0.3).log_z("annealed", chains=100, steps=2000, seed=4)
    assert abs(found.value - kaufman(16, 0.3)) < away() * found.standard_error
    assert found.standard_error < 0.3


def machine(pairs):
    rng = np.random.default_rng(1)
    fit = gendsl.compile(BOLTZMANN.format(pairs=pairs)).fit(
        {"v": rng.integers(0, 2, (20, 5))},
        infer="contrastive_divergence",
        seed=1,
        progress=False,
        epochs=1,
    )
    j, b = rng.normal(size=(5, 5)), rng.normal(size=5)
    with torch.no_grad():
        fit.learned.free["J"].copy_(torch.as_tensor(j))
        fit.learned.free["b"].copy_(torch.as_tensor(b))
    return fit, j, b


@pytest.mark.parametrize(
    ("pairs", "kernel"), [("v @ J @ v", BlockGibbs), ("sum(sin(J @ v))", Turns)]
)
def test_machines_of_interacting_units_are_sampled_exactly(pairs, kernel):
    fit, j, b = machine(pairs)
    with fit._task(fit.data) as task:
        assert isinstance(kernel_of(task, fit.plan.options), kernel)
    states = np.array(list(itertools.product((0, 1), repeat=5)))
    if kernel is BlockGibbs:  # squares of units, on the diagonal of J, are weighed as well
        weight = np.einsum("si,ij,sj->s", states, j, states)
    else:
        weight = np.sin(states @ j.T).sum(1)
    p = np.exp(weight + states @ b)
    p /= p.sum()
    drawn = fit.generate(4000, sweeps=20, seed=2).v.to_numpy()
    found = np.bincount((drawn @ [16, 8, 4, 2, 1]).astype(int), minlength=32) / 4000
    error = np.sqrt(p * (1 - p) / 4000)
    assert np.all(np.abs(found - p) < away(32) * error + 1e-3)


MODES = """model Modes
plate point
param shift: real
observe x[point]: real
energy -logaddexp(log(0.8) - 8 * (x - shift - 3) ** 2, log(0.2) - 8 * (x - shift + 3) ** 2)
"""


def test_annealing_gives_modes_the_weights_that_langevin_misses():
    rng = np.random.default_rng(2)
    x = np.where(rng.random(400) < 0.8, 3.0, -3.0) + rng.normal(size=400) / 4
    fit = gendsl.compile(MODES).fit(
        {"x": x}, infer="noise_contrastive", seed=1, progress=False, epochs=1, learning_rate=1e-6
    )
    plain = float((fit.generate(500, sweeps=100, step=0.01, seed=3).x > 0).mean())
    assert abs(plain - 0.5) < 0.1  # the share of the noise that is nearer
    drawn = fit.generate(1000, anneal=100, step=0.1, seed=4).x.to_numpy()
    upper = drawn[drawn > 0]
    assert abs(len(upper) / 1000 - 0.8) < 0.06
    assert abs(upper.mean() - 3) < 0.05
    assert abs(upper.std() - 0.25) < 0.03
