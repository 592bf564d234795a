"""Discrete latents under guides: sums, unbiased and biased gradients, known answers."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from discrete_cases import DISCRETE, GUIDED, N
from failure_budget import share
from scipy import stats
from scipy.special import logsumexp, softmax

import gendsl
from gendsl.compiler import replan
from gendsl.diagnostics import CompileError
from gendsl.runtime.backend import tensors
from gendsl.runtime.objectives import Elbo
from gendsl.runtime.program import executable
from gendsl.runtime.variational.fitting import learned_for
from gendsl.runtime.variational.learning import prepare, unvalidated


def planned(name, **options):
    model = gendsl.compile(f"model M\nplate n\n{DISCRETE[name][0]}\n")
    return model, replan(model.compiled.checked, "svi", options)


@contextmanager
def ready(name, ways=("sum",)):
    """The case with the same weights for each way of treating discrete latents."""
    with tensors(torch.float64, torch.device("cpu"), 1), unvalidated():
        found, weights = [], None
        for way in ways:
            model, compiled = planned(name, discrete=way)
            checked, bound = compiled.checked.ir, model.bind(DISCRETE[name][1])
            learned = learned_for(compiled.plan, checked, bound.sizes)
            cpu = torch.device("cpu")
            given = executable(
                compiled.program, checked, bound, torch.float64, cpu, nets=learned.nets
            )
            found.append(prepare(given, checked, compiled.plan, learned))
            with torch.no_grad():
                for free in learned.free.values() if weights is None else ():
                    free += 0.3 * torch.randn_like(free)
            if weights is None:
                weights = learned.arrays()
            names = frozenset(n.removeprefix("param/") for n in weights if n.startswith("param/"))
            learned.load(weights, names)
        yield found


def gradient(inference, particles):
    """The gradient of the ELBO at fresh draws, all entries in one vector."""
    leaves = list(inference.learned.free.values())
    leaves += [p for net in inference.learned.nets.values() for p in net.parameters()]
    sites = inference.light.sites(inference.everything(), particles, N, N, training=True)
    loss = Elbo(particles, kl="sampled")(sites).loss
    parts = torch.autograd.grad(loss, leaves, allow_unused=True)
    pairs = zip(parts, leaves, strict=True)
    return torch.cat([torch.zeros(x.numel()) if g is None else g.flatten() for g, x in pairs])


def mean_and_error(inference, particles, repetitions):
    drawn = torch.stack([gradient(inference, particles) for _ in range(repetitions)])
    return drawn.mean(0).numpy(), drawn.std(0).numpy() / np.sqrt(repetitions)


def smallest_p(mean, error, exact):
    known = error > 1e-10
    assert known.any()
    np.testing.assert_allclose(mean[~known], exact[~known], atol=1e-8)
    z = (mean[known] - exact[known]) / error[known]
    return 2 * stats.t(29).sf(np.abs(z).max()) * known.sum()


@pytest.mark.parametrize("name", ["guided_codes", "guided_levels", "guided_words"])
def test_score_function_has_the_gradient_of_the_sum(name):
    """And the straight-through estimator has another one."""
    with ready(name, ("sum", "score", "straight_through")) as (summed, scored, through):
        torch.manual_seed(5)
        exact = gradient(summed, 1).numpy()
        assert smallest_p(*mean_and_error(scored, 100, 30), exact) > share()
        if name != "guided_codes":
            assert smallest_p(*mean_and_error(through, 100, 30), exact) < share()


def test_sum_over_continuous_draws():
    with ready("guided_mixture", ("sum", "score")) as (summed, scored):
        torch.manual_seed(6)
        mean, error = mean_and_error(summed, 50, 30)
        other, noise = mean_and_error(scored, 100, 30)
        assert smallest_p(other, np.hypot(error, noise), mean) > share()
        assert (error**2).sum() < (noise**2).sum()


@pytest.mark.parametrize("way", ["straight_through", "gumbel"])
@pytest.mark.parametrize("name", ["guided_mixture", "guided_codes", "guided_words"])
def test_evaluation_relaxes_nothing(name, way):
    """Bounds are those of draws from the guide, whatever was trained."""
    with ready(name, ("score", way)) as both:
        bounds = []
        for inference in both:
            torch.manual_seed(2)
            sites = inference.light.sites(inference.everything(), 7, N, N)
            bounds.append(float(Elbo(7)(sites).bound))
        assert bounds[0] == bounds[1]


# Known answers

CENTRES = np.array([-1.0, 0.0, 2.0])
WEIGHTS = np.array([0.2, 0.3, 0.5])
KNOWN = """
plate n  plate c = 3
input centre[c]: real
latent k[n]: index(c) ~ Categorical([0.2, 0.3, 0.5])
observe y[n] ~ Normal(centre[k], 1)
"""


def mixture_data():
    rng = np.random.default_rng(3)
    y = CENTRES[rng.choice(3, 60, p=WEIGHTS)] + rng.normal(size=60)
    joint = np.log(WEIGHTS) + stats.norm(CENTRES, 1).logpdf(y[:, None])
    return {"y": y, "centre": CENTRES}, logsumexp(joint, 1).mean(), softmax(joint, 1)


def fitted(text, data, **options):
    model = gendsl.compile(f"model M{text}\ninfer svi\n")
    return model.fit(data, seed=1, progress=False, dtype="float64", **options)


@pytest.mark.parametrize(("way", "tolerance"), [("sum", 1e-5), ("score", 0.05)])
def test_guide_of_a_mixture_becomes_the_posterior(way, tolerance):
    """The posterior log odds are linear in y: then the weights of draws are all p(y)."""
    guide = """
    param slope: real[c] = 0
    param level: real[c] = 0
    guide k ~ Categorical(logits=level + slope * y)
    """
    data, evidence, posterior = mixture_data()
    rate = {"learning_rate": 0.2, "schedule": "cosine"}
    fit = fitted(KNOWN + guide, data, discrete=way, epochs=600, draws=10, **rate)
    score = fit.score(particles=50).log_likelihood
    assert score.mean == pytest.approx(evidence, abs=tolerance / 20)
    codes = fit.encode()
    np.testing.assert_allclose(codes.k_probability, posterior, atol=tolerance)
    assert codes.k_probability.dims == ("n", "c")
    np.testing.assert_array_equal(codes.k, codes.k_probability.argmax("c"))


def test_mixture_summed_out_of_the_model():
    """Nothing is left to draw: the bound is the log likelihood, at every point."""
    data, evidence, posterior = mixture_data()
    text = KNOWN.replace("Normal(centre[k], 1)", "Normal(centre[k] + shift, 1)")
    fit = fitted(text + "param shift: real = 0\n", data, epochs=1, learning_rate=1e-8, draws=500)
    score = fit.score(particles=3)
    assert score.elbo.mean == pytest.approx(evidence, abs=1e-6)
    assert score.log_likelihood.mean == pytest.approx(evidence, abs=1e-6)
    np.testing.assert_allclose(fit.encode().k_probability, posterior, atol=1e-6)
    shares = [(fit.tree["posterior"].k.to_numpy() == v).mean((0, 1)) for v in range(3)]
    z = (np.stack(shares, 1) - posterior) / np.sqrt(posterior * (1 - posterior) / 500 + 1e-12)
    assert np.abs(z).max() < stats.norm.isf(share(z.size) / 2) + 1


def test_counts_have_their_posterior_moments():
    y = np.random.default_rng(8).normal(2, 1, 20)
    text = """
    plate n
    param shift: real = 0
    latent w[n]: count ~ Binomial(5, 0.4)
    observe y[n] ~ Normal(w + shift, 1)
    """
    codes = fitted(text, {"y": y}, epochs=1, learning_rate=1e-8, draws=2).encode()
    every = np.arange(6)
    weights = softmax(
        stats.binom(5, 0.4).logpmf(every) + stats.norm(every, 1).logpdf(y[:, None]), 1
    )
    np.testing.assert_allclose(codes.w, weights @ every, atol=1e-6)
    np.testing.assert_allclose(
        codes.w_sd, np.sqrt(weights @ every**2 - (weights @ every) ** 2), atol=1e-6
    )


def test_more_values_than_can_be_tried():
    """Data may decide how many there are."""
    text = """
    plate n  plate c
    input centre[c]: real
    param p: simplex[c]
    latent k[n]: index(c) ~ Categorical(p)
    observe y[n] ~ Normal(centre[k], 1)
    """
    with pytest.raises(gendsl.DataError, match="GD834.*5,000 values"):
        fitted(text, {"y": np.zeros(3), "centre": np.zeros(5000)}, epochs=1)


def test_prior_of_mixtures_has_the_divergence_of_the_mixture():
    """kl.z is log q(z) - log sum_k p(k) p(z | k)."""
    with ready("mixture_prior") as (inference,):
        torch.manual_seed(1)
        sites = inference.light.sites(inference.everything(), 4, N, N)
        z, learned = sites["z"].value, inference.learned
        centres = learned.nets["centre"](torch.arange(3)).detach().numpy()
        weights = learned.param("pi").detach().numpy()
        parts = stats.norm(centres, 0.5).logpdf(z.detach().numpy()[..., None, :]).sum(-1)
        expected = logsumexp(parts + np.log(weights), -1)
        np.testing.assert_allclose(sites["z"].log_p.detach().numpy(), expected, rtol=1e-10)


def test_codes_summed_out_of_the_model():
    """The bound is the log likelihood by all eight codes, one after the other."""
    with ready("codes") as (inference,):
        sites = inference.light.sites(inference.everything(), 1, N, N)
        every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
        logits = inference.learned.nets["decode"](every).detach().numpy()
        x, p = DISCRETE["codes"][1]["x"], float(inference.learned.param("p").detach())
        seen = stats.bernoulli(1 / (1 + np.exp(-logits))).logpmf(x[:, None]).sum(-1)
        prior = stats.bernoulli(p).logpmf(every.numpy().astype(int)).sum(-1)
        expected = logsumexp(seen + prior, -1)
        rows = sites["x"].log_p + sites["b"].log_p
        np.testing.assert_allclose(rows.detach().numpy()[0], expected, rtol=1e-10)
        marginals = inference.light.gone[0].marginals["b"].detach()
        np.testing.assert_allclose(marginals[:, 0].T, softmax(seen + prior, -1), rtol=1e-8)


def test_codes_and_what_is_made_of_them(tmp_path):
    """A guide of binary codes: shapes, labels, and a fit that is stored."""
    text, data = GUIDED["guided_codes"]
    fit = fitted(f"\nplate n\n{text}\n", data, epochs=30, draws=5)
    codes = fit.encode()
    assert codes.b.dims == codes.b_probability.dims
    np.testing.assert_array_equal(codes.b, codes.b_probability > 0.5)
    assert fit.reconstruct().x.shape == fit.decode(codes).x.shape == (N, 4)
    assert set(np.unique(fit.generate(4, seed=1).b)) <= {0, 1}
    assert fit.tree["posterior"].b.shape == (1, 5, N, 3)
    assert fit.score(particles=20).active["b"][1] == 3
    fit.save(tmp_path / "fit")
    again = gendsl.load_fit(tmp_path / "fit")
    assert again.score(particles=20).elbo.mean == fit.score(particles=20).elbo.mean


# What is done with them


@pytest.mark.parametrize(
    ("text", "options", "way"),
    [
        ("latent b[n]: binary[3] ~ Bernoulli(0.5)", {}, "model"),
        ("latent b[n]: binary[12] ~ Bernoulli(0.5)", {}, "score"),
        ("latent b[n]: binary[3] ~ Bernoulli(0.5)", {"discrete": "gumbel"}, "gumbel"),
        (
            "latent b[n]: binary[3] ~ Bernoulli(0.5)\nguide b ~ Bernoulli(logits=back(x))",
            {},
            "sum",
        ),
        (
            "latent b[n]: binary[3] ~ Bernoulli(0.5)\nguide b ~ Bernoulli(logits=back(x))",
            {"bound": "iwae"},
            "score",
        ),
    ],
)
def test_choice(text, options, way):
    size = "12" if "12" in text else "3"
    net = f"plate n\nnet f: binary[{size}] -> real[4] = mlp(hidden=[4])\n"
    net += f"net back: binary[4] -> real[{size}] = mlp(hidden=[4])\n"
    seen = "observe x[n]: binary[4] ~ Bernoulli(logits=f(b))"
    model = gendsl.compile(f"model M\n{net}{text}\n{seen}\n")
    plan = replan(model.compiled.checked, None, options).plan
    assert plan.guide.discrete.ways == (("b", way),)


@pytest.mark.parametrize(
    ("use", "options", "message"),
    [
        ("(1 if b > 0 else 2) + m[k]", {"discrete": "gumbel"}, "in another way"),
        ("(k == 1) + b", {"discrete": "straight_through"}, "in another way"),
        ("sum(b, n)", {"discrete": "sum"}, "several members|tied|cross"),
    ],
)
def test_refusals(use, options, message):
    model = gendsl.compile(f"""model M
    plate n  plate c = 3
    net f: real -> real = mlp(hidden=[4])
    param m[c]: real = 0
    latent k[n]: index(c) ~ Categorical([0.2, 0.3, 0.5])
    latent b[n]: binary ~ Bernoulli(0.5)
    observe x[n] ~ Normal(f({use}), 1)
    observe y[n] ~ Normal(m[k], 1)
    """)
    with pytest.raises(CompileError, match=message):
        replan(model.compiled.checked, None, options)
