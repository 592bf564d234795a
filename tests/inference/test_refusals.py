"""What is refused, with which reason and at which line."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import gendsl

NORMAL = "model M\nplate n\nlatent m ~ Normal(0, 1)\nobserve y[n] ~ Normal(m, 1)\n"


def refused(code: str, act) -> str:
    with pytest.raises((gendsl.CompileError, gendsl.DataError)) as caught:
        act()
    assert {d.code for d in caught.value.diagnostics} == {code}
    return str(caught.value)


@pytest.mark.parametrize(
    ("method", "reason"),
    [("mle", "there is no param to learn"), ("enumeration", "no discrete latent")],
)
def test_an_unsuitable_method_is_refused_with_its_reason(method, reason):
    model = gendsl.compile(NORMAL)
    message = refused("GD612", lambda: model.fit({"y": [1.0]}, infer=method))
    assert reason in message
    assert "nuts" in message


def test_the_refusal_of_a_method_in_full():
    message = refused("GD612", lambda: gendsl.compile(NORMAL).fit({"y": [1.0]}, infer="mle"))
    assert message == (
        "<text>: error[GD612]: `mle` cannot be used for this model: there is no param to learn\n"
        "help: use exact or nuts or map or svi"
    )


def test_params_beside_hidden_chains_are_refused_with_every_reason():
    text = NORMAL.replace("Normal(m, 1)", "Normal(m + k, s)").replace(
        "plate n",
        "sequence n\nparam s: positive\nlatent k[0] ~ Bernoulli(0.5)\n"
        "latent k[n] ~ Bernoulli(0.3 + 0.4 * k[n-1])",
    )
    message = refused("GD610", lambda: gendsl.compile(text))
    assert "mle" in message
    assert "nuts" in message
    assert "`s` is a param" in message
    assert "svi: there are hidden Markov chains" in message


def test_a_model_without_unknowns_has_nothing_to_infer():
    model = gendsl.compile("model M\nplate n\nobserve y[n] ~ Normal(0, 1)\n")
    assert "simulate" in refused("GD611", lambda: model.fit({"y": [1.0]}))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"drwas": 10}, "GD606"),
        ({"draws": -1}, "GD607"),
        ({"draws": 2.5}, "GD607"),
        ({"infer": "nust"}, "GD605"),
    ],
)
def test_options_are_checked(options, code):
    model = gendsl.compile(NORMAL)
    refused(code, lambda: model.fit({"y": [1.0]}, **options))


def test_settings_are_checked():
    model = gendsl.compile(NORMAL)
    refused("GD823", lambda: model.fit({"y": [1.0]}, dtype="float16"))
    refused("GD824", lambda: model.fit({"y": [1.0]}, device="tpu"))


def test_a_device_that_is_not_there_is_refused():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    model = gendsl.compile(NORMAL)
    refused("GD824", lambda: model.fit({"y": [1.0]}, device="cuda"))


def test_no_starting_point_names_the_site_and_the_row():
    text = (
        "model M\nplate n\nlatent m ~ Normal(0, 1)\nobserve y[n]: positive ~ Normal(m, 1e-200)\n"
    )
    model = gendsl.compile(text)
    message = refused("GD821", lambda: model.fit({"y": [1.0, 2.0]}, progress=False))
    assert "`y`" in message
    assert "y[0] = 1" in message


CLAIM = """model Claim
plate n
latent a ~ HalfNormal(1)
latent b ~ HalfNormal(1)
let r: positive = a - b
observe y[n] ~ Normal(0, r)
"""


def test_a_broken_claim_is_told_at_its_line_in_prediction():
    model = gendsl.compile(CLAIM)
    message = refused("GD825", lambda: model.simulate(50, sizes={"n": 2}))
    assert "scale of Normal of `y` must be positive, but it is -" in message
    assert ":6:" in message
    assert "batch_shape" not in message


def test_a_broken_claim_is_told_by_log_density():
    model = gendsl.compile(CLAIM)
    message = refused("GD825", lambda: model.log_density({"a": 1.0, "b": 2.0}, {"y": [0.3]}))
    assert "-1" in message


def test_points_where_a_claim_is_broken_are_not_sampled():
    found = gendsl.compile(CLAIM).fit(
        {"y": np.array([0.5, -0.3, 0.2])}, draws=200, warmup=200, chains=1, progress=False
    )
    assert (found.posterior["r"].to_numpy() > 0).all()


def test_a_singular_matrix_is_told_at_its_line():
    text = """model M
dim D = 2
input S: real[D, D]
latent m ~ Normal(0, 1)
let h = sum(cholesky(S) @ [m, m])
observe y ~ Normal(h, 1)
"""
    try:
        model = gendsl.compile(text)
    except gendsl.CompileError:
        pytest.skip("no cholesky of unchecked matrices")
    data = {"S": [[1.0, 2.0], [2.0, 1.0]], "y": 0.1}
    message = refused("GD826", lambda: model.fit(data, progress=False))
    assert ":5:" in message
