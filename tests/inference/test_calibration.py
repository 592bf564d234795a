"""Calibrations of methods that are right, and of some that are wrong on purpose."""

from __future__ import annotations

import json
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
import xarray as xr
from failure_budget import share

import gendsl
from gendsl.runtime.calibration import replication, running
from gendsl.runtime.calibration.replication import Source

NORMAL = """\
model Normal
plate n
latent mu ~ Normal(0, 1)
let double = 2 * mu
observe y[n] ~ Normal(mu, 1)
"""
COIN = """\
model Coin
plate n
latent fair ~ Bernoulli(0.5)
latent side[n] ~ Bernoulli(0.2 + 0.3 * fair)
observe y[n] ~ Normal(side, 1)
"""
GROUPS = """\
model Groups
plate g
plate n
input k[n]: index(g)
latent mu ~ Normal(0, 1)
latent tau ~ HalfNormal(1)
latent a[g] ~ Normal(mu, tau)
latent w[g]: simplex[3] ~ Dirichlet(ones(3))
observe y[n] ~ Normal(a[k], 1)
"""
MEMBERS = {"k": list("aabbccddeeff")}
QUIET = {"progress": False, "cores": 1}


class Conjugate:
    """The exact posterior of `NORMAL`, in place of an engine; wrong on request."""

    def __init__(self, scale: float = 1.0, shift: float = 0.0, *, prior: bool = False) -> None:
        self.scale, self.shift, self.prior = scale, shift, prior

    def __call__(self, compiled, bound, settings):
        y = bound.values["y"]
        precision = 1 if self.prior else 1 + len(y)
        mean = 0 if self.prior else y.sum() / precision
        draws = int(compiled.plan.options["draws"])
        z = np.random.default_rng(settings.seed).normal(size=(1, draws))
        mu = mean + (self.shift + self.scale * z) / sqrt(precision)
        group = xr.Dataset(
            {n: (("chain", "draw"), v) for n, v in (("mu", mu), ("double", 2 * mu))}
        )
        tree = xr.DataTree.from_dict({"posterior": group})
        tree.attrs["kind"] = "exact"
        return compiled, tree, None


@pytest.fixture
def engine(monkeypatch):
    """Calibrate `NORMAL` with another engine."""

    def run(found: Conjugate, replications: int = 120, **options) -> gendsl.Calibration:
        monkeypatch.setattr(replication, "run_engine", found)
        given = {"sizes": {"n": 5}, "infer": "nuts", "draws": 99, **QUIET, **options}
        return gendsl.compile(NORMAL).calibrate(replications=replications, **given)

    return run


def test_the_exact_posterior_is_calibrated(engine):
    found = engine(Conjugate(), quantities=["mu", "double", "lp", "log_likelihood"])
    assert list(found.table.index) == ["mu", "double", "lp", "log_likelihood"]
    assert found.p_value > share()
    assert (found.ranks.mu == found.ranks.double).all()
    assert found.table.loc["mu", "z_sd"] == pytest.approx(1, abs=0.3)
    assert found.table.loc["mu", "contraction"] == pytest.approx(5 / 6, abs=0.08)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (Conjugate(scale=0.3), "too narrow"),
        (Conjugate(scale=3.0), "too wide"),
        (Conjugate(shift=1.0), "too high"),
        (Conjugate(shift=-1.0), "too low"),
    ],
)
def test_wrong_posteriors_are_detected(engine, wrong, word):
    found = engine(wrong)
    assert found.table.p_value["mu"] < share()
    assert found.verdict.status == "do not trust"
    assert f"mu (posteriors {'lie' if 'o h' in word or 'o l' in word else 'are'} {word})" in str(
        found.verdict
    )


def test_a_posterior_that_ignores_the_data_is_detected_by_the_densities(engine):
    """Its ranks of the latent itself are uniform (Modrák et al. 2023)."""
    found = engine(Conjugate(prior=True))
    assert found.table.p_value["mu"] > share()
    assert found.table.p_value["log_likelihood"] < share()
    assert found.verdict.exit_status == 3


def test_data_of_another_prior_are_detected(engine, monkeypatch):
    draw = Source.draw
    wide = gendsl.compile(NORMAL.replace("Normal(0, 1)\nlet", "Normal(0, 6)\nlet"))

    def other(self, seed):
        return draw(Source(wide.compiled, self.inputs), seed)

    monkeypatch.setattr(Source, "draw", other)
    assert engine(Conjugate()).table.p_value["mu"] < share()


