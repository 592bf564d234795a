"""Laws of the steps of a sequence as one law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from pyro.distributions import Delta, MaskedDistribution, Normal, TorchDistribution
from torch import Tensor
from torch.distributions import Independent

from gendsl.emit.program import Program
from gendsl.emit.sites import sequence_of
from gendsl.graph.recursion import turns
from gendsl.inference.plan import GuideModel
from gendsl.ir import nodes as ir
from gendsl.runtime.objectives import Site

__all__ = ["Parts", "Turns", "stacked"]


def stacked(laws: Sequence[Any], dim: int) -> Any:  # noqa: ANN401  Pyro's distributions
    """The law of independent steps, given the laws of successive ones.

    Those of normal laws and of points is one of these, so that formulas for them hold.

    Args:
        laws: of successive steps, of one batch shape but for the number of steps.
        dim: the dimension of the steps in the batch shape, negative.
    """
    first = laws[0]
    if len(laws) == 1:
        return first
    if all(isinstance(law, Independent) for law in laws):
        ranks = {law.reinterpreted_batch_ndims for law in laws}
        if len(ranks) == 1:
            (rank,) = ranks
            return stacked([law.base_dist for law in laws], dim - rank).to_event(rank)
    if all(type(law) is MaskedDistribution for law in laws):
        masks = [torch.as_tensor(law._mask).expand(law.batch_shape) for law in laws]
        return stacked([law.base_dist for law in laws], dim).mask(torch.cat(masks, dim))
    if all(type(law) is Normal for law in laws):
        loc, scale = (_joined([getattr(x, n) for x in laws], dim) for n in ("loc", "scale"))
        return Normal(loc, scale)
    if all(type(law) is Delta for law in laws) and not first.event_shape:
        return Delta(*(_joined([getattr(x, n) for x in laws], dim) for n in ("v", "log_density")))
    return _Steps(laws, dim)


def _joined(parameters: Sequence[Tensor], dim: int) -> Tensor:
    return torch.cat([*parameters], dim)


class _Steps(TorchDistribution):
    """Laws of successive steps that have no common form."""

    arg_constraints = {}  # noqa: RUF012  as torch has it

    def __init__(self, laws: Sequence[Any], dim: int) -> None:
        self.laws, self.dim = tuple(laws), dim
        shape = list(laws[0].batch_shape)
        self.sizes = [law.batch_shape[dim] for law in laws]
        shape[dim] = sum(self.sizes)
        super().__init__(torch.Size(shape), laws[0].event_shape, validate_args=False)

    @property
    def support(self) -> Any:  # noqa: ANN401, D102
        return self.laws[0].support

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]  # noqa: D102
        return all(law.has_rsample for law in self.laws)

    def _of_steps(self, parts: Sequence[Tensor], event: int) -> Tensor:
        return torch.cat([*parts], self.dim - event)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: ANN401, B008, D102
        event = len(self.event_shape)
        return self._of_steps([law.rsample(sample_shape) for law in self.laws], event)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: ANN401, B008, D102
        event = len(self.event_shape)
        return self._of_steps([law.sample(sample_shape) for law in self.laws], event)

    def log_prob(self, value: Tensor) -> Tensor:  # noqa: D102
        parts = value.split(self.sizes, self.dim - len(self.event_shape))
        densities = [law.log_prob(v) for law, v in zip(self.laws, parts, strict=True)]
        return self._of_steps(densities, 0)

    @property
    def mean(self) -> Tensor:  # noqa: D102
        return self._of_steps([law.mean for law in self.laws], len(self.event_shape))

    @property
    def variance(self) -> Tensor:  # noqa: D102
        return self._of_steps([law.variance for law in self.laws], len(self.event_shape))


class Turns:
    """Latents of a guide that are drawn one step after the other.

    Attributes:
        dims: of each of them, the dimension of its sequence in a batch shape, negative.
    """

    def __init__(self, dims: Mapping[str, int]) -> None:
        self.dims = dims
        self._laws: dict[str, list[Any]] = {}

    @staticmethod
    def of(guide: GuideModel | None, depths: Mapping[str, int]) -> Turns:
        """Those of a guide whose plates stand at some depths."""
        if guide is None:
            return Turns({})
        latents = [v for group in turns(guide.model) for v in group if v.role == "latent"]
        return Turns({v.name: -depths[sequence_of(guide.model, v)] for v in latents})

    def take(self, site: str, law: Any, fixed: Mapping[str, Tensor] | None) -> Tensor:  # noqa: ANN401
        """A draw of one step, at its own site, or its part of a value that is `fixed`."""
        name, _, step = site.rpartition(" at ")
        if int(step) == 0:  # a run before this one may have failed half way
            self._laws[name] = []
        self._laws[name].append(law)
        if fixed is not None:
            return fixed[name].narrow(self.dims[name] - len(law.event_shape), int(step), 1)
        drawn: Tensor = law.rsample() if law.has_rsample else law.sample()
        return drawn

    def whole(self, name: str) -> Any:  # noqa: ANN401
        """The law of all steps at their draws, once these are made; None for other latents."""
        laws = self._laws.pop(name, None)
        return None if laws is None else stacked(laws, self.dims[name])


class Parts:
    """The sites of a model that weigh the values of latents along sequences.

    Attributes:
        latents: of each such site its latent.
        sequences: the sequences of the model.
    """

    def __init__(self, program: Program, model: ir.Model) -> None:
        self.latents = dict(program.parts)
        self.sequences = tuple(a.name for a in model.axes if a.kind == "sequence")
        names = {n: model.variable(n) for n in self.latents.values()}
        depths = program.layout.depths
        self._dims = {n: -depths[sequence_of(model, v)] for n, v in names.items()}
        self._laws: dict[str, list[Any]] = {}

    def weighed(self, site: Site, law: Any, value: Tensor, density: Tensor) -> Site:  # noqa: ANN401
        """The site of a latent, some of whose steps have the law `law` and this density."""
        batch = value.shape[: value.ndim - len(law.event_shape)]
        laws = self._laws.setdefault(site.name, []) if site.past else []
        laws.append(law if law.batch_shape == batch else law.expand(batch))
        self._laws[site.name] = laws
        dim = self._dims[site.name]
        whole = site.value.shape[dim - len(law.event_shape)]
        covered = sum(part.batch_shape[dim] for part in laws)
        p = stacked(laws, dim) if covered == whole else None
        return replace(site, log_p=site.log_p + density, p=p, past=True)
