"""Maximum likelihood of the params, discrete latents summed out."""

from __future__ import annotations

from gendsl.graph.facts import Facts
from gendsl.inference.algorithms.energies import one_block, shown
from gendsl.inference.algorithms.spec import AlgorithmSpec
from gendsl.inference.plan import Competence, Rating
from gendsl.library.methods import METHODS

__all__ = ["SPEC"]

MOST_BITS = 14
"""More states than those of so many bits are not summed over at each step."""


def rate(facts: Facts) -> Rating:
    """Needs params and an exact likelihood: no continuous latent is left to integrate."""
    if not facts.params and not facts.nets:
        return Rating(Competence.INCOMPATIBLE, "there is no param to learn")
    if facts.owed:
        return _with_constant(facts)
    if facts.nets and facts.finite:
        return Rating(
            Competence.INCOMPATIBLE,
            f"`{facts.finite[0]}` is latent, and `{facts.nets[0]}` is learned by steps: `svi` "
            "sums it out, or draws it",
        )
    if facts.continuous:
        return Rating(
            Competence.INCOMPATIBLE,
            f"the likelihood needs `{facts.continuous[0]}` integrated out, which takes amortised "
            "or variational inference",
        )
    if facts.obstacles:
        first = facts.obstacles[0]
        return Rating(
            Competence.INCOMPATIBLE, f"`{first.name}` cannot be summed out: {first.reason}"
        )
    if facts.nets:
        return Rating(
            Competence.PREFERRED,
            f"nothing is latent: `{facts.nets[0]}` is learned by steps on the likelihood itself",
            cost=1,
        )
    return Rating(Competence.PREFERRED, "params with an exact likelihood", cost=1)


def _with_constant(facts: Facts) -> Rating:
    """Where log Z is owed: it must be a sum over few states, or that of a normal law."""
    block = one_block(facts)
    if isinstance(block, str):
        return Rating(Competence.INCOMPATIBLE, block)
    why = f"log Z depends on {shown(block)}"
    if block.quadratic and len(block.visible) == 1:
        return Rating(Competence.IDEAL, f"{why}: it is that of a normal law", cost=1)
    if block.bits is None:
        return Rating(Competence.INCOMPATIBLE, f"{why}, and has no closed form")
    if block.bits > MOST_BITS:
        return Rating(
            Competence.INCOMPATIBLE,
            f"{why}, and {block.bits} bits have more states than can be summed over at each step",
        )
    return Rating(Competence.PREFERRED, f"{why}: a sum over 2^{block.bits} states", cost=1)


SPEC = AlgorithmSpec(METHODS["mle"], rate, sums_out=True, reparameterises=False, accounts=True)
