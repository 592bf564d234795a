"""What a learned fit is used for: missing values, paths, the aggregated posterior, pictures."""

from __future__ import annotations

from functools import cache
from math import log, sqrt

import numpy as np
import pytest
from failure_budget import share
from matplotlib.figure import Figure
from scipy import stats

import gendsl
from gendsl.diagnostics import DataError

# Two numbers with the correlation 0.8: given one, the other has the mean 0.8 x and the sd 0.6
# (inventory G36). The guide is the posterior, with the mean shifted by `offset`.
PAIR = """\
model Pair
plate n
param w = 0.49690399499995325
latent z[n] ~ Normal(0, 1)
observe x[n]: real[2]{gap} ~ Normal(z * 0.8944271909999159, 0.4472135954999579)
guide z ~ Normal(w * sum(x) + {offset}, 0.3333333333333333)
"""
GAPS = """\
model Gaps
plate n
net encode: real[2]? -> (loc: real, scale: positive) = mlp(hidden=[8])
latent z[n] ~ Normal(0, 1)
observe x[n]: real[2]? ~ Normal(z * 0.8944271909999159, 0.4472135954999579)
guide z ~ Normal(encode(x))
"""
STILL = {"epochs": 1, "learning_rate": 1e-8, "progress": False, "draws": 5, "seed": 0}
DRAWS = 4000
RNG = np.random.default_rng(3)
X = RNG.normal(size=(600, 1)) * sqrt(0.8) + RNG.normal(size=(600, 2)) * sqrt(0.2)
WITH_GAPS = np.array([[1.5, np.nan], [-1.0, np.nan], [np.nan, 0.5], [np.nan, np.nan]])


@cache
def pair(offset=0):
    return gendsl.compile(PAIR.format(gap="", offset=offset)).fit({"x": X}, **STILL)


@pytest.mark.parametrize("absent", [False, True])
def test_missing_values_have_their_conditional_law(absent):
    found = pair().impute({"n": 3} if absent else {"x": WITH_GAPS}, draws=DRAWS, sweeps=30, seed=1)
    assert found.attrs["method"] == "pseudo-Gibbs, 30 sweeps from draws of the model"
    draws = found["x"].to_numpy()[0]
    if absent:
        means, sds, entries = np.zeros(6), np.ones(6), draws.reshape(DRAWS, 6)
    else:
        known = np.array([1.5, -1.0, 0.5])
        means, sds = np.append(0.8 * known, [0, 0]), np.array([0.6, 0.6, 0.6, 1, 1])
        np.testing.assert_array_equal(draws[:, [0, 1, 2], [0, 0, 1]], np.tile(known, (DRAWS, 1)))
        entries = draws[:, [0, 1, 2, 3, 3], [1, 1, 0, 0, 1]]
    p = share(4 * len(means))
    spread = stats.norm.isf(p / 2) * sds / sqrt(DRAWS)
    assert (np.abs(entries.mean(0) - means) < spread).all()
    low, high = stats.chi2.ppf([p / 2, 1 - p / 2], DRAWS - 1) / (DRAWS - 1)
    ratios = entries.var(0, ddof=1) / sds**2
    assert ((low < ratios) & (ratios < high)).all()


def test_a_guide_that_takes_gaps_is_weighed():
    x = np.where(RNG.random(X.shape) < 0.3, np.nan, X)
    quick = {"epochs": 15, "batch_size": 50, "learning_rate": 0.01, "progress": False, "seed": 1}
    fit = gendsl.compile(GAPS).fit({"x": x}, draws=5, **quick)
    found = fit.impute({"x": WITH_GAPS}, draws=DRAWS, particles=4000, seed=1)
    assert found.attrs["method"].startswith("importance resampling of 4000 draws")
    draws = found["x"].to_numpy()[0][:, [0, 1, 2, 3], [1, 1, 0, 0]]
    np.testing.assert_allclose(draws.mean(0), [1.2, -0.8, 0.4, 0.0], atol=0.1)
    np.testing.assert_allclose(draws.std(0), [0.6, 0.6, 0.6, 1.0], atol=0.08)


def test_the_aggregated_posterior_is_the_prior_of_a_right_guide():
    found = pair().aggregated(seed=2)
    assert found.draws["z"].shape == (600,)
    kl, information, mmd = (part["z"] for part in (found.kl, found.information, found.mmd))
    assert abs(kl.mean) < 0.02
    assert abs(information.mean - 0.5 * log(9)) < 5 * information.standard_error
    assert abs(mmd.mean) < 5 * mmd.standard_error
    assert "KL(q(z) || p(z))" in str(found)


def test_the_aggregated_posterior_of_a_shifted_guide_is_as_far_as_two_normals():
    found = pair(1).aggregated(seed=2)
    assert abs(found.kl["z"].mean - 0.5) < 0.03 + 5 * found.kl["z"].standard_error
    assert abs(found.mmd["z"].mean - 0.177268) < 5 * found.mmd["z"].standard_error
    assert found.mmd["z"].standard_error < 0.03


