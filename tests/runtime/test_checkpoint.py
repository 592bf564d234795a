"""Saved runs: round trips, refusals, and files made to do harm."""

from __future__ import annotations

import json
import math
import os
import shutil
import zipfile

import h5py
import numpy as np
import pytest

from gendsl.diagnostics import DataError
from gendsl.explanations.results import CODES
from gendsl.runtime import checkpoint
from gendsl.runtime.checkpoint import load_run, load_tree, save_run, save_tree
from gendsl.runtime.results import build_tree
from gendsl.runtime.stored_files import check_sum

TEXT = "model Schools\nlatent mu ~ Normal(0, 5)  # µ\n"
SCHOOLS = np.array(["Choate", "St. Paul's", "Łódź"])


def results(seed=0):
    random = np.random.default_rng(seed)
    return build_tree(
        {
            "posterior": {
                "mu": random.normal(size=(2, 10)),
                "theta": random.normal(size=(2, 10, 3)).astype(np.float32),
                "z": random.integers(0, 2, (2, 10)),
            },
            "sample_stats": {"diverging": random.random((2, 10)) < 0.5},
            "observed_data": {"y": np.array([1.0, np.nan, 3.0])},
        },
        {"theta": ("school",), "y": ("school",)},
        {"school": SCHOOLS},
        {"method": "nuts", "seed": seed, "log_evidence": -1.5},
        supports={"z": "binary"},
    )


def arguments(**changes):
    return {
        "source_text": TEXT,
        "source_name": "schools.gen",
        "data": {"y": np.array([1.0, np.nan, 3.0]), "k": np.array([1, 2, 3])},
        "labels": {"school": SCHOOLS, "day": np.array(["2020-01-01"], dtype="datetime64[D]")},
        "sizes": {"school": 3, "day": np.int64(1)},
        "missing": {"y": np.array([False, True, False])},
        "tree": results(),
        "meta": {"seed": 3, "method": "nuts", "seconds": {"sampling": 1.5}, "worst": math.inf},
    } | changes


@pytest.fixture
def run(tmp_path):
    return save_run(tmp_path / "run", **arguments())


def refused(code, action, *words):
    with pytest.raises(DataError) as caught:
        action()
    (finding,) = caught.value.diagnostics
    assert finding.code == code, finding.message
    for word in words:
        assert word in finding.message
    return finding


def rewrite_meta(run, **changes):
    facts = json.loads((run / "meta.json").read_text()) | changes
    (run / "meta.json").write_text(json.dumps(facts))


def resign(run):
    """As one who means harm would: the sums fit again."""
    names = ("model.gen", "data.npz", "posterior.nc")
    rewrite_meta(run, files={name: check_sum(run / name) for name in names})


def test_run_comes_back(run):
    saved = load_run(run)
    given = arguments()
    assert saved.source_text == TEXT
    assert saved.source_name == "schools.gen"
    assert saved.sizes == {"school": 3, "day": 1}
    assert saved.meta == given["meta"]
    for section in ("data", "labels", "missing"):
        found = getattr(saved, section)
        assert found.keys() == given[section].keys()
        for name, array in given[section].items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype
    assert saved.tree.identical(results())
    assert "torch" in saved.versions
    assert {p.name for p in run.iterdir()} == {
        "model.gen",
        "data.npz",
        "posterior.nc",
        "meta.json",
    }


def test_nothing_else_is_left_beside_the_run(run):
    assert [p.name for p in run.parent.iterdir()] == ["run"]


def test_hash_is_of_model_and_data(tmp_path, run):
    again = save_run(tmp_path / "again", **arguments(tree=results(5), meta={}))
    other = save_run(tmp_path / "other", **arguments(source_text=TEXT + "# more\n"))
    assert load_run(again).content_hash == load_run(run).content_hash
    assert load_run(other).content_hash != load_run(run).content_hash


def test_equal_runs_are_equal_files(tmp_path, run):
    again = save_run(tmp_path / "again", **arguments())
    for name in ("model.gen", "data.npz", "meta.json"):
        assert (again / name).read_bytes() == (run / name).read_bytes()


def test_tree_comes_back(tmp_path):
    path = tmp_path / "posterior.nc"
    save_tree(results(), path)
    save_tree(results(), path)
    assert load_tree(path).identical(results())
    path.unlink()


