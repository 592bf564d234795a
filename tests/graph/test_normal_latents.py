"""Which latents are jointly normal given all else."""

from __future__ import annotations

import pytest

from gendsl.frontend import check
from gendsl.graph.conjugacy import gaussian, integrable, refused
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.library.functions import FUNCTIONS
from gendsl.source import Source


def model(text):
    return check(Source("<text>", text)).ir


HEAD = "model M\nplate i  dim D = 3\ninput x[i]: real\ninput X[i]: real[D]\n"
LINEAR = {
    "sum": (
        "latent a ~ Normal(0, 1)\nlatent b ~ Normal(0, 1)\nobserve y[i] ~ Normal(a - b * x / 2, 1)"
    ),
    "matrix": "latent b: real[D] ~ Normal(0, 1)\nobserve y[i] ~ Normal(X @ b, 1)",
    "dot": "latent b: real[D] ~ Normal(0, 1)\nobserve y[i] ~ Normal(dot(X, b), 1)",
    "entries": "latent b: real[D] ~ Normal(0, 1)\nobserve y[i] ~ Normal(b[0] + b[1] * x, 1)",
    "cumsum": "latent b: real[D] ~ Normal(0, 1)\nobserve y[i] ~ Normal(X @ cumsum(b), 1)",
    "mean": "latent b[i] ~ Normal(0, 1)\nobserve y[i] ~ Normal(b - mean(b, i), 1)",
    "let": "latent a ~ Normal(0, 1)\nlet m[i] = 2 * a + x\nobserve y[i] ~ Normal(m, 1)",
    "where": "latent a ~ Normal(0, 1)\nobserve y[i] ~ Normal(a if x > 0 else -a, 1)",
    "stack": "latent a ~ Normal(0, 1)\nobserve y[i] ~ Normal(X @ [a, 1, -a], 1)",
    "hierarchy": (
        "latent m ~ Normal(0, 1)\nlatent a[i] ~ Normal(m, 1)\nobserve y[i] ~ Normal(a, 1)"
    ),
    "logarithm": "latent a ~ Normal(0, 1)\nobserve y[i] ~ LogNormal(a, 1)",
    "vector": (
        "latent b: real[D] ~ MultivariateNormal(zeros(D), eye(D))\nobserve y[i] ~ Normal(X @ b, 1)"
    ),
    "walk": "latent b: real[D] ~ GaussianRandomWalk(1, 1)\nobserve y[i] ~ Normal(X @ b, 1)",
    "scaled": (
        "latent s ~ HalfNormal(1)\nlatent a ~ Normal(0, 1)\nobserve y[i] ~ Normal(s * a, exp(s))"
    ),
    "missing": "latent a ~ Normal(0, 1)\nobserve y[i]: real? ~ Normal(a, 1)",
    "result": "latent a ~ Normal(0, 1)\nlet e = exp(a)\nobserve y[i] ~ Normal(a, 1)",
}


@pytest.mark.parametrize("name", list(LINEAR))
def test_linear_uses_are_integrated_out(name):
    checked = model(HEAD + LINEAR[name])
    normal = [v.name for v in checked.of_role("latent") if v.name != "s"]

    assert list(gaussian(checked)) == normal
    assert refused(checked) == ()


