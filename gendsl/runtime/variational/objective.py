"""The objective that the options of a plan ask for."""

from __future__ import annotations

import re
from typing import Literal, cast

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.inference.plan import Plan
from gendsl.ir import nodes as ir
from gendsl.library.bounds import clash
from gendsl.runtime.objectives import (
    Clock,
    Cyclic,
    Elbo,
    FreeBits,
    Iwae,
    Likelihood,
    MaximumMeanDiscrepancy,
    Objective,
    Penalty,
    Ramp,
    Renyi,
    TotalCorrelation,
)
from gendsl.runtime.objectives.schedules import Weight
from gendsl.runtime.variational.coherent import without_effect
from gendsl.runtime.variational.quantised import with_codebooks
from gendsl.runtime.variational.relaxing import Relaxation, relaxation
from gendsl.semantics.supports import is_discrete

__all__ = ["objective_of", "relaxed", "steady", "together"]

PARTICLES = 5
"""Draws for a bound of several draws, unless told otherwise."""

SCORED = 4
"""Draws for the ELBO where a guide learns by the score function: each has the mean of the others
as its baseline."""

ALPHA, TEMPERATURE = 0.5, 0.5
"""The order of Renyi's bound, and the temperature of relaxed draws, unless told otherwise."""

RISING = 0.5
"""The share of a cycle in which the weight of the KL grows."""


def objective_of(plan: Plan, model: ir.Model) -> Objective:
    """What is trained.

    Raises:
        DataError: GD865, options that do not go together.
    """
    if plan.method == "mle":
        return Likelihood()
    try:
        wrong = clash(plan.options)
        if wrong is not None:
            raise ValueError(wrong)
        found = with_codebooks(plan, _objective(plan, model))
        idle = without_effect(plan)
        if idle is not None:
            raise ValueError(idle)
        return found
    except ValueError as error:
        raise together(str(error), model) from None


def relaxed(plan: Plan) -> dict[str, Relaxation]:
    """The relaxed draws of latents in a training, where a plan has some."""
    if plan.guide is None:
        return {}
    temperature = float(cast(float, plan.options.get("temperature") or TEMPERATURE))
    return {
        name: relaxation("gumbel" if way == "gumbel" else "straight_through", temperature)
        for name, way in plan.guide.discrete.ways
        if way in ("gumbel", "straight_through")
    }


def steady(objective: Objective, clock: Clock) -> bool:
    """Whether the weights of an objective stay as they are from now on."""
    if isinstance(objective, Iwae):
        return _settled(objective.weight, clock)
    if not isinstance(objective, Elbo):
        return True
    weights = [*objective.weights.values(), *(p.weight for p in objective.penalties)]
    if objective.free_bits is not None:
        weights.append(objective.free_bits.nats)
    return all(_settled(w, clock) for w in weights)


def _settled(weight: Weight, clock: Clock) -> bool:
    """Whether a weight stays as it is from now on."""
    if isinstance(weight, Ramp):
        return weight(clock) == weight.final
    return isinstance(weight, int | float)


def together(why: str, model: ir.Model) -> DataError:
    """The error about options that do not go together, or not with this model.

    It is told at the `infer` of the file where an option of that is named, else of the call.
    """
    asked = model.infer
    if asked is not None and any(re.search(rf"\b{n}\b", why) for n, _ in asked.options):
        span = asked.span
        message = f"the options of `svi` do not go together for this model: {why}"
    else:
        message, span = f"the options given to `fit` do not go together: {why}", None
    return DataError([Diagnostic("GD865", message, span)], model.source)


def _objective(plan: Plan, model: ir.Model) -> Objective:
    options = plan.options
    bound, gradient = options["bound"], options["gradient"]
    particles = options["particles"]
    if bound == "elbo":
        scored = plan.guide is not None and plan.guide.discrete.of("score")
        return _elbo(plan, model, int(particles or (SCORED if scored else 1)))
    count = int(particles or PARTICLES)
    if bound == "renyi":
        alpha = options["alpha"]
        return Renyi(ALPHA if alpha is None else float(cast(float, alpha)), count)
    return Iwae(count, cast(Literal["total", "doubly"], gradient), _course(plan, 1.0))


def _course(plan: Plan, final: float) -> float | Ramp | Cyclic:
    """The weight of the KL, or of what stands for it, over the epochs."""
    warmup, cycles = plan.options["kl_warmup"], plan.options["kl_cycles"]
    if not warmup:
        return final
    length = float(cast(float, warmup))
    if not cycles:
        return Ramp(0.0, final, length)
    return Cyclic(0.0, final, length / RISING, int(cast(int, cycles)), RISING, "epoch")


def _elbo(plan: Plan, model: ir.Model, particles: int) -> Elbo:
    options = plan.options
    gradient = options["gradient"]
    weight = _course(plan, float(cast(float, options["beta"])))
    bits = options["free_bits"]
    return Elbo(
        particles,
        {"kl": weight},
        gradient=cast(Literal["total", "path"], gradient),
        free_bits=FreeBits(float(cast(float, bits))) if bits else None,
        penalties=_penalties(plan, model),
    )


def _penalties(plan: Plan, model: ir.Model) -> tuple[Penalty, ...]:
    """Terms beside the bound, for each latent."""
    found: list[Penalty] = []
    continuous = [v for v in model.of_role("latent") if not is_discrete(v.type.support)]
    asked = [n for n in ("mmd", "total_correlation") if plan.options[n]]
    if asked and not continuous:
        raise ValueError(f"`{asked[0]}` is about continuous latents, and there are none")
    for variable in continuous:
        mmd, tied = plan.options["mmd"], plan.options["total_correlation"]
        if mmd:
            found.append(MaximumMeanDiscrepancy(variable.name, float(cast(float, mmd))))
        if tied:
            found.append(TotalCorrelation(variable.name, float(cast(float, tied))))
    return tuple(found)
