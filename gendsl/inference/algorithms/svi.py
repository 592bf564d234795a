"""Stochastic variational inference: latents by a guide, params and networks by a bound."""

from __future__ import annotations

from gendsl.graph.facts import Facts
from gendsl.inference.algorithms.spec import AlgorithmSpec
from gendsl.inference.plan import Competence, Rating
from gendsl.library.methods import METHODS

__all__ = ["SPEC"]

MANY = 3_000
"""So many weights of networks NUTS may sample unasked."""


def rate(facts: Facts) -> Rating:
    """Runs wherever densities have gradients; the choice where something is learned as a point."""
    if not (facts.continuous or facts.params or facts.nets or facts.finite):
        return Rating(Competence.INCOMPATIBLE, "nothing continuous is unknown")
    if facts.energies or facts.undirected:
        return Rating(Competence.INCOMPATIBLE, "energies owe a log Z, which it does not estimate")
    if facts.undirected or facts.chains:
        return Rating(Competence.INCOMPATIBLE, "there are hidden Markov chains")
    learned = (*facts.nets, *facts.params)
    if facts.finite and not facts.continuous:
        return _discrete(facts)
    if not facts.continuous:
        return Rating(
            Competence.COMPATIBLE,
            "nothing is latent: the bound is the likelihood itself, which `mle` maximises",
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
    if facts.weights > MANY:
        return Rating(
            Competence.PREFERRED,
            f"{facts.weights} weights of networks have a prior, too many to be sampled soon; "
            "`infer nuts` samples them all the same",
            cost=2,
        )
    return Rating(
        Competence.COMPATIBLE,
        "gives an approximation, by an error that is not known; `infer svi` asks for it",
        cost=2,
    )


def _discrete(facts: Facts) -> Rating:
    """Where all latents are discrete."""
    first = facts.finite[0]
    if not (facts.nets or facts.params or facts.guided or facts.obstacles):
        return Rating(Competence.INCOMPATIBLE, "every unknown has finitely many values")
    if facts.guided:
        why = f"the file has a guide for `{facts.guided[0]}`"
        return Rating(Competence.PREFERRED, why, cost=0)
    if facts.nets:
        why = f"`{facts.nets[0]}` is learned as a point, `{first}` summed out or under a guide"
        return Rating(Competence.PREFERRED, why, cost=2)
    why = f"`{first}` is discrete: where it cannot be summed out, an approximation by a guide"
    return Rating(Competence.COMPATIBLE, why, cost=2)


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
