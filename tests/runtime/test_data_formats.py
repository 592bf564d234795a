"""Every way in gives the same data; every unreadable file says why."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime.models import bound, complaint, gen

from gendsl.diagnostics import DataError
from gendsl.explanations.data import CODES
from gendsl.runtime.data import bind, raw_data, read_data

VALUES = {
    "floor": [0.0, 1.0, 0.5, -2.25],
    "county_of": ["B", "A", "C 10", "A"],
    "log_radon": [0.1, 1 / 3, -1e-7, 12.0],
}
ARRAYS = {"floor": VALUES["floor"], "county_of": [1, 0, 2, 1], "log_radon": VALUES["log_radon"]}


def assert_same(one, other):
    assert one.sizes == other.sizes
    for left, right in [
        (one.values, other.values),
        (one.missing, other.missing),
        (one.labels, other.labels),
    ]:
        assert left.keys() == right.keys()
        for name in left:
            assert left[name].dtype.kind == right[name].dtype.kind
            np.testing.assert_array_equal(left[name], right[name])


def write(folder, kind):
    frame = pd.DataFrame(VALUES)
    path = folder / f"data.{kind}"
    match kind:
        case "csv":
            frame.to_csv(path, index=False)
        case "tsv":
            frame.to_csv(path, index=False, sep="\t")
        case "json":
            path.write_text(json.dumps(VALUES))
        case "records.json":
            path.write_text(json.dumps(frame.to_dict("records")))
        case "npz":
            np.savez(path, **{name: np.array(values) for name, values in VALUES.items()})
        case "parquet":
            frame.to_parquet(path)
        case "nc":
            data = {name: ("house", np.array(values)) for name, values in VALUES.items()}
            xr.Dataset(data).to_netcdf(path, engine="h5netcdf")
    return str(path)


@pytest.mark.parametrize("kind", ["csv", "tsv", "json", "records.json", "npz", "parquet", "nc"])
def test_files_round_trip(tmp_path, kind):
    assert_same(bind(gen("radon"), read_data([write(tmp_path, kind)])), bound("radon", VALUES))


OBJECTS = {
    "DataFrame": pd.DataFrame(VALUES),
    "DataFrame under its plate": {"house": pd.DataFrame(VALUES)},
    "records": pd.DataFrame(VALUES).to_dict("records"),
    "columns under the plate": {"house": VALUES},
    "Series": {name: pd.Series(values, index=[7, 5, 3, 1]) for name, values in VALUES.items()},
    "arrays": {name: np.array(values) for name, values in VALUES.items()},
    "categories": pd.DataFrame(VALUES).astype({"county_of": "category"}),
    "extension types": pd.DataFrame(VALUES).convert_dtypes(),
    "Dataset": xr.Dataset({name: ("house", np.array(v)) for name, v in VALUES.items()}),
    "DataArrays": {n: xr.DataArray(np.array(v), dims="house") for n, v in VALUES.items()},
    "tensors": {
        "floor": torch.tensor(VALUES["floor"], requires_grad=True),
        "county_of": VALUES["county_of"],
        "log_radon": torch.tensor(VALUES["log_radon"], dtype=torch.float64),
    },
    "scalars in a list": {
        "floor": [np.float32(v) for v in VALUES["floor"]],
        "county_of": np.array(VALUES["county_of"], dtype=object),
        "log_radon": tuple(VALUES["log_radon"]),
    },
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_python_objects(kind):
    assert_same(bound("radon", OBJECTS[kind]), bound("radon", VALUES))


def test_raw_data_takes_paths_and_itself(tmp_path):
    path = write(tmp_path, "csv")
    assert_same(bound("radon", path), bound("radon", [path]))
    raw = raw_data(VALUES)
    assert raw_data(raw) is raw


def test_a_path_stands_for_the_table_of_its_plate(tmp_path):
    path = write(tmp_path, "csv")
    for table in (path, Path(path)):
        assert_same(bound("radon", {"house": table}), bound("radon", VALUES))
    with pytest.raises(DataError, match="there is no file none.csv"):
        bound("radon", {"house": "none.csv", "mu": object()})


def test_truth_values_are_numbers(tmp_path):
    (tmp_path / "a.csv").write_text("k\nTrue\nfalse\nNA\n")
    result = bound("counts", str(tmp_path / "a.csv"))
    np.testing.assert_array_equal(result.values["k"], [1, 0, 0])
    np.testing.assert_array_equal(result.missing["k"], [False, False, True])
    np.testing.assert_array_equal(bound("counts", {"k": [True, False]}).values["k"], [1, 0])


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", ["", "\ufeff", "{0}{0}"])
@pytest.mark.parametrize("last", ["", "{0}", "{0}" * 200])
def test_line_endings_and_blank_lines(tmp_path, ending, start, last):
    path = tmp_path / "a.csv"
    text = start.format(ending) + ending.join(["sigma, y", "1, 2", "", "3, 4"])
    path.write_bytes((text + last.format(ending)).encode())
    values = bound("schools", str(path)).values
    np.testing.assert_array_equal(values["sigma"], [1, 3])
    np.testing.assert_array_equal(values["y"], [2, 4])


@pytest.mark.parametrize("quoted", [False, True])
def test_blank_lines_of_a_single_column_are_missing(tmp_path, quoted):
    cell = '"1"' if quoted else "1"
    (tmp_path / "a.csv").write_text(f"k\n{cell}\n\n3\n\n\n")
    result = bound("counts", str(tmp_path / "a.csv"))
    np.testing.assert_array_equal(result.missing["k"], [False, True, False])


def test_quoted_cells_may_hold_commas_and_lines(tmp_path):
    (tmp_path / "a.csv").write_text('y,note,sigma\n1,"a, b",2\n3,"two\nlines",-4\n')
    told = complaint("schools", str(tmp_path / "a.csv")).replace(f"{tmp_path}/", "")
    assert "1 of 2 values are not: row 2 (line 3) is -4\n" in told


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 2**53 - 1)),
        min_size=1,
    )
)
def test_csv_keeps_every_bit(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_text("u,i\n" + "".join(f"{u!r},{i}\n" for u, i in rows))
    (table,) = read_data([str(path)]).tables
    assert table.columns["u"].array.tolist() == [u for u, _ in rows]
    assert table.columns["i"].array.tolist() == [i for _, i in rows]


BROKEN = {
    "none.csv": (None, "error[GD701]: there is no file none.csv"),
    "a.txt": (
        b"sigma\n",
        "error[GD702]: a.txt is a .txt file, expected one of .csv, .tsv, .json, .npy, .npz, "
        ".parquet, .nc",
    ),
    "empty.csv": (b"", "error[GD703]: empty.csv is empty"),
    "blank.csv": (
        b"\n\n",
        "error[GD703]: blank.csv is empty\nhelp: the first line names the columns",
    ),
    "latin.csv": (
        b"sigma,y\n1,\xe9\n",
        "error[GD703]: latin.csv is not UTF-8 at byte 10\nhelp: save it as UTF-8",
    ),
    "nul.csv": (
        b"sigma,y\n1,\0\n",
        "error[GD703]: nul.csv is not a text file: it holds a NUL character",
    ),
    "ragged.csv": (
        b"sigma,y\n1,2\n\n3\n1,2,3\n",
        "error[GD704]: ragged.csv has 2 columns, but line 4 has 1, line 5 has 3\n"
        "help: text with commas in it belongs in quotation marks",
    ),
    "semicolons.csv": (
        b"sigma;y\n1;2\n",
        "error[GD703]: the cells of semicolons.csv are separated by semicolons, expected commas\n"
        "help: save it with commas, and with points in decimal numbers",
    ),
    "headless.csv": (
        b"1,2\n3,4\n",
        "error[GD703]: the first line of headless.csv holds numbers, expected the names of the "
        "columns\nhelp: put a line of names above the numbers",
    ),
    "twice.csv": (
        b"y,y,sigma\n1,2,3\n",
        "error[GD705]: `y` occurs more than once among the columns of twice.csv\n"
        "help: give every column a name of its own",
    ),
    "open.csv": (
        b'sigma,y\n1,2\n"3,4\n5,6\n',
        "error[GD703]: open.csv cannot be read from line 3 on: unexpected end of data\n"
        "help: look for a quotation mark that is opened and not closed",
    ),
    "open.json": (
        b'{"sigma":[1,2',
        "error[GD703]: open.json is not JSON: Expecting ',' delimiter at line 1, column 14",
    ),
    "deep.json": (b"[" * 100_000, "error[GD703]: deep.json is nested too deeply"),
    "nested.json": (
        b'{"y":' + b"[" * 90 + b"1" + b"]" * 90 + b"}",
        "error[GD704]: the lists in `y` of nested.json differ in length or in depth",
    ),
    "number.json": (
        b"3",
        "error[GD703]: number.json holds neither an object of names and values nor a list of "
        'objects\nhelp: write it as {"y": [1, 2]}, or as [{"y": 1}, {"y": 2}]',
    ),
    "twice.json": (
        b'{"y":[1],"y":[2]}',
        "error[GD705]: `y` occurs more than once in one object of twice.json",
    ),
    "digits.json": (
        b'{"y":[1' + b"0" * 5000 + b"]}",
        "error[GD703]: digits.json holds a number of too many digits",
    ),
    "a.npz": (b"abc", "error[GD703]: a.npz is damaged or is not an NPZ file"),
    "a.parquet": (b"abc", "error[GD703]: a.parquet is damaged or is not a Parquet file"),
    "a.nc": (b"abc", "error[GD703]: a.nc is damaged or is not a NetCDF-4 file"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    content, expected = BROKEN[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert complaint("schools", name) == expected


def test_a_folder_is_no_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").mkdir()
    expected = "error[GD701]: data.csv is a folder, expected a data file"
    assert complaint("schools", "data.csv") == expected


def test_python_objects_are_never_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", y=np.array([{}], dtype=object))
    assert complaint("schools", "a.npz") == (
        "error[GD703]: a.npz holds Python objects, which are never loaded\n"
        "help: save plain arrays of numbers or text"
    )


def test_size_guard(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gendsl.runtime.data.files.MAX_BYTES", 2**20)
    np.savez_compressed("a.npz", y=np.zeros(10**6))
    pd.DataFrame({"y": np.zeros(10**6)}).to_parquet("a.parquet")
    assert complaint("schools", "a.npz").startswith("error[GD706]: a.npz takes 0.0 GiB, more than")
    with open("b.csv", "w") as file:
        file.truncate(2**21)
    assert complaint("schools", "b.csv").startswith("error[GD706]: b.csv takes")


def test_every_unreadable_file_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as caught:
        read_data(["a.csv", "county=b.csv"])
    assert str(caught.value) == (
        "error[GD701]: there is no file a.csv\n\nerror[GD701]: there is no file b.csv"
    )


def test_sources_may_not_repeat_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text('{"y": [1]}')
        (tmp_path / f"{name}.csv").write_text("y\n1\n")
    with pytest.raises(DataError) as caught:
        read_data(["a.json", "b.json", "n=a.csv", "n=b.csv"])
    assert str(caught.value) == (
        "error[GD705]: `y` is given twice: `y` of a.json and `y` of b.json\n\n"
        "error[GD705]: there are two tables for `n`: a.csv and b.csv"
    )


def test_a_name_with_an_equals_sign_is_a_file_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "n=a.csv").write_text("y\n1\n")
    assert read_data(["n=a.csv"]).tables[0].key is None
    (tmp_path / "b.csv").write_text("y\n1\n")
    assert read_data(["n=b.csv"]).tables[0].key == "n"
    assert read_data(["n=n=a.csv"]).tables[0].key == "n"


def test_arrays_are_no_table_for_a_plate(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", y=np.zeros(3))
    assert complaint("schools", "school=a.npz") == (
        "error[GD703]: a.npz holds arrays, expected a table for the plate `school`\n"
        "help: give it without the name of the plate"
    )


def test_lists_in_parquet_are_matrices(tmp_path):
    x = [[1.0, 2.0], [3.0, 4.0]]
    pd.DataFrame({"X": x, "y": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    result = bound("regression", str(tmp_path / "a.parquet"))
    np.testing.assert_array_equal(result.values["X"], x)


def test_posteriordb_files_bind(shared_data):
    result = bound("schools", str(shared_data / "posteriordb" / "data" / "eight_schools.json"))
    assert result.sizes == {"school": 8}
    assert [note.message.partition(" of ")[0] for note in result.notes] == [
        "not used by the model: `J`"
    ]


def test_codes_are_explained():
    assert list(CODES) == sorted(CODES)
    for title, text in CODES.values():
        assert title
        assert not title.endswith(".")
        assert text.endswith((".", "`"))