REFUSED = {
    "likelihood": (
        "latent a ~ Normal(0, 1)\nobserve y[i] ~ StudentT(4, a, 1)",
        {"a": "`y` is not normal"},
    ),
    "curve": (
        "latent a ~ Normal(0, 1)\nobserve y[i] ~ Normal(exp(a), 1)",
        {"a": "`loc` of `y` is not linear in it"},
    ),
    "square": (
        "latent a ~ Normal(0, 1)\nobserve y[i] ~ Normal(a * a, 1)",
        {"a": "`loc` of `y` is not linear in it"},
    ),
    "divisor": (
        "latent a ~ Normal(0, 1)\nobserve y[i] ~ Normal(x / a, 1)",
        {"a": "`loc` of `y` is not linear in it"},
    ),
    "scale": (
        "latent a ~ Normal(0, 1)\nobserve y[i] ~ Normal(a, exp(a))",
        {"a": "`scale` of `y` is not linear in it"},
    ),
    "condition": (
        "latent a ~ Normal(0, 1)\nlatent b ~ Normal(0, 1)\n"
        "observe y[i] ~ Normal(1 if a > 0 else b, 1)",
        {"a": "`loc` of `y` is not linear in it"},
    ),
    "cut off": (
        "latent a ~ Normal(0, 1)\nobserve y[i]: real(0, inf) ~ Normal(a, 1)",
        {"a": "`y` is cut off"},
    ),
    "bounds": (
        "latent a: positive ~ HalfNormal(1)\nobserve y[i] ~ Normal(a, 1)",
        {},
    ),
    "claim": (
        "latent a ~ Normal(0, 1)\nlet p: positive = a + 3\nobserve y[i] ~ Normal(p, 1)",
        {"a": "`p` claims less than every number"},
    ),
    "energy": (
        "latent a ~ Normal(0, 1)\nenergy (a - 1) ** 2\nobserve y[i] ~ Normal(a, 1)",
        {"a": "an energy depends on it"},
    ),
    "mixture": (
        "latent a ~ Normal(0, 1)\nlatent k[i]: binary ~ Bernoulli(0.5)\n"
        "observe y[i] ~ Normal(a if k == 1 else 0, 1)",
        {"a": "`y` depends on a discrete unknown too"},
    ),
    "sampled below": (
        "latent m ~ Normal(0, 1)\nlatent s ~ HalfNormal(1)\nlatent a[i] ~ Normal(m, s)\n"
        "observe y[i] ~ Poisson(exp(a))",
        {"m": "`a` depends on it and is sampled", "a": "`y` is not normal"},
    ),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_other_uses_are_refused(name):
    text, reasons = REFUSED[name]
    checked = model(HEAD + text)

    assert {r.name: r.reason for r in refused(checked)} == reasons
    assert not set(gaussian(checked)) & set(reasons)


def test_of_two_that_multiply_one_another_the_larger_is_taken():
    text = (
        "latent w: real[D] ~ Normal(0, 1)\nlatent f[i] ~ Normal(0, 1)\n"
        "observe y[i]: real[D] ~ Normal(w * f, 1)"
    )
    checked = model(HEAD + text)

    assert gaussian(checked) == ("f",)
    assert [r.name for r in refused(checked)] == ["w"]
    assert gaussian(checked, frozenset({"f"})) == ("w",)


def test_what_is_to_be_sampled_keeps_what_it_depends_on():
    checked = model(HEAD + LINEAR["hierarchy"])

    assert integrable(checked) == (("gaussian", ("m", "a")),)
    assert gaussian(checked, frozenset({"a"})) == ()
    assert gaussian(checked, frozenset({"m"})) == ("a",)


def test_states_along_a_sequence():
    text = (
        "model M\nsequence t\nlatent x[0] ~ Normal(0, 1)\nlatent x[t] ~ Normal(0.9 * x[t-1], 1)\n"
        "observe y[t] ~ Normal(x, 1)"
    )
    assert gaussian(model(text)) == ("x",)
    assert gaussian(model(text.replace("0.9 * x[t-1]", "sin(x[t-1])"))) == ()
    scan = (
        "model M\nsequence t\nlatent e[t] ~ Normal(0, 1)\nlet x[0] = e[0]\n"
        "let x[t] = x[t-1] + e\nobserve y[t] ~ Normal(x, 1)"
    )
    found = refused(model(scan.replace("e[0]\n", "0\n")))
    assert [(m.name, m.reason) for m in found] == [("e", "`loc` of `y` is computed step by step")]


def test_records_name_their_own_parameters():
    for spec in DISTRIBUTIONS.values():
        names = {p.name for p in spec.params}
        assert {*spec.gaussian, *spec.gaussian_given} <= names
    for function in FUNCTIONS.values():
        assert all(set(group) <= set(function.params) for group in function.linear)
