"""gendsl, by its public interface: runs in our own environment."""

import numpy as np
import session

import gendsl.model


def compiled(given, data, _, quantities):
    return given, gendsl.load(given.folder / "model.gen"), data


def sampled(ready, seed):
    given, model, data = ready
    fit = model.fit(
        data,
        seed=seed,
        chains=given.chains,
        warmup=given.warmup,
        draws=given.draws,
        progress=False,
    )
    draws = {str(n): v.to_numpy() for n, v in fit.posterior.data_vars.items()}
    facts = {n: v for n, v in fit.tree.attrs.items() if n in ("evaluation", "note")}
    if "sampling_seconds" in fit.tree.attrs:
        facts["own_clock"] = fit.tree.attrs["sampling_seconds"]
    if "sample_stats" in fit.tree.children:
        stats = fit.tree["sample_stats"]
        facts["divergences"] = int(np.sum(stats["diverging"].to_numpy()))
        facts["gradients_of_draws"] = int(np.sum(stats["n_steps"].to_numpy()))
    return draws, facts


if __name__ == "__main__":
    used = {"gendsl": gendsl.__version__, **session.versions("torch", "pyro-ppl")}
    session.run(used, compiled, sampled)
