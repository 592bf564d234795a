"""What binding makes of good data: sizes, labels, missing values, prediction."""

import copy

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime.models import TEXTS, bound, complaint, gen
from runtime.test_data_formats import assert_same

from gendsl.frontend import check
from gendsl.source import Source

NAN = float("nan")
COUNTIES = pd.DataFrame({"county": ["B", "A"], "u": [1.0, 2.0]})
HOUSES = pd.DataFrame({"county_of": ["A", "B", "A"], "y": [1.0, 2.0, 3.0], "extra": 1})


@pytest.mark.parametrize("name", TEXTS)
def test_models_are_what_the_front_end_makes(name):
    made, expected = gen(name), check(Source(f"{name}.gen", TEXTS[name])).ir
    assert made.axes == expected.axes
    assert [a.span for a in made.axes] == [a.span for a in expected.axes]
    found = {v.name: v for v in expected.variables}
    for v in made.variables:
        other = found.pop(v.name)
        assert (v.role, v.axes, v.type) == (other.role, other.axes, other.type)
        assert (v.optional, v.span) == (other.optional, other.span)
    assert not found


def test_axes_in_declared_order_and_types():
    result = bound("colours", {"colour": np.array([0, 2, 1], dtype=np.uint8), "y": [1, 2, 3]})
    assert result.sizes == {"n": 3}
    assert result.values["colour"].dtype == np.int64
    assert result.values["y"].dtype == np.float64
    np.testing.assert_array_equal(result.labels["n"], [0, 1, 2])


def test_data_are_copied_and_never_changed():
    data = {"k": np.array([1.0, NAN, 3.0])}
    before = copy.deepcopy(data)
    result = bound("counts", data)
    result.values["k"][:] = 7
    np.testing.assert_array_equal(data["k"], before["k"])
    frame = HOUSES.copy()
    bound("radon", frame.rename(columns={"y": "log_radon", "extra": "floor"}))
    pd.testing.assert_frame_equal(frame, HOUSES)


def test_tables_for_plates_match_labels():
    result = bound("uranium", {"county": COUNTIES, "house": HOUSES})
    np.testing.assert_array_equal(result.values["county_of"], [1, 0, 1])
    assert result.labels["county"].tolist() == ["B", "A"]
    assert [str(note.message) for note in result.notes] == [
        "not used by the model: `extra` of key 'house'"
    ]


def test_labels_under_the_name_of_the_index():
    counties = COUNTIES.rename(columns={"county": "county_of"})
    result = bound("uranium", {"county": counties, "house": HOUSES})
    np.testing.assert_array_equal(result.values["county_of"], [1, 0, 1])


def test_plates_of_files_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    COUNTIES.to_csv("counties.csv", index=False)
    HOUSES.to_csv("houses.csv", index=False)
    keyed = bound("uranium", ["county=counties.csv", "house=houses.csv"])
    assert_same(bound("uranium", ["counties.csv", "houses.csv"]), keyed)
    assert_same(bound("uranium", ["county=counties.csv", "houses.csv"]), keyed)


@pytest.mark.parametrize(
    ("labels", "column"),
    [([101, 205], [205, 101, 205]), (["1", "2"], [2, 1, 2]), ([1, 2], ["2", "1", "2"])],
)
def test_listed_numbers_are_names(labels, column):
    data = {"u": [1, 2], "county": labels, "county_of": column, "y": [1, 2, 3]}
    np.testing.assert_array_equal(bound("uranium", data).values["county_of"], [1, 0, 1])


def test_numbers_beside_names_count_from_0():
    data = {"u": [1, 2], "county": ["X", "Y"], "county_of": [1, 0, 1], "y": [1, 2, 3]}
    np.testing.assert_array_equal(bound("uranium", data).values["county_of"], [1, 0, 1])


def test_labels_are_sorted_naturally_and_shared():
    data = {"from_": ["item10", "item2"], "to": ["item2", "item1"], "y": [1, 2]}
    result = bound("edges", data)
    assert result.labels["area"].tolist() == ["item1", "item2", "item10"]
    np.testing.assert_array_equal(result.values["from_"], [2, 1])
    np.testing.assert_array_equal(result.values["to"], [1, 0])


def test_numbers_of_two_columns_state_one_size():
    assert bound("edges", {"from_": [0, 1], "to": [1, 2], "y": [1, 2]}).sizes["area"] == 3


def test_index_base():
    data = {"from_": [1, 2], "to": [2, 3], "y": [1, 2]}
    result = bound("edges", data, index_base=1)
    np.testing.assert_array_equal(result.values["to"], [1, 2])
    assert result.sizes["area"] == 3


