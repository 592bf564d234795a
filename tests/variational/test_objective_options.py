"""Options of `svi`: each makes the objective it names, and what does not go together is told."""

from __future__ import annotations

import numpy as np
import pytest

import gendsl
from gendsl.compiler import replan
from gendsl.diagnostics import DataError
from gendsl.runtime.objectives import Cyclic, Elbo, FreeBits, Iwae, Ramp, Renyi
from gendsl.runtime.variational.objective import objective_of

TEXT = """\
model Factor
plate row
net decode: real[2] -> real[4] = linear()
latent z[row]: real[2] ~ Normal(0, 1)
observe x[row]: real[4] ~ Normal(decode(z), 0.5)
"""


def objective(**options):
    compiled = replan(gendsl.compile(TEXT).compiled.checked, "svi", options)
    return objective_of(compiled.plan, compiled.checked.ir)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Elbo(1, {"kl": 1.0})),
        ({"particles": 3, "beta": 4.0}, Elbo(3, {"kl": 4.0})),
        ({"kl_warmup": 10}, Elbo(1, {"kl": Ramp(0.0, 1.0, 10.0)})),
        (
            {"kl_warmup": 10, "kl_cycles": 3, "beta": 2.0},
            Elbo(1, {"kl": Cyclic(0.0, 2.0, 20.0, 3, 0.5, "epoch")}),
        ),
        ({"free_bits": 0.2}, Elbo(1, {"kl": 1.0}, free_bits=FreeBits(0.2))),
        ({"gradient": "path"}, Elbo(1, {"kl": 1.0}, gradient="path")),
        ({"bound": "iwae"}, Iwae(5, "total")),
        ({"bound": "iwae", "particles": 7, "gradient": "doubly"}, Iwae(7, "doubly")),
        ({"bound": "renyi", "alpha": 0.2, "particles": 4}, Renyi(0.2, 4)),
    ],
)
def test_options_make_the_objective_they_name(options, expected):
    assert objective(**options) == expected


def test_penalties_are_for_each_latent():
    found = objective(mmd=3.0, total_correlation=2.0).penalties
    assert [(p.name, p.weight) for p in found] == [("mmd.z", 3.0), ("total_correlation.z", 2.0)]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"bound": "iwae", "beta": 2.0}, "`beta` changes the ELBO, but `bound` is iwae"),
        ({"bound": "renyi", "kl_warmup": 3}, "`kl_warmup` is for the ELBO and"),
        ({"gradient": "doubly"}, "doubly reparameterised gradient is for `bound = iwae`"),
        ({"bound": "iwae", "gradient": "path"}, "is total or doubly"),
        ({"bound": "renyi", "gradient": "doubly"}, "of Renyi's bound is total"),
        ({"kl_cycles": 2}, "`kl_warmup` is needed"),
        ({"gradient": "path", "free_bits": 1.0}, "divergences that are sampled"),
    ],
)
def test_options_that_do_not_go_together_are_told(options, why):
    with pytest.raises(DataError) as caught:
        objective(**options)
    (found,) = caught.value.diagnostics
    assert found.code == "GD865"
    assert why in found.message


def rows(count=200):
    rng = np.random.default_rng(3)
    return rng.normal(size=(count, 2)) @ rng.normal(size=(2, 4)) + 0.5 * rng.normal(
        size=(count, 4)
    )


@pytest.mark.parametrize(
    "options",
    [
        {"bound": "iwae", "gradient": "doubly"},
        {"gradient": "path"},
        {"bound": "renyi"},
        {"mmd": 1.0},
        {"total_correlation": 1.0},
        {"kl_warmup": 3, "kl_cycles": 2},
    ],
)
def test_every_objective_trains(options):
    """The unmodified bound rises, whatever is trained."""
    fit = gendsl.compile(TEXT).fit(
        {"x": rows()}, epochs=15, batch_size=50, learning_rate=0.02, progress=False, **options
    )
    bound = fit.history["bound"].to_numpy()
    assert bound[-3:].mean() > bound[:3].mean() + 1


def test_a_guide_of_several_latents_has_scores():
    """Gradients along the path need the guide's densities at fixed draws, run again."""
    text = TEXT.replace("latent z[row]: real[2] ~ Normal(0, 1)", "").replace(
        "net decode",
        "latent a[row]: real[3] ~ Normal(0, 1)\nnet inner: real[3] -> real[2] = linear()\n"
        "latent z[row]: real[2] ~ Normal(inner(a), 1)\nnet decode",
    )
    model = gendsl.compile(text)
    assert "`z`" in model.plan.treatment["a"]
    for options in ({"gradient": "path"}, {"bound": "iwae", "gradient": "doubly"}):
        fit = model.fit(
            {"x": rows()}, epochs=15, batch_size=50, learning_rate=0.02, progress=False, **options
        )
        bound = fit.history["bound"].to_numpy()
        assert bound[-3:].mean() > bound[:3].mean() + 1
