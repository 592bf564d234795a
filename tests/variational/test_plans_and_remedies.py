"""What plans say of a training, options that would do nothing, and what other fits lack."""

from __future__ import annotations

import numpy as np
import pytest

import gendsl
from gendsl.commands.plan_text import brief_plan
from gendsl.compiler import replan
from gendsl.diagnostics import DataError
from gendsl.fit import Fit
from gendsl.lacking import LEARNED
from gendsl.learned_fit import LearnedFit
from gendsl.runtime.variational.coherent import without_effect

MEAN = "model Mean\nplate n\nlatent a ~ Normal(0, 1)\nobserve y[n] ~ Normal(a, 1)\n"
CODE = """\
model Code
plate n  dim L = 2  dim D = 4
net decode: real[L] -> real[D] = mlp(hidden=[6, 7])
net extra: real[L] -> real
latent z[n]: real[L] ~ Normal(0, 1)
latent w[n] ~ Normal(0, 1)
observe x[n]: binary[D] ~ Bernoulli(logits=decode(z))
observe y[n] ~ Normal(extra(z) + w, 1)
"""


def planned(text, **options):
    return replan(gendsl.compile(text).compiled.checked, "svi", options).plan


def test_the_plan_shows_the_training_and_every_network():
    expected = [
        "training: adam, learning rate 0.001; 100 epochs in batches of 128 rows (of up to 128 "
        "rows, 5000 steps on all of them)",
        "network decode: real[L] -> real[D] = mlp(hidden=[6, 7])",
        "network extra: real[L] -> real, from Python: tried on a few rows only",
        "network encode_z: (binary[D], real) -> (loc: real[L], scale: positive[L]) = "
        "mlp(hidden=[7, 6])",
        "network encode_w: (real[L], real) -> (loc: real, scale: positive) = "
        "mlp(hidden=[128, 128])",
    ]
    plan = planned(CODE)
    assert [line for line in str(plan).splitlines() if line in expected] == expected
    brief = [line.strip() for line in brief_plan(plan, {}, 0).splitlines()]
    assert [line for line in brief if line in expected] == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"batch_size": 20, "epochs": 7, "optimiser": "sgd", "schedule": "cosine"},
            "training: sgd, learning rate 0.001 (cosine); 7 epochs in batches of 20 rows",
        ),
        ({"learning_rate": 0.5}, "training: adam, learning rate 0.5; 100 epochs"),
    ],
)
def test_options_are_part_of_it(options, expected):
    assert expected in str(planned(CODE, **options))


def test_without_networks_it_takes_steps_on_all_rows():
    assert "learning rate 0.01; 5000 steps on all rows" in str(planned(MEAN))
    assert "training:" not in str(gendsl.compile(MEAN).plan)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"patience": 3}, "patience"),
        ({"alpha": 0.2}, "alpha"),
        ({"alpha": 0.5, "bound": "iwae"}, "alpha"),
        ({"discrete": "sum"}, "discrete"),
        ({"temperature": 0.7}, "temperature"),
        ({"family": "full"}, "family"),
    ],
)
def test_options_that_would_do_nothing_are_refused(options, word):
    why = without_effect(planned(MEAN, **options))
    assert why is not None
    assert why.startswith(f"`{word}`")
    with pytest.raises(DataError) as caught:
        gendsl.compile(MEAN).fit({"y": [1.0]}, infer="svi", progress=False, epochs=1, **options)
    assert [d.code for d in caught.value.diagnostics] == ["GD865"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"patience": 3, "held_out": 0.2},
        {"alpha": 0.2, "bound": "renyi"},
        {"beta": 2.0, "kl_warmup": 3},
    ],
)
def test_other_options_are_let_pass(options):
    assert without_effect(planned(MEAN, **options)) is None


def test_options_of_latents_need_some():
    text = "model P\nplate n\nparam a: real = 0\nobserve y[n] ~ Normal(a, 1)\n"
    assert without_effect(planned(text)) is None
    assert str(without_effect(planned(text, beta=2.0))).startswith("`beta` is about latents")


# What is not there


def test_fits_say_what_they_lack_and_what_they_have():
    fit = gendsl.compile(MEAN).fit({"y": [1.0, 2.0]}, progress=False)
    with pytest.raises(AttributeError) as caught:
        fit.encode  # noqa: B018
    assert str(caught.value) == (
        "a fit by `exact` has no `encode` (laws of latents, computed by a guide for rows of "
        'data): fits that learn by steps have it, `model.fit(data, infer="svi")`; this one has '
        "`fit.posterior`"
    )
    with pytest.raises(AttributeError, match="a fit has no `summry`"):
        fit.summry  # noqa: B018
    assert not hasattr(fit, "__array__")


def test_everything_that_only_learned_fits_have_is_told():
    def public(kind):
        return {n for n in dir(kind) if not n.startswith("_")}

    assert public(LearnedFit) - public(Fit) <= LEARNED.keys()
    there = public(Fit) | {"tree", "posterior"}
    assert {instead.partition("(")[0] for _, instead in LEARNED.values()} <= there


# Remedies for shapes and values of data


def remedy(text, values):
    with pytest.raises(DataError) as caught:
        gendsl.compile(text).bind({"x": values})
    (found,) = caught.value.diagnostics
    return found.help


PICTURES = "model P\nplate n\ndim D = 784\nlatent a ~ Normal(0, 1)\n"
FLAT = PICTURES + "observe x[n]: binary[D] ~ Bernoulli(logits=a)\n"
SQUARE = PICTURES + "observe x[n]: binary[28, 28] ~ Bernoulli(logits=a)\n"


def test_axes_to_flatten_or_to_part_are_named():
    found = remedy(FLAT, np.zeros((5, 28, 28)))
    assert found == "if its last axes are one, flatten them: `x.reshape(5, 784)`"
    found = remedy(SQUARE, np.zeros((5, 784)))
    assert found == "if its last axis is several, part it: `x.reshape(5, 28, 28)`"


def test_grey_values_of_binary_data_are_recognised():
    grey = np.random.default_rng(0).random((2, 784))
    assert "`gendsl.Binarised(x)`" in remedy(FLAT, grey)
    assert "`gendsl.Binarised(x / 255)`" in remedy(FLAT, np.rint(255 * grey))
    assert remedy(FLAT, np.full((2, 784), 2.0)) is None
