"""Exact integration of conjugate models."""

from __future__ import annotations

from gendsl.graph.facts import Facts
from gendsl.inference.algorithms.spec import AlgorithmSpec
from gendsl.inference.plan import Competence, Rating
from gendsl.library.methods import METHODS

__all__ = ["SPEC"]


def rate(facts: Facts) -> Rating:
    """Exact where algebra integrates every unknown out."""
    if not facts.continuous:
        return Rating(Competence.INCOMPATIBLE, "there is no continuous latent to integrate out")
    if facts.nets:
        return Rating(Competence.INCOMPATIBLE, f"`{facts.nets[0]}` is a net, learned as a point")
    if facts.params:
        return Rating(
            Competence.INCOMPATIBLE, f"`{facts.params[0]}` is a param, learned as a point"
        )
    if facts.finite:
        return Rating(
            Competence.INCOMPATIBLE, f"`{facts.finite[0]}` is discrete, and not integrated"
        )
    if facts.energies:
        return Rating(Competence.INCOMPATIBLE, "energies have a log Z that is not integrated")
    gone = {n for _, names in facts.integrable for n in names}
    left = [n for n in facts.continuous if n not in gone]
    if left:
        return Rating(
            Competence.INCOMPATIBLE,
            f"`{left[0]}` is left to be sampled: its law given the rest is of no known family, or "
            "something else was asked for",
        )
    if facts.guided:
        return Rating(
            Competence.COMPATIBLE,
            f"the file has a guide for `{facts.guided[0]}`; `infer exact` needs none",
            cost=1,
        )
    return Rating(Competence.IDEAL, "every unknown is integrated out by algebra: exact", cost=1)


SPEC = AlgorithmSpec(
    METHODS["exact"], rate, sums_out=False, reparameterises=False, integrates=True
)