def test_labels_of_categories():
    result = bound("colours", {"colour": ["r", "g", "b"], "y": [1, 2, 3]})
    np.testing.assert_array_equal(result.values["colour"], [2, 1, 0])
    assert result.labels["3"].tolist() == ["b", "g", "r"]


@pytest.mark.parametrize(
    "names", [["X1", "X2"], ["X0", "X1"], ["X_1", "X_2"], ["X.1", "X.2"], ["X[0]", "X[1]"]]
)
def test_numbered_columns(names):
    frame = pd.DataFrame({names[1]: [3.0, 4.0], names[0]: [1.0, 2.0], "y": [0, 0]})
    result = bound("regression", frame)
    np.testing.assert_array_equal(result.values["X"], [[1, 3], [2, 4]])
    assert result.sizes == {"n": 2, "D": 2}


def test_columns_of_other_names():
    frame = pd.DataFrame({"log y": [1, 2], "age": [3, 4], "height": [5, 6]})
    columns = {"y": "log y", "X": ["height", "age"]}
    result = bound("regression", frame, columns=columns)
    np.testing.assert_array_equal(result.values["X"], [[5, 3], [6, 4]])
    assert result.notes == ()
    keys = {name: frame[name].to_numpy() for name in frame}
    assert_same(bound("regression", keys, columns=columns), result)


def test_a_frame_may_be_a_matrix():
    x = pd.DataFrame({"age": [3, 4], "height": [5, 6]})
    result = bound("regression", {"X": x, "y": [1, 2]})
    np.testing.assert_array_equal(result.values["X"], x)


def test_size_of_arithmetic_is_solved():
    result = bound("image", {"row": [1, 2, 3, 4, 5, 6, 7], "x": np.zeros((4, 3, 2))})
    assert result.sizes == {"image": 4, "D": 3}
    assert bound("image", {"row": [1, 2, 3], "image": 9}, purpose="simulate").sizes["D"] == 1


def test_nothing_is_legal():
    assert bound("schools", {"sigma": [], "y": []}).sizes == {"school": 0}
    assert bound("schools", pd.DataFrame({"sigma": [], "y": []})).sizes == {"school": 0}


def test_missing_values_and_placeholders():
    result = bound("counts", {"k": [3, None, 0]})
    np.testing.assert_array_equal(result.missing["k"], [False, True, False])
    np.testing.assert_array_equal(result.values["k"], [3, 0, 0])
    assert bound("counts", {"k": [3, 0]}).missing == {}


def test_tied_entries_are_missing_together():
    result = bound("pairs", {"y": [[1, 2], [NAN, NAN]]})
    np.testing.assert_array_equal(result.missing["y"], [False, True])


def test_simulation_needs_no_observed_values():
    result = bound("schools", {"sigma": [1, 2, 3]}, purpose="simulate")
    assert result.values.keys() == {"sigma"}
    assert bound("poisson", {}, purpose="simulate", sizes={"n": 7}).sizes == {"n": 7}
    assert bound("poisson", {"n": 7}, purpose="simulate").sizes == {"n": 7}


def test_prediction_allows_missing_observed_values():
    fit = bound("schools", {"sigma": [1, 2], "y": [1, 2]})
    new = {"sigma": [1, 2, 3], "y": [NAN, 1, NAN]}
    result = bound("schools", new, known=fit.labels, purpose="predict")
    np.testing.assert_array_equal(result.missing["y"], [True, False, True])


def test_prediction_keeps_numbers_of_known_labels():
    data = {"floor": [0, 0, 1], "county_of": ["B", "A", "C"], "log_radon": [1, 2, 3]}
    fit = bound("radon", data)
    new = {"floor": [0, 1], "county_of": ["C", "AA"]}
    result = bound("radon", new, known=fit.labels, purpose="predict")
    assert result.sizes == {"county": 4, "house": 2}
    np.testing.assert_array_equal(result.values["county_of"], [2, 3])
    assert result.labels["county"].tolist() == ["A", "B", "C", "AA"]
    np.testing.assert_array_equal(result.known_number["county"], [0, 1, 2, -1])
    np.testing.assert_array_equal(result.new_members["county"], [False] * 3 + [True])
    np.testing.assert_array_equal(result.new_members["house"], [True, True])


