"""Models with discrete latents, and data for them."""

from __future__ import annotations

import numpy as np

RNG = np.random.default_rng(17)
N = 12

BINARY, REAL2 = RNG.integers(0, 2, (N, 4)), RNG.normal(size=(N, 2))

SUMMED = {
    "mixture_prior": (
        """plate c = 3
        net centre: index(c) -> real[2] = mlp(hidden=[4])
        net decode: real[2] -> real[4] = mlp(hidden=[4])
        param pi: simplex[c]
        latent k[n]: index(c) ~ Categorical(pi)
        latent z[n]: real[2] ~ Normal(centre(k), 0.5)
        observe x[n]: binary[4] ~ Bernoulli(logits=decode(z))""",
        {"x": BINARY},
    ),
    "experts": (
        """plate c = 3
        param weight[c]: real[2] = 0.1
        net gate: real[2] -> real[3] = mlp(hidden=[4])
        net warp: real -> real = mlp(hidden=[4])
        input u[n]: real[2]
        latent z[n] ~ Normal(0, 1)
        latent k[n]: index(c) ~ Categorical(logits=gate(u))
        observe y[n] ~ Normal(sum(weight[k] * u) + warp(z), 0.5)""",
        {"u": REAL2, "y": RNG.normal(size=N)},
    ),
    "codes": (
        """net decode: binary[3] -> real[4] = mlp(hidden=[4])
        param p: unit = 0.3
        latent b[n]: binary[3] ~ Bernoulli(p)
        observe x[n]: binary[4] ~ Bernoulli(logits=decode(b))""",
        {"x": BINARY},
    ),
    "parts": (
        """plate c = 3  plate part = 2
        net score: (index(c), index(c)) -> real = mlp(hidden=[4])
        net tie: index(c) -> real[3] = mlp(hidden=[4])
        latent a ~ Normal(0, 1)
        latent k[n]: index(c) ~ Categorical([0.2, 0.3, 0.5])
        latent j[n, part]: index(c) ~ Categorical(logits=tie(k))
        observe y[n, part] ~ Normal(a + score(k, j), 1)""",
        {"y": RNG.normal(size=(N, 2))},
    ),
    "shared": (
        """plate c = 3
        latent a ~ Normal(0, 1)
        latent k: index(c) ~ Categorical([0.2, 0.3, 0.5])
        param m[c]: real = 0.1
        observe y[n] ~ Normal(a + m[k], 1)
        infer svi""",
        {"y": RNG.normal(size=N)},
    ),
}
"""Their discrete latents are summed out of the model."""

GUIDED = {
    "guided_mixture": (
        """plate c = 3
        net centre: index(c) -> real[2] = mlp(hidden=[4])
        net decode: real[2] -> real[4] = mlp(hidden=[4])
        net sort: binary[4] -> real[3] = mlp(hidden=[4])
        net encode: (binary[4], index(c)) -> (loc: real[2], scale: positive[2]) = mlp(hidden=[4])
        latent k[n]: index(c) ~ Categorical([0.2, 0.3, 0.5])
        latent z[n]: real[2] ~ Normal(centre(k), 0.5)
        observe x[n]: binary[4] ~ Bernoulli(logits=decode(z))
        guide k ~ Categorical(logits=sort(x))
        guide z ~ Normal(encode(x, k))""",
        {"x": BINARY},
    ),
    "guided_labels": (
        """plate c = 3
        net decode: (real[2], index(c)) -> real[4] = mlp(hidden=[4])
        net sort: binary[4] -> real[3] = mlp(hidden=[4])
        latent z[n]: real[2] ~ Normal(0, 1)
        observe k[n]: index(c)? ~ Categorical([0.2, 0.3, 0.5])
        observe x[n]: binary[4] ~ Bernoulli(logits=decode(z, k))
        guide k ~ Categorical(logits=sort(x))""",
        {"x": BINARY, "k": np.where(np.arange(N) % 3, np.nan, np.arange(N) % 2)},
    ),
    "guided_switches": (
        """net f: (real, binary[2]) -> real[2] = mlp(hidden=[4])
        param p: unit = 0.3
        latent z[n] ~ Normal(0, 1)
        observe b[n]: binary[2]? ~ Bernoulli(p)
        observe x[n]: real[2] ~ Normal(f(z, b), 1)""",
        {"x": REAL2, "b": np.where(BINARY[:, :2] & BINARY[:, 2:], np.nan, BINARY[:, :2])},
    ),
    "guided_codes": (
        """net decode: binary[3] -> real[4] = mlp(hidden=[4])
        net encode: binary[4] -> real[3] = mlp(hidden=[4])
        latent b[n]: binary[3] ~ Bernoulli(0.3)
        observe x[n]: binary[4] ~ Bernoulli(logits=decode(b))
        guide b ~ Bernoulli(logits=encode(x))""",
        {"x": BINARY},
    ),
    "guided_levels": (
        """plate c = 3
        net lower: index(c) -> real[2] = mlp(hidden=[4])
        net decode: (binary[2], index(c)) -> real[4] = mlp(hidden=[4])
        net top: binary[4] -> real[3] = mlp(hidden=[4])
        net bottom: (binary[4], index(c)) -> real[2] = mlp(hidden=[4])
        latent k[n]: index(c) ~ Categorical([0.2, 0.3, 0.5])
        latent b[n]: binary[2] ~ Bernoulli(logits=lower(k))
        observe x[n]: binary[4] ~ Bernoulli(logits=decode(b, k))
        guide k ~ Categorical(logits=top(x))
        guide b ~ Bernoulli(logits=bottom(x, k))""",
        {"x": BINARY},
    ),
    "guided_words": (
        """plate c = 2
        net sort: real -> real[2] = mlp(hidden=[4])
        param m[c]: real = 0.1
        latent k[n]: index(c)[3] ~ Categorical([0.4, 0.6])
        param w: real[3] = 0.2
        net encode: real -> real[3, c] = mlp(hidden=[4])
        observe y[n] ~ Normal(sum(w * m[k]), 1)
        guide k ~ Categorical(logits=encode(y))""",
        {"y": RNG.normal(size=N)},
    ),
    "guided_parts": (
        """plate c = 3  plate part = 5
        net score: index(c) -> real = mlp(hidden=[4])
        net sort: real -> real[3] = mlp(hidden=[4])
        latent a ~ Normal(0, 1)
        latent j[n, part]: index(c) ~ Categorical([0.2, 0.3, 0.5])
        observe y[n, part] ~ Normal(a + score(j), 1)
        guide j ~ Categorical(logits=sort(y))""",
        {"y": RNG.normal(size=(N, 5))},
    ),
}
"""Theirs are summed out under guides."""

DISCRETE = SUMMED | GUIDED