def test_folders_are_made_and_an_empty_one_is_taken(tmp_path):
    save_run(tmp_path / "a" / "b", **arguments())
    (tmp_path / "empty").mkdir()
    save_run(tmp_path / "empty", **arguments())
    assert load_run(tmp_path / "empty").source_text == TEXT


# --- overwriting --------------------------------------------------------------------------


def test_a_run_is_overwritten_only_when_asked(run):
    finding = refused("GD807", lambda: save_run(run, **arguments(meta={"seed": 9})))
    assert "overwrite=True" in finding.help
    (run / "plots").mkdir()
    (run / "plots" / "trace.png").write_bytes(b"")
    save_run(run, **arguments(meta={"seed": 9}), overwrite=True)
    assert load_run(run).meta == {"seed": 9}
    assert [p.name for p in run.parent.iterdir()] == ["run"]


def test_other_folders_are_never_overwritten(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    refused("GD806", lambda: save_run(tmp_path, **arguments(), overwrite=True))
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_files_beside_a_run_are_never_lost(run):
    (run / "notes.txt").write_text("mine")
    refused("GD806", lambda: save_run(run, **arguments(), overwrite=True), "notes.txt")
    assert load_run(run).meta["seed"] == 3


def test_a_file_is_never_overwritten(tmp_path):
    (tmp_path / "x").write_text("")
    refused("GD806", lambda: save_run(tmp_path / "x", **arguments(), overwrite=True))


def test_an_unfinished_run_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "write_tree", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_run(tmp_path / "run", **arguments())
    assert not [*tmp_path.iterdir()]


def test_a_failed_replacement_keeps_the_earlier_run(run, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_tree", fail)
    refused("GD809", lambda: save_run(run, **arguments(meta={}), overwrite=True), "No space left")
    assert load_run(run).meta["seed"] == 3
    assert [p.name for p in run.parent.iterdir()] == ["run"]


def test_what_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    refused("GD809", lambda: save_run(tmp_path / "file" / "run", **arguments()))
    refused("GD809", lambda: save_tree(results(), tmp_path / "no" / "such" / "folder.nc"))


@pytest.mark.parametrize(
    "changes",
    [
        {"meta": {"callback": print}},
        {"meta": {"nested": {1: "key"}}},
        {"data": {"y": np.array([{}, None], dtype=object)}},
    ],
)
def test_python_objects_are_not_saved(tmp_path, changes):
    refused("GD810", lambda: save_run(tmp_path / "run", **arguments(**changes)))
    assert not [*tmp_path.iterdir()]


# --- reading what is not whole ------------------------------------------------------------


def test_there_is_no_run(tmp_path):
    refused("GD801", lambda: load_run(tmp_path / "nowhere"), "nowhere")
    refused("GD801", lambda: load_run(tmp_path), "meta.json")
    (tmp_path / "meta.json").write_text('{"format": "other"}')
    refused("GD801", lambda: load_run(tmp_path))


@pytest.mark.parametrize("name", ["model.gen", "data.npz", "posterior.nc"])
def test_missing_truncated_and_changed_files_are_told(run, name):
    content = (run / name).read_bytes()
    (run / name).write_bytes(content[: len(content) // 2])
    refused("GD803", lambda: load_run(run), name, str(len(content)))
    changed = bytearray(content)
    changed[len(content) // 2] ^= 1
    (run / name).write_bytes(bytes(changed))
    refused("GD804", lambda: load_run(run), name)
    (run / name).unlink()
    refused("GD802", lambda: load_run(run), name)


@pytest.mark.parametrize("name", ["data.npz", "posterior.nc"])
@pytest.mark.parametrize("damage", ["half", "empty", "noise"])
def test_damage_that_the_sums_do_not_show_is_told(run, name, damage):
    content = (run / name).read_bytes()
    noise = np.random.default_rng(0).bytes(2000)
    new = {"half": content[: len(content) // 2], "empty": b"", "noise": noise}[damage]
    (run / name).write_bytes(new)
    resign(run)
    refused("GD803", lambda: load_run(run), name)


@pytest.mark.parametrize("seed", range(8))
def test_flipped_bytes_never_end_in_a_traceback(run, seed):
    random = np.random.default_rng(seed)
    for name in ("data.npz", "posterior.nc", "model.gen"):
        content = bytearray((run / name).read_bytes())
        for at in random.integers(0, len(content), 20):
            content[at] = random.integers(0, 256)
        (run / name).write_bytes(bytes(content))
    resign(run)
    with pytest.raises(DataError):
        load_run(run)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": ' * 100_000, "\x00", "NaN"], ids=range(6))
def test_meta_that_is_no_json_object(run, text):
    (run / "meta.json").write_text(text)
    refused("GD803", lambda: load_run(run), "meta.json")


@pytest.mark.parametrize(
    "changes",
    [
        {"files": None},
        {"files": {}},
        {"files": {"model.gen": {"bytes": 1}}},
        {"sizes": {"school": "three"}},
        {"sizes": None},
        {"meta": []},
        {"source_name": 3},
        {"versions": {"torch": 2}},
        {"content_hash": None},
        {"format_version": "1"},
        {"format_version": 0},
    ],
)
def test_meta_with_malformed_parts(run, changes):
    rewrite_meta(run, **changes)
    refused("GD803", lambda: load_run(run), "meta.json")


def test_newer_format(run):
    rewrite_meta(run, format_version=checkpoint.FORMAT_VERSION + 1)
    assert "upgrade" in refused("GD805", lambda: load_run(run)).help


def test_model_of_another_run(tmp_path, run):
    (run / "model.gen").write_text("model Other\n")
    resign(run)
    refused("GD804", lambda: load_run(run), "not those that were fitted")


# --- reading what means harm --------------------------------------------------------------


@pytest.mark.parametrize("name", ["model.gen", "data.npz", "posterior.nc", "meta.json"])
def test_links_out_of_the_folder_are_not_followed(run, name):
    shutil.move(run / name, run.parent / name)
    (run / name).symlink_to(run.parent / name)
    refused("GD808", lambda: load_run(run), name)


def test_pipes_are_not_waited_for(run):
    (run / "model.gen").unlink()
    os.mkfifo(run / "model.gen")
    refused("GD808", lambda: load_run(run), "model.gen")


def test_pickled_objects_are_not_loaded(run):
    np.savez(run / "data.npz", **{"data/y": np.array([{}], dtype=object)})
    resign(run)
    refused("GD808", lambda: load_run(run))


def test_names_in_the_archive_reach_no_files(run):
    with zipfile.ZipFile(run / "data.npz", "a") as archive:
        archive.writestr("../../evil.npy", b"")
    resign(run)
    with pytest.raises(DataError):
        load_run(run)
    assert not (run.parent.parent / "evil.npy").exists()


def test_arrays_larger_than_their_file_are_not_unpacked(run):
    with zipfile.ZipFile(run / "data.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/y.npy", bytes(10_000_000))
    resign(run)
    refused("GD808", lambda: load_run(run))


def test_arrays_that_claim_to_be_huge(run):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }"
    header = header.ljust(117) + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with zipfile.ZipFile(run / "data.npz", "w") as archive:
        archive.writestr("data/y.npy", content)
    resign(run)
    refused("GD803", lambda: load_run(run))


def test_external_links_of_hdf5_are_not_followed(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = np.arange(3)
    for name, link in {
        "external": h5py.ExternalLink(str(tmp_path / "secret.h5"), "/x"),
        "soft": h5py.SoftLink("/elsewhere"),
    }.items():
        path = tmp_path / f"{name}.nc"
        save_tree(results(), path)
        with h5py.File(path, "a") as file:
            file["posterior"]["stolen"] = link
        refused("GD808", lambda p=path: load_tree(p), "outside itself")


def test_hdf5_arrays_stored_elsewhere_are_not_read(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(80))
    path = tmp_path / "x.nc"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (10,), "f8", external=[(str(tmp_path / "secret"), 0, 80)])
    refused("GD808", lambda: load_tree(path))
    layout = h5py.VirtualLayout((10,), "f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "x", (10,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("x", layout)
    refused("GD808", lambda: load_tree(path))


def test_hdf5_arrays_that_claim_to_be_huge_are_not_read(tmp_path):
    path = tmp_path / "x.nc"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (10**13,), "f8", chunks=(1000,))
    refused("GD808", lambda: load_tree(path), "declares")


def test_every_code_is_explained():
    for code, (title, text) in CODES.items():
        assert code.startswith("GD8")
        assert title
        assert text.endswith(".")
