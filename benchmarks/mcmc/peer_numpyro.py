"""NumPyro: runs in the environment of the peers."""

import jax
import numpy as np
import numpyro
import session
from numpyro.infer import MCMC, NUTS


def compiled(given, data, *_):
    """All chains as one compiled function, as the documentation of MCMC shows.

    ``chain_method="parallel"`` would compile anew at every call.
    """
    model = session.module_of(given.folder / "numpyro_model.py").model

    def chain(key):
        mcmc = MCMC(
            NUTS(model), num_warmup=given.warmup, num_samples=given.draws, progress_bar=False
        )
        mcmc.run(key, extra_fields=("num_steps", "diverging"), **data)
        return mcmc.get_samples(), mcmc.get_extra_fields()

    return given.chains, jax.pmap(chain)


def sampled(ready, seed):
    chains, function = ready
    draws, facts = jax.device_get(function(jax.random.split(jax.random.PRNGKey(seed), chains)))
    return draws, {
        "divergences": int(np.sum(facts["diverging"])),
        "gradients_of_draws": int(np.sum(facts["num_steps"])),
    }


if __name__ == "__main__":
    numpyro.enable_x64()
    numpyro.set_host_device_count(session.arguments().chains)
    session.run(session.versions("numpyro", "jax"), compiled, sampled)
