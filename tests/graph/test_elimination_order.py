"""The order of elimination: known widths, and that the estimate is what is done."""

from __future__ import annotations

from itertools import product

import networkx as nx
import numpy as np
import pytest

from gendsl.graph.elimination import elimination_order


def order_of(graph: nx.Graph, states: int):
    scopes = [[str(a), str(b)] for a, b in graph.edges]
    names = [str(n) for n in graph]
    return elimination_order(scopes, dict.fromkeys(names, states), names)


@pytest.mark.parametrize(
    ("graph", "width"),
    [
        (nx.path_graph(50), 2),
        (nx.star_graph(40), 2),
        (nx.random_labeled_tree(60, seed=1), 2),
        (nx.cycle_graph(30), 3),
        (nx.complete_graph(7), 7),
        (nx.convert_node_labels_to_integers(nx.grid_2d_graph(4, 4)), 5),
    ],
)
def test_tables_are_as_small_as_they_can_be(graph, width):
    """A table over the width plus one variables is the least that any order needs."""
    found = order_of(graph, 3)
    assert found.largest == 3**width
    assert sorted(found.names) == sorted(map(str, graph))


def test_sizes_decide_not_the_number_of_variables():
    """The hub of a star with one large leaf: leaves go first, the hub last."""
    scopes = [["hub", f"leaf {k}"] for k in range(4)]
    sizes = {"hub": 2, **{f"leaf {k}": 100 if k == 0 else 3 for k in range(4)}}
    found = elimination_order(scopes, sizes, sizes)
    assert found.largest == 200
    assert found.names[:3] == ("leaf 1", "leaf 2", "leaf 3")


def test_what_stays_is_in_the_tables():
    found = elimination_order([["a", "b"], ["b", "c"]], {"a": 2, "b": 5, "c": 7}, ["b"])
    assert found.names == ("b",)
    assert found.largest == 2 * 5 * 7


def test_the_estimate_is_that_of_the_tables():
    """Eliminate by the order, by hand, on random graphs."""
    rng = np.random.default_rng(0)
    for seed in range(20):
        graph = nx.gnp_random_graph(8, 0.4, seed=seed)
        sizes = {str(n): int(rng.integers(2, 5)) for n in graph}
        scopes = [{str(a), str(b)} for a, b in graph.edges] + [{str(n)} for n in graph]
        found = elimination_order(scopes, sizes, sizes)
        entries = []
        for name in found.names:
            joined = set().union(*(s for s in scopes if name in s))
            entries.append(sum(1 for _ in product(*(range(sizes[n]) for n in joined))))
            scopes = [s for s in scopes if name not in s] + [joined - {name}]
        assert found.largest == max(entries)
        assert found.work == sum(entries)
