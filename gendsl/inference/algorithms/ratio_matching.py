"""Ratio matching: energies of bits, with no constant at all."""

from __future__ import annotations

from gendsl.graph.facts import Facts
from gendsl.inference.algorithms.energies import one_block, shown
from gendsl.inference.algorithms.spec import AlgorithmSpec
from gendsl.inference.plan import Competence, Rating
from gendsl.library.methods import METHODS

__all__ = ["SPEC"]


def rate(facts: Facts) -> Rating:
    """Needs binary variables; it costs a density for each bit."""
    block = one_block(facts)
    if isinstance(block, str):
        return Rating(Competence.INCOMPATIBLE, block)
    if not block.binary:
        return Rating(Competence.INCOMPATIBLE, "ratios of flipped bits need binary variables")
    return Rating(
        Competence.COMPATIBLE,
        f"log Z depends on {shown(block)}, and odds of single bits do not need it",
        cost=4,
    )


SPEC = AlgorithmSpec(
    METHODS["ratio_matching"],
    rate,
    sums_out=False,
    reparameterises=False,
    accounts=True,
    references=("Some extensions of score matching (Hyvarinen, 2007)",),
)
