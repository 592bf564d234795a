"""Every message about fits by `svi` and their networks, word for word."""

from __future__ import annotations

# ruff: noqa: E501
from functools import cache

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import gendsl
from gendsl.diagnostics import GenError
from gendsl.explanations.learning import CODES

QUICK = {"progress": False, "epochs": 10, "draws": 5}
POINT = {"progress": False, "epochs": 10}
VAE = """\
model VAE
plate n
dim L = 2
input c[n]: real
net decode: (real[L], real) -> real[3] = mlp(hidden=[4])
latent z[n]: real[L] ~ Normal(0, 1)
observe x[n]: real[3] ~ Normal(decode(z, c), 1)
"""
SUPPLIED = VAE.replace(" = mlp(hidden=[4])", "")
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
infer svi
"""


MEANS = """\
model Means
plate n
input c[n]: real
let m = mean(c, n)
latent b ~ Normal(0, 1)
observe x[n] ~ Normal(b * (c - m), 1)
infer svi
"""
ITEMS = TensorDataset(torch.zeros(40, 3), torch.zeros(40))
BOTH = gendsl.Streamed(ITEMS, names=["x", "c"])
LOADER = gendsl.Streamed(DataLoader(ITEMS, batch_size=2, shuffle=True), names=["x", "c"])


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
    return model(NOTHING).fit({"x": [1.0, 2.0], "c": [0.0, 1.0]}, **POINT)


ACTIONS = {
    "GD860, own": lambda: model(OWN).fit({"x": [1.0, 2.0]}, batch_size=1, **QUICK),
    "GD860, fixed": lambda: model(NOTHING).fit(
        {"x": [1.0, 2.0], "c": [0.0, 1.0]}, batch_size=1, **POINT
    ),
    "GD861": lambda: model(VAE).simulate(sizes={"n": 2}, data={"c": [0.0, 1.0]}),
    "GD861, density": lambda: model(VAE).log_density(
        {"z": np.zeros((1, 2))}, {"x": np.zeros((1, 3)), "c": [0.0]}
    ),
    "GD862, nothing to encode": lambda: nothing().encode(),
    "GD862, nothing to reconstruct": lambda: nothing().reconstruct(),
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
    "GD865, of the file": lambda: model(OWN.strip() + "(patience=3)\n").fit({"x": [1.0]}, **QUICK),
    "GD860, held out": lambda: model(OWN).fit({"x": [1.0, 2.0]}, held_out=0.5, **QUICK),
    "GD866": lambda: model(SUPPLIED).fit({"x": np.zeros((2, 3)), "c": [0.0, 1.0]}, **QUICK),
    "GD867": lambda: model(SUPPLIED).fit(
        {"x": np.zeros((2, 3)), "c": [0.0, 1.0]}, nets={"decode": lambda z, c: (z, c)}, **QUICK
    ),
    "GD865": lambda: model(OWN).fit({"x": [1.0, 2.0]}, bound="iwae", free_bits=1.0, **QUICK),
    "GD870, nothing": lambda: gendsl.Streamed(3),
    "GD870, all rows": lambda: model(MEANS).fit(
        gendsl.Streamed(TensorDataset(torch.zeros(6), torch.zeros(6)), names=["x", "c"]), **QUICK
    ),
    "GD870, parameters": lambda: model(OWN).fit(
        gendsl.Streamed(TensorDataset(torch.zeros(6)), names=["x"]), **QUICK
    ),
    "GD870, loader": lambda: vae().encode(LOADER),
    "GD870, batches": lambda: model(VAE).fit(LOADER, batch_size=3, **QUICK),
    "GD870, held out": lambda: model(VAE).fit(LOADER, held_out=0.5, **QUICK),
    "GD871": lambda: vae().plot("reconstructions", data={"x": np.zeros((2, 3)), "c": [0.0, 0.0]}),
    "GD872, nothing": lambda: vae().impute({"x": np.zeros((1, 3)), "c": [0.0]}),
    "GD872, rows": lambda: vae().interpolate(
        {"z": np.zeros((2, 2))}, {"z": [0.0, 1.0]}, data={"c": [0.0, 0.0]}
    ),
    "GD872, path": lambda: vae().interpolate({"z": [1.0, 1.0]}, {"z": [0.0, 1.0]}, how="curved"),
    "GD872, opposite": lambda: vae().interpolate(
        {"z": [1.0, 1.0]}, {"z": [-1.0, -1.0]}, how="spherical"
    ),
    "GD873, none": lambda: vae().score(rows="held_out"),
    "GD873, word": lambda: vae().score(rows="new"),
    "GD874": lambda: vae().predict({"x": np.zeros((1, 3)), "c": [0.0]}),
    "GD852": lambda: model(VAE).fit(gendsl.Streamed(ITEMS), **QUICK),
    "GD721": lambda: model(VAE).fit(
        gendsl.Streamed(TensorDataset(torch.zeros(6, 2), torch.zeros(6)), names=["x", "c"]),
        **QUICK,
    ),
    "GD732": lambda: model(VAE).fit(
        gendsl.Streamed(
            TensorDataset(torch.zeros(6, 3), torch.tensor([0, 1, np.nan, 3, 4, 5])),
            names=["x", "c"],
        ),
        **QUICK,
    ),
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
help: this fit has `fit.generate`
""",
    "GD862, nothing to reconstruct": """\
nothing.gen:1:7: error[GD862]: this model has no latents to reconstruct from
  1 | model Nothing
    |       ^^^^^^^
help: this fit has `fit.generate`
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
own.gen: error[GD865]: the options given to `fit` do not go together: `free_bits` changes the ELBO, but `bound` is iwae
""",
    "GD865, of the file": """\
own.gen:5:1: error[GD865]: the options of `svi` do not go together for this model: `patience` waits for a better bound of rows that `held_out` sets aside: set it too
  5 | infer svi(patience=3)
    | ^^^^^^^^^^^^^^^^^^^^^
""",
    "GD860, held out": """\
own.gen:1:7: error[GD860]: the data cannot be taken in batches: `n`: `z` has parameters for each `n`: it is not amortised
  1 | model Own
    |       ^^^
help: leave `held_out` out: every step then sees all of the data
""",
    "GD866": """\
vae.gen:5:5: error[GD866]: `decode` has no architecture, and no module is given for it
  5 | net decode: (real[L], real) -> real[3]
    |     ^^^^^^
help: in Python give one, `model.fit(data, nets={"decode": module})`, and again to `load_fit`; in the shell write an architecture, `net decode: ... = mlp()`
""",
    "GD867": """\
vae.gen:5:5: error[GD867]: the module for `decode`: it gives a tuple, not a tensor
  5 | net decode: (real[L], real) -> real[3]
    |     ^^^^^^
help: it takes tensors (rows, L), (rows,) and gives (rows, 3), for any number of rows
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
    "GD870, nothing": """\