def test_nuts_is_calibrated_on_groups():
    model = gendsl.compile(GROUPS)
    options = {"warmup": 200, "draws": 150, "kept": 49}
    found = model.calibrate(MEMBERS, replications=15, **QUIET, **options)
    labels = list(found.table.index)
    assert labels[:2] == ["mu", "tau"]
    assert labels[-2:] == ["lp", "log_likelihood"]
    assert sum(name.startswith("a[") for name in labels) == 4
    assert sum(name.startswith("w[") for name in labels) == 4
    assert all(r.state == "done" for r in found.records)
    assert all(r.effective >= 49 for r in found.records)
    assert found.p_value > share()


def test_exact_posteriors_of_real_engines_are_calibrated():
    """A conjugate model: nothing is sampled, draws are independent, and none is thrown away."""
    found = gendsl.compile(NORMAL).calibrate(sizes={"n": 4}, replications=60, **QUIET)
    assert found.contents.facts["method"] == "exact"
    assert {(r.effective, r.draws) for r in found.records} == {(None, 99)}
    assert found.p_value > share()


def test_discrete_latents_are_ranked_with_ties():
    found = gendsl.compile(COIN).calibrate(sizes={"n": 3}, replications=60, seed=2, **QUIET)
    assert list(found.table.index)[0] == "fair"
    assert found.p_value > share()
    assert {r.effective for r in found.records} == {None}
    assert found.ranks.fair.nunique() > 20


def test_replications_are_the_same_however_they_are_run():
    """In this process, in workers, and in two parts."""
    model = gendsl.compile(GROUPS)
    options = {"seed": 3, "warmup": 50, "draws": 50, "kept": 19, "progress": False}
    alone = model.calibrate(MEMBERS, replications=4, cores=1, **options)
    apart = model.calibrate(MEMBERS, replications=4, cores=2, **options)
    fewer = model.calibrate(MEMBERS, replications=2, cores=1, **options)
    other = model.calibrate(MEMBERS, replications=2, cores=1, **{**options, "seed": 4})
    assert alone.ranks.equals(apart.ranks)
    assert alone.ranks.iloc[:2].equals(fewer.ranks)
    assert not fewer.ranks.equals(other.ranks)


def test_an_interrupted_calibration_goes_on(engine, tmp_path, monkeypatch):
    whole = engine(Conjugate(), 12, seed=5)
    replicate = running.replicate

    def stop(study, number):
        if number == 7:
            raise KeyboardInterrupt
        return replicate(study, number)

    monkeypatch.setattr(running, "replicate", stop)
    part = engine(Conjugate(), 12, seed=5, out=tmp_path / "cal")
    monkeypatch.setattr(running, "replicate", replicate)
    assert (part.interrupted, len(part.records)) == (True, 7)
    assert "stopped after 7 of 12" in str(part.verdict)
    assert gendsl.load_calibration(tmp_path / "cal").ranks.equals(whole.ranks.iloc[:7])

    lines = tmp_path / "cal" / "replications.jsonl"
    lines.write_text(lines.read_text()[:-40])  # as if the last line had been cut short
    again = engine(Conjugate(), 12, seed=5, out=tmp_path / "cal", resume=True)
    assert again.ranks.equals(whole.ranks)
    assert not again.interrupted
    loaded = gendsl.load_calibration(tmp_path / "cal")
    assert loaded.table.equals(whole.table)
    assert str(loaded) == str(whole)
    more = engine(Conjugate(), 15, seed=5, out=tmp_path / "cal", resume=True)
    assert more.ranks.iloc[:12].equals(whole.ranks)
    assert len(more.ranks) == 15


def test_what_is_saved_is_plain(engine, tmp_path):
    found = engine(Conjugate(), 4)
    folder = found.save(tmp_path / "cal")
    assert sorted(p.name for p in folder.iterdir()) == [
        *("calibration.json", "data.npz", "model.gen"),
        *("quantities.csv", "ranks.csv", "replications.jsonl"),
    ]
    facts = json.loads((folder / "calibration.json").read_text())
    assert facts["found"]["verdict"] == found.verdict.status
    assert set(facts["files"]) == {p.name for p in folder.iterdir()} - {"calibration.json"}
    assert gendsl.load_calibration(folder).ranks.equals(found.ranks)
    pictures = found.save_plots(tmp_path / "plots")
    assert [p.name for p in pictures] == ["ecdf.png", "histogram.png"]


