"""What the methods that train energies have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gendsl.graph.energies import EnergyFacts
from gendsl.graph.facts import Facts

__all__ = ["DENOISING", "energy_notes", "one_block", "shown"]


CHAINS = "contrastive_divergence"

DENOISING = 0.1
"""The sd of the noise of denoising, unless told otherwise."""


def shown(block: EnergyFacts) -> str:
    """What the constant depends on, in words."""
    learned = block.block.learned
    names = ", ".join(f"`{n}`" for n in learned[:3])
    return names + (" and others" if len(learned) > 3 else "")


def energy_notes(facts: Facts, method: str, options: Mapping[str, object]) -> Iterator[str]:
    """What is to be said of a plan that trains an energy."""
    for block in facts.owed:
        if method == "score_matching" and options.get("kind") == "denoising":
            sigma = options.get("sigma") or DENOISING
            yield (
                f"denoising learns the law of the data plus noise of sd {sigma:g}, "
                "and what is learned is that law"
            )
        if not block.unconfined:
            continue
        name = block.visible[0] if block.visible else block.block.members[0]
        drift = "chains drift away where it does not" if method == CHAINS else "samples need that"
        remedy = f"add a term such as `0.5 * sum({name} ** 2) / 100`"
        also = ", or use `score_matching`" if method == CHAINS and not block.rough else ""
        yield (
            f"nothing is seen that makes the energy of `{name}` grow far out, so that it may have "
            f"no finite constant: {drift}; {remedy}{also}"
        )


def one_block(facts: Facts) -> EnergyFacts | str:
    """The block whose constant is owed, or the reason why none of these methods learns it."""
    if not facts.owed:
        return "no energy has a log Z that depends on something learned"
    if len(facts.owed) > 1:
        return (
            "several energies have constants of their own, and this version learns one at a time"
        )
    (block,) = facts.owed
    if block.hidden:
        return (
            f"`{block.hidden[0]}` cannot be summed out of the energy: only binary latents can "
            "that do not interact with one another"
        )
    others = set(facts.observed) - set(block.visible)
    if others:
        return f"`{min(others)}` has a distribution besides the energy, which takes a likelihood"
    if set(facts.continuous) or set(facts.finite) - set(block.units):
        name = min({*facts.continuous, *facts.finite} - set(block.units))
        return f"`{name}` is latent beside the energy"
    if not block.visible:
        return "no variable of the energy is observed"
    if not (block.binary or block.real):
        return (
            f"the support of {', '.join(f'`{n}`' for n in block.visible)} is neither the real "
            "numbers nor binary"
        )
    return block
