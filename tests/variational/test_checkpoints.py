"""Checkpoints of a fit: a training that was ended goes on to the same weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import gendsl
from gendsl.diagnostics import DataError
from gendsl.runtime.variational import learning

TEXT = """\
model Factor
plate row
net decode: real[2] -> real[4] = mlp(hidden=[8])
latent z[row]: real[2] ~ Normal(0, 1)
observe x[row]: real[4] ~ Normal(decode(z), 0.5)
"""
ROWS = np.random.default_rng(1).normal(size=(100, 4))


def fit(**options):
    given = {"epochs": 12, "batch_size": 30, "seed": 4, "progress": False, "draws": 5}
    return gendsl.compile(TEXT).fit({"x": ROWS}, **{**given, **options})


def weights(found):
    return {name: array.tobytes() for name, array in found.learned.arrays().items()}


@pytest.fixture
def often(monkeypatch):
    """Checkpoints every few steps."""
    made = learning.training_options

    def options(*args, **kwargs):
        return replace(made(*args, **kwargs), checkpoint_every=7)

    monkeypatch.setattr(learning, "training_options", options)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", [1, 10, 23, 40])
def test_a_resumed_training_ends_with_the_same_weights(step, often, tmp_path, monkeypatch):
    whole = fit()
    call = learning._Step.__call__

    def killed(self, batch, state):
        if state.step == step:
            raise Killed
        return call(self, batch, state)

    with monkeypatch.context() as patch:
        patch.setattr(learning._Step, "__call__", killed)
        with pytest.raises(Killed):
            fit(checkpoint=tmp_path / "kept")
    resumed = fit(checkpoint=tmp_path / "kept", resume=True)
    assert weights(resumed) == weights(whole)
    assert resumed.history.equals(whole.history)


def test_another_objective_is_no_continuation(often, tmp_path):
    fit(checkpoint=tmp_path / "kept", epochs=3)
    with pytest.raises(DataError) as caught:
        fit(checkpoint=tmp_path / "kept", resume=True, bound="iwae")
    assert caught.value.diagnostics[0].code == "GD854"


def test_checkpoints_are_of_methods_that_learn_by_steps(tmp_path):
    model = gendsl.compile(
        "model M\nplate n\nlatent m ~ Cauchy(0, 1)\nobserve y[n] ~ Normal(m, 1)"
    )
    for options in ({"checkpoint": tmp_path / "kept"}, {"resume": True}):
        with pytest.raises(DataError) as caught:
            model.fit({"y": [0.0, 1.0]}, progress=False, **options)
        assert caught.value.diagnostics[0].code == "GD864"
    with pytest.raises(DataError) as caught:
        fit(resume=True)
    assert caught.value.diagnostics[0].code == "GD864"
