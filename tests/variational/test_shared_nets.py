"""A net that stands in the model and in the guide, several times, is one set of weights."""

from __future__ import annotations

import numpy as np
import pyro
import torch

import gendsl
from gendsl.runtime.training.trainable import Trainable

SHARED = """\
model Shared
plate n  dim D = 3  dim L = 2
input c[n]: real[D]
net share: real[D] -> real[L] = mlp(hidden=[4])
net decode: real[L] -> real[D] = linear()
latent z[n]: real[L] ~ Normal(0, 1)
observe x[n]: real[D] ~ Normal(decode(z), 1)
observe y[n]: real[L] ~ Normal(share(c) + share(2 * c), 1)
guide z ~ Normal(share(x) + share(c), 1)
"""
SIZES = {"share": 3 * 4 + 4 + 4 * 2 + 2, "decode": 2 * 3 + 3}
BAYESIAN = SHARED.replace("mlp(hidden=[4])", "mlp(hidden=[4]) ~ Normal(0, 1)").replace(
    "guide z ~ Normal(share(x) + share(c), 1)",
    "guide z ~ Normal(share(x) + share(c), 1)\ninfer svi",
)


def data():
    rng = np.random.default_rng(0)
    return {
        "c": rng.normal(size=(20, 3)),
        "x": rng.normal(size=(20, 3)),
        "y": rng.normal(size=(20, 2)),
    }


def fitted(text, folder=None, epochs=4, **options):
    model = gendsl.compile(text)
    return model.fit(data(), epochs=epochs, progress=False, seed=1, checkpoint=folder, **options)


def test_its_weights_are_counted_once(tmp_path):
    fit = fitted(SHARED, tmp_path / "kept", average=0.9)
    trainable = Trainable(fit.learned.nets)
    assert len({id(p) for p in trainable.parameters.values()}) == len(trainable.parameters)
    assert sum(p.numel() for p in trainable.parameters.values()) == sum(SIZES.values())
    arrays = fit.learned.arrays()
    assert sum(a.size for n, a in arrays.items() if n.startswith("net/share/")) == SIZES["share"]
    assert sum(a.size for a in arrays.values()) == sum(SIZES.values())


def test_pyro_has_them_once_as_well():
    fit = fitted(SHARED)
    namespace = {"__name__": "program"}
    exec(compile(fit.compiled.program.source, "program", "exec"), namespace)
    pyro.clear_param_store()
    given = {n: torch.as_tensor(v, dtype=torch.float32) for n, v in data().items()}
    nets = dict(fit.learned.nets)
    pyro.infer.Trace_ELBO().loss(
        namespace["model"], namespace["guide"], n_n=20, nets=nets, **given
    )
    store = dict(pyro.get_param_store().named_parameters())
    assert sum(p.numel() for p in store.values()) == sum(SIZES.values())


def test_training_goes_on_from_its_checkpoint_to_the_same_weights(tmp_path):
    whole = fitted(SHARED, epochs=6)
    fitted(SHARED, tmp_path / "kept", epochs=3)
    resumed = fitted(SHARED, tmp_path / "kept", epochs=6, resume=True)
    expected, found = whole.learned.arrays(), resumed.learned.arrays()
    assert [n for n in expected if not np.array_equal(expected[n], found[n])] == []


def test_weights_with_a_prior_are_latents_once():
    fit = fitted(BAYESIAN)
    latents = [n for n in fit.posterior.data_vars if str(n).startswith("share.")]
    assert latents == [f"share.layers.{i}.{p}" for i in (0, 1) for p in ("weight", "bias")]
    terms = fit.score(particles=5).terms
    assert [n for n in terms if n.startswith("kl.share")] == [f"kl.{n}" for n in latents]
