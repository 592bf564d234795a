"""Binary data that are drawn anew for every batch, and the digits that they are for."""

from __future__ import annotations

import numpy as np
import pytest

import gendsl
from gendsl.diagnostics import DataError
from gendsl.runtime.variational import learning

TEXT = """\
model Pixels
plate image
net decode: real[2] -> real[6] = linear()
latent z[image]: real[2] ~ Normal(0, 1)
observe x[image]: binary[6] ~ Bernoulli(logits=decode(z))
"""

DIGITS = """\
model Digits
plate image
dim L = 50
dim D = 784
net decode: real[L] -> real[D] = mlp(hidden=[200, 200], activation=tanh)
latent z[image]: real[L] ~ Normal(0, 1)
observe x[image]: binary[D] ~ Bernoulli(logits=decode(z))
"""


def test_the_one_draw_has_the_probabilities():
    grey = np.array([[0.0, 1.0, 0.25]] * 40_000)
    drawn = np.asarray(gendsl.Binarised(grey, seed=2))
    assert set(np.unique(drawn)) == {0, 1}
    assert drawn.mean(0) == pytest.approx([0, 1, 0.25], abs=0.015)  # 7 standard errors
    assert np.array_equal(drawn, gendsl.Binarised(grey, seed=2))
    assert not np.array_equal(drawn, gendsl.Binarised(grey, seed=3))


@pytest.mark.parametrize("wrong", [[1.5], [-0.1], [float("nan")], ["a"]])
def test_what_are_no_probabilities_is_refused(wrong):
    with pytest.raises(DataError) as caught:
        gendsl.Binarised(wrong)
    assert caught.value.diagnostics[0].code == "GD863"


def test_batches_see_fresh_draws(monkeypatch):
    grey = np.full((30, 6), 0.5)
    seen = []
    call = learning._Step.__call__

    def noted(self, batch, state):
        assert not any(name == "x" for name in batch)
        return call(self, batch, state)

    anew = learning.Rows.anew

    def watched(self, batch):
        found = anew(self, batch)
        seen.append(found["x"].numpy().copy())
        return found

    monkeypatch.setattr(learning._Step, "__call__", noted)
    monkeypatch.setattr(learning.Rows, "anew", watched)
    gendsl.compile(TEXT).fit(
        {"x": gendsl.Binarised(grey)}, epochs=40, batch_size=15, draws=5, progress=False
    )
    drawn = np.stack(seen)
    assert set(np.unique(drawn)) == {0.0, 1.0}
    assert drawn.mean() == pytest.approx(0.5, abs=7 * 0.5 / drawn.size**0.5)
    assert len({d.tobytes() for d in seen}) == len(seen)


@pytest.mark.slow
def test_digits_reach_the_published_likelihood(shared_data):
    """The one-layer model of Burda et al. (2016), 35 epochs on one core.

    Published after far longer training: 86.8 nats.
    """
    with np.load(shared_data / "mnist.npz") as found:
        train, test = found["x"] / np.float32(255), found["xt"] / np.float32(255)
    fit = gendsl.compile(DIGITS).fit(
        {"x": gendsl.Binarised(train)}, epochs=35, batch_size=100, seed=1, progress=False
    )
    score = fit.score({"x": np.asarray(gendsl.Binarised(test))}, particles=200)
    print(score)
    assert score.log_likelihood.mean > -94.5
    assert 10 <= score.active["z"][0] <= 30
