"""The No-U-Turn sampler."""

from __future__ import annotations

from gendsl.graph.facts import Facts
from gendsl.inference.algorithms.spec import AlgorithmSpec
from gendsl.inference.plan import Competence, Rating
from gendsl.library.methods import METHODS

__all__ = ["SPEC"]


def rate(facts: Facts) -> Rating:
    """Needs continuous latents and nothing that is learned as a point."""
    if not facts.continuous:
        return Rating(Competence.INCOMPATIBLE, "there is no continuous latent to sample")
    if facts.nets:
        return Rating(Competence.INCOMPATIBLE, f"`{facts.nets[0]}` is a net, learned as a point")
    if facts.params:
        return Rating(
            Competence.INCOMPATIBLE,
            f"`{facts.params[0]}` is a param, learned as a point; give it a prior with `latent`",
        )
    if facts.obstacles:
        first = facts.obstacles[0]
        return Rating(
            Competence.INCOMPATIBLE,
            f"`{first.name}` is discrete and cannot be summed out: {first.reason}",
        )
    count, gone = len(facts.continuous), sum(len(names) for _, names in facts.integrable)
    reason = f"{count} continuous latent{'s' if count > 1 else ''}"
    if 0 < gone < count:
        reason += f", {gone} of them integrated out"
    reason += ", gradients everywhere"
    if facts.finite:
        reason += f"; {', '.join(facts.finite)} summed out"
    return Rating(Competence.PREFERRED, reason, cost=3)


SPEC = AlgorithmSpec(
    METHODS["nuts"],
    rate,
    sums_out=True,
    reparameterises=True,
    samples=True,
    integrates=True,
    references=("The No-U-Turn Sampler (Hoffman & Gelman, JMLR 2014)",),
)
