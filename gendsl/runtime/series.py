"""Distributions of whole series: random walks and autoregressions."""

from __future__ import annotations

import math

import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.types import _size

from gendsl.runtime.parametric import NO_AXES, Given, Parametric
from gendsl.runtime.shapes import broadcast_shapes

__all__ = ["AR", "GaussianRandomWalk"]

LOG_ROOT_2PI = 0.5 * math.log(2 * math.pi)


def _normal(away: Tensor, scale: Tensor) -> Tensor:
    """The log density of independent centred normal entries along the last axis."""
    entries = -((away / scale) ** 2) / 2 - torch.log(scale) - LOG_ROOT_2PI
    return torch.sum(entries.expand(broadcast_shapes(away.shape, scale.shape)), -1)


class GaussianRandomWalk(Parametric):
    """A series with independent normal steps.

    The first value is normal with mean `initial_loc` and standard deviation `initial_scale`,
    each later one with mean `drift` above the one before and standard deviation `scale`.

    Args:
        length: the number of steps of the series.
        scale: standard deviation of a step.
        initial_scale: standard deviation of the first value.
        initial_loc: mean of the first value.
        drift: mean of a step.
    """

    arg_constraints = {
        "scale": constraints.positive,
        "initial_scale": constraints.positive,
        "initial_loc": constraints.real,
        "drift": constraints.real,
    }
    ranks = dict.fromkeys(arg_constraints, 0)
    support = constraints.real_vector
    has_rsample = True
    scale: Tensor
    initial_scale: Tensor
    initial_loc: Tensor
    drift: Tensor

    def __init__(
        self,
        length: int,
        scale: Given,
        initial_scale: Given,
        initial_loc: Given = 0.0,
        drift: Given = 0.0,
        *,
        validate_args: bool | None = None,
    ) -> None:
        held = {
            "scale": scale,
            "initial_scale": initial_scale,
            "initial_loc": initial_loc,
            "drift": drift,
        }
        self._hold(held, (length,), validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The straight line of the drift."""
        steps = torch.arange(self.event_shape[0], dtype=self.scale.dtype, device=self.scale.device)
        return self.initial_loc.unsqueeze(-1) + self.drift.unsqueeze(-1) * steps

    def log_prob(self, value: Tensor) -> Tensor:
        """The log density of the whole series."""
        if self._validate_args:
            self._validate_sample(value)
        start = value[..., :1] - self.initial_loc.unsqueeze(-1)
        steps = value[..., 1:] - value[..., :-1] - self.drift.unsqueeze(-1)
        first = _normal(start, self.initial_scale.unsqueeze(-1))
        return first + _normal(steps, self.scale.unsqueeze(-1))

    def rsample(self, sample_shape: _size = NO_AXES) -> Tensor:
        """Sums of normal steps."""
        shape = self._extended_shape(sample_shape)
        noise = torch.randn(shape, dtype=self.scale.dtype, device=self.scale.device)
        first = self.initial_loc.unsqueeze(-1) + self.initial_scale.unsqueeze(-1) * noise[..., :1]
        steps = self.drift.unsqueeze(-1) + self.scale.unsqueeze(-1) * noise[..., 1:]
        return torch.cumsum(torch.cat([first, steps], -1), -1)


class AR(Parametric):
    r"""An autoregression: $x_t$ is normal around $c + \sum_k \phi_k x_{t-k}$.

    Where `initial` is given it holds the values before the first, in the order of time, and
    every value of the series has a density. Otherwise the first K values are independent and
    normal with mean `initial_loc` and standard deviation `initial_scale`.

    Args:
        length: the number of values of the series.
        coefficients: of the values one step back, two steps back, ... (..., K).
        scale: standard deviation of an innovation.
        intercept: c.
        initial: the K values before the first, (..., K), the last one nearest.
        initial_loc: mean of the first K values.
        initial_scale: standard deviation of the first K values.
    """

    arg_constraints = {
        "coefficients": constraints.real_vector,
        "scale": constraints.positive,
        "intercept": constraints.real,
    }
    ranks = {
        "coefficients": 1,
        "scale": 0,
        "intercept": 0,
        "initial": 1,
        "initial_loc": 0,
        "initial_scale": 0,
    }
    support = constraints.real_vector
    has_rsample = True
    coefficients: Tensor
    scale: Tensor
    intercept: Tensor
    initial: Tensor
    initial_loc: Tensor
    initial_scale: Tensor

    def __init__(
        self,
        length: int,
        coefficients: Tensor,
        scale: Given,
        intercept: Given = 0.0,
        *,
        initial: Tensor | None = None,
        initial_loc: Given | None = None,
        initial_scale: Given | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self.given = initial is not None
        held = {
            "coefficients": coefficients,
            "scale": scale,
            "intercept": intercept,
            "initial": initial,
            "initial_loc": initial_loc,
            "initial_scale": initial_scale,
        }
        self._hold(held, (length,), validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """What the recursion makes of the means of its start."""
        return self._run(torch.zeros(self._extended_shape(), dtype=self.scale.dtype))

    def _run(self, noise: Tensor) -> Tensor:
        """The series that has these standard normal innovations."""
        order = self.coefficients.shape[-1]
        batch = noise.shape[:-1]
        values: list[Tensor] = []
        if self.given:
            values += self.initial.expand((*batch, order)).unbind(-1)
        for at, innovation in enumerate(noise.unbind(-1)):
            if not self.given and at < order:
                values.append(self.initial_loc + self.initial_scale * innovation)
                continue
            value = self.intercept + self.scale * innovation
            for k in range(order):
                value = value + self.coefficients[..., k] * values[-1 - k]
            values.append(value)
        return torch.stack(values[order if self.given else 0 :], -1)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log density of the whole series, given `initial` if that is given."""
        if self._validate_args:
            self._validate_sample(value)
        order = self.coefficients.shape[-1]
        start = torch.zeros(())
        if self.given:
            batch = broadcast_shapes(value.shape[:-1], self.batch_shape)
            before = self.initial.expand((*batch, order))
            value = torch.cat([before, value.expand((*batch, *self.event_shape))], -1)
        else:
            away = value[..., :order] - self.initial_loc.unsqueeze(-1)
            start = _normal(away, self.initial_scale.unsqueeze(-1))
        end = max(value.shape[-1], order)
        centre = self.intercept.unsqueeze(-1)
        for k in range(order):
            lagged = value[..., order - 1 - k : end - 1 - k]
            centre = centre + self.coefficients[..., k : k + 1] * lagged
        return start + _normal(value[..., order:] - centre, self.scale.unsqueeze(-1))

    def rsample(self, sample_shape: _size = NO_AXES) -> Tensor:
        """One value after the other."""
        shape = self._extended_shape(sample_shape)
        return self._run(torch.randn(shape, dtype=self.scale.dtype, device=self.scale.device))
