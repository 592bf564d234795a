"""What our own distributions share: parameters with event axes of their own, aligned by batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from pyro.distributions import TorchDistribution
from torch import Tensor
from torch.types import _size

from gendsl.runtime.shapes import broadcast_shapes

__all__ = ["NO_AXES", "Given", "Parametric"]

NO_AXES = torch.Size()
Given = Tensor | float
"""A parameter as it comes: a tensor, or a Python number where it has no event axes."""


class Parametric(TorchDistribution):
    """A distribution that holds its parameters as attributes, over one batch shape.

    `ranks` says how many event axes each parameter has of its own; those that a form leaves
    out are not held.
    """

    arg_constraints = {}
    has_rsample = False
    ranks: ClassVar[Mapping[str, int]] = {}

    def _hold(
        self,
        given: Mapping[str, Given | None],
        event_shape: _size = NO_AXES,
        *,
        over: _size = NO_AXES,
        validate_args: bool | None,
    ) -> None:
        """Bring the parameters to one batch shape, that reaches `over` too, and keep them."""
        held = {
            name: value if isinstance(value, Tensor) else torch.tensor(float(value))
            for name, value in given.items()
            if value is not None
        }
        shapes = {n: t.shape[: t.dim() - self.ranks[n]] for n, t in held.items()}
        batch = broadcast_shapes(over, *shapes.values())
        self._held = tuple(held)
        for name, value in held.items():
            setattr(self, name, value.expand(batch + value.shape[len(shapes[name]) :]))
        super().__init__(batch, torch.Size(event_shape), validate_args=validate_args)

    def expand(self, batch_shape: _size, _instance: object = None) -> Parametric:
        """The same for a larger batch."""
        batch = torch.Size(batch_shape)
        new = self.__new__(type(self))
        new.__dict__.update(self.__dict__)
        for name in self._held:
            value = getattr(self, name)
            own = value.shape[value.dim() - self.ranks[name] :]
            setattr(new, name, value.expand(batch + own))
        new._batch_shape = batch
        return new

    def sample(self, sample_shape: _size = NO_AXES) -> Tensor:
        """Draws without a gradient."""
        with torch.no_grad():
            return self.rsample(sample_shape)
