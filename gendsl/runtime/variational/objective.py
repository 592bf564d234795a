"""The objective that the options of a plan ask for."""

from __future__ import annotations

from typing import Literal, cast

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.inference.plan import Plan
from gendsl.ir import nodes as ir
from gendsl.runtime.objectives import (
    Clock,
    Cyclic,
    Elbo,
    FreeBits,
    Iwae,
    MaximumMeanDiscrepancy,
    Objective,
    Penalty,
    Ramp,
    Renyi,
    TotalCorrelation,
)

__all__ = ["objective_of", "steady", "together"]

PARTICLES = 5
"""Draws for a bound of several draws, unless told otherwise."""

RISING = 0.5
"""The share of a cycle in which the weight of the KL grows."""


def objective_of(plan: Plan, model: ir.Model) -> Objective:
    """What is trained.

    Raises:
        DataError: GD865, options that do not go together.
    """
    try:
        return _objective(plan, model)
    except ValueError as error:
        raise together(str(error), model) from None


def steady(objective: Objective, clock: Clock) -> bool:
    """Whether the weights of an objective stay as they are from now on."""
    if not isinstance(objective, Elbo):
        return True
    weights = [*objective.weights.values(), *(p.weight for p in objective.penalties)]
    if objective.free_bits is not None:
        weights.append(objective.free_bits.nats)
    return all(
        isinstance(w, int | float) or (isinstance(w, Ramp) and w(clock) == w.final)
        for w in weights
    )


def together(why: str, model: ir.Model) -> DataError:
    """The error about options that do not go together, or not with this model."""
    message = f"the options of `svi` do not go together for this model: {why}"
    return DataError([Diagnostic("GD865", message, model.span)], model.source)


def _objective(plan: Plan, model: ir.Model) -> Objective:
    options = plan.options
    bound, gradient = options["bound"], options["gradient"]
    particles = options["particles"]
    if bound == "elbo":
        return _elbo(plan, model, int(particles or 1))
    single = [n for n in ("kl_warmup", "kl_cycles", "free_bits", "mmd") if options[n]]
    single += ["total_correlation"] if options["total_correlation"] else []
    single += ["beta"] if options["beta"] != 1 else []
    if single:
        raise ValueError(f"`{single[0]}` changes the ELBO, but `bound` is {bound}")
    count = int(particles or PARTICLES)
    if bound == "renyi":
        if gradient != "total":
            raise ValueError(f"`gradient` of Renyi's bound is total, not {gradient}")
        return Renyi(float(cast(float, options["alpha"])), count)
    if gradient == "path":
        raise ValueError("`gradient` of an importance-weighted bound is total or doubly")
    return Iwae(count, cast(Literal["total", "doubly"], gradient))


def _elbo(plan: Plan, model: ir.Model, particles: int) -> Elbo:
    options = plan.options
    gradient = options["gradient"]
    if gradient == "doubly":
        raise ValueError("the doubly reparameterised gradient is for `bound = iwae`")
    beta = float(cast(float, options["beta"]))
    weight: float | Ramp | Cyclic = beta
    warmup, cycles = options["kl_warmup"], options["kl_cycles"]
    if cycles and not warmup:
        raise ValueError("`kl_cycles` repeats the warm-up of the KL, so `kl_warmup` is needed")
    if warmup:
        length = float(cast(float, warmup))
        weight = Ramp(0.0, beta, length)
        if cycles:
            period = length / RISING
            weight = Cyclic(0.0, beta, period, int(cast(int, cycles)), RISING, "epoch")
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
    for variable in model.of_role("latent"):
        mmd, tied = plan.options["mmd"], plan.options["total_correlation"]
        if mmd:
            found.append(MaximumMeanDiscrepancy(variable.name, float(cast(float, mmd))))
        if tied:
            found.append(TotalCorrelation(variable.name, float(cast(float, tied))))
    return tuple(found)
