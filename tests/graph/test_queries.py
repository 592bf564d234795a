"""Separation, blankets and factors, against classic structures and brute force."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations, product
from math import prod
from random import Random

import networkx as nx
import pytest
from graph.models import (
    MODELS,
    apply,
    bym,
    eight_schools,
    energy,
    garch,
    hmm,
    latent,
    let,
    mixture,
    model,
    observe,
    param,
    rbm,
    regression,
)
from hypothesis import given as randomly
from hypothesis import settings
from hypothesis import strategies as st

from gendsl.diagnostics import DataError
from gendsl.graph.build import build_graph
from gendsl.graph.queries import (
    ancestors,
    children,
    d_separated,
    descendants,
    factor_graph,
    markov_blanket,
    moral_graph,
    parents,
)


def graph_of(*items):
    return build_graph(model("M", [], *items))


def random_graph(edges, size):
    """A model of `size` latents with the given parents (pairs of a smaller and a larger)."""
    items = []
    for child in range(size):
        above = [f"v{parent}" for parent, c in edges if c == child]
        items.append(latent(f"v{child}", "Normal", *above))
    return graph_of(*items)


SIZE = 6
EDGES = st.sets(st.sampled_from(list(combinations(range(SIZE), 2))), max_size=9)


def test_relatives():
    graph = build_graph(eight_schools())
    assert parents(graph, "theta") == ("mu", "tau")
    assert children(graph, "theta") == ("y",)
    assert ancestors(graph, "y") == ("sigma", "mu", "tau", "theta")
    assert descendants(graph, "tau") == ("theta", "y")


@pytest.mark.parametrize(
    "ask",
    [
        lambda g: parents(g, "thetta"),
        lambda g: descendants(g, "thetta"),
        lambda g: markov_blanket(g, "thetta"),
        lambda g: d_separated(g, "mu", "y", ["thetta"]),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(ask):
    with pytest.raises(DataError) as caught:
        ask(build_graph(eight_schools()))
    (found,) = caught.value.diagnostics
    assert found.code == "GD811"
    assert found.help == "did you mean `theta`?"


def test_chain():
    graph = graph_of(latent("a", "N"), latent("b", "N", "a"), latent("c", "N", "b"))
    assert not d_separated(graph, "a", "c")
    assert d_separated(graph, "a", "c", "b")


def test_fork():
    graph = graph_of(latent("a", "N"), latent("b", "N", "a"), latent("c", "N", "a"))
    assert not d_separated(graph, "b", "c")
    assert d_separated(graph, "b", "c", ["a"])


def test_collider_and_its_descendant():
    graph = graph_of(
        latent("a", "N"), latent("b", "N"), latent("c", "N", "a", "b"), observe("d", "N", "c")
    )
    assert d_separated(graph, "a", "b")
    assert not d_separated(graph, "a", "b", ["c"])
    assert not d_separated(graph, "a", "b", ["d"])


def test_params_and_inputs_are_always_known():
    graph = graph_of(param("w"), latent("a", "N", "w"), latent("b", "N", "w"))
    assert d_separated(graph, "a", "b")
    assert not d_separated(graph, "w", "a")


def test_a_let_with_known_parents_is_known():
    graph = graph_of(
        latent("a", "N"),
        let("f", value="a"),
        latent("b", "N", "f"),
        latent("c", "N", "f"),
    )
    assert not d_separated(graph, "b", "c")
    assert d_separated(graph, "b", "c", "f")
    assert d_separated(graph, "b", "c", "a")


def test_what_is_known_is_independent_and_nothing_is_of_itself():
    graph = graph_of(latent("a", "N"), latent("b", "N", "a"))
    assert d_separated(graph, "a", "b", "a")
    assert not d_separated(graph, "a", "a")


def test_an_energy_couples_its_block_but_not_the_parents_of_the_block():
    graph = graph_of(latent("a", "N"), latent("b", "N"), latent("x"), latent("y"),
                     energy("a", "x", "y"), energy("b", "y"))  # fmt: skip
    assert not d_separated(graph, "x", "y")
    assert d_separated(graph, "a", "b")
    assert not d_separated(graph, "a", "b", "x")
    assert d_separated(graph, "b", "x", ["y", "a"])
    assert not d_separated(graph, "b", "x", "y")  # through the normaliser
    assert markov_blanket(graph, "a") == ("b", "x", "y")
    assert markov_blanket(graph, "x") == ("a", "y")


def test_lets_of_the_block_are_part_of_its_normaliser():
    graph = graph_of(latent("a", "N"), latent("x"), let("f", value=apply("mul", "a", "x")),
                     energy("f"))  # fmt: skip
    assert graph.graph["blocks"] == (("x",),)
    assert not d_separated(graph, "a", "x")
    assert markov_blanket(graph, "x") == ("a",)


NAMES = ("a", "b", "x", "y", "c")


def chance_model(chance):
    """Two variables, a block of two given them, one more; with a random table for each factor.

    Returns the graph and the joint probabilities over all binary values of `NAMES`.
    """

    def some(names):
        return [name for name in names if chance.random() < 0.5]

    scopes = {"b": some("a"), "c": some("abxy")}
    energies = [["x", *some("yab")], ["y", *some("ab")]]
    graph = graph_of(
        latent("a", "N"),
        latent("b", "N", *scopes["b"]),
        latent("x"),
        latent("y"),
        latent("c", "N", *scopes["c"]),
        *(energy(*scope) for scope in energies),
    )
    table = defaultdict(lambda: chance.uniform(0.1, 0.9))

    def weight(value, scope, key):
        return table[(key, *(value[name] for name in scope))]

    def conditional(value, name):
        one = weight(value, scopes.get(name, []), name)
        return one if value[name] else 1 - one

    def block(value):
        return prod(weight(value, scope, f"e{i}") for i, scope in enumerate(energies))

    def law(value):
        norm = sum(block(value | {"x": x, "y": y}) for x, y in product((0, 1), repeat=2))
        return block(value) / norm * prod(conditional(value, name) for name in "abc")

    values = [dict(zip(NAMES, bits, strict=True)) for bits in product((0, 1), repeat=5)]
    return graph, [(value, law(value)) for value in values]


def independent(joint, x, y, known):
    def sums(names):
        total = defaultdict(float)
        for value, weight in joint:
            total[tuple(value[name] for name in names)] += weight
        return total

    both, left, right, given = (
        sums(names) for names in ([x, y, *known], [x, *known], [y, *known], known)
    )
    return all(
        abs(weight * given[k[2:]] - left[k[0], *k[2:]] * right[k[1], *k[2:]]) < 1e-12
        for k, weight in both.items()
    )


@pytest.mark.parametrize("seed", range(12))
def test_separation_in_blocks_agrees_with_the_joint_probabilities(seed):
    graph, joint = chance_model(Random(seed))
    for x, y in combinations(NAMES, 2):
        others = [name for name in NAMES if name not in (x, y)]
        for size in range(4):
            for known in map(list, combinations(others, size)):
                assert d_separated(graph, x, y, known) == independent(joint, x, y, known)


@settings(max_examples=60, deadline=None)
@randomly(EDGES, st.lists(st.integers(0, SIZE - 1), min_size=2, max_size=4, unique=True))
def test_separation_agrees_with_networkx(edges, chosen):
    graph = random_graph(edges, SIZE)
    x, y, *known = (f"v{i}" for i in chosen)
    assert d_separated(graph, x, y, known) == nx.is_d_separator(graph, x, y, set(known))


@settings(max_examples=40, deadline=None)
@randomly(EDGES, st.sets(st.integers(0, SIZE - 1)), st.permutations(range(SIZE)))
def test_separation_with_lets_agrees_with_networkx(edges, lets, order):
    items = []
    for child in range(SIZE):
        above = [f"v{parent}" for parent, c in sorted(edges) if c == child]
        if child in lets and above:
            items.append(let(f"v{child}", value=apply("add", *above)))
        else:
            items.append(latent(f"v{child}", "N", *above))
    graph = graph_of(*items)
    x, y, *known = (f"v{i}" for i in order[:4])
    closed = set(known)
    for name in graph:  # in topological order
        if graph.nodes[name]["role"] == "let" and closed.issuperset(graph.predecessors(name)):
            closed.add(name)
    known_already = x in closed or y in closed
    expected = known_already or nx.is_d_separator(graph, x, y, closed)
    assert d_separated(graph, x, y, known) == expected


@settings(max_examples=40, deadline=None)
@randomly(EDGES)
def test_the_blanket_separates_and_is_minimal(edges):
    graph = random_graph(edges, SIZE)
    for name in graph:
        blanket = markov_blanket(graph, name)
        rest = set(graph) - {name, *blanket}
        assert not rest or nx.is_d_separator(graph, {name}, rest, set(blanket))
        for member in blanket:
            others = set(blanket) - {member}
            assert not nx.is_d_separator(graph, {name}, {member}, others | rest)


@settings(max_examples=30, deadline=None)
@randomly(EDGES)
def test_moral_graph_agrees_with_networkx(edges):
    graph = random_graph(edges, SIZE)
    expected = nx.moral_graph(nx.DiGraph(graph.edges))
    assert {frozenset(e) for e in moral_graph(graph).edges} == set(map(frozenset, expected.edges))


def test_blankets_of_classic_models():
    graph = build_graph(eight_schools())
    assert markov_blanket(graph, "theta") == ("mu", "tau", "y")
    assert markov_blanket(graph, "theta", through_deterministic=False) == (
        "sigma",
        "mu",
        "tau",
        "y",
    )
    assert markov_blanket(build_graph(mixture()), "z") == ("weights", "mu", "scale", "x")
    assert markov_blanket(build_graph(hmm()), "z") == ("start", "move", "mu", "x")


def test_lets_are_looked_through():
    graph = build_graph(regression())
    assert markov_blanket(graph, "a") == ("b", "s", "y")
    assert markov_blanket(graph, "a", through_deterministic=False) == ("x", "b", "eta")


def test_a_block_has_its_neighbours():
    assert markov_blanket(build_graph(bym()), "phi") == ("b", "sigma", "y")
    assert markov_blanket(build_graph(rbm()), "h") == ("v",)
    assert markov_blanket(build_graph(rbm()), "energy 1") == ("h", "v")


def test_cycles_through_lags_are_no_obstacle():
    graph = build_graph(garch())
    assert not d_separated(graph, "a0", "b1", "y")
    assert d_separated(graph, "a0", "b1")
    assert "y" in markov_blanket(graph, "mu")


@pytest.mark.parametrize("name", MODELS)
def test_factor_graph_is_bipartite_and_looks_through_lets(name):
    made = MODELS[name]()
    found = factor_graph(made)
    sides = nx.get_node_attributes(found, "bipartite")
    assert all(sides[a] != sides[b] for a, b in found.edges)
    variables = [n for n, side in sides.items() if side == 0]
    assert variables == [v.name for v in made.variables if v.role != "let"]


def test_factors_by_name():
    found = factor_graph(rbm())
    kinds = {n: k for n, k in found.nodes(data="kind") if k is not None}
    assert kinds == {"energy 1": "energy", "normalizer 1": "normalizer"}
    assert set(found["normalizer 1"]) == {"W", "b", "c"}
    assert set(factor_graph(regression())["factor y"]) == {"a", "x", "b", "s", "y"}
