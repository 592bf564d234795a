"""Where draws of the latents of rows are too many to keep, those that all rows share are kept."""

from __future__ import annotations

import numpy as np
import pytest

import gendsl
from gendsl.diagnostics import DataError
from gendsl.runtime.variational import fitting

TEXT = """\
model Shared
plate row
net decode: real[2] -> real[4] = linear()
latent sigma ~ HalfNormal(1)
latent z[row]: real[2] ~ Normal(0, 1)
observe x[row]: real[4] ~ Normal(decode(z), sigma)
"""


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 4)) + 0.2 * rng.normal(size=(200, 4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "KEPT", 20_000)
        return gendsl.compile(TEXT).fit(
            {"x": rows},
            epochs=120,
            batch_size=50,
            learning_rate=0.02,
            draws=100,
            seed=1,
            progress=False,
        )


def test_shared_latents_keep_their_draws_and_the_note_names_the_others(fit):
    assert set(fit.posterior.data_vars) == {"sigma"}
    assert fit.posterior["sigma"].shape == (1, 100)
    assert "`z`" in fit.tree.attrs["note"]
    assert "`sigma`" not in fit.tree.attrs["note"]


def test_new_rows_have_the_shared_latents_of_the_fit(fit):
    """From the prior of sigma, 0.2 would be one value of many."""
    learned = fit.posterior["sigma"].to_numpy()
    assert 0.1 < learned.mean() < 0.4
    for seed in range(5):
        assert float(fit.generate(3, seed=seed).sigma) in learned


def test_what_is_not_kept_is_told():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "KEPT", 10)
        found = gendsl.compile(TEXT).fit({"x": np.zeros((4, 4))}, epochs=2, progress=False)
    with pytest.raises(DataError, match="keeps no draws"):
        _ = found.posterior
