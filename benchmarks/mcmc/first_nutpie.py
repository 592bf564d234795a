"""What PyTensor and Numba compile once on a machine, for whatever model is first.

Runs in the environment of the peers. The compilation of a model of the benchmark then starts from
the caches that this leaves, which favours nutpie: most of its users have compiled a model before.
"""

import numpy as np
import nutpie
import pymc as pm

with pm.Model() as model:
    mu = pm.Normal("mu", 0, 1, shape=2)
    sigma = pm.HalfNormal("sigma", 1)
    pm.Normal("y", mu, sigma, observed=np.zeros((3, 2)))

ready = nutpie.compile_pymc_model(model)
nutpie.sample(ready, draws=10, tune=100, chains=1, seed=1, progress_bar=False)
