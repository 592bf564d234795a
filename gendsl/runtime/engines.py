"""One engine a method: from a program with data to labelled results."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import isfinite, prod

import numpy as np
import torch

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.ir.blocks import blocks_of
from gendsl.runtime.backend import tensors
from gendsl.runtime.chains import Job, sample_chains
from gendsl.runtime.density import Density
from gendsl.runtime.draws import Batch
from gendsl.runtime.energies.fitting import fit_energy
from gendsl.runtime.enumeration import enumerate_exactly
from gendsl.runtime.marginal import NotIntegrable, log_marginal, recover
from gendsl.runtime.moving import FollowSupport
from gendsl.runtime.nuts import NutsOptions
from gendsl.runtime.optimum import maximise
from gendsl.runtime.outcome import KEPT, Groups, Outcome, Setting
from gendsl.runtime.parameterisation import Form
from gendsl.runtime.posterior import complete
from gendsl.runtime.preparing import sampling_all
from gendsl.runtime.progress import ChainProgress
from gendsl.runtime.results import ESTIMATE, EXACT, STANDARD_ERROR
from gendsl.runtime.starting import without_start
from gendsl.runtime.variational.fitting import fit_variationally

__all__ = ["ENGINES"]


def _nuts(setting: Setting) -> Outcome:
    chains = int(setting.option("chains"))
    job = _job(setting)
    started = time.monotonic()
    with ChainProgress(chains, enabled=setting.progress) as progress:
        found = sample_chains(job, chains, setting.seed, progress.update, setting.cores)
    large = _large_lets(setting, chains * job.options.draws)
    posterior = _completed(setting, found.values, found.form, frozenset(large))
    attrs: dict[str, float | int | str] = {
        "max_tree_depth": job.options.max_tree_depth,
        "sampling_seconds": time.monotonic() - started,
        "evaluation": found.evaluation,
    }
    notes = [found.note] if found.note else []
    if large:
        notes.append(_without(large))
    if notes:
        attrs["note"] = "; ".join(notes)
    groups = {"posterior": posterior, "sample_stats": found.stats}
    return Outcome("mcmc", groups, {}, attrs, found.plan)


def _job(setting: Setting) -> Job:
    thin = setting.compiled.plan.options["thin"]
    options = NutsOptions(
        int(setting.option("draws")),
        int(setting.option("warmup")),
        float(setting.option("target_accept_prob")),
        int(setting.option("max_tree_depth")),
        None if thin is None else int(thin),
    )
    return Job(
        setting.compiled.checked.ir,
        setting.compiled.plan,
        setting.bound,
        setting.executable,
        options,
        setting.dtype,
        setting.device,
    )


def _completed(
    setting: Setting, values: Mapping[str, np.ndarray], form: Form, without: frozenset[str]
) -> dict[str, np.ndarray]:
    """Draws (chain, draw, ...) of every latent and let, from those of the sampled sites."""
    plan = setting.compiled.plan
    chains, draws = next(iter(values.values())).shape[:2]
    flat = {n: v.reshape(chains * draws, *v.shape[2:]) for n, v in values.items()}
    with tensors(setting.dtype, setting.device):
        posterior = complete(
            setting.executable,
            form.noncentred,
            flat,
            discrete=bool(plan.enumerated) or _sums_entries(setting),
            seed=setting.seed,
            without=without,
            centredness=form.centredness,
        )
    return {n: v.reshape(chains, draws, *v.shape[1:]) for n, v in posterior.items()}


def _large_lets(setting: Setting, draws: int) -> list[str]:
    """Lets that would take too much memory."""
    sizes = setting.bound.sizes
    found = []
    for variable in setting.compiled.checked.ir.of_role("let"):
        entries = prod(sizes[a] for a in variable.axes)
        entries *= prod(s.evaluate(dict(sizes)) for s in variable.type.event)
        if entries * draws > KEPT:
            found.append(variable.name)
    return found


def _sums_entries(setting: Setting) -> bool:
    """Whether missing entries of a discrete covariate are summed out."""
    finite = {
        r for w in setting.compiled.plan.rewrites if w.kind == "summed out" for r in w.variables
    }
    return bool(finite & set(setting.executable.program.imputed))


def _enumeration(setting: Setting) -> Outcome:
    draws = int(setting.option("draws"))
    with tensors(setting.dtype, setting.device):
        found = enumerate_exactly(setting.executable, draws, setting.seed)
    coords = {f"{n}_value": v for n, v in found.values.items()}
    groups: Groups = {
        "posterior": {n: v[None] for n, v in found.draws.items()},
        EXACT: found.probabilities,
    }
    return Outcome("exact", groups, coords, {"log_evidence": found.log_evidence})


def _point(setting: Setting) -> Outcome:
    model = setting.compiled.checked.ir
    with tensors(setting.dtype, setting.device, setting.seed):
        density = Density(setting.executable, moving=FollowSupport(jacobian=False))
        found = maximise(density, int(setting.option("steps")), setting.seed)
        batch = Batch(setting.executable)

        def natural(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            result = {}
            for name, value in values.items():
                variable = model.variable(name) if name in _names(setting) else None
                if variable is None:
                    result[name] = value
                    continue
                whole = batch.natural(variable, torch.as_tensor(value), 1)[0]
                result[name] = np.array(whole.cpu().numpy())
            return result

        groups: Groups = {ESTIMATE: natural(found.values)}
        if found.errors is not None:
            groups[STANDARD_ERROR] = natural(found.errors)
    attrs: dict[str, float | int | str] = {
        "log_prob": found.log_prob,
        "converged": int(found.converged),
        "gradient_norm": found.gradient_norm,
        "iterations": found.iterations,
    }
    if found.note:
        attrs["note"] = found.note
    if found.positive_definite is not None:
        attrs["hessian_positive_definite"] = int(found.positive_definite)
    return Outcome("point", groups, {}, attrs)


def _likelihood(setting: Setting) -> Outcome:
    """Params alone at once, networks and energies by steps."""
    if any(block.learned for block in blocks_of(setting.compiled.checked.ir)):
        return fit_energy(setting)
    by_steps = setting.compiled.plan.by_steps
    return fit_variationally(setting) if by_steps else _point(setting)


def _exact(setting: Setting) -> Outcome:
    """Independent draws where everything is integrated out, and the log evidence."""
    draws, marginals = int(setting.option("draws")), setting.compiled.plan.marginals
    with tensors(setting.dtype, setting.device, setting.seed):
        density = Density(setting.executable, marginals=marginals)
        try:
            evidence = float(log_marginal(density)(torch.zeros(0)).detach())
            if not isfinite(evidence):
                raise without_start(density)
            found = recover(density, np.zeros((draws, 0)), setting.seed)
        except NotIntegrable as error:
            return _sampled_instead(setting, error)
    large = _large_lets(setting, draws)
    values = {n: v[None] for n, v in found.items()}
    posterior = _completed(setting, values, Form(()), frozenset(large))
    attrs: dict[str, float | int | str] = {"log_evidence": evidence}
    if large:
        attrs["note"] = _without(large)
    return Outcome("exact", {"posterior": posterior}, {}, attrs)


def _sampled_instead(setting: Setting, error: NotIntegrable) -> Outcome:
    """Draws, with a note, where nobody insists on the exact posterior.

    Raises:
        DataError: GD821, where somebody does.
    """
    compiled = setting.compiled
    model, plan = compiled.checked.ir, compiled.plan
    if plan.requested:
        message = f"the unknowns cannot be integrated out: {error}"
        remedy = "check the data; `infer nuts` samples them instead"
        raise DataError([Diagnostic("GD821", message, model.span, help=remedy)], model.source)
    other = sampling_all(model, plan, {}, error)
    other = replace(other, requested=False)
    return _nuts(replace(setting, compiled=replace(compiled, plan=other)))


def _without(large: list[str]) -> str:
    return (
        f"{', '.join(f'`{n}`' for n in large)}: too many entries to keep for every draw; "
        "`fit.posterior_predictive(draws=100)` computes them for some"
    )


def _names(setting: Setting) -> set[str]:
    return {v.name for v in setting.compiled.checked.ir.variables}


ENGINES: Mapping[str, Callable[[Setting], Outcome]] = {
    "nuts": _nuts,
    "enumeration": _enumeration,
    "exact": _exact,
    "svi": fit_variationally,
    "mle": _likelihood,
    "map": _point,
    "contrastive_divergence": fit_energy,
    "score_matching": fit_energy,
    "noise_contrastive": fit_energy,
    "ratio_matching": fit_energy,
}
"""The engine of every method in `gendsl.library.methods`."""
