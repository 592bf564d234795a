"""Autoregressive models end to end: exact densities, maximum likelihood, draws in order."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pyro
import pytest
import torch
from failure_budget import share
from pyro.poutine import trace
from scipy import optimize, stats

import gendsl
from gendsl.likelihood_fit import LikelihoodFit
from gendsl.runtime.autoregressive import Drawing, drawing
from gendsl.runtime.backend import tensors
from gendsl.runtime.entry_laws import Sharpening, sharpened
from gendsl.runtime.program import executable
from gendsl.runtime.variational.using import replicates

HEAD = "model M\nplate n\n"
BITS = "observe x[n]: binary[{0}] ~ Bernoulli(logits = f(x))"


def strings(values: int, length: int) -> np.ndarray:
    return np.array(list(itertools.product(range(values), repeat=length)))


def first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def chain(rows: int, length: int, seed: int = 0) -> np.ndarray:
    """Bits that are mostly those before them."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, (rows, length))
    for i in range(1, length):
        x[:, i] = np.where(rng.random(rows) < 0.8, x[:, i - 1], 1 - x[:, i - 1])
    return x


def quick(text: str, data: dict, epochs: int = 3, **options: object) -> LikelihoodFit:
    fit = gendsl.compile(HEAD + text).fit(
        data, epochs=epochs, learning_rate=0.02, seed=1, progress=False, **options
    )
    assert isinstance(fit, LikelihoodFit)
    return fit


@cache
def of_bits(architecture: str, length: int, event: str = "") -> LikelihoodFit:
    shape = event or str(length)
    text = f"net f: real[{shape}] -> causal real[{shape}] = {architecture}\n"
    x = chain(300, length)
    if event:
        x = x.reshape(300, *(int(n) for n in event.split(",")))
    return quick(text + BITS.format(shape), {"x": x})


NETS = [
    ("fvsbn()", 6, ""),
    ("nade(hidden=10, order=reversed)", 6, ""),
    ("made(hidden=[20], order=random)", 6, ""),
    ("made(hidden=[20], masks=3)", 6, ""),
    ("causal_conv(width=8, layers=3)", 6, ""),
    ("pixelcnn(width=8, layers=3, kernel=3)", 9, "3, 3"),
    ("gru(hidden=6)", 6, ""),
    ("transformer(width=8, heads=2, layers=1)", 6, ""),
]
networks = pytest.mark.parametrize(("architecture", "length", "event"), NETS, ids=lambda v: str(v))


# --- densities --------------------------------------------------------------------------------


@networks
def test_probabilities_of_all_values_sum_to_1(architecture, length, event):
    every = strings(2, length)
    fit = of_bits(architecture, length, event)
    x = every.reshape(len(every), *fit.data.values["x"].shape[1:])
    assert np.exp(fit.log_prob({"x": x}).to_numpy().astype(float)).sum() == pytest.approx(
        1, abs=2e-6
    )


@networks
def test_draws_that_keep_what_was_computed_are_those_that_do_not(architecture, length, event):
    fit = of_bits(architecture, length, event)
    found = []
    for cached in (True, False):
        bound = fit._sized({}, None, rows=40)
        with fit._ready(bound, 3) as inference, drawing(Drawing(cached=cached)):
            found.append(replicates(inference, fit.compiled.checked.ir, {})["x"])
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("architecture", ["made(hidden=[20], order=random)", "gru(hidden=6)"])
def test_draws_follow_the_density(architecture):
    fit = of_bits(architecture, 6)
    every = strings(2, 6)
    expected = 4000 * np.exp(fit.log_prob({"x": every}).to_numpy().astype(float))
    drawn = fit.generate(4000, seed=5).x.to_numpy().astype(int)
    observed = np.bincount(drawn @ 2 ** np.arange(6)[::-1], minlength=64)
    keep = expected > 1
    statistic = np.sum((observed[keep] - expected[keep]) ** 2 / expected[keep])
    assert stats.chi2.sf(statistic, keep.sum() - 1) > share(2)


def test_the_program_under_pyro_has_the_same_density_and_draws():
    fit = of_bits("made(hidden=[20], order=random)", 6)
    program, model = fit.compiled.program, fit.compiled.checked.ir
    with tensors(torch.float32, torch.device("cpu"), 0), torch.no_grad():
        nets = fit.learned.nets
        ready = executable(program, model, fit.data, torch.float32, torch.device("cpu"), nets=nets)
        total = float(trace(ready.function).get_trace(**ready.arguments).log_prob_sum())
        pyro.set_rng_seed(0)
        drawn = trace(ready.function).get_trace(**ready.without(frozenset({"x"})).arguments)
    assert total == pytest.approx(float(fit.log_prob().sum()), rel=1e-5)
    assert drawn.nodes["x"]["value"].shape == (300, 6)


