"""Active units of an autoencoder that collapses, and of remedies: `python benchmarks/collapse.py`.

The data have six directions with more variance than the noise, so six units are worth having. The
noise is learned and begins wide. Until it has shrunk most units cost more than they say, and those
that are given up so come back slowly, if at all.
"""

import numpy as np

import gendsl

__all__ = ["BEST", "REMEDIES", "rows", "trained"]

TEXT = """
model Collapse
plate n
dim L = 6
dim D = 10
net decode: real[L] -> real[D] = mlp(hidden=[32])
param s: positive = 3
latent z[n]: real[L] ~ Normal(0, 1)
observe x[n]: real[D] ~ Normal(decode(z), s)
"""
VARIANCES = np.array([3.0, 2.5, 2.0, 1.6, 1.4, 1.2, 0.3, 0.3, 0.3, 0.3])
EPOCHS = 60
REMEDIES = {
    "none": {},
    "kl_warmup = 30": {"kl_warmup": 30},
    "kl_warmup = 7, kl_cycles = 4": {"kl_warmup": 7, "kl_cycles": 4},
    "free_bits = 0.25": {"free_bits": 0.25},
    "beta = 0.3": {"beta": 0.3},
}
BEST = -0.5 * (np.log(2 * np.pi * VARIANCES) + 1).sum()
"""The largest mean log likelihood of a linear decoder with six units (Tipping and Bishop 1999)."""


def rows(count=500):
    """Data whose covariance has these variances exactly, in a random frame."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 10))
    x -= x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(x.T @ x / count)).T
    return (x * np.sqrt(VARIANCES)) @ np.linalg.qr(rng.normal(size=(10, 10)))[0].T


def trained(seed=1, **options):
    """Active units, and the unmodified bound, whatever was trained."""
    fit = gendsl.compile(TEXT).fit(
        {"x": rows()},
        epochs=EPOCHS,
        batch_size=50,
        learning_rate=0.02,
        seed=seed,
        progress=False,
        draws=2,
        **options,
    )
    found = fit.score(particles=50, seed=1)
    return found.active["z"][0], found.elbo.mean, found.terms["kl.z"].mean


def main():
    """Print the table of `docs/networks.md`."""
    print("| remedy | active units, of 6 | ELBO | KL |\n|---|---|---|---|")
    for name, options in REMEDIES.items():
        found = [trained(seed, **options) for seed in (1, 2, 3)]
        units = ", ".join(str(a) for a, _, _ in found)
        bound, kl = (np.mean([f[i] for f in found]) for i in (1, 2))
        print(f"| {name if name == 'none' else f'`{name}`'} | {units} | {bound:.2f} | {kl:.1f} |")
    print(f"\nThe best of a linear decoder is {BEST:.2f}.")


if __name__ == "__main__":
    main()
