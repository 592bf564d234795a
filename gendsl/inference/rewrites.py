"""Changes of a model that leave its meaning alone, as a plan lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gendsl.graph.elimination import LIMIT
from gendsl.graph.facts import Facts
from gendsl.inference.plan import Marginal, Rewrite

__all__ = ["integrating", "noncentring", "summing"]

RULES: Mapping[str, str] = {
    "gaussian": "given all else jointly normal: every use is linear in the mean of a normal law",
    "beta": "given all else a beta law: it is conjugate to its likelihood",
    "gamma": "given all else a gamma law: it is conjugate to its likelihood",
    "inverse_gamma": "given all else an inverse gamma law: it is conjugate to its likelihood",
    "dirichlet": "given all else a Dirichlet law: it is conjugate to its likelihood",
}
"""Why latents of a family are integrated out."""


def summing(facts: Facts) -> list[Rewrite]:
    """What is summed out, and how."""
    found = []
    apart = dict(facts.grounded)
    single = tuple(n for n in facts.finite if n not in facts.chains and n not in apart)
    size = "" if facts.largest_table is None else f"; largest table: {facts.largest_table:,}"
    if single:
        rule = "finitely many values, and every use lies inside its plates" + size
        found.append(Rewrite("summed out", single, rule))
    if facts.chains:
        rule = "a hidden Markov chain, by the forward algorithm" + size
        found.append(Rewrite("summed out along its sequence", facts.chains, rule))
    for name, plates in facts.grounded:
        over = ", ".join(plates)
        rule = (
            f"members of {over} are tied: each is a variable of its own, and those with the "
            f"smallest tables go first; at most {LIMIT:,} entries, which the data decide"
        )
        found.append(Rewrite("summed out", (name,), rule))
    return found


def integrating(marginals: Iterable[Marginal]) -> list[Rewrite]:
    """What is integrated out, and by which rule."""
    return [Rewrite("integrated out", m.variables, RULES[m.family]) for m in marginals]


def noncentring(facts: Facts, chosen: Iterable[str]) -> list[Rewrite]:
    """The non-centred forms, one for each reason."""
    names = set(chosen)
    found = []
    scaled = tuple(n for n in facts.location_scale if n in names)
    if scaled:
        rule = "loc + scale * standard: the same law, without the funnel of an unknown scale"
        found.append(Rewrite("non-centred", scaled, rule))
    correlated = tuple(n for n in facts.correlated if n in names)
    if correlated:
        rule = "loc + L @ standard, L L^T the covariance: the same law, without correlations"
        found.append(Rewrite("non-centred", correlated, rule))
    return found
