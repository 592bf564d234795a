"""What a caller asks to be done with single variables."""

from __future__ import annotations

import pytest

import gendsl
from gendsl.compiler import replan
from gendsl.diagnostics import CompileError
from gendsl.runtime.marginal import gaussian

TEXT = """model Groups
plate g
latent mu ~ Normal(0, 1)
latent tau ~ HalfNormal(1)
latent theta[g] ~ Normal(mu, tau)
observe y[g] ~ StudentT(4, theta, 1)
"""
MODEL = gendsl.compile(TEXT)

WRONG = {
    ("theta", "center"): (
        "<text>: error[GD614]: no treatment is called `center`\nhelp: did you mean `centred`?"
    ),
    ("thetta", "centred"): (
        "<text>: error[GD614]: the model has no variable `thetta`\nhelp: did you mean `theta`?"
    ),
    ("mu", "noncentred"): (
        "<text>:3:8: error[GD614]: `mu` cannot be non-centred: it is not of a location-scale "
        "family with an unknown scale\n  3 | latent mu ~ Normal(0, 1)\n    |        ^^\n"
        "help: write it as a `let` of a standard variable"
    ),
    ("tau", "marginalised"): (
        "<text>:4:8: error[GD614]: `tau` cannot be marginalised: given all else, its law is of "
        "no family that is known to be conjugate\n  4 | latent tau ~ HalfNormal(1)\n"
        "    |        ^^^\nhelp: leave it to the plan"
    ),
    ("theta", "rows"): (
        "<text>:5:8: error[GD614]: `theta` cannot be weighed by rows: it is not observed\n"
        "  5 | latent theta[g] ~ Normal(mu, tau)\n    |        ^^^^^\n"
        "help: name an observed variable"
    ),
    ("y", "sampled"): (
        "<text>:6:9: error[GD614]: `y` cannot be sampled: it is no latent, its role is observed\n"
        "  6 | observe y[g] ~ StudentT(4, theta, 1)\n    |         ^\n"
        "help: name a continuous latent"
    ),
}


@pytest.mark.parametrize(("name", "treatment"), list(WRONG))
def test_messages(name, treatment):
    with pytest.raises(CompileError) as raised:
        MODEL.fit({"y": [0.0]}, treat={name: treatment})

    assert str(raised.value) == WRONG[name, treatment]


def test_the_form_of_a_latent_is_the_callers_choice():
    checked = MODEL.compiled.checked

    assert replan(checked).plan.noncentred == ("theta",)
    assert replan(checked, treat={"theta": "centred"}).plan.noncentred == ()
    assert replan(checked, treat={"*": "centred"}).plan.noncentred == ()
    kept = replan(checked, treat={"*": "centred", "theta": "noncentred"}).plan
    assert kept.noncentred == ("theta",)
    assert kept.treat == {"*": "centred", "theta": "noncentred"}


CONJUGATE = """model Conjugate
plate n
latent m ~ Normal(0, 1)
latent u[n] ~ Normal(m, 1)
observe y[n] ~ Normal(u, 1)
"""


def test_what_had_better_not_be_integrated_out_is_sampled_and_the_plan_says_so(monkeypatch):
    monkeypatch.setattr(gaussian, "LARGEST", 5)
    data = {"y": [0.5, 1.0, -0.3, 2.0, 0.1, 0.7]}

    fit = gendsl.compile(CONJUGATE).fit(data, draws=200, progress=False)

    assert (fit.kind, fit.tree.attrs["method"]) == ("mcmc", "nuts")
    assert "`m`, `u` cannot be integrated out: they are 7 numbers" in fit.plan.notes[0]
    with pytest.raises(gendsl.DataError, match="they are 7 numbers, which is too many"):
        gendsl.compile(CONJUGATE).fit(data, infer="exact", progress=False)


def test_forms_asked_of_all_leave_alone_what_has_no_form():
    checked = gendsl.compile(CONJUGATE).compiled.checked
    assert replan(checked, treat={"*": "noncentred"}).plan.method == "exact"


def test_what_is_tied_to_sampled_latents_is_not_dropped_silently():
    checked = gendsl.compile(CONJUGATE).compiled.checked
    with pytest.raises(CompileError) as raised:
        replan(checked, treat={"u": "sampled", "m": "marginalised"})
    assert "`m` cannot be marginalised: what depends on it is to be sampled" in str(raised.value)


def test_options_of_samplers_are_noted_where_nothing_is_sampled():
    fit = gendsl.compile(CONJUGATE).fit({"y": [0.5]}, warmup=10, chains=2, progress=False)

    assert fit.kind == "exact"
    assert fit.plan.notes == ("`warmup`, `chains`: exact has no use for it",)
    with pytest.raises(CompileError, match="GD607"):
        gendsl.compile(CONJUGATE).fit({"y": [0.5]}, warmup=-1)
    with pytest.raises(CompileError, match="GD606"):
        gendsl.compile(CONJUGATE).fit({"y": [0.5]}, warmups=1)