def test_a_linear_network_of_a_normal_law_is_the_multivariate_normal():
    """Maximum likelihood is that of mean and covariance, in closed form."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(300, 3)) @ np.array([[1.0, 0.6, -0.4], [0, 0.8, 0.5], [0, 0, 0.7]])
    fit = quick(
        """dim D = 3
        param s: positive[D] = 1
        net f: real[D] -> causal real[D] = fvsbn()
        observe x[n]: real[D] ~ Normal(f(x), s)""",
        {"x": x},
        epochs=1500,
        held_out=0,
        weight_decay=0,
        batch_size=300,
    )
    best = stats.multivariate_normal(x.mean(0), np.cov(x.T, bias=True)).logpdf(x).mean()
    assert float(fit.log_prob().mean()) == pytest.approx(best, abs=2e-4)
    assert float(fit.log_prob().mean()) <= best + 1e-5


def test_linear_networks_of_bits_are_logistic_regressions():
    x = chain(200, 3, seed=4)
    fit = quick(
        "net f: real[3] -> causal real[3] = fvsbn()\n" + BITS.format(3),
        {"x": x},
        epochs=800,
        held_out=0,
        weight_decay=0,
        batch_size=200,
    )
    best = 0.0
    for i in range(3):
        design = np.column_stack([np.ones(200), x[:, :i]])

        def loss(w, i=i, design=design):
            eta = design @ w
            return np.logaddexp(0, eta).mean() - (x[:, i] * eta).mean()

        best -= optimize.minimize(loss, np.zeros(i + 1)).fun
    assert float(fit.log_prob().mean()) == pytest.approx(best, abs=1e-4)
    assert float(fit.log_prob().mean()) <= best + 1e-6


def test_a_mixture_of_normal_laws_integrates_to_1():
    fit = quick(
        """sequence d  plate part = 3
        net f: real[d] -> causal (w: simplex[d, part], m: real[d, part], s: positive[d, part]) =
            made(hidden=[12])
        observe x[n, d]: real ~ Mixture(f(collect(x, d)).w[d],
            Normal(f(collect(x, d)).m[d][part], f(collect(x, d)).s[d][part]), part)""",
        {"x": np.random.default_rng(0).normal(size=(200, 2))},
    )
    grid = np.linspace(-9, 9, 181)
    points = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)
    mass = (
        np.exp(fit.log_prob({"x": points}).to_numpy().astype(float)).sum()
        * (grid[1] - grid[0]) ** 2
    )
    assert mass == pytest.approx(1, abs=2e-3)


def test_discretized_logistic_mixtures_sum_to_1():
    values = np.random.default_rng(0).integers(0, 8, (200, 2))
    fit = quick(
        """sequence d  plate part = 2
        net f: real[d] -> causal (w: simplex[d, part], m: real[d, part], s: positive[d, part]) =
            made(hidden=[12])
        observe x[n, d]: integer(0, 7) ~ Mixture(f(collect(x / 7, d)).w[d],
            DiscretizedLogistic(3.5 + f(collect(x / 7, d)).m[d][part],
                f(collect(x / 7, d)).s[d][part], 0, 7), part)""",
        {"x": values},
    )
    every = strings(8, 2)
    assert np.exp(fit.log_prob({"x": every}).to_numpy().astype(float)).sum() == pytest.approx(
        1, abs=1e-5
    )
    assert fit.generate(20, seed=1).x.to_numpy().max() <= 7


def test_tokens_along_a_sequence():
    fit = quick(
        """sequence t  dim V = 3
        net f: index(V)[t] -> causal real[t, V] = transformer(width=8, heads=2, layers=1)
        observe x[n, t]: index(V) ~ Categorical(logits = f(collect(x, t))[t])""",
        {"x": np.random.default_rng(0).integers(0, 3, (80, 4))},
    )
    every = strings(3, 4)
    probabilities = np.exp(fit.log_prob({"x": every}).to_numpy().astype(float))
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)
    drawn = fit.generate(50, seed=1).x.to_numpy()
    assert drawn.shape == (50, 4)
    assert set(np.unique(drawn)) <= {0, 1, 2}
    assert fit.tree.attrs["bits_per_dim"] == pytest.approx(
        -float(fit.log_prob().mean()) / (4 * np.log(2)), rel=1e-5
    )


def test_ragged_tokens():
    """What stands beyond the end of a row is no part of its density."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 6, 60)
    tokens = rng.integers(0, 3, (60, 5))
    fit = quick(
        """sequence t[n]  dim V = 3
        net f: index(V)[t] -> causal real[t, V] = gru(hidden=6)
        observe x[n, t]: index(V) ~ Categorical(logits = f(collect(x, t))[t])""",
        {"x": [row[:k].tolist() for row, k in zip(tokens, lengths, strict=True)]},
    )
    pairs = strings(3, 2)
    probabilities = np.exp(fit.log_prob({"x": pairs.tolist()}).to_numpy().astype(float))
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)
    three = [*pairs[:4].tolist(), [0, 1, 2]]
    found = np.exp(fit.log_prob({"x": three}).to_numpy().astype(float))
    np.testing.assert_allclose(found[:4], probabilities[:4], rtol=1e-5)


