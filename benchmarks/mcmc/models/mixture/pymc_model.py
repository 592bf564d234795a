import numpy as np
import pymc as pm
from pymc.distributions.transforms import ordered

COMPILE = {"initial_points": {"mu": np.array([-1.0, 0, 1])}}


def build(data, sizes):
    with pm.Model() as model:
        w = pm.Dirichlet("w", np.ones(3))
        mu = pm.Normal("mu", 0, 5, shape=3, transform=ordered)
        s = pm.HalfNormal("s", 2, shape=3)
        pm.NormalMixture("x", w=w, mu=mu, sigma=s, observed=data["x"])
    return model
