"""Contrastive divergence: energies whose samples are drawn by Markov chains."""

from __future__ import annotations

from gendsl.graph.facts import Facts
from gendsl.inference.algorithms.energies import one_block, shown
from gendsl.inference.algorithms.spec import AlgorithmSpec
from gendsl.inference.plan import Competence, Rating
from gendsl.library.methods import METHODS

__all__ = ["SPEC"]


def rate(facts: Facts) -> Rating:
    """Needs chains that mix: block Gibbs for bits is the best of them."""
    block = one_block(facts)
    if isinstance(block, str):
        return Rating(Competence.INCOMPATIBLE, block)
    why = f"log Z depends on {shown(block)}"
    if block.binary and block.groups:
        return Rating(
            Competence.PREFERRED,
            f"{why}: chains by block Gibbs estimate its gradient",
            cost=3,
        )
    if block.binary:
        return Rating(
            Competence.PREFERRED,
            f"{why}: chains by Gibbs estimate its gradient, entries that do not interact at once",
            cost=4,
        )
    return Rating(
        Competence.PREFERRED,
        f"{why}: chains by Langevin dynamics estimate its gradient",
        cost=5,
    )


SPEC = AlgorithmSpec(
    METHODS["contrastive_divergence"],
    rate,
    sums_out=False,
    reparameterises=False,
    accounts=True,
    references=(
        "Training products of experts by minimizing contrastive divergence (Hinton, 2002)",
        "Training restricted Boltzmann machines using approximations to the likelihood gradient "
        "(Tieleman, ICML 2008)",
    ),
)
