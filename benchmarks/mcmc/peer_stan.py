"""Stan, by PyStan: runs in the environment of the peers."""

import dataclasses
import re
import shutil

import aiohttp
import numpy as np
import session
import stan
from httpstan import cache

ELAPSED = re.compile(rb"([0-9.eE+-]+) seconds \((?:Warm-up|Sampling)\)")


def compiled(given, data, sizes, _):
    text = (given.folder / "model.stan").read_text(encoding="utf-8")
    return given, stan.build(text, data={**data, **sizes})


def sampled(model, seed):
    given, posterior = model
    shutil.rmtree(cache.model_directory(posterior.model_name) / "fits", ignore_errors=True)
    fit = dataclasses.replace(posterior, random_seed=seed).sample(
        num_chains=given.chains, num_warmup=given.warmup, num_samples=given.draws
    )
    draws = {}
    for name, shape in zip(fit.param_names, fit.dims, strict=True):
        values = np.asarray(fit[name]).reshape(*shape, given.draws, given.chains)
        draws[name] = np.moveaxis(values, (-1, -2), (0, 1))
    clocks = [float(t) for out in fit.stan_outputs for t in ELAPSED.findall(out)]
    return draws, {
        "divergences": int(np.sum(fit["divergent__"])),
        "gradients_of_draws": int(np.sum(fit["n_leapfrog__"])),
        "own_clock": sum(clocks),
    }


if __name__ == "__main__":
    # PyStan asks its own server to compile, and would give up after five minutes.
    aiohttp.client.DEFAULT_TIMEOUT = aiohttp.ClientTimeout(total=None)
    session.run(session.versions("pystan", "httpstan"), compiled, sampled)
