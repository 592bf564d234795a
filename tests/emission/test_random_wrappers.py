"""Random nests of distributions of distributions: the emitted density equals the reference's."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from model_points import emitted, expected, random_point, tolerance

from gendsl.compiler import compile_source
from gendsl.syntax.reading import source_from_text

MODELS = 12
"""So many for each seed."""

HEAD = """
model Nested
plate n
plate group
plate component = 2
input x[n]: real
input g[n]: index(group)
input flag[n]: binary
latent a ~ Normal(0, 1)
latent each[n] ~ Normal(0, 1)
latent b[group] ~ Normal(0, 0.5)
latent s ~ LogNormal(0, 0.5)
latent p ~ Beta(2, 2)
latent mu[component] ~ Normal(0, 1)
latent w: simplex[component] ~ Dirichlet(1)
latent scores: real[3] ~ Normal(0, 1)
"""


class Nests:
    """Texts of random distributions."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def number(self) -> str:
        return self.random.choice(["a", "x", "0", "1.5", "each", "a + x", "b[g]"])

    def scale(self) -> str:
        return self.random.choice(["s", "1", "2.5", "exp(b[g])"])

    def share(self) -> str:
        return self.random.choice(["0.3", "p", "inv_logit(each)"])

    def weights(self) -> str:
        computed = f"softmax([{self.number()}, {self.number()}])"
        return self.random.choice(["[0.25, 0.75]", computed, "[p, 1 - p]"])

    def location_scale(self, loc: str) -> str:
        family = self.random.choice(["Normal", "Laplace", "Logistic", "Cauchy", "Gumbel"])
        return f"{family}({loc}, {self.scale()})"

    def real(self, depth: int) -> str:
        plain = [self.location_scale(self.number()), "Uniform(-9, 9)"]
        if not depth:
            return self.random.choice(plain)
        first, second, third = (self.real(depth - 1) for _ in range(3))
        members = self.location_scale("mu + " + self.number())
        return self.random.choice(
            [
                *plain,
                f"Mixture({self.weights()}, {first}, {second})",
                f"Mixture({first}, {second}, {third}, logits = scores)",
                f"Mixture(w, {members}, component)",
                f"Mixture(w, Mixture({self.weights()}, {members}, {second}), component)",
            ]
        )

    def count(self, depth: int) -> str:
        plain = [
            f"Poisson({self.scale()})",
            f"Binomial(7, {self.share()})",
            f"NegativeBinomial(mean = {self.scale()}, concentration = {self.scale()})",
            "Mixture(w, Poisson(exp(mu)), component)",
        ]
        if not depth:
            return self.random.choice(plain)
        inner = self.count(depth - 1)
        return self.random.choice(
            [
                *plain,
                f"ZeroInflated({self.share()}, {inner})",
                f"Hurdle({self.share()}, {inner})",
                f"Mixture({self.weights()}, {inner}, {self.count(depth - 1)})",
            ]
        )

    def model(self) -> str:
        depth = self.random.choice([1, 2, 3])
        ends = ["lower = -1", "lower = -1, upper = 2", "right = flag", "left = flag"]
        lines = [
            f"observe y[n] ~ Censored({self.real(depth)}, {self.random.choice(ends)})",
            f"observe v[n]: positive ~ {self.real(depth)}",
            f"observe k[n] ~ {self.count(depth)}",
            f"latent z[n] ~ {self.real(1)}",
        ]
        return HEAD + "\n".join(lines)


@pytest.mark.parametrize("seed", range(3))
def test_nests_agree_with_the_reference(seed):
    nests = Nests(seed)
    for number in range(MODELS):
        text = nests.model()
        compiled = compile_source(source_from_text(text))
        point = random_point(compiled.checked.ir, np.random.default_rng(number), 3)
        wanted = expected(point)
        assert abs(emitted(compiled, point) - wanted) <= tolerance(wanted), text
