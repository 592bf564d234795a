"""Random models: whatever is found to be conjugate from the text alone is so at the data."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
import torch
from marginal_densities import CPU, FLOAT64, density_of

from gendsl.diagnostics import CompileError
from gendsl.runtime.backend import tensors
from gendsl.runtime.marginal import log_marginal, recover

PRIORS = {
    "positive": ["Gamma(2, {h})", "Exponential({h})", "InverseGamma(3, {h})", "ChiSquared(3)"],
    "unit": ["Beta({h}, 2)", "Uniform(0, 1)"],
}
POSITIVE = ["{z}", "{z}", "c * {z}", "1 / {z}", "sqrt({z})", "1 / sqrt({z})", "{z} ** -0.5",
            "{z} ** 2", "{z} + 1", "{z} * u", "{z} / (c * u)", "{z} ** (-1 / u)", "exp({z})",
            "c * sqrt(2 * {z})", "{z} * {z}"]  # fmt: skip
UNIT = ["{z}", "{z}", "1 - {z}", "{z} / 2", "{z} ** 2", "1 - (1 - {z})", "sqrt({z})"]
LIKELIHOODS = {
    "positive": [
        "count ~ Poisson({e})", "positive ~ Exponential({e})", "positive ~ Gamma(1.5, {e})",
        "positive ~ Gamma(1.5, scale={e})", "real ~ Normal(0.3, {e})", "real ~ Laplace(0, {e})",
        "positive ~ InverseGamma(2, {e})", "positive ~ Weibull({e}, u)", "real ~ Normal({e}, 1)",
        "positive ~ Rayleigh({e})", "positive ~ Gamma({e}, 1)", "real ~ StudentT(4, 0, {e})",
        "positive ~ LogNormal(0, {e})", "count ~ ZeroInflated(0.3, Poisson({e}))",
    ],
    "unit": [
        "binary ~ Bernoulli({e})", "count ~ Geometric({e})", "integer(0, 5) ~ Binomial(5, {e})",
        "count ~ NegativeBinomial(2.5, {e})", "real ~ Normal({e}, 1)",
    ],
}  # fmt: skip


def random_text(random: Random) -> str:
    """A model with two latents of families and some observations of them."""
    lines = ["plate n  plate g", "input i[n]: index(g)", "input c[n]: positive",
             "latent u ~ LogNormal(0, 0.5)", "latent m ~ Normal(0, 1)",
             "observe w[n] ~ Normal(m, 1)"]  # fmt: skip
    for name in "ab":
        kind = random.choice(["positive", "unit"])
        plate = random.choice(["", "[g]"])
        hyper = random.choice(["3", "u", "2 * u", "a" if name == "b" and not plate else "1.5"])
        prior = random.choice(PRIORS[kind]).format(h=hyper)
        lines.append(f"latent {name}{plate}: {kind} ~ {prior}")
        for k in range(random.choice([1, 1, 2])):
            z = f"{name}[i]" if plate else name
            if k and random.random() < 0.3 and not plate:
                z = f"{name} * a" if name == "b" else z
            form = random.choice(POSITIVE if kind == "positive" else UNIT)
            expression = form.format(z=f"({z})" if "*" in z else z)
            if random.random() < 0.4:
                lines.append(f"let e{name}{k}[n] = {expression}")
                expression = f"e{name}{k}"
            law = random.choice(LIKELIHOODS[kind]).format(e=expression)
            lines.append(f"observe y{name}{k}[n]: {law}")
    return "\n".join(lines)


def random_data(text: str, random: Random) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(random.randrange(2**31))
    data = {"i": np.array([0, 1, 2, 2, 0, 1]), "c": rng.uniform(0.5, 2, 6)}
    makers = {
        "count": lambda: rng.poisson(2, 6),
        "positive": lambda: rng.exponential(1, 6),
        "real": lambda: rng.normal(size=6),
        "binary": lambda: rng.integers(2, size=6),
        "integer(0, 5)": lambda: rng.integers(6, size=6),
    }
    for line in text.splitlines():
        if line.startswith("observe "):
            name, _, rest = line.removeprefix("observe ").partition("[n]")
            data[name] = makers[rest[1:].split("~")[0].strip() or "real"]()
    return data


def check_random(random: Random) -> int:
    """How many latents were integrated out of a random model; -1 if it is no model."""
    text = random_text(random)
    data = random_data(text, random)
    try:
        with tensors(FLOAT64, CPU, 1):
            density = density_of(text, data)
            others = [m for m in density.marginals if m.family != "gaussian"]
            if not others:
                return 0
            value = log_marginal(density)(0.3 * torch.ones(density.size))
            assert torch.isfinite(value.detach())
            recover(density, np.random.default_rng(1).normal(size=(3, density.size)), 1)
            return sum(len(m.variables) for m in others)
    except CompileError:
        return -1
    except BaseException as error:
        error.add_note(text)
        raise


def test_random_models():
    found = [check_random(Random(seed)) for seed in range(25)]
    assert found.count(-1) < 12
    assert sum(n > 0 for n in found) >= 6
    assert 0 in found  # those that are not conjugate are left alone


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_many_random_models(block):
    for seed in range(100 * block, 100 * block + 100):
        check_random(Random(seed))
