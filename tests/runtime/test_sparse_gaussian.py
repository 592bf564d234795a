"""Sparse normal laws against dense linear algebra, as machine code and without a compiler."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gendsl.runtime.marginal.colouring import probes
from gendsl.runtime.marginal.ordering import filled, minimum_degree
from gendsl.runtime.marginal.pattern import find_pattern
from gendsl.runtime.marginal.sparse import draws, evidence, moments, system

RNG = np.random.default_rng(5)


def tree(size):
    found = np.zeros((size, size))
    found[np.arange(1, size), np.arange(size - 1) // 3] = 1.0
    return found


def grid(side):
    line = np.eye(side, k=-1)
    return np.kron(np.eye(side), line) + np.kron(line, np.eye(side))


SHAPES = {
    "one": np.zeros((1, 1)),
    "diagonal": np.zeros((7, 7)),
    "chain": np.eye(40, k=-1),
    "band": np.eye(30, k=-1) + np.eye(30, k=-3),
    "mean with groups": np.vstack([np.zeros((20, 21)), np.ones((1, 21))]),
    "groups after their mean": np.hstack([np.ones((21, 1)), np.zeros((21, 20))]),
    "tree": tree(60),
    "grid": grid(9),
    "full": np.ones((25, 25)),
    "two parts": np.kron(np.eye(2), np.ones((6, 6))),
}
PRODUCTS = {
    "one": 1,
    "diagonal": 1,
    "chain": 3,
    "mean with groups": 2,
    "groups after their mean": 2,
    "full": 25,
    "two parts": 6,
}


def precision_of(name):
    """A random precision with the pattern, its places, and its entries there."""
    shape = np.tril(SHAPES[name], -1)
    size = len(shape)
    half = shape * RNG.normal(size=(size, size))
    whole = half + half.T
    whole += np.diag(np.abs(whole).sum(1) + RNG.uniform(0.1, 2, size))
    rows, columns = np.nonzero(np.tril(whole))
    return whole, rows, columns, whole[rows, columns]


def dense(whole, rows, columns, information):
    inverse = np.linalg.inv(whole)
    mean = inverse @ information
    value = information @ mean / 2 - np.linalg.slogdet(whole)[1] / 2
    halves = np.where(rows == columns, 0.5, 1.0)
    by_entry = -halves * (mean[rows] * mean[columns] + inverse[rows, columns])
    return np.concatenate([[value], by_entry, mean])


@pytest.mark.parametrize("native", ["1", "0"])
@pytest.mark.parametrize("name", list(SHAPES))
def test_moments_and_draws(name, native, monkeypatch):
    monkeypatch.setenv("GENDSL_NATIVE", native)
    whole, rows, columns, entries = precision_of(name)
    size = len(whole)
    of = system(size, rows, columns)
    information = RNG.normal(size=size)

    found = moments(of, entries, information)

    expected = dense(whole, rows, columns, information)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)

    noise = RNG.normal(size=(3, size))
    drawn = draws(of, np.tile(entries, (3, 1)), np.tile(information, (3, 1)), noise)
    apart = drawn - expected[1 + len(rows) :]
    gram = apart @ whole @ apart.T
    np.testing.assert_allclose(gram, noise @ noise.T, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("native", ["1", "0"])
@pytest.mark.parametrize("name", ["chain", "full", "mean with groups"])
def test_what_is_not_positive_definite_is_not_a_number(name, native, monkeypatch):
    monkeypatch.setenv("GENDSL_NATIVE", native)
    whole, rows, columns, entries = precision_of(name)
    of = system(len(whole), rows, columns)
    vector = np.ones(len(whole))
    for wrong in (-1.0, 0.0, np.nan, np.inf):
        bad = entries.copy()
        bad[rows == columns] *= np.where(np.arange(len(whole)) == 3, wrong, 1.0)
        assert np.isnan(moments(of, bad, vector)[0])
        assert np.isnan(draws(of, bad[None], vector[None], vector[None])).all()
    assert np.isfinite(moments(of, entries, vector)).all()  # nothing is left of it


@pytest.mark.parametrize("native", ["1", "0"])
def test_what_is_lost_to_rounding_is_not_a_number(native, monkeypatch):
    """A random walk of steps q, seen with noise 1, expanded around values that are no walk."""
    monkeypatch.setenv("GENDSL_NATIVE", native)
    size = 200
    steps = np.diff(np.eye(size), axis=0)
    rows, columns = np.nonzero(np.tril(steps.T @ steps + np.eye(size)))
    of = system(size, rows, columns)
    seen, start = RNG.normal(size=(2, size))
    finite = []
    for log_q in (0.0, -4.0, -8.0, -11.0, -14.0, -16.0, -18.0, -20.0, -30.0):
        weight = np.exp(-2 * log_q)
        whole = weight * steps.T @ steps + np.eye(size)
        for origin in (start, np.zeros(size)):
            around = -weight * steps.T @ (steps @ origin) + seen - origin
            constant = (
                -weight * np.sum((steps @ origin) ** 2) / 2 - np.sum((seen - origin) ** 2) / 2
            )
            found = constant + moments(of, whole[rows, columns], around)[0]
            walks = np.minimum.outer(np.arange(size), np.arange(size)) / weight + np.eye(size)
            basis = np.linalg.solve(walks, np.stack([seen, np.ones(size)], 1))
            info = basis[:, 1].sum()
            square = seen @ basis[:, 0] - basis[:, 0].sum() ** 2 / info
            logs = np.linalg.slogdet(walks)[1] + np.log(info) + (size - 1) * 2 * -log_q
            if np.isfinite(found):
                assert abs(found + square / 2 + logs / 2) < 1.0
                finite.append(log_q)
    assert len(set(finite)) >= 6
    assert min(finite) > -19


@pytest.mark.parametrize("name", list(SHAPES))
def test_products_tell_every_entry(name):
    whole, rows, columns, entries = precision_of(name)

    found = probes(len(whole), rows, columns)

    products = found.directions @ whole
    np.testing.assert_allclose(products[found.colour, found.row], entries, rtol=1e-12)
    assert len(found.directions) <= PRODUCTS.get(name, 8)


def test_elimination_of_a_tree_fills_nothing():
    shape = tree(60)
    neighbours = [set(np.nonzero(r)[0].tolist()) for r in shape + shape.T]
    order = minimum_degree(neighbours)
    assert sorted(order) == list(range(60))
    assert sum(map(len, filled(neighbours, order))) == 59


def wide(name):
    size = 900
    if name == "chain":
        return np.eye(size, k=-1)
    if name == "grid":
        return grid(30)
    if name == "blocks":
        return np.kron(np.eye(60), np.tril(np.ones((15, 15)), -1))
    shape = np.zeros((size, size))
    shape[-4:] = 1.0
    return np.tril(shape, -1)


@pytest.mark.parametrize("name", ["chain", "grid", "blocks", "hubs"])
def test_the_pattern_is_found_without_multiplying_out(name):
    shape = wide(name)
    half = shape * RNG.normal(size=shape.shape)
    whole = half + half.T + np.diag(RNG.uniform(1, 2, len(half)))
    asked = []

    def multiply(directions):
        asked.append(len(directions))
        return directions @ whole

    found = find_pattern(multiply, len(whole), 0)

    assert found == set(zip(*(a.tolist() for a in np.nonzero(np.tril(whole))), strict=True))
    assert sum(asked) < len(whole) or name == "blocks"
    full = RNG.normal(size=(300, 300))
    assert find_pattern(lambda d: d @ (full + full.T), 300, 200) is None
    assert len(find_pattern(lambda d: d @ (full + full.T), 300, 300)) == 300 * 301 // 2


def test_it_can_be_differentiated_twice():
    whole, rows, columns, entries = precision_of("tree")
    of = system(len(whole), rows, columns)
    inputs = [
        torch.tensor(a, dtype=torch.float64, requires_grad=True)
        for a in (entries, RNG.normal(size=len(whole)))
    ]

    def function(precision, information):
        return evidence(of, precision, information)

    assert torch.autograd.gradcheck(function, inputs, rtol=1e-5, atol=1e-7)
    small, *places, values = precision_of("two parts")
    of = system(len(small), *places)
    inputs = [
        torch.tensor(a, dtype=torch.float64, requires_grad=True)
        for a in (values, RNG.normal(size=len(small)))
    ]
    assert torch.autograd.gradgradcheck(function, inputs, rtol=1e-5, atol=1e-7)
