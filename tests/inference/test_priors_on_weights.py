"""Networks whose weights have a prior: closed forms, the modules of the same shape, and fits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

import gendsl
from gendsl.runtime.nets.written import net as module_of

LINE = """\
model Line
plate row  dim D
input x[row]: real[D]
net f: real[D] -> real = linear() ~ Normal(0, 2)
observe y[row] ~ Normal(f(x), 0.5)
"""
CURVE = """\
model Curve
plate row
input x[row]: real
net f: real -> real = mlp(hidden=[8], activation=tanh) ~ Normal(0, 1)
observe y[row] ~ Normal(f(x), 0.2)
"""


def line_data(rows=30):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(rows, 3))
    return x, x @ [1.0, -1.0, 0.5] + 0.3 + rng.normal(0, 0.5, rows)


def regression(x, y):
    """The posterior mean and precision of Bayesian linear regression, the bias last."""
    design = np.c_[x, np.ones(len(x))]
    precision = np.eye(design.shape[1]) / 4 + design.T @ design / 0.25
    return np.linalg.solve(precision, design.T @ y / 0.25), precision


def drawn(fit):
    weight = fit.posterior["f.layers.0.weight"].to_numpy().reshape(-1, 3)
    return np.c_[weight, fit.posterior["f.layers.0.bias"].to_numpy().reshape(-1)]


def test_a_linear_net_with_a_normal_prior_is_bayesian_linear_regression():
    x, y = line_data()
    fit = gendsl.compile(LINE).fit({"x": x, "y": y}, seed=1, progress=False, draws=4000)
    mean, precision = regression(x, y)
    covariance = np.linalg.inv(precision)

    assert fit.plan.method == "exact"
    assert fit.posterior["f.layers.0.weight"].dims[2:] == ("f.layers.0.weight_dim_0", "D")
    draws = drawn(fit)
    sd = np.sqrt(np.diag(covariance))
    assert np.abs(draws.mean(0) - mean).max() < 5 * sd.max() / np.sqrt(4000)
    assert np.allclose(np.cov(draws.T), covariance, atol=0.1 * sd.max() ** 2)


def test_its_mean_field_optimum_has_the_conditional_variances():
    """Of a normal posterior with precision P the best law without correlations is
    N(mean, 1 / P_ii): Turner & Sahani, 2011."""
    x, y = line_data()
    fit = gendsl.compile(LINE).fit(
        {"x": x, "y": y},
        infer="svi",
        epochs=500,
        particles=10,
        schedule="cosine",
        learning_rate=0.05,
        seed=1,
        progress=False,
    )
    mean, precision = regression(x, y)
    found = fit.encode()

    loc = np.r_[found["f.layers.0.weight"].to_numpy().ravel(), found["f.layers.0.bias"]]
    scale = np.r_[found["f.layers.0.weight_sd"].to_numpy().ravel(), found["f.layers.0.bias_sd"]]
    assert np.allclose(loc, mean, atol=0.02)
    assert np.allclose(scale, np.diag(precision) ** -0.5, rtol=0.05)


def test_the_weights_of_a_perceptron_are_sampled_and_averaged_over():
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, 40)
    y = np.sin(2 * x) + rng.normal(0, 0.2, 40)
    fit = gendsl.compile(CURVE).fit(
        {"x": x, "y": y}, seed=1, chains=2, draws=300, warmup=300, progress=False
    )

    assert fit.plan.method == "nuts"
    assert fit.posterior["f.layers.0.weight"].shape == (2, 300, 8, 1)
    assert "f.layers.1.weight" in fit.plan.treatment
    assert fit.summary().table["r_hat"].max() < 1.05
    at = np.linspace(-1.8, 1.8, 7)
    means = fit.predict({"x": at}, seed=2)["y"].mean(("chain", "draw")).to_numpy()
    assert np.abs(means - np.sin(2 * at)).max() < 0.25


SIGNATURES = {
    "a number": ("real -> real", "mlp(hidden=[3, 4], activation=tanh)"),
    "a vector": ("real[D] -> real[K]", "mlp(hidden=5, layers=2)"),
    "positive": ("real[D] -> positive", "mlp(hidden=[3], activation=softplus)"),
    "exp": ("real[D] -> positive[K]", "linear(positive=exp)"),
    "between": ("real[D] -> real(-1, 3)", "mlp(hidden=[3], activation=sigmoid)"),
    "below": ("real[D] -> real(-inf, 2)", "linear()"),
    "simplex": ("real[D] -> simplex[K]", "mlp(hidden=[3], activation=sine)"),
    "output": ("real[D] -> real", "linear(output=tanh)"),
    "several": ("(real[D], index(K), real) -> real[K]", "mlp(hidden=[4])"),
    "record": ("real[D] -> (loc: real, scale: positive)", "mlp(hidden=[4])"),
}
SIZES = {"D": 2, "K": 3}
GIVEN = {"real[D]": "x", "real": "u", "index(K)": "g"}


@pytest.mark.parametrize("name", SIGNATURES)
def test_calls_are_those_of_a_module_with_the_same_weights(name):
    signature, architecture = SIGNATURES[name]
    domain, codomain = signature.split(" -> ")
    args = (
        [GIVEN[t] for t in domain.strip("()").split(", ")] if domain[0] == "(" else [GIVEN[domain]]
    )
    call = f"f({', '.join(args)})"
    drawn = f"Normal({call}, 1)" if name != "record" else f"Normal({call})"
    vector = "[K]" if "[K]" in codomain else ""
    model = gendsl.compile(
        f"model M\nplate n\ndim D = 2\nplate K = 3\ninput x[n]: real[D]\ninput u[n]: real\n"
        f"input g[n]: index(K)\nnet f: {signature} = {architecture} ~ Normal(0, 1)\n"
        f"observe y[n]: real{vector} ~ {drawn}\n"
    )
    rng = np.random.default_rng(1)
    data = {"x": rng.normal(size=(5, 2)), "u": rng.normal(size=5), "g": [0, 1, 2, 0, 1]}
    data["y"] = rng.normal(size=(5, 3) if vector else 5)
    latents = {v.name: v for v in model.compiled.checked.ir.of_role("latent")}
    sizes = {a: n for a, n in SIZES.items()}
    values = {
        n: rng.normal(size=[s.evaluate(sizes) for s in v.type.event]) for n, v in latents.items()
    }
    found = model.log_density(values, data)

    torch.set_default_dtype(torch.float64)
    try:
        module = module_of(signature, architecture, SIZES)
        _load(module, values)
        inputs = [torch.as_tensor(np.asarray(data[a])) for a in args]
        out = module(*inputs)
    finally:
        torch.set_default_dtype(torch.float32)
    loc, scale = (out["loc"], out["scale"]) if isinstance(out, dict) else (out, torch.ones(()))
    law = stats.norm(loc.detach().numpy(), scale.detach().numpy())
    expected = law.logpdf(data["y"]).sum() + sum(
        stats.norm.logpdf(v).sum() for v in values.values()
    )
    assert found == pytest.approx(expected, rel=1e-6)


def _load(module, values):
    """Put weights into a module, whose parameters stand in the same order."""
    layers = {}
    for name, value in values.items():
        layer, _, kind = name.partition(".weight") if ".weight" in name else (name[:-5], "", "")
        layers.setdefault(layer, {}).setdefault(
            "bias" if name.endswith("bias") else "weight", []
        ).append(value)
    found = [
        {"weight": np.concatenate(parts["weight"], 1), "bias": parts["bias"][0]}
        for parts in layers.values()
    ]
    linear = [m for m in module.modules() if isinstance(m, torch.nn.Linear)]
    last = found[len(linear) - 1 :]
    joint = {k: np.concatenate([part[k] for part in last], 0) for k in ("weight", "bias")}
    for layer, parts in zip(linear, [*found[: len(linear) - 1], joint], strict=True):
        layer.load_state_dict({k: torch.as_tensor(v) for k, v in parts.items()})


def test_a_net_that_is_called_twice_has_one_set_of_weights():
    text = CURVE.replace("Normal(f(x), 0.2)", "Normal(f(x) - f(-x), 0.2)")
    names = [v.name for v in gendsl.compile(text).compiled.checked.ir.of_role("latent")]
    assert names == [f"f.layers.{n}.{part}" for n in (0, 1) for part in ("weight", "bias")]


def test_a_prior_may_depend_on_latents_declared_later():
    text = CURVE.replace("Normal(0, 1)", "Normal(0, s)") + "latent s ~ HalfNormal(1)\n"
    model = gendsl.compile(text)
    order = [v.name for v in model.compiled.checked.ir.of_role("latent")]
    assert order[0] == "s"
    values = model.simulate(3, {"x": [0.0, 1.0]}, seed=1)["prior"]
    assert values["f.layers.0.weight"].shape == (1, 3, 8, 1)


def test_functions_may_call_it():
    text = CURVE.replace("Normal(f(x), 0.2)", "Normal(twice(x), 0.2)")
    text = text.replace("observe", "fn twice(u: real): real = 2 * f(u)\nobserve")
    same = CURVE.replace("Normal(f(x), 0.2)", "Normal(2 * f(x), 0.2)")
    data = {"x": [0.3, -0.4], "y": [0.1, 0.2]}
    latents = gendsl.compile(text).compiled.checked.ir.of_role("latent")
    values = {
        v.name: np.full([s.evaluate({}) for s in v.type.event], 0.1 * (1 + i))
        for i, v in enumerate(latents)
    }
    first, second = (gendsl.compile(t).log_density(values, data) for t in (text, same))
    assert first == pytest.approx(second, rel=1e-12)


def test_many_weights_are_inferred_by_a_guide_that_starts_at_random():
    model = gendsl.compile(CURVE.replace("hidden=[8]", "hidden=[60, 60]"))
    assert model.plan.method == "svi"
    assert "3841 weights of networks have a prior" in str(model.plan)
    assert "torch.randn(60, 60) / 60 ** 0.5" in model.pyro_source
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, 100)
    y = np.sin(2 * x) + rng.normal(0, 0.2, 100)
    fit = model.fit({"x": x, "y": y}, epochs=200, seed=1, progress=False, draws=100)
    at = np.linspace(-1.5, 1.5, 7)
    means = fit.predict({"x": at}, seed=2)["y"].mean(("chain", "draw")).to_numpy()
    assert np.abs(means - np.sin(2 * at)).max() < 0.5


def test_weights_are_saved_and_read_back(tmp_path):
    x, y = line_data()
    fit = gendsl.compile(LINE).fit({"x": x, "y": y}, seed=1, progress=False, draws=50)
    fit.save(tmp_path / "run")
    back = gendsl.load_fit(tmp_path / "run")
    assert np.array_equal(drawn(fit), drawn(back))


def test_a_prior_that_nothing_depends_on_is_told_once():
    text = CURVE.replace("Normal(f(x), 0.2)", "Normal(x, 0.2)")
    (warning,) = gendsl.compile(text).warnings
    assert "no observation depends on the weights of `f`" in warning.message
