"""What a run of an emitted program weighs: densities by site, in plates at fixed dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from gendsl.runtime.objectives import Layout, Site
from gendsl.runtime.variational.relaxed import log_prob
from gendsl.runtime.variational.summing import Gone, Summing, Waiting

__all__ = ["Plate", "Weighing"]


class Plate:
    """A plate that only says where it stands."""

    def __init__(self, run: Weighing, name: str, size: int, dim: int) -> None:
        self.run, self.name, self.size, self.dim = run, name, size, dim

    def __enter__(self) -> Tensor | None:
        self.run.plates.append(self)
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.run.plates.pop()


class Weighing:
    """One run at a time.

    Attributes:
        layout: where the plates stand.
        row_plate: the plate of the rows.
        plates: those that are open.
        gone: what the last run summed out of the model.
        completed: the site of the missing values of each observed variable that has a guide.
    """

    def __init__(self, layout: Layout, row_plate: str | None) -> None:
        self.layout, self.row_plate = layout, row_plate
        self.plates: list[Plate] = []
        self.gone: list[Gone] = []
        self._particles = 1
        self.completed: dict[str, str] = {}
        self._likelihoods: dict[str, Tensor] = {}
        self._sites: dict[str, Site] = {}
        self._summing = Summing(layout.depth + 1, row_plate)
        self._recovered: Mapping[str, Tensor] = {}

    def _plate(self, name: str, size: int, *, dim: int) -> Plate:
        return Plate(self, name, size, dim)

    @property
    def _local(self) -> bool:
        """Whether the statement that runs stands in the plate of the rows."""
        return any(p.name == self.row_plate for p in self.plates)

    def _factor(self, name: str, value: Tensor) -> None:
        if name.removesuffix("_known") in self.completed and name not in self.completed:
            return  # the guide itself leaves known values as they are
        self._weighed(Site(name, True, value, value, local=self._local), value)  # noqa: FBT003

    def _density(self, law: Any, value: Tensor) -> Tensor:  # noqa: ANN401
        """The log density at a value, for each member of the plates; 0 in an empty one."""
        if any(plate.size == 0 for plate in self.plates):
            return torch.zeros(self._batch_shape((), particles=False))
        return log_prob(law, value)

    def _weighed(self, site: Site, density: Tensor) -> None:
        """Note a variable with its log density, once summed-out latents are out of it."""

        def finish(found: Tensor) -> None:
            log_p = self.layout.collapse(found, 0, local=site.local)
            self._sites[site.name] = replace(site, log_p=log_p)

        if density.dim() > self.layout.depth + 1:
            density = density.expand(self._batch_shape(tuple(density.shape), particles=False))
        if not self._summing.waits(density):
            finish(self._summing.expected(density))
            return
        site = replace(site, p=None)  # it has no law without what is summed out
        self._summing.wait(Waiting(site.name, density, self._frames, finish))

    @property
    def _frames(self) -> dict[int, tuple[str, int]]:
        """The plates that are open, by dimension."""
        return {p.dim: (p.name, p.size) for p in self.plates}

    def _out_of_model(self, name: str, law: Any, parents: frozenset[str]) -> Tensor:  # noqa: ANN401
        """All values of a latent that is summed out of the model, unless it has one again."""
        if name in self._recovered:
            value = self._recovered[name]
            site = Site(name, True, value, value, p=law, local=self._local, p_parents=parents)  # noqa: FBT003
            self._weighed(site, self._density(law, value))
            return value
        value = self._summing.values(name, law)
        self._summing.listed(name, self._frames)
        shape = self._batch_shape(tuple(self._density(law, value).shape), particles=False)
        density = self._density(law, value).expand(shape)
        self._summing.wait(Waiting(name, density, self._frames, _nothing))
        return value

    def _settle(self) -> None:
        """Sum latents out of the model."""
        self.gone = self._summing.settle()
        for found in self.gone:
            gain = self.layout.collapse(found.gain, 0, local=found.local)
            one = self._sites[found.tied[0]] if len(found.tied) == 1 else None
            if one is not None and not one.observed and one.local == found.local:
                # Its prior is the mixture: their divergences make sense together only.
                self._sites[one.name] = replace(one, log_p=one.log_p + gain)
                continue
            name = ", ".join(found.names)
            self._sites[name] = Site(
                name,
                observed=False,
                value=found.gain,
                log_p=gain,
                local=found.local,
                summed="model",
            )

    def _batch_shape(self, shape: tuple[int, ...], *, particles: bool) -> tuple[int, ...]:
        """The shape of a site: plates at their places, particles in front of them.

        What stands outside the plate of the rows is drawn once for all particles where a batch
        has some of the rows only: weights would else need them all.
        """
        count = self._particles if particles else 1
        rank = max([-p.dim for p in self.plates], default=0)
        if count > 1:
            rank = self.layout.depth + 1
        rank = max(rank, len(shape))
        sizes = [1] * (rank - len(shape)) + list(shape)
        for plate in self.plates:
            sizes[plate.dim] = plate.size
        if count > 1:
            sizes[-self.layout.depth - 1] = count
        return tuple(sizes)


def _nothing(found: Tensor) -> None:
    """A latent that is summed out has no term of its own."""
    del found
