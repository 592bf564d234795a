"""Which Markov chains draw from a block."""

from __future__ import annotations

from collections.abc import Mapping

from gendsl.runtime.energies.colours import coloured
from gendsl.runtime.energies.samplers import (
    BlockGibbs,
    GibbsWithGradients,
    Hmc,
    Kernel,
    Langevin,
    Turns,
)
from gendsl.runtime.energies.task import Task

__all__ = ["kernel_of"]

STEP, LEAPS = 0.01, 10
"""Of chains of numbers, unless told otherwise."""

FLIPS = 10
"""Units that a sweep proposes to flip where it takes them one by one."""


def kernel_of(task: Task, options: Mapping[str, object]) -> Kernel:
    """One sweep of chains for the members of a block.

    Groups of binary units that do not interact are drawn at once: whole variables where the text
    says so, else the entries that derivatives tell apart. Where these do not, units are flipped
    one by one. Numbers move by Langevin dynamics or by HMC.
    """
    facts = task.facts
    if facts.groups and facts.binary:
        return BlockGibbs(tuple((group, None) for group in facts.groups))
    if facts.binary:
        found = coloured(task)
        if found is not None:
            return BlockGibbs(found)
        return Turns(tuple(GibbsWithGradients(n) for n in facts.visible), FLIPS)
    step = options.get("step")
    size = STEP if step is None else float(step)  # type: ignore[arg-type]
    sampler = options.get("sampler") or "langevin"
    if sampler == "hmc":
        return Hmc(facts.visible, size, LEAPS)
    return Langevin(facts.visible, size, adjusted=sampler == "adjusted_langevin")
