"""Codebooks of a guide: which there are, where they begin, how evenly their members are used.

Reference:
    k-means++: the advantages of careful seeding (Arthur, Vassilvitskii, SODA 2007).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, prod

import torch
from torch import Tensor
from torch.nn import functional

from gendsl.ir import nodes as ir
from gendsl.runtime.codebooks import Nearest, choice_of
from gendsl.runtime.objectives import Memory, MovingCodebooks, Objective, perplexity
from gendsl.runtime.variational.learned import Learned
from gendsl.runtime.variational.light import Light
from gendsl.runtime.variational.rows import Rows

__all__ = ["begin", "code_facts", "settle"]

VECTORS = 16
"""A codebook begins at some of so many vectors for each of its members."""

LEAST = 1000
"""And of so many in all."""

MOST = 10_000
"""Codes are counted of so many rows at most, evenly spaced."""


def settle(objective: Objective, memory: Memory, learned: Learned) -> None:
    """Have codebooks that are moving averages at their values."""
    if isinstance(objective, MovingCodebooks):
        for name, value in objective.values(memory):
            learned.assign(name, value)


def begin(light: Light, rows: Rows, model: ir.Model, learned: Learned, seed: int) -> None:
    """Let codebooks without a declared start begin at vectors of the data, far from each other."""
    first = {book: latent for latent, book in reversed(light.books.items())}
    for book, latent in first.items():
        if model.variable(book).initial is not None:
            continue
        one = _choices(light, rows, 1)[latent]
        table, for_each = one.table, prod(one.index.shape)
        members, width = table.shape[-2:]
        if table.numel() != members * width:
            continue  # several codebooks: they keep their plain start
        count = min(rows.total, ceil(max(LEAST, VECTORS * members) / max(1, for_each)))
        vectors = _choices(light, rows, count)[latent].vectors.reshape(-1, width)
        generator = torch.Generator().manual_seed(seed)
        learned.assign(book, _spread_out(vectors.cpu(), members, generator).to(table.device))


def _choices(light: Light, rows: Rows, count: int) -> dict[str, Nearest]:
    arguments, _ = rows.spaced(count)
    with torch.no_grad(), torch.random.fork_rng():
        return _of_laws(light, arguments)


def _of_laws(light: Light, arguments: Mapping[str, object]) -> dict[str, Nearest]:
    laws = light.laws(arguments)
    found = {name: choice_of(law) for name, law in laws.items()}
    return {name: choice for name, choice in found.items() if choice is not None}


def _spread_out(vectors: Tensor, members: int, generator: torch.Generator) -> Tensor:
    """Some of the vectors: each with a probability by its squared distance from those before."""
    first = int(torch.randint(len(vectors), (1,), generator=generator))
    chosen = [first]
    far = (vectors - vectors[first]).square().sum(-1)
    for _ in range(members - 1):
        weights = far if bool(far.sum() > 0) else torch.ones_like(far)
        chosen.append(int(torch.multinomial(weights, 1, generator=generator)))
        far = torch.minimum(far, (vectors - vectors[chosen[-1]]).square().sum(-1))
    return vectors[chosen]


def code_facts(
    light: Light, rows: Rows, chunk: int, most: int = MOST
) -> dict[str, float | int | str]:
    """Of each quantised latent the number of codes, those that rows use, and the perplexity.

    ``codes k``, ``codes_used k`` and ``perplexity k``, over `most` rows, evenly spaced.
    """
    counts: dict[str, Tensor] = {}
    if not light.books:
        return {}
    with torch.no_grad():
        for arguments, _ in rows.chunks(chunk, most):
            for name, choice in _of_laws(light, arguments).items():
                size = choice.table.shape[-2]
                one_hot = functional.one_hot(choice.index.reshape(-1), size).sum(0)
                counts[name] = counts.get(name, torch.zeros_like(one_hot)) + one_hot
    facts: dict[str, float | int | str] = {}
    for name, count in counts.items():
        facts[f"codes {name}"] = len(count)
        facts[f"codes_used {name}"] = int((count > 0).sum())
        facts[f"perplexity {name}"] = float(perplexity(count.to(torch.float64)))
    return facts
