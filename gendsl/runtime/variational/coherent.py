"""Options of ``svi`` that would have no effect beside the others, or for a model."""

from __future__ import annotations

from collections.abc import Iterator

from gendsl.inference.plan import Plan
from gendsl.library.methods import METHODS

__all__ = ["without_effect"]

OF_LATENTS = ("particles", "kl_warmup", "beta", "free_bits", "mmd", "total_correlation")
"""Options that mean nothing where nothing is latent."""


def without_effect(plan: Plan) -> str | None:
    """Why an option that is set would change nothing, in a sentence; None if each does."""
    return next(_idle(plan), None)


def _idle(plan: Plan) -> Iterator[str]:
    given, guide = plan.options, plan.guide
    if given["patience"] is not None and not given["held_out"]:
        yield "`patience` waits for a better bound of rows that `held_out` sets aside: set it too"
    if given["alpha"] is not None and given["bound"] != "renyi":
        yield f"`alpha` is the order of Renyi's bound, but `bound` is {given['bound']}"
    ways = () if guide is None else tuple(way for _, way in guide.discrete.ways)
    if given["discrete"] != "auto" and not ways:
        yield "`discrete` is for discrete latents, and no guide has any"
    if given["temperature"] is not None and "gumbel" not in ways:
        yield "`temperature` is that of draws by `discrete = gumbel`, and there are none"
    words = () if guide is None else tuple(w for _, w in guide.words)
    if given["family"] == "full" and not any("full covariance" in w for w in words):
        yield "`family` is that of automatic guides of vectors, and there are none"
    spec = METHODS["svi"]
    for name in OF_LATENTS if not words else ():
        option = spec.option(name)
        if option is not None and given[name] != option.default:
            yield f"`{name}` is about latents under a guide, and there are none"
