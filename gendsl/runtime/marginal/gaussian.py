r"""Latents that are jointly normal given all else: linear models, hierarchies, state spaces.

As a function of them, $z$, the log density is $f + g^\top u - \tfrac{1}{2} u^\top P u$ with
$u = z - z_0$. At the constant $z_0$ the gradient gives $g$, and a few products with the Hessian
give $P$, whose pattern the data decide. Then the evidence is
$f + \tfrac{1}{2} g^\top P^{-1} g - \tfrac{1}{2} \log\det P + \tfrac{d}{2} \log 2\pi$. $z_0$ lies
near the mode, so that nothing cancels however far from 0 the data are.

References:
    Gaussian Markov Random Fields (Rue and Held, 2005), sections 2.3 and 2.4
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from gendsl.runtime.marginal.blocks import NotIntegrable, Setting, typical
from gendsl.runtime.marginal.colouring import probes
from gendsl.runtime.marginal.pattern import find_pattern
from gendsl.runtime.marginal.sparse import draws, evidence, moments, system

__all__ = ["Gaussian"]

ATTEMPTS = 20
"""How many points are tried, to find one with a finite density."""

CHECKS = 3
"""At how many points the pattern is verified."""

LARGEST = 20_000
"""So many numbers are integrated out together at most."""

MAX_FILL = 600_000
"""So many entries may the factor of their precision have: a full one of about a thousand."""

TOGETHER = 12
"""More products than these are computed together."""

DENSE = 4000
"""So many numbers may there be if most are tied to most others."""

CLOSE = {torch.float64: 1e-6, torch.float32: 1e-2}
"""How exactly a product with the Hessian must be that with the pattern's entries."""


