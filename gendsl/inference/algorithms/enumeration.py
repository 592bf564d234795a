"""Exact enumeration of discrete models."""

from __future__ import annotations

from gendsl.graph.facts import Facts
from gendsl.inference.algorithms.spec import AlgorithmSpec
from gendsl.inference.plan import Competence, Rating
from gendsl.library.methods import METHODS

__all__ = ["SPEC"]


def rate(facts: Facts) -> Rating:
    """Exact where every unknown has finitely many values."""
    if not facts.finite:
        return Rating(Competence.INCOMPATIBLE, "there is no discrete latent to enumerate")
    if facts.continuous:
        return Rating(
            Competence.INCOMPATIBLE,
            f"`{facts.continuous[0]}` is continuous, and enumeration needs finitely many values",
        )
    if facts.nets:
        return Rating(Competence.INCOMPATIBLE, f"`{facts.nets[0]}` is a net, learned as a point")
    if facts.params:
        return Rating(
            Competence.INCOMPATIBLE, f"`{facts.params[0]}` is a param, learned as a point"
        )
    if facts.obstacles:
        first = facts.obstacles[0]
        return Rating(
            Competence.INCOMPATIBLE, f"`{first.name}` cannot be summed out: {first.reason}"
        )
    if set(facts.undirected) & set(facts.finite):
        return Rating(
            Competence.INCOMPATIBLE,
            f"an energy alone weighs `{facts.undirected[0]}`, and its log Z is not summed yet",
        )
    if facts.guided:
        why = f"the file has a guide for `{facts.guided[0]}`; `infer enumeration` needs none"
        return Rating(Competence.COMPATIBLE, why, cost=1)
    return Rating(Competence.IDEAL, "every unknown has finitely many values: exact", cost=1)


SPEC = AlgorithmSpec(METHODS["enumeration"], rate, sums_out=True, reparameterises=False)
