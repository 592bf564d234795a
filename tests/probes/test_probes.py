"""The mistakes that were probed in other systems, and what gendsl does with each.

One test a row of the table: refused when the model is checked, refused when data are bound,
or carried out.
"""

import numpy as np
import pytest

import gendsl
from gendsl.diagnostics import CompileError, DataError
from gendsl.frontend import check
from gendsl.source import Source


def codes(text: str) -> list[str]:
    """The codes that checking `text` reports."""
    with pytest.raises(CompileError) as caught:
        check(Source("probe.gen", text))
    return [d.code for d in caught.value.diagnostics]


def bind_codes(text: str, data: dict) -> DataError:
    """The error that binding `data` raises, before anything is compiled to tensors."""
    with pytest.raises(DataError) as caught:
        gendsl.compile(text).bind(data)
    return caught.value


def test_unit_axis_against_a_plate_is_refused_at_check():
    text = """model M
    plate n  dim one = 1
    input x[n]: real[one]
    latent slope ~ Normal(0, 1)
    observe y[n]: real ~ Normal(slope * x, 1)
    """
    assert codes(text) == ["GD302"]


def test_unit_axis_in_the_data_is_refused_at_bind():
    text = """model M
    plate n
    input x[n]: real
    latent b ~ Normal(0, 1)
    observe y[n] ~ Normal(b * x, 1)
    """
    error = bind_codes(text, {"x": np.ones((3, 1)), "y": np.ones(3)})
    assert "(3, 1)" in str(error)


def test_a_wrong_length_is_refused_at_bind():
    text = "model M plate n = 3 latent b ~ Normal(0, 1) observe y[n] ~ Normal(b, 1)"
    error = bind_codes(text, {"y": [1.0, 2.0, 3.0, 4.0]})
    assert "4" in str(error)
    assert "3" in str(error)


def test_a_latent_that_guides_omit_gets_one_and_the_plan_says_so():
    text = """model M
    plate n
    latent a ~ Normal(0, 1)
    latent b ~ HalfNormal(1)
    observe y[n] ~ Normal(a + b, 1)
    guide a ~ Normal(0, 1)
    """
    model = gendsl.compile(text)
    assert model.plan.method == "svi"
    assert "a: by the guide of the file" in str(model.plan)
    assert "b: a normal law with parameters of its own" in str(model.plan)
    assert {v.name for v in model.plan.guide.model.of_role("latent")} == {"a", "b"}


def test_a_guide_that_cannot_give_every_value_is_refused_at_check():
    text = """model M
    plate n
    latent b ~ HalfNormal(1)
    observe y[n] ~ Normal(b, 1)
    guide b ~ Uniform(0, 3)
    """
    assert codes(text) == ["GD603"]


def test_an_unknown_name_is_refused_at_bind_with_the_nearest():
    text = "model M plate n latent b ~ Normal(0, 1) observe height[n] ~ Normal(b, 1)"
    error = bind_codes(text, {"heigth": [1.0, 2.0]})
    assert "height" in str(error)
    assert "heigth" in str(error)


def test_a_nan_is_refused_at_bind_with_its_rows():
    text = "model M plate n latent b ~ Normal(0, 1) observe y[n] ~ Normal(b, 1)"
    error = bind_codes(text, {"y": [1.0, float("nan"), 2.0]})
    assert any(d.code.startswith("GD7") for d in error.diagnostics)
    assert "y" in str(error)


def test_a_negative_count_is_refused_at_bind_with_its_row():
    text = "model M plate n latent r ~ Gamma(2, 1) observe y[n] ~ Poisson(r)"
    error = bind_codes(text, {"y": [3, 1, -2, 4]})
    assert "-2" in str(error)


def test_a_scale_that_may_be_negative_is_refused_at_check():
    text = """model M
    plate n
    latent s ~ Normal(0, 1)
    observe y[n] ~ Normal(0, s)
    """
    assert codes(text) == ["GD401"]


def test_only_discrete_latents_are_carried_out_exactly():
    text = """model M
    plate n
    latent k: index(2) ~ Categorical([0.5, 0.5])
    observe y[n] ~ Normal(2 * (k == 1), 1)
    """
    model = gendsl.compile(text)
    assert model.plan.method == "enumeration"
    data = np.array([1.4, 0.7, 1.9])
    fit = model.fit({"y": data}, draws=10, progress=False)
    weights = np.exp([-0.5 * ((data - m) ** 2).sum() for m in (0.0, 2.0)])
    found = fit.tree["exact_probabilities"]["k"].to_numpy()
    np.testing.assert_allclose(found, weights / weights.sum(), rtol=1e-12)


def test_nuts_on_a_countable_latent_is_refused_at_check_with_alternatives():
    text = """model M
    plate n
    latent k ~ Poisson(3)
    observe y[n] ~ Normal(k, 1)
    infer nuts(chains = 2)
    """
    with pytest.raises(CompileError) as caught:
        check(Source("probe.gen", text))
    (found,) = caught.value.diagnostics
    assert found.code == "GD601"
    assert "NegativeBinomial" in (found.help or "")


def test_a_minibatch_without_a_plate_cannot_be_written():
    text = """model M
    plate n
    latent b ~ Normal(0, 1)
    observe y[n] ~ Normal(b, 1)
    infer nuts(batch_size = 10)
    """
    assert codes(text) == ["GD606"]
    with pytest.raises(CompileError, match="GD606"):
        gendsl.compile(text.replace("infer nuts(batch_size = 10)", "")).fit(
            {"y": [1.0]}, batch_size=10
        )


def test_a_learned_energy_under_a_bound_is_refused_by_the_plan():
    text = """model M
    plate n
    param w: positive
    observe x[n]: real
    energy w * x ** 2
    infer svi
    """
    with pytest.raises(CompileError) as caught:
        gendsl.compile(text)
    (found,) = caught.value.diagnostics
    assert found.code == "GD612"
    assert "log Z depends on `w`" in found.message
    assert "score_matching" in (found.help or "")
    assert "contrastive_divergence" in (found.help or "")


def test_a_flat_latent_with_a_fixed_energy_is_carried_out():
    text = """model M
    latent x ~ Flat()
    energy 0.5 * ((x - 3) / 2) ** 2
    """
    fit = gendsl.compile(text).fit(seed=3, chains=2, draws=500, warmup=300, progress=False)
    draws = fit.posterior["x"].to_numpy()
    error = float(fit.summary().table.loc["x", "mcse_mean"])
    assert abs(draws.mean() - 3) < 5 * error
    assert abs(draws.std() - 2) < 0.4
