"""Which options of ``svi`` exclude one another, whatever the model."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["clash"]

OF_ELBO = ("free_bits", "mmd", "total_correlation")
"""Options that change the ELBO, and no other bound."""

COURSE = ("kl_warmup", "kl_cycles")
"""The course of the weight of log p - log q of latents, in the ELBO or in importance weights."""


def clash(options: Mapping[str, object]) -> str | None:
    """Why options do not go together, in a sentence; None if they do.

    Args:
        options: by name; those that are absent have their defaults.
    """
    bound, gradient = options.get("bound", "elbo"), options.get("gradient", "total")
    if options.get("kl_cycles") and not options.get("kl_warmup"):
        return "`kl_cycles` repeats the warm-up of the KL, so `kl_warmup` is needed"
    if bound == "elbo":
        if gradient == "doubly":
            return "the doubly reparameterised gradient is for `bound = iwae`"
        return None
    course = next((n for n in COURSE if options.get(n)), None)
    if course and (bound == "renyi" or gradient == "doubly"):
        which = "`bound` is renyi" if bound == "renyi" else "`gradient` is doubly"
        return f"`{course}` is for the ELBO and for importance weights, but {which}"
    changing = [n for n in OF_ELBO if options.get(n)]
    changing += ["beta"] if options.get("beta", 1) != 1 else []
    if changing:
        return f"`{changing[0]}` changes the ELBO, but `bound` is {bound}"
    if bound == "renyi" and gradient != "total":
        return f"`gradient` of Renyi's bound is total, not {gradient}"
    if gradient == "path":
        return "`gradient` of an importance-weighted bound is total or doubly"
    return None
