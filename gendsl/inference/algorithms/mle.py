"""Maximum likelihood of the params, discrete latents summed out."""

from __future__ import annotations

from gendsl.graph.facts import Facts
from gendsl.inference.algorithms.spec import AlgorithmSpec
from gendsl.inference.plan import Competence, Rating
from gendsl.library.methods import METHODS

__all__ = ["SPEC"]


def rate(facts: Facts) -> Rating:
    """Needs params and an exact likelihood: no continuous latent is left to integrate."""
    if not facts.params and not facts.nets:
        return Rating(Competence.INCOMPATIBLE, "there is no param to learn")
    if facts.nets:
        return Rating(
            Competence.INCOMPATIBLE,
            f"`{facts.nets[0]}` is a net, which `svi` learns by steps on batches",
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
    return Rating(Competence.PREFERRED, "params with an exact likelihood", cost=1)


SPEC = AlgorithmSpec(METHODS["mle"], rate, sums_out=True, reparameterises=False)