error[GD870]: data of type int cannot be read in batches
help: give a Parquet file, a folder of them, a torch Dataset or a DataLoader
""",
    "GD870, all rows": """\
means.gen:1:7: error[GD870]: the rows of `n` cannot be read in batches: a constant of the data is computed from all members of `n`
  1 | model Means
    |       ^^^^^
help: give all data in memory, such as by `numpy.load`
""",
    "GD870, parameters": """\
own.gen:1:7: error[GD870]: the rows of `n` cannot be read in batches: `z` has parameters for each `n`: it is not amortised
  1 | model Own
    |       ^^^
help: give all data in memory, such as by `numpy.load`
""",
    "GD870, loader": """\
error[GD870]: the DataLoader gives rows in another order each time, so that results could not be told apart
help: give its data set, or a loader that does not shuffle
""",
    "GD870, batches": """\
error[GD870]: `batch_size` is 3, but the DataLoader has batches of 2
help: leave `batch_size` to the loader
""",
    "GD870, held out": """\
error[GD870]: the rows of a DataLoader cannot be asked for one by one
help: give its data set in its place, or hold none out: `held_out=0`
""",
    "GD852": """\
error[GD852]: the parts of items have no names
help: give `names`, one for each part
""",
    "GD721": """\
vae.gen:7:9: error[GD721]: `x` (`x` of the TensorDataset) has the shape (6, 2), expected (n=6, 3)
  7 | observe x[n]: real[3] ~ Normal(decode(z, c), 1)
    |         ^
""",
    "GD732": """\
vae.gen:4:7: error[GD732]: `c` (`c` of the TensorDataset) lacks 1 of 6 values: row 2 (counted from 0)
  4 | input c[n]: real
    |       ^
help: leave those rows out, or fill them in: an input must be known
""",
    "GD871": """\
error[GD871]: a value of `x` has 3 numbers, which is no square
help: say how they are laid out: `height` and `width`
""",
    "GD872, nothing": """\
error[GD872]: no values of these data are missing
""",
    "GD872, rows": """\
error[GD872]: `a` is the code of one row, but `z` has 2 rows
help: take one, such as `codes.isel(n=0)`
""",
    "GD872, path": """\
error[GD872]: there is no path called 'curved'
help: ask for linear, spherical
""",
    "GD872, opposite": """\
error[GD872]: the two values of `z` are opposite: no arc is the shortest
help: take a linear path
""",
    "GD873, none": """\
error[GD873]: no rows of this fit were held out
help: fit with `held_out=0.1`
""",
    "GD873, word": """\
error[GD873]: there are no rows 'new'
help: ask for all, trained, held_out
""",
    "GD874": """\
vae.gen:7:9: error[GD874]: `x` is given, but predictions for new rows draw `z` from its prior and would not use `x`
  7 | observe x[n]: real[3] ~ Normal(decode(z, c), 1)
    |         ^
help: `fit.reconstruct` and `fit.impute` use it; leave it out to predict
""",
    "GD833": """\
error[GD833]: `particles` is a whole number from 1 to 10000000, not 0
""",
}


ELSEWHERE = {"GD880", "GD890", "GD891", "GD892", "GD893"}
"""Those of causal networks and flows, in the tests of these."""


@pytest.mark.parametrize("name", ACTIONS)
def test_messages(name):
    with pytest.raises(GenError) as caught:
        ACTIONS[name]()
    assert str(caught.value) + "\n" == EXPECTED[name]


def test_every_code_is_shown():
    assert {name[:5] for name in EXPECTED} | ELSEWHERE >= CODES.keys()
    assert EXPECTED.keys() == ACTIONS.keys()