def test_prediction_with_numbers():
    data = {"floor": [0, 0, 1], "county_of": [1, 2, 3], "log_radon": [1, 2, 3]}
    fit = bound("radon", data, index_base=1)
    new = {"floor": [0, 0, 1], "county_of": [3, 7, 1]}
    result = bound("radon", new, index_base=1, known=fit.labels, purpose="predict")
    np.testing.assert_array_equal(result.values["county_of"], [2, 3, 0])
    np.testing.assert_array_equal(result.known_number["county"], [0, 1, 2, -1])
    fewer = bound("radon", {"floor": [0], "county_of": [1]}, known=fit.labels, purpose="predict")
    assert fewer.sizes == {"county": 3, "house": 1}


def test_prediction_with_values_of_the_members():
    fit = bound("uranium", {"county": COUNTIES, "house": HOUSES})
    new = {"county": ["Z", "B"], "u": [5, 6], "county_of": ["Z", "B", "B"]}
    result = bound("uranium", new, known=fit.labels, purpose="predict")
    np.testing.assert_array_equal(result.values["county_of"], [0, 1, 1])
    np.testing.assert_array_equal(result.known_number["county"], [-1, 0])


def test_dims_keep_the_size_of_the_fit():
    fit = bound("regression", {"X": np.ones((3, 2)), "y": [1, 2, 3]})
    result = bound("regression", {"X": np.ones((4, 2))}, known=fit.labels, purpose="predict")
    np.testing.assert_array_equal(result.known_number["D"], [0, 1])
    assert "`D` is 2 by the fit" in complaint(
        "regression", {"X": np.ones((4, 3))}, known=fit.labels, purpose="predict"
    )


def test_categories_do_not_grow():
    fit = bound("colours", {"colour": ["r", "g", "b"], "y": [1, 2, 3]})
    new = bound("colours", {"colour": ["r", "b"]}, known=fit.labels, purpose="predict")
    np.testing.assert_array_equal(new.values["colour"], [2, 0])
    told = complaint("colours", {"colour": ["x"]}, known=fit.labels, purpose="predict")
    assert "'x' in `colour` (key 'colour'; first at colour[0]) is no label of index(3)" in told


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(TEXTS)), st.data())
def test_whatever_is_given_is_bound_or_refused(name, data):
    names = sorted({v.name for v in gen(name).variables} | {a.name for a in gen(name).axes})
    values = data.draw(st.dictionaries(st.sampled_from(names), ANYTHING))
    assert complaint(name, values)


def test_at_most_five_offenders_and_twenty_errors():
    told = complaint("poisson", {"k": [-1] * 9, **{f"q{i:02}": 1 for i in range(30)}})
    assert told.count("error[") == 20
    assert told.endswith("and 11 more")


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(4)), st.permutations(range(3)))
def test_order_of_rows_and_columns(rows, columns):
    values = {"county_of": ["b", "a", "c", "a"], "floor": [0, 1, 2, 3], "log_radon": [4, 5, 6, 7]}
    frame = pd.DataFrame(values)
    turned = frame.iloc[list(rows), list(columns)]
    one, other = bound("radon", frame), bound("radon", turned)
    assert one.sizes == other.sizes
    np.testing.assert_array_equal(one.labels["county"], other.labels["county"])
    for name, array in one.values.items():
        np.testing.assert_array_equal(array[list(rows)], other.values[name])


@settings(max_examples=25, deadline=None)
@given(st.permutations(["dog", "trial"]))
def test_labelled_axes_in_any_order(order):
    array = xr.DataArray(
        np.arange(6).reshape(3, 2) % 2,
        dims=("dog", "trial"),
        coords={"dog": ["rex", "ada", "bo"], "trial": [1, 2]},
    )
    one, other = bound("grid", {"y": array}), bound("grid", {"y": array.transpose(*order)})
    assert_same(one, other)
    assert one.labels["dog"].tolist() == ["rex", "ada", "bo"]
    assert other.values["y"].flags.c_contiguous


@settings(max_examples=25, deadline=None)
@given(st.permutations(["image", "rows", "cols"]))
def test_event_axes_without_names_keep_their_order(order):
    array = xr.DataArray(np.arange(12.0).reshape(2, 3, 2), dims=("image", "rows", "cols"))
    assert_same(
        bound("image", {"row": np.ones(7), "x": array}),
        bound("image", {"row": np.ones(7), "x": array.transpose("image", "rows", "cols")}),
    )
    moved = array.transpose(*sorted(order, key=lambda d: (d != "rows", d != "cols")))
    result = bound("image", {"row": np.ones(7), "x": moved})
    np.testing.assert_array_equal(result.values["x"], array)