def test_rows_with_a_context():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 400)
    x = np.where(label[:, None] == 1, 1 - chain(400, 4) * 0, chain(400, 4))
    fit = quick(
        """plate k = 2
        input c[n]: index(k)
        net f: (real[4], index(k)) -> causal real[4] = made(hidden=[16])
        observe x[n]: binary[4] ~ Bernoulli(logits = f(x, c))""",
        {"x": x, "c": label},
        epochs=40,
    )
    every = strings(2, 4)
    for k in (0, 1):
        given = {"x": every, "c": np.full(16, k)}
        assert np.exp(fit.log_prob(given).to_numpy().astype(float)).sum() == pytest.approx(
            1, abs=1e-5
        )
    drawn = fit.generate(6, {"c": np.array([1, 1, 1, 1, 1, 1])}, seed=1).x.to_numpy()
    assert (drawn == 1).all()


# --- draws ------------------------------------------------------------------------------------


def test_completions_follow_the_conditional_law():
    fit = of_bits("made(hidden=[20], order=random)", 6)
    order = fit.learned.nets["f"].order.numpy()
    known, rest = order[:2], order[2:]
    part = np.full((4000, 6), np.nan)
    part[:, known] = [1, 0]
    drawn = fit.complete({"x": part}, seed=9).x.to_numpy().astype(int)
    assert (drawn[:, known] == [1, 0]).all()
    every = strings(2, 6)
    every = every[(every[:, known] == [1, 0]).all(1)]
    joint = np.exp(fit.log_prob({"x": every}).to_numpy().astype(float))
    expected = 4000 * joint / joint.sum()
    codes = drawn[:, rest] @ 2 ** np.arange(4)
    observed = np.array([(codes == row[rest] @ 2 ** np.arange(4)).sum() for row in every])
    keep = expected > 1
    statistic = np.sum((observed[keep] - expected[keep]) ** 2 / expected[keep])
    assert stats.chi2.sf(statistic, keep.sum() - 1) > share()


def test_complete_rows_stay_and_other_gaps_are_refused():
    fit = of_bits("gru(hidden=6)", 6)
    x = chain(5, 6).astype(float)
    np.testing.assert_array_equal(fit.complete({"x": x}).x.to_numpy(), x)
    x[2, 3] = np.nan
    with pytest.raises(gendsl.DataError) as caught:
        fit.complete({"x": x})
    assert first_line(caught.value) == (
        "<text>:4:9: error[GD893]: entry 4 of `x` is known in row 2, but entries before it in the "
        "order of its network are not: the law of these, given it, is not at hand"
    )


def test_sharpening_by_hand():
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64))

    def found(**how: object) -> list[float]:
        return torch.softmax(sharpened(logits, Sharpening(**how)), -1).tolist()

    assert found() == pytest.approx([0.5, 0.3, 0.15, 0.05])
    squares = np.array([0.25, 0.09, 0.0225, 0.0025])
    assert found(temperature=0.5) == pytest.approx(list(squares / squares.sum()))
    assert found(top_k=2) == pytest.approx([0.625, 0.375, 0, 0])
    assert found(nucleus=0.79) == pytest.approx([0.625, 0.375, 0, 0])
    assert found(nucleus=0.81) == pytest.approx(list(np.array([0.5, 0.3, 0.15, 0]) / 0.95))
    assert found(nucleus=0.01, temperature=100.0) == pytest.approx([1, 0, 0, 0])


def test_a_low_temperature_leaves_the_most_probable_value():
    fit = of_bits("made(hidden=[20], order=random)", 6)
    drawn = fit.generate(30, seed=1, temperature=1e-3).x.to_numpy()
    assert len(np.unique(drawn, axis=0)) == 1
    for options in ({"temperature": 0.0}, {"nucleus": 1.5}, {"top_k": 0}):
        with pytest.raises(gendsl.DataError):
            fit.generate(3, **options)


