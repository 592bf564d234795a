"""Beta, gamma, inverse gamma and Dirichlet latents, integrated out all together.

No factor of the density has two of them in it, so that as a function of their values it is a sum
of functions of one entry each: one gradient tells all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gendsl.runtime.marginal.blocks import NotIntegrable, Setting, typical
from gendsl.runtime.marginal.families import FAMILIES, Numbers
from gendsl.runtime.marginal.priors import prior_numbers

__all__ = ["Conjugate"]

ATTEMPTS = 20
"""How many points are tried, to find one with a finite density."""

ROUNDS = 5
"""How often the points at which the laws are read off are moved to where these are."""

VERIFIED = 2
"""At how many more points it is verified that the laws are what they are taken for."""

TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-3}
"""How far, relative to its size, the log density may be from the laws that were read off it."""

Values = Mapping[str, Tensor]

Points = Mapping[str, tuple[Tensor, Tensor]]

Laws = Callable[[Tensor, Values], Mapping[str, Any]]
"""The priors of the latents of a block, from coordinates and values of all that was integrated."""


@dataclass(frozen=True)
class _Read:
    """What the log density is about the latents.

    Attributes:
        points: two values of each latent, at which it was read.
        value: at the first of them, without the priors.
        prior: the parameters of each prior.
        more: what all else adds to them.
    """

    points: Points
    value: Tensor
    prior: dict[str, Numbers]
    more: dict[str, Numbers]

    @property
    def laws(self) -> dict[str, Numbers]:
        """The parameters of each law given all else."""
        return {n: _added(self.prior[n], self.more[n]) for n in self.prior}


class Conjugate:
    """A block of latents of such families: see `blocks.Block`.

    The log density of its setting is that without their priors, which are apart.
    """

    def __init__(self, setting: Setting, families: Mapping[str, str], priors: Laws) -> None:
        """Find the points to read the numbers off at, near the means of the laws.

        Args:
            setting: of the block.
            families: of each latent, by name.
            priors: of the latents.

        Raises:
            NotIntegrable: no point with a finite density was found, or a law is another one.
        """
        self.setting, self.priors = setting, priors
        self.families = {u.name: FAMILIES[families[u.name]] for u in setting.own}
        self.shapes = {u.name: u.shape for u in setting.own}
        self.scaled = any(f not in ("beta", "dirichlet") for f in families.values())
        self._move({n: f.broad(self.shapes[n]) for n, f in self.families.items()})
        theta, rest = self._usual()
        for _ in range(ROUNDS):
            self._move(self._read(theta, rest).laws)
        self.verify(theta, rest)
        for seed in range(VERIFIED):
            self.verify(*typical(setting, ATTEMPTS + seed))

    # Setting up

    def _usual(self) -> tuple[Tensor, dict[str, Tensor]]:
        for attempt in range(ATTEMPTS):
            theta, rest = typical(self.setting, attempt)
            value = self.setting.joint(theta, {**rest, **self._at})
            if bool(torch.isfinite(value)):
                return theta, rest
        raise NotIntegrable("no point with a finite density was found")

    def _move(self, laws: Mapping[str, Numbers]) -> None:
        """Read off from now on where laws like these have their mass."""
        self.points = {
            n: f.points(tuple(k.detach() for k in laws[n])) for n, f in self.families.items()
        }

    @property
    def _at(self) -> dict[str, Tensor]:
        """The first points."""
        return {n: p[0] for n, p in self.points.items()}

    # The laws at a point

    def _read(self, theta: Tensor, rest: Values) -> _Read:
        points = self.points
        value, more = self._numbers(theta, rest, points)
        if self.scaled:  # far from the points one number would be lost beside the other
            points = {n: self._nearer(n, more[n]) for n in self.families}
            value, more = self._numbers(theta, rest, points)
        laws = self.priors(theta, {**rest, **self._at})
        prior = {n: prior_numbers(laws[n], shape) for n, shape in self.shapes.items()}
        return _Read(points, value, prior, more)

    def _nearer(self, name: str, more: Numbers) -> tuple[Tensor, Tensor]:
        """Points of a latent where both numbers count; the usual ones where there are none."""
        found = self.families[name].points(tuple(k.detach() for k in more))
        legal = torch.isfinite(found[0]) & torch.isfinite(found[1])
        first, second = self.points[name]
        return torch.where(legal, found[0], first), torch.where(legal, found[1], second)

    def _numbers(
        self, theta: Tensor, rest: Values, points: Points
    ) -> tuple[Tensor, dict[str, Numbers]]:
        """The log density at the first of `points`, and what the data add to each prior."""
        value, first = self._slopes(theta, rest, {n: p[0] for n, p in points.items()})
        _, second = self._slopes(theta, rest, {n: p[1] for n, p in points.items()})
        return value, {
            n: f.numbers(points[n][0], first[n], points[n][1], second[n])
            for n, f in self.families.items()
        }

    def _slopes(
        self, theta: Tensor, rest: Values, points: Values
    ) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.enable_grad():
            at = {n: p.detach().clone().requires_grad_() for n, p in points.items()}
            value = self.setting.joint(theta, {**rest, **at})
            for z in at.values():
                value = value + 0.0 * z.sum()  # a flat density has a gradient, too
            derivatives = torch.autograd.grad(
                value, list(at.values()), create_graph=True, materialize_grads=True
            )
            slopes = {
                n: self.families[n].slope(points[n], d)
                for n, d in zip(at, derivatives, strict=True)
            }
        return value, slopes

    def _kernels(self, values: Values, numbers: Mapping[str, Numbers]) -> Tensor:
        """What the log density has of the latents at `values`, but for a constant."""
        total = torch.zeros(())
        for name, family in self.families.items():
            total = total + family.kernel(values[name], numbers[name]).sum()
        return total

    # As a block

    def evidence(self, theta: Tensor, rest: Values) -> Tensor:
        """The log density with the block integrated out."""
        read = self._read(theta, rest)
        at = {n: p[0] for n, p in read.points.items()}
        whole = read.value - self._kernels(at, read.more)
        for name, family in self.families.items():
            whole = whole + family.gain(read.prior[name], read.more[name]).sum()
        return whole

    def statistics(self, theta: Tensor, rest: Values) -> Tensor:
        """The parameters of all laws, one after the other."""
        laws = self._read(theta, rest).laws
        return torch.cat([k.reshape(-1) for n in self.families for k in laws[n]])

    def draw(self, statistics: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draws of every site, for each row of `statistics`."""
        found, start = {}, 0
        for name, family in self.families.items():
            size, own = self.shapes[name].numel(), []
            for _ in family.broad(self.shapes[name]):
                column = statistics[:, start : start + size]
                own.append(column.reshape(len(statistics), *self.shapes[name]))
                start += size
            found[name] = family.draw(tuple(own), rng)
        return found

    def verify(self, theta: Tensor, rest: Values) -> None:
        """Raise `NotIntegrable` where the log density is not as the laws have it.

        Values drawn from the laws are compared with the points: of one latent after the other,
        and of all together, since these must be independent. Where the density is 0 they have
        none.
        """
        read = self._read(theta, rest)
        if not bool(torch.isfinite(read.value)):
            return
        flat = torch.cat([k.reshape(-1) for n in self.families for k in read.laws[n]]).detach()
        drawn = self.draw(flat.cpu().double().numpy()[None], np.random.default_rng(flat.numel()))
        moved = {n: torch.as_tensor(d[0]).to(flat) for n, d in drawn.items()}
        wrong = [n for n in self.families if self._off(theta, rest, read, {n: moved[n]})]
        if wrong or self._off(theta, rest, read, moved):
            names = ", ".join(f"`{n}`" for n in wrong or self.families)
            raise NotIntegrable(f"the log density is not of their family in {names}")

    def _off(self, theta: Tensor, rest: Values, read: _Read, moved: Values) -> bool:
        """Whether the log density, some latents `moved`, is not what was read off it.

        Their priors must be what they are taken for, and not depend on any of them.
        """
        at = {n: p[0].detach() for n, p in read.points.items()}
        values = {**at, **moved}
        with torch.no_grad():
            change = self._kernels(values, read.more) - self._kernels(at, read.more)
            found = self.setting.joint(theta, {**rest, **values}) - read.value
            laws = self.priors(theta, {**rest, **values})
            for name, own in moved.items():
                family, start = self.families[name], at[name]
                numbers = family.exponents(read.prior[name])
                change = (
                    change + (family.kernel(own, numbers) - family.kernel(start, numbers)).sum()
                )
                found = found + (laws[name].log_prob(own) - laws[name].log_prob(start)).sum()
            size = 1.0 + read.value.abs() + change.abs()
            return not bool((found - change).abs() <= TOLERANCE[size.dtype] * size)


def _added(prior: Numbers, more: Numbers) -> Numbers:
    return tuple(p + m for p, m in zip(prior, more, strict=True))
