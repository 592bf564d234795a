"""Every message about fits by `svi` and their networks, word for word."""

from __future__ import annotations

# ruff: noqa: E501
from functools import cache

import numpy as np
import pytest

import gendsl
from gendsl.diagnostics import GenError
from gendsl.explanations.learning import CODES

QUICK = {"progress": False, "epochs": 10, "draws": 5}
VAE = """\
model VAE
plate n
dim L = 2
input c[n]: real
net decode: (real[L], real) -> real[3] = mlp(hidden=[4])
latent z[n]: real[L] ~ Normal(0, 1)
observe x[n]: real[3] ~ Normal(decode(z, c), 1)
"""
RATE = """\
model Rate
plate n
latent rate: positive ~ Gamma(2, 1)
observe y[n]: count ~ Poisson(rate)
infer svi
"""
OWN = """\
model Own
plate n
latent z[n] ~ Normal(0, 1)
observe x[n] ~ Normal(z, 1)
infer svi
"""
NOTHING = """\
model Nothing
plate n = 2
net f: real -> real = mlp(hidden=[2])
input c[n]: real
observe x[n] ~ Normal(f(c), 1)
"""


def model(text):
    return gendsl.compile(text, text.split()[1].lower() + ".gen")


@cache
def vae():
    rng = np.random.default_rng(0)
    return model(VAE).fit({"x": rng.normal(size=(6, 3)), "c": rng.normal(size=6)}, **QUICK)


@cache
def rate():
    return model(RATE).fit({"y": [1, 2, 0]}, **QUICK)


@cache
def nothing():
    return model(NOTHING).fit({"x": [1.0, 2.0], "c": [0.0, 1.0]}, **QUICK)


