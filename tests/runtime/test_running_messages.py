"""Every message about what a model is asked for and how it runs, word for word."""

# ruff: noqa: E501

from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch

import gendsl
from gendsl.diagnostics import GenError
from gendsl.explanations.running import CODES
from gendsl.runtime.draws import Batch

QUICK = {"chains": 1, "draws": 20, "warmup": 20, "progress": False}

TEXTS = {
    "m": "latent m ~ Normal(0, 1)\nobserve y[n] ~ Normal(m, 1)",
    "param": "plate state = 2  sequence t\ninput move[state]: simplex[state]\nparam s: positive\nlatent m[state] ~ Normal(0, 1)\nlatent k[0]: index(state) ~ Categorical([0.5, 0.5])\nlatent k[t]: index(state) ~ Categorical(move[k[t-1]])\nobserve x[t] ~ Normal(m[k], s)",
    "nothing": "observe y[n] ~ Normal(0, 1)",
    "members": "plate g\ninput k[n]: index(g)\nparam a[g]: real\nobserve y[n] ~ Normal(a[k], 1)",
    "narrow": "latent m ~ Normal(0, 1)\nobserve y[n]: positive ~ Normal(m, 1e-200)",
    "flat": "plate g\ninput k[n]: index(g)\nlatent a[g] ~ Flat()\nobserve y[n] ~ Normal(a[k], 1)",
    "claim": "latent a ~ HalfNormal(1)\nlatent b ~ HalfNormal(1)\nlet r: positive = a - b\nobserve y[n] ~ Normal(0, r)",
    "matrix": "dim D = 2\ninput S: real[D, D]\nlatent m ~ Normal(0, 1)\nlet h = sum(cholesky(S) @ [m, m])\nobserve y[n] ~ Normal(h, 1)",
    "singular": "dim D = 2\ninput S: real[D, D]\nlatent m ~ Normal(0, 1)\nlet h = m * det(inverse(S))\nobserve y[n] ~ Normal(h, 1)",
    "largest": "plate k\ninput x[k]: real\nlatent m ~ Normal(0, 1)\nobserve y[n] ~ Normal(m * max(x, k), 1)",
    "mixed": "latent z[n] ~ Bernoulli(0.5)\nlatent m ~ Normal(0, 1)\nobserve y[n] ~ Normal(m + z, 1)",
    "walk": "sequence t\nlatent h[0] ~ Normal(0, 1)\nlatent h[t] ~ Normal(h[t-1], 1)\nobserve x[t] ~ Normal(h, 1)",
    "lags": "sequence t\nlatent b ~ Normal(0, 1)\nobserve x[t] ~ Normal(b * x[t-1], 1)",
    "energy": "latent a[n] ~ Normal(0, 1)\nenergy a ** 2\nobserve y[n] ~ Normal(a, 1)",
    "steep": "latent a ~ Normal(0, 1)\nenergy exp(exp(exp(100 + a ** 2)))\nobserve y[n] ~ Normal(a, 1)",
    "tied": "latent z[n] ~ Bernoulli(0.5)\nlet s = sum(z, n)\nobserve y ~ Normal(s, 1)",
    "centre": "plate g\ninput x[g, n]: real\nlatent b ~ Normal(0, 1)\nlet centre[g] = mean(x, n)\nobserve y[g] ~ Normal(b * centre, 1)",
}
DATA = {
    "m": {"y": [1.0, 2.0]},
    "members": {"k": ["a", "b", "a"], "y": [1.0, 2.0, 3.0]},
    "flat": {"k": ["a", "b"], "y": [1.0, 2.0]},
    "mixed": {"y": [1.0, 2.0]},
    "energy": {"y": [1.0, 2.0]},
    "lags": {"x": [1.0, 2.0, 3.0], "n": 1},
    "walk": {"t": [0, 1, 2], "x": [1.0, 2.0, 3.0], "n": 1},
    "centre": {"x": [[1.0, 2.0], [3.0, 5.0]], "y": [1.0, 2.0]},
}


def model(name):
    return gendsl.compile(f"model M\nplate n\n{TEXTS[name]}\n", f"{name}.gen")


@cache
def fit(name, infer=None):
    options = QUICK if infer is None else {"progress": False}
    return model(name).fit(DATA[name], infer=infer, **options)


