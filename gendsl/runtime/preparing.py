"""From a plan to what is sampled: what the data decide of the rewrites is decided here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from gendsl.inference.plan import OptionValue, Plan, Rewrite
from gendsl.inference.selection import make_plan
from gendsl.ir import nodes as ir
from gendsl.runtime.density import Density
from gendsl.runtime.marginal import NotIntegrable, recover
from gendsl.runtime.moving import FollowSupport
from gendsl.runtime.nuts import NutsOptions, run_chain
from gendsl.runtime.parameterisation import (
    PILOT_DRAWS,
    PILOT_WARMUP,
    Form,
    measured,
    parameterised,
)
from gendsl.runtime.potential import Potential, potential_of
from gendsl.runtime.program import Executable

__all__ = ["Prepared", "density_of", "prepared", "recovered", "sampling_all"]


@dataclass(frozen=True)
class Prepared:
    """What chains sample.

    Attributes:
        plan: what is carried out.
        form: how location-scale latents are written.
        density: of what is neither summed nor integrated out.
        potential: of that density.
    """

    plan: Plan
    form: Form
    density: Density
    potential: Potential


def density_of(executable: Executable, plan: Plan, form: Form) -> Density:
    """The density of what a plan samples."""
    return Density(executable, form.noncentred, FollowSupport(), plan.marginals, form.centredness)


def prepared(model: ir.Model, plan: Plan, executable: Executable, seed: int) -> Prepared:
    """Integrate out, choose the forms of latents, and record the potential.

    Must run under `gendsl.runtime.backend.tensors`.
    """
    try:
        return _prepared(plan, executable, seed)
    except NotIntegrable as error:
        options = {n: v for n, v in plan.options.items() if v is not None}
        other = sampling_all(model, plan, options, error)
        return _prepared(other, executable, seed)


def sampling_all(
    model: ir.Model, plan: Plan, options: Mapping[str, OptionValue], error: NotIntegrable
) -> Plan:
    """The plan of the sampler, which integrates nothing out, and why."""
    gone = [n for m in plan.marginals for n in m.variables]
    treat = {**plan.treat, **dict.fromkeys(gone, "sampled")}
    other = make_plan(model, "nuts", options, treat)
    note = f"{', '.join(f'`{n}`' for n in gone)} cannot be integrated out: {error}"
    return replace(other, requested=plan.requested, notes=(*other.notes, note))


def _prepared(plan: Plan, executable: Executable, seed: int) -> Prepared:
    reduce = "rows" not in plan.treat.values()
    form = Form(plan.noncentred)
    density = density_of(executable, plan, form)
    potential = potential_of(density, reduce=reduce)
    if set(plan.noncentred).difference(n for m in plan.marginals for n in m.variables):
        options = NutsOptions(PILOT_DRAWS, PILOT_WARMUP)
        run = run_chain(density, potential, options, seed)
        form = measured(plan, density, potential, _flat(density, run.values))
        plan = parameterised(plan, form)
    if form.centredness or form.noncentred != density.noncentred:
        density = density_of(executable, plan, form)
        potential = potential_of(density, reduce=reduce)
    shorter = [Rewrite("shortened", (), rule) for rule in potential.rewrites]
    slow = f", which is slow: {potential.slow}" if potential.slow else ""
    plan = replace(plan, rewrites=(*plan.rewrites, *shorter), evaluation=f"{potential.way}{slow}")
    return Prepared(plan, form, density, potential)


def recovered(
    density: Density, values: Mapping[str, np.ndarray], seed: int
) -> dict[str, np.ndarray]:
    """Joint draws (chain, draw, ...) of what was integrated out, one for each of the others."""
    chains, draws = next(iter(values.values())).shape[:2]
    merged = {n: v.reshape(chains * draws, *v.shape[2:]) for n, v in values.items()}
    found = recover(density, _flat(density, merged), seed)
    return {n: v.reshape(chains, draws, *v.shape[1:]) for n, v in found.items()}


def _flat(density: Density, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Draws (draw, ...) of sites on their own scale as flat unconstrained vectors."""
    points = density.unconstrain({n: torch.as_tensor(v) for n, v in values.items()})
    parts = [p.reshape(len(p), -1) for p in points.values()]
    flat: np.ndarray = torch.cat(parts, -1).cpu().numpy()
    return flat
