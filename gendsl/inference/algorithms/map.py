"""The mode of the posterior: a point, not a posterior, so it must be asked for."""

from __future__ import annotations

from gendsl.graph.facts import Facts
from gendsl.inference.algorithms.spec import AlgorithmSpec
from gendsl.inference.plan import Competence, Rating
from gendsl.library.methods import METHODS

__all__ = ["SPEC"]


def rate(facts: Facts) -> Rating:
    """Runs wherever something continuous is unknown."""
    if not facts.continuous and not facts.params and not facts.nets:
        return Rating(Competence.INCOMPATIBLE, "nothing continuous is unknown")
    if facts.nets:
        return Rating(
            Competence.INCOMPATIBLE,
            f"`{facts.nets[0]}` is a net, which `svi` learns by steps on batches",
        )
    if facts.obstacles:
        first = facts.obstacles[0]
        return Rating(
            Competence.INCOMPATIBLE, f"`{first.name}` cannot be summed out: {first.reason}"
        )
    return Rating(
        Competence.COMPATIBLE,
        "gives the mode alone, which says nothing of uncertainty; `infer map` asks for it",
        cost=1,
    )


SPEC = AlgorithmSpec(METHODS["map"], rate, sums_out=True, reparameterises=False)