PLANE = """\
model Plane
plate image
dim D = 12
net decode: real[3] -> real[D] = linear()
net encode: real[D] -> (loc: real[3], scale: positive[3]) = linear()
input kind[image]: index(4)
latent z[image]: real[3] ~ Normal(0, 1)
observe x[image]: real[D] ~ Normal(decode(z), 1)
observe y[image] ~ Normal(z[0], 1)
guide z ~ Normal(encode(x))
"""


@cache
def plane():
    rng = np.random.default_rng(0)
    data = {"x": rng.normal(size=(60, 12)), "kind": np.arange(60) % 4, "y": rng.normal(size=60)}
    options = {**STILL, "learning_rate": 0.01, "epochs": 4, "batch_size": 10}
    return gendsl.compile(PLANE).fit(data, held_out=0.2, **options)


def test_a_straight_path_is_decoded_to_a_straight_line():
    fit = plane()
    codes = fit.encode()
    inputs = {"kind": [0, 0, 0, 0, 0]}
    path = fit.interpolate(codes.isel(image=3), codes.isel(image=[7]), 5, data=inputs)
    np.testing.assert_allclose(path.z[[0, 4]], codes.z[[3, 7]], atol=1e-6)
    np.testing.assert_allclose(np.diff(path.x, 2, axis=0), 0, atol=1e-5)
    again = fit.reconstruct()
    np.testing.assert_allclose(path.x[[0, 4]], again.x[[3, 7]], atol=1e-5)


def test_a_spherical_path_turns_evenly():
    a, b = {"z": [3.0, 0.0, 0.0]}, {"z": [0.0, 0.0, 2.0]}
    path = plane().interpolate(a, b, 4, how="spherical", data={"kind": [0] * 4})
    lengths = np.linalg.norm(path.z, axis=1)
    np.testing.assert_allclose(lengths, np.linspace(3, 2, 4))
    angles = np.arctan2(path.z[:, 2], path.z[:, 0])
    np.testing.assert_allclose(angles, np.linspace(0, np.pi / 2, 4), atol=1e-12)


def test_scores_say_of_which_rows_they_are():
    fit = plane()
    scores = {rows: fit.score(particles=3, rows=rows) for rows in ("all", "trained", "held_out")}
    rows = {name: found.elbo.rows for name, found in scores.items()}
    assert rows == {"all": 60, "trained": 48, "held_out": 12}
    assert "60 rows, 12 of them held out" in str(scores["all"])
    assert "bits/dim" not in str(scores["all"])  # densities have no bits
    parts = 48 * scores["trained"].terms["kl.z"].mean + 12 * scores["held_out"].terms["kl.z"].mean
    assert parts / 60 == pytest.approx(scores["all"].terms["kl.z"].mean, rel=1e-5)


def test_summaries_of_many_rows_are_sentences():
    fit = plane()
    text = str(fit.summary())
    assert "`z` has a law for each of 60 rows of `image`" in text
    assert "z[" not in text
    assert len(fit.summary("z").table) == 180
    assert fit.params == {}
    assert set(fit.nets) == {"decode", "encode"}
    assert float(pair().params["w"]) == pytest.approx(0.4969, abs=1e-4)


def test_a_training_that_finds_no_checkpoint_says_so(tmp_path):
    options = {**STILL, "checkpoint": tmp_path / "kept", "resume": True}
    fit = gendsl.compile(PAIR.format(gap="", offset=0)).fit({"x": X}, **options)
    assert "the training began anew" in str(fit.summary().verdict)


PANELS = {"training": 6, "samples": 20, "reconstructions": 20, "latents": 1}


@pytest.mark.parametrize("kind", PANELS)
def test_pictures_have_a_panel_for_each_thing(kind):
    options = {} if kind in ("training", "latents") else {"height": 3, "width": 4}
    if kind == "latents":
        options["label"] = "kind"
    if kind == "samples":
        with pytest.raises(DataError, match="the data have no `kind`"):
            plane().plot(kind, rows=12, **options)
        return
    figure = plane().plot(kind, rows=10, **options)
    assert isinstance(figure, Figure)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    expected = PANELS[kind]
    assert len(panels) == expected
    if kind == "reconstructions":
        assert panels[0].images[0].get_array().shape == (3, 4)
    if kind == "latents":
        assert len(panels[0].get_legend().get_texts()) == 4
    figure.canvas.draw()


def test_pictures_of_vectors_that_are_no_squares_ask_for_their_shape():
    with pytest.raises(DataError, match="12 numbers, which is no square"):
        plane().plot("reconstructions")
    with pytest.raises(DataError, match="12 numbers, not 5 by 4"):
        plane().plot("reconstructions", height=5, width=4)