def test_failed_replications_are_told(engine, monkeypatch):
    conjugate = Conjugate()
    calls = iter(range(10**6))

    def sometimes(compiled, bound, settings):
        if next(calls) % 4 == 0:
            raise ValueError("the sampler gave up")
        return conjugate(compiled, bound, settings)

    found = engine(sometimes, 60)
    assert len(found.ranks) == 45
    assert sum(r.state == "failed" for r in found.records) == 15
    assert found.verdict.status == "do not trust"
    assert "15 of 60 replications failed" in str(found.verdict)
    assert "the sampler gave up" in str(found.verdict)


def test_data_that_cannot_be_drawn_are_failures_with_a_reason():
    text = "model M\nplate n\nlatent m ~ Normal(0, 400)\nobserve y[n] ~ Poisson(exp(m))"
    model = gendsl.compile(text)
    found = model.calibrate(
        sizes={"n": 2}, replications=4, warmup=5, draws=10, kept=9, quantities=["m"], **QUIET
    )
    reasons = [r.reason for r in found.records if r.state == "failed"]
    assert reasons
    assert all(reasons)
    assert "failed and have no ranks" in str(found.verdict)


def test_fits_are_lengthened_until_enough_draws_are_independent():
    model = gendsl.compile(GROUPS)
    options = {"warmup": 50, "draws": 20, "kept": 59}
    found = model.calibrate(MEMBERS, replications=2, seed=1, **QUIET, **options)
    for record in found.records:
        assert record.lengthened in (2, 4, 8)
        assert record.draws == 2 * 20 * record.lengthened


def test_missing_values_stay_missing():
    text = "model M\nplate n\nlatent m ~ Normal(0, 1)\nobserve y[n]: real? ~ Normal(m, 1)"
    data = {"y": [1.0, np.nan, 2.0, np.nan]}
    model = gendsl.compile(text)
    inputs = model.bind(data, purpose="simulate")
    source = Source(model.compiled, inputs)
    drawn = source.draw(1)
    assert np.isfinite(drawn["y"]).all()
    assert source.bound(drawn).missing["y"].tolist() == [False, True, False, True]


def test_entries_are_chosen_by_the_seed():
    model = gendsl.compile(
        NORMAL.replace("latent mu ~", "latent mu[n] ~").replace("let double", "let double[n]")
    )
    names = [
        list(
            model.calibrate(
                sizes={"n": 30},
                replications=1,
                seed=s,
                infer="nuts",
                warmup=10,
                draws=20,
                kept=3,
                **QUIET,
            ).table.index
        )
        for s in (1, 1, 2)
    ]
    assert names[0] == names[1] != names[2]
    assert len(names[0]) == 4 + 2


def test_the_log_densities_are_those_of_the_model():
    """Against `Model.log_density`, which is tested against the independent evaluator."""
    model = gendsl.compile(GROUPS)
    found = model.calibrate(
        MEMBERS, replications=2, warmup=20, draws=20, kept=9, quantities=["lp"], **QUIET
    )
    for record in found.records:
        source = Source(model.compiled, model.bind(MEMBERS, purpose="simulate"))
        truth = source.draw(replication.seeds_of(0, record.number)[0])
        data = {**MEMBERS, "y": truth["y"]}
        unknown = {n: truth[n] for n in ("mu", "tau", "a", "w")}
        assert record.truth[0] == pytest.approx(model.log_density(unknown, data), rel=1e-9)


def test_a_record_of_a_fit_that_was_not_independent_is_told(engine):
    found = engine(Conjugate(), 60)
    worse = [replace(r, effective=50.0, r_hat=1.2, divergences=3) for r in found.records]
    told = str(replace(found, records=tuple(worse)).verdict)
    assert "60 of 60 replications had fewer than 99 independent draws" in told
    assert "60 of 60 replications have an R-hat above 1.05" in told
    assert "60 of 60 replications had divergent transitions" in told
    assert "verdict: caution" in told
