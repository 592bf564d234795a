"""Results as labelled trees."""

from __future__ import annotations

import numpy as np
import pytest

from gendsl.runtime.results import build_tree

SCHOOLS = np.array(["Choate", "Deerfield", "Exeter"])


def draws(*shape, chains=2, count=5):
    return np.arange(chains * count * int(np.prod(shape))).reshape(chains, count, *shape)


def test_draws_have_named_axes_and_labels():
    tree = build_tree(
        {"posterior": {"theta": draws(3), "mu": draws()}},
        {"theta": ("school",)},
        {"school": SCHOOLS},
        {"seed": 1, "converged": True},
    )
    theta = tree["posterior"]["theta"]
    assert theta.dims == ("chain", "draw", "school")
    assert theta.sel(school="Exeter", chain=1, draw=4).item() == 29
    assert tree["posterior"]["mu"].dims == ("chain", "draw")
    assert tree.attrs["seed"] == 1
    assert tree.attrs["converged"] == 1
    assert type(tree.attrs["converged"]) is int


def test_data_have_no_axes_of_draws():
    tree = build_tree({"observed_data": {"y": np.ones(3)}}, {"y": ("school",)}, {}, {})
    assert tree["observed_data"]["y"].dims == ("school",)
    assert tree["observed_data"].coords["school"].values.tolist() == [0, 1, 2]


def test_nameless_axes_are_numbered():
    tree = build_tree(
        {"posterior": {"w": draws(3, 2, 4), "v": draws(2)}},
        {"w": ("school", "", "")},
        {"school": SCHOOLS},
        {},
    )
    assert tree["posterior"]["w"].dims[2:] == ("school", "w_dim_0", "w_dim_1")
    assert tree["posterior"]["v"].dims[2:] == ("v_dim_0",)


def test_matrix_has_two_axes_with_the_same_labels():
    tree = build_tree({"posterior": {"L": draws(3, 3)}}, {"L": ("D", "D")}, {"D": SCHOOLS}, {})
    assert tree["posterior"]["L"].dims[2:] == ("D", "D_2")
    assert tree["posterior"].coords["D_2"].values.tolist() == SCHOOLS.tolist()


def test_second_name_of_an_axis_avoids_other_axes():
    tree = build_tree(
        {"posterior": {"L": draws(2, 2), "z": draws(4)}},
        {"L": ("D", "D"), "z": ("D_2",)},
        {},
        {},
    )
    assert tree["posterior"]["L"].dims[2:] == ("D", "D_3")


def test_user_names_give_way_to_the_axes_of_draws():
    tree = build_tree(
        {"posterior": {"draw": draws(2)}}, {"draw": ("chain",)}, {"chain": np.array([7, 8])}, {}
    )
    assert tree["posterior"]["draw_"].dims == ("chain", "draw", "chain_")
    assert tree["posterior"].coords["chain_"].values.tolist() == [7, 8]


def test_log_likelihood_has_lost_the_event_axes():
    tree = build_tree({"log_likelihood": {"y": draws(3)}}, {"y": ("school", "D")}, {}, {})
    assert tree["log_likelihood"]["y"].dims == ("chain", "draw", "school")


def test_groups_may_differ_in_the_size_of_an_axis_without_labels():
    tree = build_tree(
        {"posterior_predictive": {"y": draws(3)}, "observed_data": {"y": np.ones(5)}},
        {"y": ("row",)},
        {},
        {},
    )
    assert tree["observed_data"].sizes["row"] == 5


def test_exact_probabilities_have_an_axis_of_values():
    tree = build_tree(
        {"exact_probabilities": {"z": np.full((3, 2), 0.5)}},
        {"z": ("school",)},
        {"school": SCHOOLS, "z_value": np.array(["off", "on"])},
        {},
    )
    array = tree["exact_probabilities"]["z"]
    assert array.dims == ("school", "z_value")
    assert array.sel(school="Choate", z_value="on") == 0.5


def test_supports_are_kept():
    tree = build_tree({"posterior": {"z": draws()}}, {}, {}, {}, supports={"z": "index(3)"})
    assert tree["posterior"]["z"].attrs["support"] == "index(3)"


def test_equal_inputs_give_identical_trees():
    arguments = ({"posterior": {"z": draws()}}, {}, {}, {})
    assert build_tree(*arguments).identical(build_tree(*arguments))


@pytest.mark.parametrize(
    ("groups", "dims", "coords"),
    [
        ({"posterior": {"a": np.zeros(3)}}, {}, {}),
        ({"posterior": {"a": draws(2)}}, {"a": ("school",)}, {"school": SCHOOLS}),
        ({"posterior": {"a": draws(2)}}, {"a": ("p", "q")}, {}),
        ({"posterior": {"a": draws(2), "b": draws(3)}}, {"a": ("p",), "b": ("p",)}, {}),
    ],
    ids=["no draws", "labels", "too many names", "one axis with two sizes"],
)
def test_axes_that_do_not_fit_are_refused(groups, dims, coords):
    with pytest.raises(ValueError, match="'[ab]' of 'posterior'"):
        build_tree(groups, dims, coords, {})
