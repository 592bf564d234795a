"""Stochastic variational inference: latents by a guide, params and networks by a bound."""

from __future__ import annotations

from gendsl.graph.facts import Facts
from gendsl.inference.algorithms.spec import AlgorithmSpec
from gendsl.inference.plan import Competence, Rating
from gendsl.library.methods import METHODS

__all__ = ["SPEC"]


def rate(facts: Facts) -> Rating:
    """Runs wherever densities have gradients; the choice where something is learned as a point."""
    if not (facts.continuous or facts.params or facts.nets):
        return Rating(Competence.INCOMPATIBLE, "nothing continuous is unknown")
    if facts.finite:
        return Rating(
            Competence.INCOMPATIBLE,
            f"`{facts.finite[0]}` is discrete, and this version sums nothing out under a guide",
        )
    if facts.energies or facts.undirected:
        return Rating(Competence.INCOMPATIBLE, "energies owe a log Z, which it does not estimate")
    if facts.undirected or facts.chains:
        return Rating(Competence.INCOMPATIBLE, "there are hidden Markov chains")
    learned = (*facts.nets, *facts.params)
    if not facts.continuous:
        return Rating(
            Competence.COMPATIBLE if not facts.nets else Competence.PREFERRED,
            "nothing is latent: the bound is the likelihood itself",
            cost=2,
        )
    if learned:
        return Rating(
            Competence.PREFERRED,
            f"`{learned[0]}` is learned as a point, `{facts.continuous[0]}` integrated under a "
            "guide",
            cost=2,
        )
    if facts.guided:
        return Rating(
            Competence.PREFERRED, f"the file has a guide for `{facts.guided[0]}`", cost=2
        )
    return Rating(
        Competence.COMPATIBLE,
        "gives an approximation, by an error that is not known; `infer svi` asks for it",
        cost=2,
    )


SPEC = AlgorithmSpec(
    METHODS["svi"],
    rate,
    sums_out=False,
    reparameterises=False,
    guides=True,
    references=(
        "Stochastic variational inference (Hoffman, Blei, Wang, Paisley, JMLR 2013)",
        "Auto-encoding variational Bayes (Kingma & Welling, ICLR 2014)",
    ),
)