def density(values):
    return model("m").log_density(values, DATA["m"])


def notes():
    """What binding remarks, raised as the others are."""
    bound = model("m").bind(pd.DataFrame({"y": [1.0], "z": [2], "w": [3]}))
    raise GenError(bound.notes)


def without_cuda():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        model("m").fit(DATA["m"], device="cuda", **QUICK)


def out_of_memory():
    def fail(*_):
        raise MemoryError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batch, "trace", fail)
        model("m").simulate(sizes={"n": 2})


ACTIONS = {
    "GD610": lambda: model("param"),
    "GD611": lambda: model("nothing").fit({"y": [1.0]}),
    "GD747": lambda: model("lags").bind(
        {"t": ["2021-01", "2021-03", "2021-02"], "x": [1.0, 2.0, 3.0], "n": 1}
    ),
    "GD790": notes,
    "GD814": lambda: fit("m", "map").posterior,
    "GD815": lambda: fit("m").estimate,
    "GD816": lambda: fit("m").plot("tarce"),
    "GD817": lambda: fit("members", "mle").predict({"k": ["a", "c"]}),
    "GD818": lambda: density({"m": 1.0, "q": 1.0, "M": 2.0}),
    "GD819, too many": lambda: density({"m": [1.0, 2.0]}),
    "GD819, no numbers": lambda: density({"m": "one"}),
    "GD819, members": lambda: model("members").log_density({"a": [1, 2, 3]}, DATA["members"]),
    "GD820": lambda: density({}),
    "GD821, data": lambda: model("narrow").fit(DATA["m"], **QUICK),
    "GD821, energy": lambda: model("steep").fit(DATA["m"], **QUICK),
    "GD822": lambda: model("flat").simulate(data={"k": ["a"]}),
    "GD822, new members": lambda: fit("flat").predict({"k": ["a", "c"]}),
    "GD823": lambda: model("m").fit(DATA["m"], dtype="float16"),
    "GD824": lambda: model("m").fit(DATA["m"], device="tpu"),
    "GD824, none": without_cuda,
    "GD825, claim": lambda: model("claim").log_density({"a": 1.0, "b": 2.0}, DATA["m"]),
    "GD825, value": lambda: model("claim").log_density({"a": -1.0, "b": -2.0}, DATA["m"]),
    "GD826": lambda: model("matrix").fit({"S": [[1, 2], [2, 1]], "y": [0.1]}, **QUICK),
    "GD826, singular": lambda: model("singular").fit({"S": np.ones((2, 2)), "y": [0.1]}, **QUICK),
    "GD827": lambda: model("m").simulate(10**15, sizes={"n": 2}),
    "GD827, while running": out_of_memory,
    "GD828": lambda: model("largest").fit({"x": [], "y": [1.0]}, **QUICK),
    "GD829": lambda: fit("mixed").evaluate({"y": [1.0]}),
    "GD833": lambda: model("m").fit(DATA["m"], seed=-1, **QUICK),
    "GD822, first steps": lambda: model("lags").simulate(sizes={"t": 3, "n": 1}),
    "GD914, new labels": lambda: fit("walk").predict({"t": [3, 4], "n": 1}),
    "GD914": lambda: fit("lags").predict({"x": [1.0, 2.0, np.nan, 4.0], "n": 1}),
    "GD834": lambda: model("tied").log_density({}, {"y": 1.0, "n": 30}),
    "GD915": lambda: model("energy").simulate(sizes={"n": 2}),
    "GD915, new members": lambda: fit("energy").predict({"y": [1.0, 2.0, 3.0]}),
    "GD916": lambda: fit("centre").predict({"x": [[1.0, 2.0]]}),
}
EXPECTED = {
    "GD610": """\
param.gen:1:7: error[GD610]: no method of this version can infer this model
  1 | model M
    |       ^
  5 | param s: positive
    |       ^ param `s`
  6 | latent m[state] ~ Normal(0, 1)
    |        ^ latent `m`
  7 | latent k[0]: index(state) ~ Categorical([0.5, 0.5])
    |        ^ latent `k`
help: the reasons are: map: gives the mode alone, which says nothing of uncertainty; `infer map` asks for it; contrastive_divergence: no energy has a log Z that depends on something learned; enumeration: `m` is continuous, and enumeration needs finitely many values; exact: `s` is a param, learned as a point; mle: the likelihood needs `m` integrated out, which takes amortised or variational inference; noise_contrastive: no energy has a log Z that depends on something learned; nuts: `s` is a param, learned as a point; give it a prior with `latent`; ratio_matching: no energy has a log Z that depends on something learned; score_matching: no energy has a log Z that depends on something learned; svi: there are hidden Markov chains
""",
    "GD611": """\
nothing.gen:1:7: error[GD611]: nothing in this model is unknown: there is no posterior
  1 | model M
    |       ^
help: to draw from the model use `simulate`; to infer something declare it `latent` or `param`
""",
    "GD790": """\
info[GD790]: not used by the model: `z`, `w` of the DataFrame
""",
    "GD814": """\
error[GD814]: this fit is a point estimate and has no posterior draws
help: use `fit.estimate`; a fit of latents by `nuts` has draws
""",
    "GD815": """\
error[GD815]: this fit has draws, not a point estimate
help: use `fit.posterior` or `fit.summary()`
""",
    "GD816": """\
error[GD816]: no plot is called 'tarce'
help: the plots are trace, rank, forest, predictive
""",
    "GD817": """\
members.gen:5:7: error[GD817]: the param `a` has no value for new members of `g`: c
  5 | param a[g]: real
    |       ^
help: declare `a` as `latent` with a prior, so that new members can be drawn
""",
    "GD818": """\
m.gen: error[GD818]: the model has no latent or param called `q`
help: its unknowns are `m`

m.gen: error[GD818]: the model has no latent or param called `M`
help: did you mean `m`?
""",
    "GD819, too many": """\
m.gen:3:8: error[GD819]: `m` needs a single number, but the value given has shape (2,)
  3 | latent m ~ Normal(0, 1)
    |        ^
""",
    "GD819, no numbers": """\
m.gen:3:8: error[GD819]: `m` needs a single number, but the value given is not made of numbers
  3 | latent m ~ Normal(0, 1)
    |        ^
""",
    "GD819, members": """\
members.gen:5:7: error[GD819]: `a` needs an array of shape (2,), but the value given has shape (3,)
  5 | param a[g]: real
    |       ^
""",
    "GD820": """\
m.gen:3:8: error[GD820]: no value is given for `m`
  3 | latent m ~ Normal(0, 1)
    |        ^
""",
    "GD821, data": """\
narrow.gen:4:9: error[GD821]: the log density of `y` is not finite at any starting point tried: y[0] = 1, y[1] = 2
  4 | observe y[n]: positive ~ Normal(m, 1e-200)
    |         ^
help: check these rows of the data, and the parameters that they imply
""",
    "GD821, energy": """\
steep.gen:4:1: error[GD821]: this energy is not finite at any starting point tried
  4 | energy exp(exp(exp(100 + a ** 2)))
    | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
help: check the values of the data in it, and what it gives at values near 0
""",
    "GD822": """\
flat.gen:5:8: error[GD822]: `a` has an improper prior, so nothing can be drawn from the model
  5 | latent a[g] ~ Flat()
    |        ^
help: give it a proper prior, such as Normal(0, 10)
""",
    "GD822, new members": """\
flat.gen:5:8: error[GD822]: `a` has an improper prior, so its new members cannot be drawn
  5 | latent a[g] ~ Flat()
    |        ^
help: give it a proper prior, such as Normal(0, 10)
""",
    "GD823": """\
error[GD823]: `dtype` is float64 or float32, not 'float16'
""",
    "GD824": """\
error[GD824]: `device` is cpu or cuda, not 'tpu'
""",
    "GD824, none": """\
error[GD824]: this machine has no CUDA device that torch can use
help: leave `device` out to run on the CPU
""",
    "GD825, claim": """\
claim.gen:6:26: error[GD825]: the scale of Normal of `y` must be positive, but it is -1
  6 | observe y[n] ~ Normal(0, r)
    |                          ^
help: a `let` that claims a narrower type must keep to it: use softplus, exp or abs, or a type that the values meet by construction
""",
    "GD825, value": """\
claim.gen:3:8: error[GD825]: `a` must be not negative, but it is -1
  3 | latent a ~ HalfNormal(1)
    |        ^
""",
    "GD826": """\
matrix.gen:6:13: error[GD826]: a matrix that is needed here is not positive definite, to working precision
  6 | let h = sum(cholesky(S) @ [m, m])
    |             ^^^^^^^^^^^
help: add a small positive number to its diagonal
""",
    "GD826, singular": """\
singular.gen:6:17: error[GD826]: a matrix that is needed here is singular, to working precision
  6 | let h = m * det(inverse(S))
    |                 ^^^^^^^^^^
help: add a small positive number to its diagonal
""",
    "GD827": """\
error[GD827]: 1,000,000,000,000,000 draws of about 4 numbers each take 32,000,000 GB, and more than 16 GB are refused
help: use fewer draws or smaller plates
""",
    "GD827, while running": """\
m.gen:1:7: error[GD827]: there is not enough memory for this model and these data
  1 | model M
    |       ^
help: use fewer draws, chains or rows, or float32
""",
    "GD828": """\
largest.gen:6:27: error[GD828]: this cannot be computed: it reduces over no members at all
  6 | observe y[n] ~ Normal(m * max(x, k), 1)
    |                           ^^^^^^^^^
help: give data with at least one member
""",
    "GD829": """\
mixed.gen:3:8: error[GD829]: held-out rows cannot be scored yet where `z` would have to be summed or integrated out for each of them
  3 | latent z[n] ~ Bernoulli(0.5)
    |        ^
help: compare predictions with the held-out values instead
""",
    "GD833": """\
error[GD833]: `seed` is a whole number from 0 to 4294967295, not -1
""",
    "GD747": """\
lags.gen:3:10: error[GD747]: the steps of `t` are not in order: key 't' has '2021-02' after '2021-03'
  3 | sequence t
    |          ^
help: sort the rows by `t`
""",
    "GD914, new labels": """\
walk.gen:4:8: error[GD914]: `h` is known at the steps of the fit, and goes on after them along `t`; this version needs the whole series, from its first step on
  4 | latent h[0] ~ Normal(0, 1)
    |        ^
help: give the steps of the fit in their order, then the later ones
""",
    "GD914": """\
lags.gen:5:9: error[GD914]: `x` recurs along `t`; this version continues a series at its end, for all that recurs from the same step on, but cannot fill gaps or draw new series yet
  5 | observe x[t] ~ Normal(b * x[t-1], 1)
    |         ^
help: give the values up to some step, and leave out all that come later
""",
    "GD822, first steps": """\
lags.gen:5:9: error[GD822]: `x` has no distribution at step 0, so nothing can be drawn from the model
  5 | observe x[t] ~ Normal(b * x[t-1], 1)
    |         ^
help: add a base case: `observe x[0] ~ ...`
""",
    "GD834": """\
error[GD834]: `z` cannot be summed out: its members are tied, and their table has 32,212,254,720 entries
help: at most 16,777,216 are summed over: give it fewer values or fewer members
""",
    "GD915": """\
energy.gen:4:1: error[GD915]: this model has an energy; this version cannot draw from it without data yet
  4 | energy a ** 2
    | ^^^^^^^^^^^^^
""",
    "GD915, new members": """\
energy.gen:3:8: error[GD915]: `a` is in an energy; this version cannot draw its new members yet
  3 | latent a[n] ~ Normal(0, 1)
    |        ^
""",
    "GD916": """\
centre.gen:6:17: error[GD916]: this value of the data is reduced over `n` and varies over `g`; this version cannot carry it over to new data yet
  6 | let centre[g] = mean(x, n)
    |                 ^^^^^^^^^^
help: compute it beforehand and give it as an input
""",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_messages(name):
    with pytest.raises(GenError) as caught:
        ACTIONS[name]()

    assert str(caught.value) + "\n" == EXPECTED[name]
    assert name[:5] in {d.code for d in caught.value.diagnostics}


def test_every_action_has_its_message():
    assert ACTIONS.keys() == EXPECTED.keys()


def test_every_code_is_shown():
    assert {name[:5] for name in EXPECTED} >= CODES.keys()
