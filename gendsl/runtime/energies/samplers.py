"""Markov chains on unnormalised densities: Gibbs for binary units, Langevin and HMC for numbers.

Every kernel takes values by name, with chains on leading axes, and gives new values; the number
of chains that accepted comes back where something can be refused.

References:
    Langevin: Exponential convergence of Langevin distributions and their discrete approximations
    (Roberts and Tweedie, Bernoulli 1996): x' = x + step * score + sqrt(2 step) * noise, whose
    law has an error of the order of the step unless it is adjusted.
    Oops I took a gradient: scalable sampling for discrete distributions (Grathwohl, Swersky,
    Hashemi, Duvenaud, Maddison, ICML 2021), algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from gendsl.runtime.energies.units import LogWeight, log_odds

__all__ = [
    "PACKED",
    "BlockGibbs",
    "GibbsWithGradients",
    "Hmc",
    "Kernel",
    "Langevin",
    "Moved",
    "Turns",
    "of_packed",
    "scores",
]


@dataclass(frozen=True)
class Moved:
    """Where chains are after a step.

    Attributes:
        values: by name.
        accepted: whether each chain moved as proposed; None where nothing is refused.
    """

    values: dict[str, Tensor]
    accepted: Tensor | None = None


PACKED = "x"
"""What all entries that move together are called, (chains, entries)."""


class Kernel(Protocol):
    """One step of Markov chains."""

    def __call__(self, log_weight: LogWeight, values: Mapping[str, Tensor]) -> Moved:
        """Move the chains at `values`, by a kernel that leaves exp(log_weight) invariant."""
        ...


def scores(
    log_weight: LogWeight, values: Mapping[str, Tensor], names: Iterable[str]
) -> tuple[Tensor, dict[str, Tensor]]:
    """The log density of each chain, and its gradient by the values `names`."""
    asked = tuple(names)
    with torch.enable_grad():
        held = {n: v.detach() for n, v in values.items()}
        held |= {n: held[n].requires_grad_() for n in asked}
        found = log_weight(held)
        gradients = torch.autograd.grad(found.sum(), [held[n] for n in asked])
    return found.detach(), dict(zip(asked, gradients, strict=True))


@dataclass(frozen=True)
class BlockGibbs:
    """Draws groups of binary units one after the other, each given all else.

    Attributes:
        groups: names, and a mask of the entries that are drawn together (None for all): in these
            together the log density is affine; with a mask it may have the square of an entry.
    """

    groups: tuple[tuple[tuple[str, ...], Mapping[str, Tensor] | None], ...]

    def __call__(self, log_weight: LogWeight, values: Mapping[str, Tensor]) -> Moved:
        """One sweep."""
        moved = dict(values)
        for names, masks in self.groups:
            held = moved
            if masks is not None:  # half way, where squares of a unit gain nothing
                held = moved | {n: torch.where(masks[n], 0.5, moved[n]) for n in names}
            for name, odds in log_odds(log_weight, held, names).items():
                drawn = torch.bernoulli(torch.sigmoid(odds))
                moved[name] = (
                    drawn if masks is None else torch.where(masks[name], drawn, moved[name])
                )
        return Moved(moved)


@dataclass(frozen=True)
class Turns:
    """Several kernels, one after the other.

    Attributes:
        kernels: each leaves the law invariant.
        rounds: how often all of them have their turn.
    """

    kernels: tuple[Kernel, ...]
    rounds: int = 1

    def __call__(self, log_weight: LogWeight, values: Mapping[str, Tensor]) -> Moved:
        """All rounds."""
        moved = Moved(dict(values))
        for _ in range(self.rounds):
            for kernel in self.kernels:
                moved = kernel(log_weight, moved.values)
        return moved


def _per_chain(entries: Tensor, like: Tensor) -> Tensor:
    """The sum over all axes that a chain has, where `like` has one number for each chain."""
    return entries.reshape(*like.shape, -1).sum(-1)


def _spread(of_chains: Tensor, value: Tensor) -> Tensor:
    """One number for each chain, as a shape that broadcasts against `value`."""
    return of_chains.reshape(*of_chains.shape, *(1,) * (value.ndim - of_chains.ndim))


def _choose(accepted: Tensor, new: Mapping[str, Tensor], old: Mapping[str, Tensor]) -> Moved:
    taken = {n: torch.where(_spread(accepted, v), v, old[n]) for n, v in new.items()}
    return Moved(dict(old) | taken, accepted)


@dataclass(frozen=True)
class GibbsWithGradients:
    """Flips one binary unit, proposed by what derivatives say a flip would win; exact.

    Attributes:
        name: the units.
    """

    name: str

    def __call__(self, log_weight: LogWeight, values: Mapping[str, Tensor]) -> Moved:
        """One proposal for each chain."""
        x = values[self.name]
        before, forward = self._gains(log_weight, values)
        law = torch.distributions.Categorical(logits=forward)
        chosen = law.sample()
        flat = x.reshape(*before.shape, -1)
        flip = torch.nn.functional.one_hot(chosen, flat.shape[-1]).to(x.dtype)
        new = (flat + flip - 2 * flat * flip).reshape(x.shape)
        after, backward = self._gains(log_weight, dict(values) | {self.name: new})
        back = torch.distributions.Categorical(logits=backward)
        ratio = after - before + back.log_prob(chosen) - law.log_prob(chosen)
        accepted = torch.rand_like(ratio).log() < ratio
        return _choose(accepted, {self.name: new}, values)

    def _gains(self, log_weight: LogWeight, values: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        found, gradient = scores(log_weight, values, (self.name,))
        x = values[self.name]
        return found, ((1 - 2 * x) * gradient[self.name]).reshape(*found.shape, -1) / 2


@dataclass(frozen=True)
class Langevin:
    """A step of Langevin dynamics: x + step * score + sqrt(2 step) * noise.

    Attributes:
        names: the numbers that move.
        step: the size of a step.
        adjusted: whether steps are accepted or refused so that the law is exact.
    """

    names: tuple[str, ...]
    step: float
    adjusted: bool = False

    def __call__(self, log_weight: LogWeight, values: Mapping[str, Tensor]) -> Moved:
        """One step."""
        before, drift = scores(log_weight, values, self.names)
        noise = {n: torch.randn_like(values[n]) for n in self.names}
        scale = (2 * self.step) ** 0.5
        new = {n: values[n] + self.step * drift[n] + scale * noise[n] for n in self.names}
        if not self.adjusted:
            return Moved(dict(values) | new)
        after, back = scores(log_weight, dict(values) | new, self.names)
        ratio = after - before
        for n in self.names:
            away = values[n] - new[n] - self.step * back[n]
            ratio = ratio - _per_chain(away**2, ratio) / (4 * self.step)
            ratio = ratio + _per_chain(noise[n] ** 2, ratio) / 2
        return _choose(torch.rand_like(ratio).log() < ratio, new, values)


@dataclass(frozen=True)
class Hmc:
    """Hamiltonian Monte Carlo with a unit metric and a fixed number of leapfrog steps.

    Attributes:
        names: the numbers that move.
        step: the size of a leapfrog step.
        leaps: how many there are.
    """

    names: tuple[str, ...]
    step: float
    leaps: int = 10

    def __call__(self, log_weight: LogWeight, values: Mapping[str, Tensor]) -> Moved:
        """One trajectory."""
        before, force = scores(log_weight, values, self.names)
        momentum = {n: torch.randn_like(values[n]) for n in self.names}
        ratio = -before
        for n in self.names:
            ratio = ratio + _per_chain(momentum[n] ** 2, ratio) / 2
        new, after = dict(values), before
        for _ in range(self.leaps):
            momentum = {n: momentum[n] + self.step / 2 * force[n] for n in self.names}
            new |= {n: new[n] + self.step * momentum[n] for n in self.names}
            after, force = scores(log_weight, new, self.names)
            momentum = {n: momentum[n] + self.step / 2 * force[n] for n in self.names}
        ratio = ratio + after
        for n in self.names:
            ratio = ratio - _per_chain(momentum[n] ** 2, ratio) / 2
        moved = {n: new[n] for n in self.names}
        return _choose(torch.rand_like(ratio).log() < ratio, moved, values)


def of_packed(kernel: Kernel) -> Kernel:
    """The same kernel for all numbers or bits in one value, (chains, entries)."""
    match kernel:
        case Langevin() | Hmc():
            return replace(kernel, names=(PACKED,))
        case GibbsWithGradients():
            return replace(kernel, name=PACKED)
        case Turns(kernels=kernels):
            return replace(kernel, kernels=(of_packed(kernels[0]),))
    return kernel
