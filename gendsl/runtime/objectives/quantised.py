"""Terms of vector quantisation, and codebooks that are moving averages instead of learned.

References:
    Neural discrete representation learning (van den Oord, Vinyals, Kavukcuoglu, NeurIPS 2017),
    equation 3 and appendix A.1.
    Jukebox: a generative model for music (Dhariwal et al., 2020), section 3.1: codes that are
    hardly used begin anew at a vector of the batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gendsl.runtime.codebooks import Nearest
from gendsl.runtime.objectives.elbo import Elbo
from gendsl.runtime.objectives.schedules import START, Clock, Weight
from gendsl.runtime.objectives.sites import ObjectiveError, Site, Sites
from gendsl.runtime.objectives.terms import Memory, Outcome
from gendsl.runtime.variational.relaxed import soft_of

__all__ = ["CodebookTerm", "MovingCodebooks", "Perplexity", "perplexity"]


@dataclass(frozen=True)
class CodebookTerm:
    """Squared distances between vectors and the members of a codebook that they are given.

    Attributes:
        site: the latent that says which.
        part: "codebook", whose gradient moves the members, or "commitment", the vectors.
        weight: what multiplies it in the loss.
    """

    site: str
    part: Literal["codebook", "commitment"]
    weight: Weight = 1.0

    @property
    def name(self) -> str:
        """What it is reported as."""
        return f"{self.part}.{self.site}"

    def __call__(self, sites: Sites) -> Tensor:
        """Its value per row, the sum over vectors.

        Raises:
            ObjectiveError: the latent is not quantised.
        """
        site = sites[self.site]
        choice = _choice(site)
        codebook, commitment = choice.distances()
        value = codebook if self.part == "codebook" else commitment
        parts = sites.layout.collapse(value, choice.lead, local=site.local)
        return sites.per_row(parts, local=site.local)


@dataclass(frozen=True)
class Perplexity:
    """How many codes the rows of a batch use evenly: reported, not trained.

    Attributes:
        site: the latent.
        weight: 0.
    """

    site: str
    weight: Weight = 0.0

    @property
    def name(self) -> str:
        """What it is reported as."""
        return f"perplexity.{self.site}"

    def __call__(self, sites: Sites) -> Tensor:
        """The exponential of the entropy of the shares of codes."""
        choice = _choice(sites[self.site])
        count = choice.table.shape[-2]
        return perplexity(_one_hot(choice.index, count, choice.vectors).sum(0))


def perplexity(counts: Tensor) -> Tensor:
    """The exponential of the entropy of shares that are proportional to `counts`."""
    shares = counts / counts.sum()
    return torch.exp(-torch.xlogy(shares, shares).sum())


def _choice(site: Site) -> Nearest:
    found = soft_of(site.value)
    if not isinstance(found, Nearest):
        raise ObjectiveError(f"{site.name} is not quantised")
    return found


def _one_hot(index: Tensor, count: int, like: Tensor) -> Tensor:
    every = torch.arange(count, device=index.device)
    return (index.reshape(-1, 1) == every).to(like.dtype)


@dataclass(frozen=True)
class MovingCodebooks:
    """An objective beside which codebooks follow the vectors that take their members.

    N_i and m_i are moving averages of how many vectors take member i and of their sum; it is
    m_i / N_i. Averages begin at 0, so the first vectors of a member replace it.

    Attributes:
        base: the objective.
        books: the latents of each codebook, by its name.
        decay: of the averages; with 0 and all rows at once, members are means, as in k-means.
        restart: a member that fewer vectors take a step, on average, begins anew at a vector of
            the batch, as if it had been taken as often as others; 0: none does.
    """

    base: Elbo
    books: Mapping[str, tuple[str, ...]]
    decay: float = 0.99
    restart: float = 0.0

    @property
    def particles(self) -> int:
        """Those of the objective."""
        return self.base.particles

    @property
    def title(self) -> str:
        """That of the objective."""
        return self.base.title

    def __call__(
        self, sites: Sites, clock: Clock = START, memory: Memory | None = None
    ) -> Outcome:
        """The loss at draws; averages are taken in `memory`.

        Raises:
            ObjectiveError: the sites do not allow it, or there is no memory.
        """
        if memory is None:
            raise ObjectiveError("codebooks that move need a memory that lasts from step to step")
        found = self.base(sites, clock, memory)
        with torch.no_grad():
            for book in self.books:
                self._follow(book, sites, memory)
        return found

    def values(self, memory: Memory) -> Iterator[tuple[str, Tensor]]:
        """The codebooks, (K, C), once there is any average."""
        for book in self.books:
            if f"codebook.{book}" in memory:
                yield book, memory[f"codebook.{book}"]

    def _follow(self, book: str, sites: Sites, memory: Memory) -> None:
        choices = [_choice(sites[name]) for name in self.books[book]]
        table = choices[0].table
        count, width = table.shape[-2:]
        if table.numel() != count * width:
            raise ObjectiveError(f"{book} is several codebooks, which cannot be moving averages")
        vectors = torch.cat(
            [c.vectors.expand(*c.index.shape, width).reshape(-1, width) for c in choices]
        )
        taken = torch.cat([_one_hot(c.index, count, vectors) for c in choices])
        key = f"codebook.{book}"
        weight = memory.get(f"{key}.weight", vectors.new_zeros(()))
        often = memory.get(f"{key}.count", vectors.new_zeros(count))
        total = memory.get(f"{key}.sum", vectors.new_zeros(count, width))
        weight = self.decay * weight + (1 - self.decay)
        often = self.decay * often + (1 - self.decay) * taken.sum(0)
        total = self.decay * total + (1 - self.decay) * (taken.mT @ vectors)
        if self.restart:
            dead = often < self.restart * weight
            drawn = vectors[torch.randint(len(vectors), (count,), device=vectors.device)]
            usual = weight * len(vectors) / count
            often = torch.where(dead, usual, often)
            total = torch.where(dead.unsqueeze(-1), usual * drawn, total)
        used = (often > torch.finfo(often.dtype).tiny).unsqueeze(-1)
        means = total / torch.where(used, often.unsqueeze(-1), torch.ones_like(total))
        memory.update({f"{key}.weight": weight, f"{key}.count": often, f"{key}.sum": total})
        memory[key] = torch.where(used, means, table.reshape(count, width))
