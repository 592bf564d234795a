"""gendsl's sampler beside plain Pyro NUTS, on the same emitted programs and in one run.

``python benchmarks/nuts.py [MODEL ...]`` prints for each model the time of a gradient and the
effective draws a second of both (warm-up included; compilation shown apart), and their ratios.
Nothing is asserted: machines differ.
"""

import argparse
import time
import warnings

import numpy as np
import pyro
import torch
from arviz_stats.base.array import array_stats
from pyro.infer import MCMC, NUTS
from pyro.infer.reparam import LocScaleReparam

import gendsl
from gendsl.runtime.backend import tensors
from gendsl.runtime.density import Density
from gendsl.runtime.nuts import NutsOptions, run_chain
from gendsl.runtime.potential import potential_of, unflatten
from gendsl.runtime.program import executable

FLOAT64, CPU = torch.float64, torch.device("cpu")


def eight_schools():
    text = """model EightSchools
plate school
input sigma[school]: positive
latent mu ~ Normal(0, 5)
latent tau ~ HalfCauchy(5)
latent theta[school] ~ Normal(mu, tau)
observe y[school] ~ Normal(theta, sigma)
"""
    return text, {
        "y": [28, 8, -3, 7, -1, 1, 18, 12],
        "sigma": [15, 10, 16, 11, 9, 11, 10, 18],
    }


def radon():
    text = """model Radon
plate county  plate house
input floor[house]: real
input county_of[house]: index(county)
latent mu ~ Normal(0, 10)
latent tau ~ HalfNormal(5)
latent alpha[county] ~ Normal(mu, tau)
latent beta ~ Normal(0, 10)
latent sigma ~ HalfNormal(5)
observe log_radon[house] ~ Normal(alpha[county_of] + beta * floor, sigma)
"""
    rng = np.random.default_rng(0)
    county = np.concatenate([np.arange(85), rng.integers(0, 85, 919 - 85)])
    floor = rng.integers(0, 2, 919).astype(float)
    alpha = 1.5 + 0.3 * rng.normal(size=85)
    y = alpha[county] - 0.6 * floor + 0.7 * rng.normal(size=919)
    return text, {"floor": floor, "county_of": county, "log_radon": y}


def logistic():
    text = """model Logistic
plate row  dim D = 10
input X[row]: real[D]
latent a ~ Normal(0, 2.5)
latent b: real[D] ~ Normal(0, 2.5)
observe y[row]: binary ~ Bernoulli(logits = a + X @ b)
"""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(1000, 10))
    y = rng.random(1000) < 1 / (1 + np.exp(-X @ rng.normal(size=10) / 2))
    return text, {"X": X, "y": y.astype(int)}


def mixture():
    text = """model Mixture
plate point  plate k = 3
latent w: simplex[k] ~ Dirichlet(1)
latent mu: ordered[k] ~ Normal(0, 5)
latent s[k] ~ HalfNormal(2)
latent z[point]: index(k) ~ Categorical(w)
observe x[point] ~ Normal(mu[k = z], s[z])
"""
    rng = np.random.default_rng(2)
    z = rng.choice(3, 300, p=[0.5, 0.3, 0.2])
    x = np.array([-4, 0, 3])[z] + np.array([0.7, 1, 0.5])[z] * rng.normal(size=300)
    return text, {"x": x}


MODELS = {f.__name__: f for f in (eight_schools, radon, logistic, mixture)}


def least_ess(values):
    sizes = []
    for draws in values.values():
        for column in draws.reshape(len(draws), -1).T:
            sizes.append(float(array_stats.ess(column[None], method="bulk")))
    return min(sizes)


def ours(density, draws):
    started = time.process_time()
    potential = potential_of(density)
    built = time.process_time() - started
    started = time.process_time()
    found = run_chain(density, potential, NutsOptions(draws, draws), 1)
    spent = time.process_time() - started
    point = np.zeros(density.size)
    again = time.process_time()
    for _ in range(200):
        potential(point)
    gradient = (time.process_time() - again) / 200
    return built, spent, gradient, least_ess(found.values), potential.way


def plain(ready, density, noncentred, draws):
    config = {n: LocScaleReparam(centered=0.0) for n in noncentred}
    model = pyro.poutine.reparam(ready.run, config=config)
    torch.manual_seed(1)
    mcmc = MCMC(
        NUTS(model, max_plate_nesting=ready.nesting),
        num_samples=draws,
        warmup_steps=draws,
        disable_progbar=True,
    )
    started = time.process_time()
    mcmc.run()
    spent = time.process_time() - started
    leaf = torch.zeros(density.size).requires_grad_()
    again = time.process_time()
    for _ in range(20):
        value = density.potential(unflatten(density, leaf))
        torch.autograd.grad(value, leaf)
    gradient = (time.process_time() - again) / 20
    return spent, gradient, least_ess({n: v.numpy() for n, v in mcmc.get_samples().items()})


def compare(name, draws, pyro_draws):
    text, data = MODELS[name]()
    model = gendsl.compile(text)
    bound = model.bind(data)
    with tensors(FLOAT64, CPU, 0):
        ready = executable(model.compiled.program, model.compiled.checked.ir, bound, FLOAT64, CPU)
        density = Density(ready, model.plan.noncentred)
        built, spent, gradient, ess, way = ours(density, draws)
        with pyro.validation_enabled(False):
            their = plain(ready, density, model.plan.noncentred, pyro_draws)
    rate, their_rate = ess / spent, their[2] / their[0]
    print(
        f"{name:<14} gradient {gradient * 1e6:8.1f} us, Pyro {their[1] * 1e6:8.1f} us "
        f"(x{their[1] / gradient:.0f});  ESS/s {rate:8.1f}, Pyro {their_rate:7.2f} "
        f"(x{rate / their_rate:.0f});  built in {built:.2f} s, {way}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=list(MODELS))
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--pyro-draws", type=int, default=150)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for name in arguments.models:
        compare(name, arguments.draws, arguments.pyro_draws)


if __name__ == "__main__":
    main()