def test_sharpening_is_for_finitely_many_values():
    fit = quick(
        "net f: real[3] -> causal real[3] = fvsbn()\nobserve x[n]: real[3] ~ Normal(f(x), 1)",
        {"x": np.random.default_rng(0).normal(size=(50, 3))},
    )
    with pytest.raises(gendsl.DataError) as caught:
        fit.generate(3, temperature=0.5)
    assert first_line(caught.value) == (
        "error[GD892]: `temperature`, `top_k` and `nucleus` are about finitely many values, but "
        "this variable has others"
    )


# --- the fit ----------------------------------------------------------------------------------


def test_what_a_fit_says_of_itself():
    fit = of_bits("gru(hidden=6)", 6)
    plan = str(fit.plan)
    assert "inference: mle, giving params and networks at the maximum of the likelihood" in plan
    assert "10 % of the rows are held out" in plan
    assert fit.kind == "point"
    assert {"log_likelihood", "held_out log_likelihood"} <= set(map(str, fit.history))
    summary = str(fit.summary())
    assert "bits/dim" in summary
    assert "bound" not in summary
    assert "The log likelihood of rows held out was still rising: train longer." in summary
    total = fit.evaluate({"x": chain(20, 6)})
    assert total.kind == "exact"
    assert total.log_predictive_density == pytest.approx(
        float(fit.log_prob({"x": chain(20, 6)}).sum()), rel=1e-6
    )


def test_saved_and_loaded(tmp_path):
    fit = of_bits("made(hidden=[20], order=random)", 6)
    fit.save(tmp_path / "run")
    again = gendsl.load_fit(tmp_path / "run")
    assert isinstance(again, LikelihoodFit)
    x = chain(20, 6)
    np.testing.assert_array_equal(again.log_prob({"x": x}), fit.log_prob({"x": x}))
    np.testing.assert_array_equal(again.generate(5, seed=2).x, fit.generate(5, seed=2).x)


def test_options_of_networks_and_of_params_alone():
    params = gendsl.compile("model P\nplate n\nparam m: real\nobserve y[n] ~ Normal(m, 1)\n")
    data = {"y": np.arange(6.0)}
    assert params.fit(data, steps=50, progress=False).plan.method == "mle"
    with pytest.raises(gendsl.CompileError, match="`mle` has no option called `batch_size`"):
        params.fit(data, batch_size=2, progress=False)
    nets = gendsl.compile(HEAD + "net f: real[3] -> causal real[3] = fvsbn()\n" + BITS.format(3))
    with pytest.raises(gendsl.CompileError, match="`mle` has no option called `steps`"):
        nets.fit({"x": chain(30, 3)}, steps=5, progress=False)


def test_variational_inference_may_still_be_asked_for():
    text = "net f: real[3] -> causal real[3] = fvsbn()\n" + BITS.format(3)
    fit = gendsl.compile(HEAD + text).fit(
        {"x": chain(30, 3)}, infer="svi", epochs=2, progress=False, seed=0
    )
    assert fit.plan.method == "svi"


# --- what is refused --------------------------------------------------------------------------


def test_nets_of_one_variable_agree_on_the_order():
    text = """net f: real[3] -> causal real[3] = made(order=random)
    net g: real[3] -> causal positive[3] = made(order={0})
    observe x[n]: real[3] ~ Normal(f(x), g(x))"""
    with pytest.raises(gendsl.DataError) as caught:
        quick(text.format("reversed"), {"x": np.zeros((30, 3))})
    assert first_line(caught.value) == (
        "<text>:5:13: error[GD891]: `f` and `g` take the entries of `x` in different orders"
    )


class Shifted(torch.nn.Module):
    """Sums of earlier entries; with `leak` up to the entry itself."""

    def __init__(self, *, leak: bool) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(0.5))
        self.leak = leak

    def forward(self, x):
        sums = x.cumsum(-1)
        return self.weight * (
            sums if self.leak else torch.nn.functional.pad(sums[..., :-1], (1, 0))
        )


def test_nets_from_python_are_probed():
    text = "net f: real[4] -> causal real[4]\n" + BITS.format(4)
    data = {"x": chain(60, 4)}
    fit = quick(text, data, nets={"f": Shifted(leak=False)})
    assert np.exp(
        fit.log_prob({"x": strings(2, 4)}).to_numpy().astype(float)
    ).sum() == pytest.approx(1, abs=1e-5)
    with pytest.raises(gendsl.DataError) as caught:
        quick(text, data, nets={"f": Shifted(leak=True)})
    assert first_line(caught.value) == (
        "<text>:3:5: error[GD890]: `f` is not causal: entry [0] of what it returns depends on "
        "entry [0] of its first argument"
    )
