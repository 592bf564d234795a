"""What learned fits say of what they cannot do, and of values that they would not use."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import gendsl
from gendsl.diagnostics import DataError
from gendsl.fit import Fit
from gendsl.lacking import EXACT
from gendsl.learned_fit import LearnedFit
from gendsl.likelihood_fit import LikelihoodFit

QUICK = {"progress": False, "epochs": 2, "batch_size": 20, "seed": 1}
RNG = np.random.default_rng(0)
MADE = """\
model Made
plate row
dim D = 4
net f: real[D] -> causal real[D] = made(hidden=[8])
observe x[row]: binary[D] ~ Bernoulli(logits=f(x))
"""
FLOW = """\
model Flow
plate row
flow f: real[2] = coupling(affine(), layers=1, hidden=[4])
observe x[row]: real[2] ~ Normal(0, 1) |> f
"""
BITS = {"x": RNG.integers(0, 2, (60, 4))}
GROUPS = """\
model Groups
plate row
plate kind = 2
net decode: (real[2], index(kind)) -> real[4] = mlp(hidden=[8])
net classify: real[4] -> real[kind] = linear()
latent z[row]: real[2] ~ Normal(0, 1)
observe label[row]: index(kind)? ~ Categorical(logits=zeros(kind))
observe x[row]: binary[4] ~ Bernoulli(logits=decode(z, label))
guide label ~ Categorical(logits=classify(x))
"""
MIXTURE = """\
model Mixture
plate row
plate kind = 2
net decode: real[2] -> real[4] = mlp(hidden=[4])
param centre[kind]: real[2]
latent k[row]: index(kind) ~ Categorical(logits=zeros(kind))
latent z[row]: real[2] ~ Normal(centre[k], 1)
observe x[row]: real[4] ~ Normal(decode(z), 1)
"""
CHAIN = """\
model Chain
plate song
sequence t[song]
net step: real[1] -> real[1] = linear()
latent z[song, 0]: real[1] ~ Normal(0, 1)
latent z[song, t]: real[1] ~ Normal(step(z[t-1]), 1)
observe x[song, t]: real[1] ~ Normal(z, 1)
"""
GAPS = """\
model Gaps
plate row
net encode: real[2]? -> (loc: real, scale: positive) = mlp(hidden=[4])
latent z[row] ~ Normal(0, 1)
observe x[row]: real[2]? ~ Normal(z, 1)
guide z ~ Normal(encode(x))
"""
SONGS = [RNG.normal(size=(3 + 3 * (i % 2), 1)) for i in range(20)]


@cache
def made():
    return gendsl.compile(MADE).fit(BITS, **QUICK)


@cache
def flow():
    return gendsl.compile(FLOW).fit({"x": RNG.normal(size=(60, 2))}, **QUICK)


@cache
def groups():
    label = np.arange(80) % 2
    likely = np.where(label[:, None] == np.arange(4) // 2, 0.95, 0.05)
    data = {"x": RNG.random((80, 4)) < likely, "label": label.astype(float)}
    data["label"][::4] = np.nan
    options = {**QUICK, "epochs": 40, "learning_rate": 0.03}
    return gendsl.compile(GROUPS).fit(data, **options)


@cache
def mixture():
    return gendsl.compile(MIXTURE).fit({"x": RNG.normal(size=(40, 4))}, **QUICK)


@cache
def chain():
    return gendsl.compile(CHAIN).fit({"x": SONGS}, **QUICK)


# Fits without latents


WITHOUT = {
    "encode": lambda fit: fit.encode(),
    "reconstruct": lambda fit: fit.reconstruct(),
    "decode": lambda fit: fit.decode({}),
    "interpolate": lambda fit: fit.interpolate({}, {}, 3),
    "aggregated": lambda fit: fit.aggregated(),
    "impute": lambda fit: fit.impute({"row": 3}),
    "plot reconstructions": lambda fit: fit.plot("reconstructions"),
    "plot interpolation": lambda fit: fit.plot("interpolation"),
    "plot latents": lambda fit: fit.plot("latents"),
}


@pytest.mark.parametrize("fit", [made, flow])
@pytest.mark.parametrize("name", WITHOUT)
def test_fits_without_latents_say_so_and_what_they_have(name, fit):
    with pytest.raises(DataError, match=r"GD862.*no latents to") as caught:
        WITHOUT[name](fit())
    more = ", `fit.complete`" if fit is made else ""
    remedy = f"help: this fit has `fit.log_prob`, `fit.generate`{more}"
    assert str(caught.value).splitlines()[-1] == remedy


@pytest.mark.parametrize("fit", [made, flow])
@pytest.mark.parametrize("use", ["generate", "predict"])
def test_values_that_would_be_drawn_anew_are_refused(use, fit):
    x = np.zeros((3, 4 if fit is made else 2))
    with pytest.raises(DataError, match=r"GD874.*`x` is given") as caught:
        fit().generate(3, {"x": x}) if use == "generate" else fit().predict({"x": x})
    assert "`fit.log_prob` scores rows" in str(caught.value)
    fit().predict({"row": 3}, draws=2)


def test_every_picture_that_suits_is_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(Fit, "save_plots", lambda fit, folder: [])
    names = [p.name for p in made().save_plots(tmp_path / "made")]
    assert names == ["training.png", "samples.png"]
    names = [p.name for p in mixture().save_plots(tmp_path / "mixture")]
    assert {"training.png", "samples.png", "reconstructions.png", "latents.png"} <= {*names}


def test_plots_of_learned_fits_are_listed():
    with pytest.raises(DataError, match=r"GD816.*\n.*predictive, training, samples, .*save_plots"):
        made().plot("all")
    assert mixture().plot("latents").axes[0].get_xlabel() == "z[0]"
    with pytest.raises(DataError, match="`k` is one number.*\n.*`var_names`"):
        mixture().plot("latents", "k")


# Values that are given


def test_rows_of_a_class_are_generated():
    rows = np.arange(200) % 2
    found = groups().generate(200, {"label": rows}, seed=2)
    np.testing.assert_array_equal(found["label"], rows)
    x = found["x"].to_numpy().reshape(200, 2, 2).mean(2)
    assert x[rows == 0, 0].mean() > 0.75 > 0.25 > x[rows == 0, 1].mean()
    assert x[rows == 1, 1].mean() > 0.75 > 0.25 > x[rows == 1, 0].mean()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"label": [0, np.nan]}, "GD874.*missing in some of them"),
        ({"label": [0, 2]}, "GD740"),
        ({"label": [0, 1, 0]}, "GD862.*has the size 3 along `row`, not 2"),
        ({"x": np.zeros((2, 4))}, "GD874.*nothing else depends on it"),
    ],
)
def test_what_rows_cannot_be_generated_given(data, message):
    with pytest.raises(DataError, match=message):
        groups().generate(2, data)


def test_options_of_new_rows_that_mean_nothing_are_refused():
    with pytest.raises(DataError, match=r"GD862.*`length` is that of sequences"):
        groups().generate(2, length=3)
    with pytest.raises(DataError, match=r"GD892.*entry after entry"):
        groups().generate(2, temperature=0.5)


@pytest.mark.parametrize("label", [2, -1, 0.5])
def test_categories_that_do_not_exist_are_not_decoded(label):
    with pytest.raises(DataError, match=r"GD740.*label\[0\] is"):
        groups().decode({"z": np.zeros((1, 2)), "label": [label]})


def test_what_may_be_missing_need_not_be_given_to_be_scored():
    x = np.eye(4)
    absent = groups().score({"x": x}, particles=20, seed=3)
    missing = groups().score({"x": x, "label": np.full(4, np.nan)}, particles=20, seed=3)
    assert absent.log_likelihood.mean == missing.log_likelihood.mean
    found = groups().evaluate({"x": x}, draws=20, seed=3)
    assert found.log_predictive_density == pytest.approx(absent.log_likelihood.total)


def test_rows_of_which_nothing_is_known_are_refused():
    x = np.where(RNG.random((40, 2)) < 0.2, np.nan, 1.0)
    fit = gendsl.compile(GAPS).fit({"x": x}, **QUICK)
    for use in (fit.encode, fit.score):
        with pytest.raises(DataError, match=r"GD862.*need a value.*`x`"):
            use({})
    assert fit.encode({"x": np.full((3, 2), np.nan)})["z"].shape == (3,)


# Ragged sequences


def test_predictions_end_where_sequences_end():
    for found in (chain().predict({}, draws=2), chain().posterior_predictive(draws=2)):
        gaps = np.isnan(found["x"].to_numpy()[0, 0, :, :, 0])
        np.testing.assert_array_equal(gaps.sum(1), np.where(np.arange(20) % 2, 0, 3))
        assert gaps[::2, 3:].all()


def test_sequences_of_several_lengths_have_no_aggregated_density():
    found = chain().aggregated()
    assert not found.kl
    assert "have no density" not in str(found)
    assert "`t` has steps, which differ between rows" in found.refused["z"]
    even = chain().aggregated({"x": SONGS[::2]})
    assert "is given its draws at earlier ones" in even.refused["z"]
    text = CHAIN + "guide z ~ Normal(x, 1)\n"
    even = gendsl.compile(text).fit({"x": SONGS[::2]}, **QUICK).aggregated()
    assert even.information["z"].mean > -5 * even.information["z"].standard_error
    assert not even.mmd
    assert even.refused["z"] == "MMD^2: the prior of z at a step depends on earlier ones"


# Trainings


class Items(Dataset):
    """Forty items, of which number 31 is not like the others."""

    def __init__(self, what):
        self.what = what

    def __len__(self):
        return 40

    def __getitem__(self, number):
        if number == 31 and self.what == "raises":
            raise ValueError("no such file")
        width = 2 if number == 31 and self.what == "width" else 4
        return {"x": torch.full((width,), 5 if number == 31 else 1)}


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("raises", r"GD852.*item 31 .*\(counted from 0\).*ValueError: no such file"),
        ("width", r"GD852.*item 31 .*\(counted from 0\) is not like item"),
        ("value", r"GD730.*row 31, entry 0 is 5.*\(counted from 0\)"),
    ],
)
def test_items_that_are_not_like_the_others_are_named(what, message):
    with pytest.raises(DataError, match=message):
        gendsl.compile(MADE).fit(Items(what), **QUICK)
    if what != "value":
        loader = DataLoader(Items(what), batch_size=20)
        with pytest.raises(DataError, match=r"GD852.*batch 1 of the loader"):
            gendsl.compile(MADE).fit(loader, held_out=0.0, progress=False, epochs=1)


def test_a_checkpoint_with_more_epochs_than_asked_for_is_refused(tmp_path):
    model, options = gendsl.compile(MADE), {**QUICK, "checkpoint": tmp_path, "resume": True}
    model.fit(BITS, **{**options, "epochs": 3})
    with pytest.raises(DataError, match=r"GD854.*gone 3 epochs, more than the 2"):
        model.fit(BITS, **options)


def test_a_warm_up_that_does_not_end_is_told():
    data = {"x": RNG.normal(size=(40, 4))}
    fit = gendsl.compile(MIXTURE).fit(data, kl_warmup=9, **QUICK)
    told = "`kl_warmup` is 9 epochs, but the training had 2"
    assert told in str(fit.summary().verdict)
    fit = gendsl.compile(MIXTURE).fit(data, kl_warmup=2, **QUICK)
    assert "never had its whole weight" not in str(fit.summary().verdict)


# What is not there


def test_fits_say_that_they_have_no_exact_densities():
    with pytest.raises(AttributeError, match=r"by `svi` has no `log_prob`.*by `mle`.*fit\.score"):
        mixture().log_prob  # noqa: B018
    with pytest.raises(AttributeError, match=r"has no `complete`"):
        mixture().complete  # noqa: B018
    own = {n for n in dir(LikelihoodFit) if not n.startswith("_")} - {*dir(LearnedFit)}
    assert own == EXACT.keys()