class Gaussian:
    """A block of latents that are jointly normal given the rest: see `blocks.Block`."""

    def __init__(self, setting: Setting) -> None:
        """Find the pattern of the precision, and the point to expand around.

        Raises:
            NotIntegrable: there are too many latents, no point with a finite density was found,
                or the log density is not quadratic.
        """
        self.setting = setting
        self.shapes = {u.name: u.shape for u in setting.own}
        self.size = sum(u.shape.numel() for u in setting.own)
        if self.size > LARGEST:
            raise NotIntegrable(f"they are {self.size} numbers, which is too many")
        self.origin, self._step = torch.zeros(self.size), torch.ones(self.size)
        theta, rest = self._usual()
        self._patterned(self._pattern(theta, rest, self.origin))
        self.origin = self._centre(theta, rest)
        self._step = self._width(theta, rest)
        for seed in range(CHECKS):
            self._settle(*typical(setting, ATTEMPTS + seed))
        self.verify(theta, rest)

    # The numbers at a point

    def _split(self, flat: Tensor) -> dict[str, Tensor]:
        """A flat vector of the latents by site."""
        parts = flat.split([s.numel() for s in self.shapes.values()])
        return {n: p.reshape(s) for (n, s), p in zip(self.shapes.items(), parts, strict=True)}

    def _expanded(
        self, theta: Tensor, rest: Mapping[str, Tensor], origin: Tensor
    ) -> tuple[Tensor, Tensor, Callable[[Tensor], Tensor]]:
        """Value, gradient, and a function that multiplies directions (count, size) with -P."""
        with torch.enable_grad():
            z = origin.detach().clone().requires_grad_()
            value = self.setting.joint(theta, {**rest, **self._split(z)})
            (slope,) = torch.autograd.grad(value, z, create_graph=True)

        def product(direction: Tensor) -> Tensor:
            along = torch.dot(slope, direction)  # torch imports a lot for gradients of vectors
            if not along.requires_grad:
                return torch.zeros_like(direction)
            (found,) = torch.autograd.grad(
                along, z, create_graph=True, retain_graph=True, materialize_grads=True
            )
            return found

        def together(directions: Tensor) -> Tensor:
            (found,) = torch.autograd.grad(
                slope,
                z,
                directions,
                create_graph=True,
                retain_graph=True,
                is_grads_batched=True,
                materialize_grads=True,
            )
            return found

        def products(directions: Tensor) -> Tensor:
            if not directions.numel():  # of an empty plate
                return directions
            with torch.enable_grad():
                if len(directions) > TOGETHER:
                    try:
                        return together(directions)
                    except (RuntimeError, NotImplementedError):  # not every operation can
                        pass
                return torch.stack([product(d) for d in directions])

        return value, slope, products

    def _numbers(
        self, theta: Tensor, rest: Mapping[str, Tensor], origin: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Value, entries of the precision, and information vector."""
        if len(self._directions) > TOGETHER and self.setting.ranks:
            return self._differences(theta, rest, origin)
        value, slope, products = self._expanded(theta, rest, origin)
        found = products(self._directions)
        if self._plain:  # a diagonal
            return value, -found[0], slope
        return value, -found.reshape(-1)[self._places], slope

    def _differences(
        self, theta: Tensor, rest: Mapping[str, Tensor], origin: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The same by gradients at many points at once: they are linear in the point."""
        with torch.enable_grad():
            moved = torch.cat([torch.zeros(1, self.size), self._directions * self._step])
            points = (origin.detach() + moved).requires_grad_()
            parts = points.split([s.numel() for s in self.shapes.values()], 1)
            values = dict(rest)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True):
                ones = (1,) * (self.setting.ranks[name] - len(shape))
                values[name] = part.reshape(len(points), *ones, *shape)
            total = self.setting.joint(theta, values)
            (slopes,) = torch.autograd.grad(total, points, create_graph=True)
            found = (slopes[:1] - slopes[1:]).reshape(-1)[self._places]
        value = self.setting.joint(theta, {**rest, **self._split(origin)})
        return value, found / self._step[self._columns], slopes[0]

    # Setting up

    def _usual(self) -> tuple[Tensor, dict[str, Tensor]]:
        """A point with a finite density, none of whose coordinates is special."""
        for attempt in range(1, ATTEMPTS):
            theta, rest = typical(self.setting, attempt)
            value, slope, _ = self._expanded(theta, rest, self.origin)
            if bool(torch.isfinite(value)) and bool(torch.isfinite(slope).all()):
                return theta, rest
        raise NotIntegrable("no point with a finite density was found")

    def _pattern(
        self, theta: Tensor, rest: Mapping[str, Tensor], origin: Tensor
    ) -> set[tuple[int, int]]:
        """Where the precision has entries at a point, on the diagonal and below it."""
        _, _, products = self._expanded(theta, rest, origin)

        def multiply(directions: np.ndarray) -> np.ndarray:
            return _array(products(torch.as_tensor(directions).to(origin)))

        found = find_pattern(multiply, self.size, DENSE)
        if found is None:
            raise NotIntegrable(f"too many of their {self.size} numbers are tied to one another")
        return found

    def _patterned(self, pattern: set[tuple[int, int]]) -> None:
        """Take the entries at these places for those of the precision."""
        rows, columns = np.array(sorted(pattern), dtype=np.int64).reshape(-1, 2).T
        if len(rows) > MAX_FILL:
            raise NotIntegrable(f"their precision has {len(rows)} entries, which is too many")
        self.entries = pattern
        self.system = system(self.size, rows, columns)
        if self.system.fill > MAX_FILL:
            raise NotIntegrable(f"its factor has {self.system.fill} entries, which is too many")
        found = probes(self.size, rows, columns)
        self._plain = len(found.directions) == 1
        self._directions = torch.as_tensor(found.directions).to(self.origin)
        places = found.colour * self.size + found.row, found.column
        self._places, self._columns = (torch.from_numpy(p).to(self.origin.device) for p in places)

    def _centre(self, theta: Tensor, rest: Mapping[str, Tensor]) -> Tensor:
        """The mode where the coordinates are 0, or else at `theta`; then its rounding error."""
        for point in (typical(self.setting, 0), (theta, rest)):
            origin = self.origin
            for _ in range(2):
                _, precision, slope = self._numbers(*point, origin)
                found = moments(self.system, _array(precision), _array(slope))
                origin = origin + torch.as_tensor(found[1 + len(precision) :]).to(origin)
            if bool(torch.isfinite(origin).all()):
                return origin.detach()
        raise NotIntegrable("their precision is not positive definite")

    def _width(self, theta: Tensor, rest: Mapping[str, Tensor]) -> Tensor:
        """About the standard deviation of each latent given the others."""
        _, precision, _ = self._numbers(theta, rest, self.origin)
        diagonal = torch.from_numpy(self.system.rows == self.system.columns)
        return precision.detach()[diagonal.to(precision.device)].rsqrt()

    def _settle(self, theta: Tensor, rest: Mapping[str, Tensor]) -> None:
        """Add to the pattern what is missing at another point."""
        value = self.setting.joint(theta, {**rest, **self._split(self.origin)})
        if bool(torch.isfinite(value)) and not self._fits(theta, rest):
            pattern = self.entries | self._pattern(theta, rest, self.origin)
            if pattern != self.entries:
                self._patterned(pattern)
            self.verify(theta, rest)

    def _fits(self, theta: Tensor, rest: Mapping[str, Tensor]) -> bool:
        """Whether a product at another value of the latents is that with the entries."""
        generator = torch.Generator().manual_seed(self.size)
        along, moved = torch.randn(2, self.size, generator=generator, dtype=torch.float64).to(
            self.origin
        )
        _, precision, _ = self._numbers(theta, rest, self.origin)
        _, _, products = self._expanded(theta, rest, self.origin + moved)
        rows, columns = self.system.rows, self.system.columns
        entries, vector = _array(precision), _array(along)
        total, scale = np.zeros(self.size), np.zeros(self.size)
        for i, j, own in ((rows, columns, entries), (columns, rows, entries * (rows != columns))):
            np.add.at(total, i, own * vector[j])
            np.add.at(scale, i, np.abs(own * vector[j]))
        error = np.abs(_array(products(along[None])[0]) + total)
        return bool(
            (error <= CLOSE[self.origin.dtype] * max(scale.max(initial=0.0), 1e-300)).all()
        )

    # As a block

    def verify(self, theta: Tensor, rest: Mapping[str, Tensor]) -> None:
        """Raise `NotIntegrable` where the log density is not the quadratic function it must be."""
        if not self._fits(theta, rest):
            raise NotIntegrable("the log density is no quadratic function of them")

    def evidence(self, theta: Tensor, rest: Mapping[str, Tensor]) -> Tensor:
        """The log density with the block integrated out."""
        value, precision, slope = self._numbers(theta, rest, self.origin)
        constant = 0.5 * self.size * math.log(2 * math.pi)
        return value + evidence(self.system, precision, slope) + constant

    def statistics(self, theta: Tensor, rest: Mapping[str, Tensor]) -> Tensor:
        """The entries of the precision, and the information vector."""
        _, precision, slope = self._numbers(theta, rest, self.origin)
        return torch.cat([precision, slope])

    def draw(self, statistics: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Joint draws, one for each row of `statistics`."""
        count = len(self.system.rows)
        noise = rng.standard_normal((len(statistics), self.size))
        found = draws(self.system, statistics[:, :count], statistics[:, count:], noise)
        return self._by_site(found + _array(self.origin))

    def moments(
        self, statistics: np.ndarray
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Means and variances of every site for one row of `statistics`."""
        count = len(self.system.rows)
        mean = moments(self.system, statistics[:count], statistics[count:])[1 + count :]
        centred = moments(self.system, statistics[:count], np.zeros(self.size))[1 : 1 + count]
        variance = -2 * centred[self.system.rows == self.system.columns]
        both = self._by_site(np.stack([mean + _array(self.origin), variance]))
        return {n: v[0] for n, v in both.items()}, {n: v[1] for n, v in both.items()}

    def _by_site(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        ends = np.cumsum([s.numel() for s in self.shapes.values()])[:-1]
        parts = np.split(flat, ends, axis=1)
        return {
            n: p.reshape(len(flat), *s)
            for (n, s), p in zip(self.shapes.items(), parts, strict=True)
        }


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy()
