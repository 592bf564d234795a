"""Arguments of every call: what is wrong is told by its code, never by a raw exception."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest

import gendsl
from gendsl.diagnostics import GenError

QUICK = {"chains": 1, "draws": 8, "warmup": 8, "progress": False}
DATA = {"y": [1.0, 2.0]}


@cache
def model():
    return gendsl.compile(
        "model M\nplate n\nlatent m ~ Normal(0, 1)\nobserve y[n] ~ Normal(m, 1)\n"
    )


@cache
def fitted():
    return model().fit(DATA, **QUICK)


def fit(**changes):
    return model().fit(DATA, **{**QUICK, **changes})


WRONG = {
    **{f"seed {v!r}": (lambda v=v: fit(seed=v)) for v in (-1, "a", 2**70, 1.5, True)},
    **{f"cores {v!r}": (lambda v=v: fit(cores=v)) for v in (-1, 0, "2", 1.5)},
    **{f"infer {v!r}": (lambda v=v: fit(infer=v)) for v in (5, "")},
    **{f"columns {v!r}": (lambda v=v: fit(columns=v)) for v in (5, {"y": 3}, ["y"], {1: "y"})},
    **{f"predict {v!r}": (lambda v=v: fitted().predict(DATA, draws=v)) for v in (-1, 0, "a", 2.5)},
    "predict seed": lambda: fitted().predict(DATA, seed="a"),
    "predict columns": lambda: fitted().predict(DATA, columns=["y"]),
    **{f"simulate {v!r}": (lambda v=v: model().simulate(v, sizes={"n": 2})) for v in (-1, 0, 2.5)},
    "simulate sizes": lambda: model().simulate(sizes=5),
    "simulate seed": lambda: model().simulate(sizes={"n": 2}, seed=-1),
    "density": lambda: model().log_density(None, DATA),
    "compile None": lambda: gendsl.compile(None),
    "compile bytes": lambda: gendsl.compile(b""),
    "load": lambda: gendsl.load(None),
    "load_fit": lambda: gendsl.load_fit(5),
    "save": lambda: fitted().save(None),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_argument_is_refused(name):
    with pytest.raises(GenError) as caught:
        WRONG[name]()
    assert [d.code for d in caught.value.diagnostics] == ["GD833"]


@pytest.mark.parametrize("device", ["cpu:7", "cuda:7", "tpu", 5, None])
def test_absent_device_is_refused(device):
    with pytest.raises(GenError) as caught:
        fit(device=device)
    assert [d.code for d in caught.value.diagnostics] == ["GD824"]


@pytest.mark.parametrize("option", [{"chains": 10**400}, {"chains": "2"}, {"draws": 2.0}])
def test_illegal_option_is_refused(option):
    with pytest.raises(GenError) as caught:
        fit(**option)
    assert [d.code for d in caught.value.diagnostics] == ["GD607"]


def test_numbers_of_numpy_are_numbers():
    found = fit(chains=np.int64(1), seed=np.int32(3), cores=np.int64(1))
    np.testing.assert_array_equal(found.posterior["m"], fit(seed=3).posterior["m"])
    assert fit(target_accept_prob=np.float32(0.7)).posterior["m"].shape == (1, 8)


def test_simulation_in_pieces(monkeypatch):
    whole = model().simulate(50, sizes={"n": 3})
    monkeypatch.setattr("gendsl.runtime.draws.ELEMENTS", 100)
    pieces = model().simulate(50, sizes={"n": 3})
    assert pieces["prior_predictive/y"].shape == whole["prior_predictive/y"].shape == (1, 50, 3)
    assert len(np.unique(pieces["prior/m"])) == 50


def test_simulation_that_no_memory_holds():
    with pytest.raises(GenError, match="GD827"):
        model().simulate(10**9, sizes={"n": 10})


def edited(folder, section, value):
    facts = json.loads((folder / "meta.json").read_text())
    target = facts if section == "sizes" else facts["meta"]
    target[section] = value
    (folder / "meta.json").write_text(json.dumps(facts))


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("method", 5),
        ("method", "nust"),
        ("options", 3),
        ("options", {"chains": "x"}),
        ("options", {"chians": 4}),
        ("settings", []),
        ("settings", {"seed": "x"}),
        ("settings", {"seed": -1}),
        ("settings", {"dtype": 3}),
        ("settings", {"device": "toaster"}),
        ("sizes", {}),
        ("sizes", {"n": 3}),
        ("sizes", {"n": True}),
        ("sizes", {"n": 2, "k": 1}),
    ],
)
def test_edited_facts_of_a_run_are_refused(tmp_path, section, value):
    folder = fitted().save(tmp_path / "run")
    edited(folder, section, value)
    with pytest.raises(GenError) as caught:
        gendsl.load_fit(folder)
    assert [d.code for d in caught.value.diagnostics] == ["GD803"]


def test_size_that_only_results_have(tmp_path):
    model = gendsl.compile(
        "model M\nplate n\nplate g\ninput k[n]: index(g)\nlatent a[g] ~ Normal(0, 1)\n"
        "observe y[n] ~ Normal(a[k], 1)\n"
    )
    folder = model.fit({"k": ["u", "v"], "y": [1.0, 2.0]}, **QUICK).save(tmp_path / "run")
    assert gendsl.load_fit(folder).posterior["a"].shape == (1, 8, 2)
    edited(folder, "sizes", {"n": 2, "g": 5})
    with pytest.raises(GenError, match="GD803"):
        gendsl.load_fit(folder)


def test_labels_cannot_steer_a_terminal():
    model = gendsl.compile(
        "model M\nplate g\ninput k[g]: real\nlatent a[g] ~ Normal(k, 1)\n"
        "observe y[g] ~ Normal(a, 1)\n"
    )
    frame = pd.DataFrame({"g": ["\x1b[31mred", "Łódź"], "k": [0.0, 0.0], "y": [1.0, 2.0]})
    told = str(model.fit(frame, **QUICK).summary())
    assert "\x1b" not in told
    assert "a[\\x1b[31mred]" in told
    assert "a[Łódź]" in told
