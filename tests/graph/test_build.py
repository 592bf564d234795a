"""The dependency graph of hand-built models."""

from __future__ import annotations

import networkx as nx
import pytest
from graph.models import (
    MODELS,
    apply,
    bym,
    eight_schools,
    energy,
    garch,
    gather,
    given,
    hmm,
    lag,
    latent,
    let,
    mixture,
    model,
    observe,
    param,
    radon,
    rbm,
    regression,
    three_nested,
)

from gendsl.graph.build import Mention, build_graph, mentions


def test_mentions_know_how():
    expr = apply("add", "a", gather("b", "p", gather("c", "q", lag("z", "t", 2))), lag("y", "t"))
    assert list(mentions(expr)) == [
        Mention("a"),
        Mention("b"),
        Mention("c", index=True),
        Mention("z", index=True, lag=2),
        Mention("y", lag=1),
    ]


@pytest.mark.parametrize("name", MODELS)
def test_nodes_are_the_variables_and_energies_in_order(name):
    made = MODELS[name]()
    graph = build_graph(made)
    energies = [f"energy {i}" for i in range(1, len(made.energies) + 1)]
    assert list(graph) == [v.name for v in made.variables] + energies


@pytest.mark.parametrize("name", MODELS)
def test_only_lags_close_cycles_and_never_on_themselves(name):
    graph = build_graph(MODELS[name]())
    assert not list(nx.selfloop_edges(graph))
    graph.remove_edges_from([(a, b) for a, b, k in graph.edges(data="kind") if k == "lag"])
    assert nx.is_directed_acyclic_graph(graph)


def test_attributes_of_a_variable():
    graph = build_graph(mixture())
    x, z = graph.nodes["x"], graph.nodes["z"]
    assert (x["role"], x["plates"], x["event"], x["support"]) == (
        "observed",
        ("point",),
        "[D]",
        "real",
    )
    assert (x["family"], x["discrete"], x["type"]) == ("Normal", False, "real[D] over point")
    assert (z["family"], z["discrete"], z["support"]) == ("Categorical", True, "index(component)")


def test_attributes_say_where_it_is_declared():
    graph = build_graph(eight_schools())
    assert graph.nodes["theta"]["line"] == 5
    assert graph.nodes["theta"]["text"] == "latent theta[school] ~ Normal(...)"
    assert graph.graph["source"] == "EightSchools.gen"


def test_axes_of_the_graph():
    assert build_graph(eight_schools()).graph["axes"] == {
        "school": {"kind": "plate", "size": "8", "owner": None}
    }
    axes = build_graph(three_nested()).graph["axes"]
    assert axes["pupil"] == {"kind": "plate", "size": None, "owner": "school"}


def test_kinds_of_edges():
    graph = build_graph(radon())
    assert graph.edges["county_of", "log_radon"]["kind"] == "index"
    assert graph.edges["alpha", "log_radon"]["kind"] == "value"


def test_a_mention_by_value_outweighs_one_by_index():
    both = apply("add", gather("a", "p", "i"), "i")
    graph = build_graph(
        model("Both", ["plate p"], given("i"), latent("a", "Normal", plates="p"),
              observe("y", "Normal", both))
    )  # fmt: skip
    assert graph.edges["i", "y"]["kind"] == "value"
    assert graph.edges["i", "y"]["kinds"] == ("value", "index")


def test_recurrence_is_an_attribute():
    graph = build_graph(hmm())
    assert graph.nodes["z"]["recurrent"]
    assert graph.nodes["z"]["lags"] == (1,)
    assert graph.nodes["z"]["family"] == "Categorical"
    assert not graph.nodes["x"]["recurrent"]


def test_lagged_edges():
    graph = build_graph(garch())
    assert graph.edges["y", "sigma"]["kind"] == "lag"
    assert graph.edges["y", "sigma"]["lags"] == (1,)
    assert graph.edges["sigma", "y"]["kind"] == "value"
    assert graph.nodes["sigma"]["family"] is None


def test_a_causal_network_reaches_itself():
    graph = build_graph(model("MADE", [], observe("x", "Bernoulli", apply("f", "x"))))
    assert graph.nodes["x"]["causal"]
    assert not graph.nodes["x"]["recurrent"]
    assert not graph.edges


def test_bounds_are_dependencies():
    assert build_graph(garch()).has_edge("a1", "b1")


def test_optional_and_undirected():
    graph = build_graph(rbm())
    assert graph.nodes["h"]["undirected"]
    assert graph.nodes["v"]["undirected"]
    assert not graph.nodes["W"]["undirected"]
    assert build_graph(regression()).nodes["y"]["optional"]


def test_energies_of_one_variable_are_one_block():
    graph = build_graph(bym())
    assert graph.edges["phi", "energy 1"]["kind"] == "energy"
    assert graph.edges["from_", "energy 1"]["kinds"] == ("index",)
    assert graph.nodes["energy 1"]["block"] == ("phi",)
    assert graph.nodes["energy 1"]["plates"] == ("edge",)
    assert graph.graph["blocks"] == (("phi",),)


def test_an_energy_without_undirected_variables_tilts_the_last():
    graph = build_graph(
        model("Tilt", [], latent("a", "Normal"), latent("b", "Normal", "a"), param("w"),
              let("c", value=apply("mul", "b", "w")), energy("a", "c"))
    )  # fmt: skip
    assert graph.nodes["energy 1"]["block"] == ("b",)


def test_building_twice_gives_the_same():
    one, other = build_graph(bym()), build_graph(bym())
    assert list(one.nodes(data=True)) == list(other.nodes(data=True))
    assert list(one.edges(data=True)) == list(other.edges(data=True))
