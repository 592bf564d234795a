"""What the options of a plan add to an objective where latents are quantised."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from gendsl.inference.codebooks import quantised
from gendsl.inference.plan import Plan
from gendsl.runtime.objectives import (
    CodebookTerm,
    Elbo,
    MovingCodebooks,
    Objective,
    Penalty,
    Perplexity,
)

__all__ = ["with_codebooks"]

COMMITMENT = 0.25
"""As in the paper, which found any from 0.1 to 2 to do."""

DECAY = 0.99

OPTIONS = ("codebook", "commitment", "ema_decay", "restart")


def with_codebooks(plan: Plan, objective: Objective) -> Objective:
    """An objective with the terms of codebooks, if the guide has any.

    Raises:
        ValueError: options do not go together.
    """
    books = quantised(plan.guide)
    given = {n: plan.options[n] for n in OPTIONS if plan.options[n] is not None}
    if not books:
        if given:
            why = "but no guide takes the nearest member of one"
            raise ValueError(f"`{next(iter(given))}` is about codebooks, {why}")
        return objective
    elbo = objective if isinstance(objective, Elbo) else None
    if elbo is None:
        raise ValueError("codebooks are trained beside the ELBO: `bound` is elbo for them")
    moving = given.get("codebook") == "ema"
    for name in ("ema_decay", "restart"):
        if name in given and not moving:
            raise ValueError(f"`{name}` is for codebooks that move: `codebook = ema`")
    weight = float(cast(float, given.get("commitment", COMMITMENT)))
    terms: list[Penalty] = []
    for name in books:
        terms += [] if moving else [CodebookTerm(name, "codebook")]
        terms += [CodebookTerm(name, "commitment", weight), Perplexity(name)]
    base = replace(elbo, penalties=(*elbo.penalties, *terms))
    if not moving:
        return base
    latents = {b: tuple(n for n in books if books[n] == b) for b in books.values()}
    decay = float(cast(float, given.get("ema_decay", DECAY)))
    return MovingCodebooks(base, latents, decay, float(cast(float, given.get("restart", 0.0))))
