"""Noise-contrastive estimation: log Z is a param, learned with all others."""

from __future__ import annotations

from gendsl.graph.facts import Facts
from gendsl.inference.algorithms.energies import one_block, shown
from gendsl.inference.algorithms.spec import AlgorithmSpec
from gendsl.inference.plan import Competence, Rating
from gendsl.library.methods import METHODS

__all__ = ["SPEC"]


def rate(facts: Facts) -> Rating:
    """Needs a constant that is one number, and noise that can be drawn."""
    block = one_block(facts)
    if isinstance(block, str):
        return Rating(Competence.INCOMPATIBLE, block)
    rows = set(block.block.inputs)
    if rows & set(facts.observed):
        return Rating(Competence.INCOMPATIBLE, "rows have constants of their own")
    return Rating(
        Competence.COMPATIBLE,
        f"log Z, which depends on {shown(block)}, is learned by telling data from noise",
        cost=4,
    )


SPEC = AlgorithmSpec(
    METHODS["noise_contrastive"],
    rate,
    sums_out=False,
    reparameterises=False,
    accounts=True,
    references=(
        "Noise-contrastive estimation of unnormalized statistical models (Gutmann and "
        "Hyvarinen, JMLR 2012)",
    ),
)