ACTIONS = {
    "GD860, own": lambda: model(OWN).fit({"x": [1.0, 2.0]}, batch_size=1, **QUICK),
    "GD860, fixed": lambda: model(NOTHING).fit(
        {"x": [1.0, 2.0], "c": [0.0, 1.0]}, batch_size=1, **QUICK
    ),
    "GD861": lambda: model(VAE).simulate(sizes={"n": 2}, data={"c": [0.0, 1.0]}),
    "GD861, density": lambda: model(VAE).log_density(
        {"z": np.zeros((1, 2))}, {"x": np.zeros((1, 3)), "c": [0.0]}
    ),
    "GD862, nothing to encode": lambda: nothing().encode(),
    "GD862, no rows": lambda: model(OWN).fit({"x": [1.0, 2.0]}, **QUICK).generate(2),
    "GD862, absent": lambda: vae().decode({}, {"c": [0.0]}),
    "GD862, unknown": lambda: vae().decode({"zz": 1, "z": np.zeros((1, 2))}, {"c": [0.0]}),
    "GD862, shape": lambda: vae().decode({"z": np.zeros((4, 3))}, {"c": np.zeros(4)}),
    "GD862, rank": lambda: vae().decode({"z": np.zeros(4)}, {"c": np.zeros(4)}),
    "GD862, text": lambda: vae().decode({"z": "zero"}, {"c": np.zeros(4)}),
    "GD862, NaN": lambda: vae().decode({"z": [[0.0, np.nan]]}, {"c": [0.0]}),
    "GD862, rows of inputs": lambda: vae().decode({"z": np.zeros((4, 2))}, {"c": [0.0]}),
    "GD862, rows to generate": lambda: vae().generate(3, {"c": [0.0]}),
    "GD863": lambda: gendsl.Binarised([0.0, 255.0]),
    "GD864, no folder": lambda: model(OWN).fit({"x": [1.0, 2.0]}, resume=True, **QUICK),
    "GD864, no steps": lambda: model(OWN).fit(
        {"x": [1.0, 2.0]}, infer="map", checkpoint="folder", progress=False
    ),
    "GD865": lambda: model(OWN).fit({"x": [1.0, 2.0]}, bound="iwae", free_bits=1.0, **QUICK),
    "GD730": lambda: rate().decode({"rate": -1.0}),
    "GD710, inputs": lambda: vae().generate(3),
    "GD710, encoded": lambda: vae().encode({"c": [0.0]}),
    "GD710, scored": lambda: rate().score({"n": 3}),
    "GD833": lambda: vae().score(particles=0),
}
EXPECTED = {
    "GD860, own": """\
own.gen:1:7: error[GD860]: the data cannot be taken in batches: `n`: `z` has parameters for each `n`: it is not amortised
  1 | model Own
    |       ^^^
help: leave `batch_size` out: every step then sees all of the data
""",
    "GD860, fixed": """\
nothing.gen:1:7: error[GD860]: the data cannot be taken in batches: `n`: the file itself says how many members `n` has
  1 | model Nothing
    |       ^^^^^^^
help: leave `batch_size` out: every step then sees all of the data
""",
    "GD861": """\
vae.gen:5:5: error[GD861]: `decode` has no weights yet
  5 | net decode: (real[L], real) -> real[3] = mlp(hidden=[4])
    |     ^^^^^^
help: fit the model first; then `fit.sample` draws from it
""",
    "GD861, density": """\
vae.gen:5:5: error[GD861]: `decode` has no weights yet
  5 | net decode: (real[L], real) -> real[3] = mlp(hidden=[4])
    |     ^^^^^^
help: fit the model first; then `fit.sample` draws from it
""",
    "GD862, nothing to encode": """\
nothing.gen:1:7: error[GD862]: this model has no latents to encode
  1 | model Nothing
    |       ^^^^^^^
""",
    "GD862, no rows": """\
own.gen:1:7: error[GD862]: no plate has rows that could be generated
  1 | model Own
    |       ^^^
help: `fit.posterior_predictive()` draws replications of the data
""",
    "GD862, absent": """\
vae.gen:6:8: error[GD862]: no values are given for the latent `z`
  6 | latent z[n]: real[L] ~ Normal(0, 1)
    |        ^
""",
    "GD862, unknown": """\
vae.gen: error[GD862]: the model has no latent called `zz`
help: did you mean `z`?
""",
    "GD862, shape": """\
vae.gen:6:8: error[GD862]: `z` needs values of shape (4, 2) (n, L), not (4, 3)
  6 | latent z[n]: real[L] ~ Normal(0, 1)
    |        ^
""",
    "GD862, rank": """\
vae.gen:6:8: error[GD862]: `z` needs values of shape (4, 2) (n, L), not (4,)
  6 | latent z[n]: real[L] ~ Normal(0, 1)
    |        ^
""",
    "GD862, text": """\
vae.gen:6:8: error[GD862]: the values of `z` are not numbers
  6 | latent z[n]: real[L] ~ Normal(0, 1)
    |        ^
""",
    "GD862, NaN": """\
vae.gen:6:8: error[GD862]: some values of `z` are NaN
  6 | latent z[n]: real[L] ~ Normal(0, 1)
    |        ^
""",
    "GD862, rows of inputs": """\
vae.gen:4:7: error[GD862]: `c` has the size 1 along `n`, not 4
  4 | input c[n]: real
    |       ^
""",
    "GD862, rows to generate": """\
vae.gen:4:7: error[GD862]: `c` has the size 1 along `n`, not 3
  4 | input c[n]: real
    |       ^
""",
    "GD863": """\
error[GD863]: the probabilities of binary data lie between 0 and 1
help: divide grey values from 0 to 255 by 255
""",
    "GD864, no folder": """\
error[GD864]: `resume` needs the folder of the checkpoints, `checkpoint`
""",
    "GD864, no steps": """\
error[GD864]: `map` has no checkpoints: only methods that learn by steps do
""",
    "GD865": """\
own.gen:1:7: error[GD865]: the options of `svi` do not go together for this model: `free_bits` changes the ELBO, but `bound` is iwae
  1 | model Own
    |       ^^^
""",
    "GD730": """\
rate.gen:3:8: error[GD730]: `rate` (the values of `rate`) must be positive (greater than 0), but it is not: rate is -1
  3 | latent rate: positive ~ Gamma(2, 1)
    |        ^^^^
""",
    "GD710, inputs": """\
vae.gen:4:7: error[GD710]: the data have no `c`, which is an input; they are empty
  4 | input c[n]: real
    |       ^
""",
    "GD710, encoded": """\
vae.gen:7:9: error[GD710]: no values are given for `x`
  7 | observe x[n]: real[3] ~ Normal(decode(z, c), 1)
    |         ^
""",
    "GD710, scored": """\
rate.gen:4:9: error[GD710]: no values are given for `y`
  4 | observe y[n]: count ~ Poisson(rate)
    |         ^
""",
    "GD833": """\
error[GD833]: `particles` is a whole number from 1 to 10000000, not 0
""",
}


@pytest.mark.parametrize("name", ACTIONS)
def test_messages(name):
    with pytest.raises(GenError) as caught:
        ACTIONS[name]()
    assert str(caught.value) + "\n" == EXPECTED[name]


def test_every_code_is_shown():
    assert {name[:5] for name in EXPECTED} >= CODES.keys()
    assert EXPECTED.keys() == ACTIONS.keys()
