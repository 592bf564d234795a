"""Which latents of a guide are quantised, and by which codebook."""

from __future__ import annotations

from gendsl.inference.plan import GuideModel
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import variable_expressions, walk
from gendsl.semantics.codebooks import codebook_of

__all__ = ["codebook_words", "quantised"]


def quantised(guide: GuideModel | None) -> dict[str, str]:
    """The codebook of each latent whose guide takes the nearest member of one, ``k = nearest``."""
    found: dict[str, str] = {}
    for variable in guide.model.of_role("latent") if guide is not None else ():
        for equation in variable.equations:
            book = codebook_of(equation.value)
            if book is not None:
                found[variable.name] = book
    return found


def codebook_words(model: ir.Model, guide: GuideModel) -> dict[str, str]:
    """What plans say of quantised latents and of their codebooks."""
    exprs = [x for v in model.variables for x in variable_expressions(v)]
    taken = {
        (e.value.name, e.index.name)
        for e in walk(*exprs)
        if isinstance(e, ir.Gather)
        and isinstance(e.value, ir.Reference)
        and isinstance(e.index, ir.Reference)
    }
    found: dict[str, str] = {}
    for latent, book in quantised(guide).items():
        found[latent] = (
            f"the nearest member of `{book}`, with gradients straight through to the vector: one "
            "value for each member, which of a discrete latent leaves the bound a bound"
        )
        if (book, latent) not in taken:
            found[latent] += f"; nothing is `{book}[{latent}]`, so only its distance trains it"
        found[book] = (
            "learned as a point, by the distances of the vectors that take its members; without a "
            "declared start it begins at vectors of the data"
        )
    return found
