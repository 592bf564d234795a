"""Score matching: energies of real numbers, with no constant at all."""

from __future__ import annotations

from gendsl.graph.facts import Facts
from gendsl.inference.algorithms.energies import one_block, shown
from gendsl.inference.algorithms.spec import AlgorithmSpec
from gendsl.inference.plan import Competence, Rating
from gendsl.library.methods import METHODS

__all__ = ["SPEC"]


def rate(facts: Facts) -> Rating:
    """Needs densities on the whole space with second derivatives."""
    block = one_block(facts)
    if isinstance(block, str):
        return Rating(Competence.INCOMPATIBLE, block)
    if not block.real:
        return Rating(
            Competence.INCOMPATIBLE,
            "a score needs variables that are real numbers without bounds; for binary ones there "
            "are `ratio_matching` and `contrastive_divergence`",
        )
    if block.rough:
        return Rating(
            Competence.INCOMPATIBLE,
            f"`{block.rough}` has no second derivatives: give it a smooth activation, such as "
            "`activation = silu`",
        )
    return Rating(
        Competence.PREFERRED,
        f"log Z depends on {shown(block)}, and the score does not need it",
        cost=2,
    )


SPEC = AlgorithmSpec(
    METHODS["score_matching"],
    rate,
    sums_out=False,
    reparameterises=False,
    accounts=True,
    references=(
        "Estimation of non-normalized statistical models by score matching (Hyvarinen, JMLR 2005)",
        "A connection between score matching and denoising autoencoders (Vincent, 2011)",
    ),
)
