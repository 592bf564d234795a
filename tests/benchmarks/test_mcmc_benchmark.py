"""The benchmark of samplers: its models take its data, and its figures are right."""

import json
import sys
from importlib import util
from pathlib import Path

import numpy as np
import pytest

import gendsl

FOLDER = Path(__file__).parents[2] / "benchmarks" / "mcmc"


def loaded(name):
    spec = util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    module = util.module_from_spec(spec)
    sys.modules[spec.name] = module  # data classes look their module up
    spec.loader.exec_module(module)
    return module


cases, judging, session = loaded("cases"), loaded("judging"), loaded("session")


@pytest.mark.parametrize("name", cases.CASES)
def test_model_takes_the_data(name):
    case = cases.CASES[name]
    model = gendsl.load(case.folder / "model.gen")
    bound = model.bind(cases.data_of(name))
    assert set(case.sizes.values()) <= set(bound.sizes.values())
    latents = {v.name for v in model.compiled.checked.ir.of_role("latent")}
    assert set(case.quantities) == latents - {"z"}


@pytest.mark.parametrize("name", cases.CASES)
def test_data_are_the_same_at_every_call(name):
    first, second = cases.data_of(name), cases.data_of(name)
    assert all(np.array_equal(first[n], second[n]) for n in first)


def test_judgement_of_independent_draws():
    rng = np.random.default_rng(1)
    found = judging.judged(
        {"b": rng.normal(3, 2, size=(4, 1000, 2)), "a": rng.normal(size=(4, 1000))}
    )
    assert found["labels"] == ["a", "b[0]", "b[1]"]
    assert found["ess"] == pytest.approx(4000, rel=0.15)
    assert found["rhat"] == pytest.approx(1, abs=0.01)
    assert found["errors"][1] == pytest.approx(2 / np.sqrt(4000), rel=0.15)


def test_judgement_of_an_autoregression():
    """Effective size of the mean of an AR(1) process with coefficient r: n (1 - r) / (1 + r)."""
    rng, r = np.random.default_rng(2), 0.9
    values = rng.normal(size=(4, 5000))
    for t in range(1, 5000):
        values[:, t] = r * values[:, t - 1] + np.sqrt(1 - r**2) * values[:, t]
    assert judging.judged({"a": values})["ess"] == pytest.approx(20_000 * 0.1 / 1.9, rel=0.2)


def test_means_that_differ_are_told_from_those_that_agree():
    rng = np.random.default_rng(3)

    def runs(shift):
        return [judging.judged({"a": rng.normal(shift, 1, size=(4, 500))}) for _ in range(3)]

    assert not judging.disagreement(runs(0), runs(0))["differs"]
    assert judging.disagreement(runs(0), runs(0.15))["differs"]


def test_draws_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        judging.judged({"a": np.full((4, 100), np.nan)})


def test_protocol_writes_a_run_for_each_seed(tmp_path, monkeypatch):
    np.savez(tmp_path / "data.npz", y=np.zeros(2))
    told = {"sizes": {"N": 2}, "quantities": ["a"]}
    (tmp_path / "case.json").write_text(json.dumps(told), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["x", str(tmp_path), str(tmp_path), "--seeds", "1", "2"])
    calls = []

    def sampled(model, seed):
        calls.append(seed)
        return {"a": np.full((4, 10), float(seed)), "other": np.zeros(1)}, {"divergences": seed}

    session.run({"x": "1"}, lambda *_: None, sampled)
    assert calls == [1, 1, 2]  # the first one twice: what it puts off is compilation
    assert json.loads((tmp_path / "seed-2.json").read_text())["divergences"] == 2
    assert set(json.loads((tmp_path / "compile.json").read_text())) == {"wall", "cpu", "versions"}
    with np.load(tmp_path / "draws-2.npz") as draws:
        assert draws.files == ["a"]
        assert (draws["a"] == 2).all()
