"""What an energy is trained on: the loss of a batch, for each way to account for its constant.

Every objective has the gradient of the log likelihood, or of something that is greatest at the
same params, and needs no value of Z but where it is summed or learned.

References:
    Training products of experts by minimizing contrastive divergence (Hinton 2002).
    Training restricted Boltzmann machines using approximations to the likelihood gradient
    (Tieleman, ICML 2008): persistent chains.
    Some extensions of score matching (Hyvarinen 2007): ratio matching for binary variables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch.distributions import Distribution

from gendsl.runtime.energies import matching
from gendsl.runtime.energies.exact import log_constant
from gendsl.runtime.energies.noise import contrast
from gendsl.runtime.energies.packing import Packed
from gendsl.runtime.energies.samplers import PACKED, BlockGibbs, Kernel, of_packed
from gendsl.runtime.energies.task import Task
from gendsl.runtime.training.settings import Losses

__all__ = [
    "Contrastive",
    "Kind",
    "Likelihood",
    "Matching",
    "Memory",
    "Noise",
    "Objective",
    "Ratios",
    "run_chains",
]

Memory = dict[str, Tensor]
"""State that lasts from step to step, such as chains."""


Kind = Literal["exact", "sliced", "finite_difference", "denoising"]
"""How the divergence of a score is found, or that the data are noised."""


class Objective(Protocol):
    """A loss to minimise."""

    @property
    def title(self) -> str:
        """What is trained, in words."""
        ...

    def __call__(self, task: Task, arguments: Mapping[str, Any], memory: Memory) -> Losses:
        """The loss of the rows in `arguments`, and terms to report."""
        ...


@dataclass(frozen=True)
class Contrastive:
    """Lowers the energy of the data and raises that of samples, which chains draw.

    Attributes:
        kernel: one sweep of the chains.
        steps: sweeps for each step of the training.
        chains: how many persistent chains there are; 0 for chains that begin at the data.
        anew: the share of persistent chains that begin anew at each step.
    """

    kernel: Kernel
    steps: int
    chains: int = 0
    anew: float = 0.0

    @property
    def title(self) -> str:
        """What is trained, in words."""
        kind = f"persistent contrastive divergence, {self.chains} chains"
        return f"{kind if self.chains else 'contrastive divergence'}, {self.steps} sweeps"

    def __call__(self, task: Task, arguments: Mapping[str, Any], memory: Memory) -> Losses:
        """Minus the difference of the log densities of data and samples, units summed out."""
        data = task.values(arguments)
        of_data = task.free(data, arguments)
        given, start = arguments, data
        if self.chains:
            given = self._arguments(task, arguments)
            start = self._start(task, given, memory)
        samples = self._run(task, given, start)
        if self.chains:
            memory |= {f"chains {n}": samples[n] for n in task.visible}
        of_samples = task.free(samples, given)
        loss = of_samples.log_weight.mean() - of_data.log_weight.mean()
        terms = {
            "energy of data": -of_data.value.mean(),
            "energy of samples": -of_samples.value.mean(),
        }
        return Losses(loss, terms)

    def _arguments(self, task: Task, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return task.sized(self.chains) if task.rows.plate is not None else arguments

    def _start(self, task: Task, given: Mapping[str, Any], memory: Memory) -> dict[str, Tensor]:
        count = 0 if task.rows.plate is not None else self.chains
        found: dict[str, Tensor] = {}
        for name in task.visible:
            kept = memory.get(f"chains {name}")
            if kept is None:
                found[name] = _anywhere(task, task.shape(name, given, count))
            elif self.anew:
                fresh = _anywhere(task, tuple(kept.shape))
                found[name] = torch.where(self._begin(task, name, kept), fresh, kept)
            else:
                found[name] = kept
        return found

    def _begin(self, task: Task, name: str, kept: Tensor) -> Tensor:
        """Which chains begin anew, in a shape that broadcasts against their values."""
        rows = task.rows.plate is not None
        chosen = torch.rand((1, self.chains) if rows else (self.chains, 1)) < self.anew
        spread = task.weigher.layout.spread(chosen, task.event(name), local=rows)
        return spread[0] if rows else spread

    def _run(
        self, task: Task, given: Mapping[str, Any], start: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        values = run_chains(task, self.kernel, given, start, self.steps)
        return {n: values[n] for n in task.visible}


def run_chains(
    task: Task,
    kernel: Kernel,
    arguments: Mapping[str, Any],
    start: Mapping[str, Tensor],
    steps: int,
) -> dict[str, Tensor]:
    """Values of visible variables after so many sweeps, and of units by block Gibbs."""
    if isinstance(kernel, BlockGibbs):
        values = task.with_units(start, arguments)

        def jointly(held: Mapping[str, Tensor]) -> Tensor:
            return task.weigher(held, arguments)

        for _ in range(steps):
            values = kernel(jointly, values).values
        return {n: v.detach() for n, v in values.items()}
    packed = Packed(task, start)  # others move where the units are summed out

    def visibly(held: Mapping[str, Tensor]) -> Tensor:
        return task.log_density(packed.unpack(held[PACKED]), arguments).reshape(-1)

    x = packed.pack(start)
    moving = of_packed(kernel)
    for _ in range(steps):
        x = moving(visibly, {PACKED: x}).values[PACKED]
    return packed.unpack(x.detach())


def _anywhere(task: Task, shape: tuple[int, ...]) -> Tensor:
    """Where chains begin: fair bits, or standard normal numbers."""
    if task.facts.binary:
        return torch.bernoulli(torch.full(shape, 0.5))
    return torch.randn(shape)


@dataclass(frozen=True)
class Likelihood:
    """Minus the log likelihood, with Z summed over all states, or that of a normal law.

    Attributes:
        normal: whether the block is a normal law.
    """

    normal: bool

    @property
    def title(self) -> str:
        """What is trained, in words."""
        how = "of a normal law" if self.normal else "summed over all states"
        return f"the log likelihood, log Z {how}"

    def __call__(self, task: Task, arguments: Mapping[str, Any], memory: Memory) -> Losses:
        """The loss of a batch."""
        del memory
        density = task.log_density(task.values(arguments), arguments)
        log_z = log_constant(task, arguments, normal=self.normal)
        log_likelihood = (density - log_z).mean()
        return Losses(-log_likelihood, {"log_likelihood": log_likelihood, "log_z": log_z.mean()})


@dataclass(frozen=True)
class Matching:
    """Score matching.

    Attributes:
        kind: how the divergence of the score is found, or that the data are noised.
        sigma: the noise of denoising.
        directions: of sliced score matching.
    """

    kind: Kind
    sigma: float = 0.1
    directions: int = 1

    @property
    def title(self) -> str:
        """What is trained, in words."""
        if self.kind == "denoising":
            return f"denoising score matching: the law of the data plus noise of sd {self.sigma:g}"
        return f"{self.kind.replace('_', ' ')} score matching"

    def __call__(self, task: Task, arguments: Mapping[str, Any], memory: Memory) -> Losses:
        """The loss of a batch."""
        del memory
        parts = task.values(arguments)
        packed = Packed(task, parts)

        def log_density(x: Tensor) -> Tensor:
            return task.log_density(packed.unpack(x), arguments)[0]

        x = packed.pack(parts)
        if self.kind == "exact":
            found = matching.exact(log_density, x, 1)
        elif self.kind == "sliced":
            found = matching.sliced(log_density, x, 1, self.directions)
        elif self.kind == "finite_difference":
            found = matching.finite_difference(log_density, x)
        else:
            found = matching.denoising(log_density, x, 1, self.sigma)
        return Losses(found.mean(), {"score matching": found.mean()})


@dataclass(frozen=True)
class Ratios:
    """Ratio matching: the odds of each bit given all others are matched to the data's.

    The loss of a row is the sum over bits of ``sigmoid(log p(x with bit i flipped) - log p(x))^2``
    (Hyvarinen 2007, equation 13): it costs a density for each bit.
    """

    @property
    def title(self) -> str:
        """What is trained, in words."""
        return "ratio matching"

    def __call__(self, task: Task, arguments: Mapping[str, Any], memory: Memory) -> Losses:
        """The loss of a batch."""
        del memory
        parts = task.values(arguments)
        packed = Packed(task, parts)
        x = packed.pack(parts)
        here = task.log_density(parts, arguments)
        loss = torch.zeros_like(here)
        for i in range(x.shape[1]):
            flipped = x.clone()
            flipped[:, i] = 1 - flipped[:, i]
            there = task.log_density(packed.unpack(flipped), arguments)
            loss = loss + torch.sigmoid(there - here) ** 2
        return Losses(loss.mean(), {"ratio matching": loss.mean()})


@dataclass(frozen=True)
class Noise:
    """Noise-contrastive estimation, with log Z as a param.

    Attributes:
        noise: a law of a packed row.
        ratio: draws of noise for each row.
        log_z: the param.
        kind: what the noise is, in words.
    """

    noise: Distribution
    ratio: int
    log_z: Tensor
    kind: str

    @property
    def title(self) -> str:
        """What is trained, in words."""
        return f"noise-contrastive estimation, {self.ratio} draws of {self.kind} for each row"

    def __call__(self, task: Task, arguments: Mapping[str, Any], memory: Memory) -> Losses:
        """The loss of a batch."""
        del memory
        parts = task.values(arguments)
        packed = Packed(task, parts)
        x = packed.pack(parts)
        rows = x.shape[0]
        of_data = task.log_density(parts, arguments)[0]
        noisy, densities = [], []
        for _ in range(self.ratio):
            y = self.noise.sample((rows,))
            noisy.append(task.log_density(packed.unpack(y), arguments)[0])
            densities.append(self.noise.log_prob(y))
        loss = contrast(
            of_data, torch.cat(noisy), self.noise.log_prob(x), torch.cat(densities), self.log_z
        )
        return Losses(loss, {"contrast": loss, "log_z": self.log_z})
