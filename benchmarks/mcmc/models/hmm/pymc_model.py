import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.transforms import ordered

# Numba takes more than a minute of CPU time for this, as a scan or in pairs; JAX takes seconds.
COMPILE = {
    "backend": "jax",
    "gradient_backend": "jax",
    "initial_points": {"mu": np.array([-2.0, -1, 1, 2])},
}


def log_forward(start, move, log_density, steps, k):
    """The forward algorithm as a product of matrices, in pairs and scaled."""
    largest = log_density.max(axis=1, keepdims=True)
    density = pt.exp(log_density - largest)
    product, total, left = move * density[1:, None, :], largest.sum(), steps - 1
    while left > 1:
        pairs, rest = product[: left // 2 * 2].reshape((left // 2, 2, k, k)), left % 2
        found = (pairs[:, 0, :, :, None] * pairs[:, 1, None, :, :]).sum(axis=2)
        scale = found.sum(axis=(1, 2), keepdims=True)
        total += pt.log(scale).sum()
        found = found / scale
        product = pt.concatenate([found, product[-1:]]) if rest else found
        left = left // 2 + rest
    return total + pt.log(((start * density[0]) @ product[0]).sum())


def build(data, sizes):
    with pm.Model() as model:
        start = pm.Dirichlet("start", np.ones(4))
        move = pm.Dirichlet("move", np.ones((4, 4)))
        mu = pm.Normal("mu", 0, 5, shape=4, transform=ordered)
        s = pm.HalfNormal("s", 2, shape=4)
        log_density = pm.logp(pm.Normal.dist(mu, s), data["x"][:, None])
        pm.Potential("x", log_forward(start, move, log_density, sizes["N"], sizes["K"]))
    return model
