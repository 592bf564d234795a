"""nutpie on PyMC models: runs in the environment of the peers."""

import nutpie
import session

OPTIONS = {"": {}, "low_rank": {"low_rank_modified_mass_matrix": True}}


def compiled(given, data, sizes, quantities):
    module = session.module_of(given.folder / "pymc_model.py")
    settings = getattr(module, "COMPILE", {})
    model = module.build(data, sizes)
    return given, nutpie.compile_pymc_model(model, var_names=list(quantities), **settings)


def sampled(model, seed):
    given, ready = model
    found = nutpie.sample(
        ready,
        draws=given.draws,
        tune=given.warmup,
        chains=given.chains,
        seed=seed,
        progress_bar=False,
        **OPTIONS[given.variant],
    )
    draws = {str(n): v.to_numpy() for n, v in found.posterior.items()}
    return draws, {
        "divergences": int(found.sample_stats["diverging"].sum()),
        "gradients_of_draws": int(found.sample_stats["n_steps"].sum()),
        "gradients": int(
            found.sample_stats["n_steps"].sum() + found.warmup_sample_stats["n_steps"].sum()
        ),
    }


if __name__ == "__main__":
    used = session.versions("nutpie", "pymc", "pytensor", "numba", "jax")
    session.run(used, compiled, sampled)
