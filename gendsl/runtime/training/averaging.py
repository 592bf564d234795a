"""Exponential moving averages of parameters and buffers."""

from __future__ import annotations

import torch
from torch import Tensor

from gendsl.runtime.training.trainable import Trainable, copied

__all__ = ["MovingAverage"]


class MovingAverage:
    """The average of all states so far, with weights that decay into the past.

    After t steps state i has a weight in proportion to ``decay ** (t - i)``, and the weights sum
    to 1: the start does not count (the bias correction of Kingma and Ba 2015, section 3).
    Buffers that are whole numbers or flags are copied.

    Attributes:
        values: the average, by name.
        steps: how many states have been averaged.
    """

    def __init__(self, trainable: Trainable, decay: float) -> None:
        """Begin with the state that is there, which has no weight.

        Args:
            trainable: what is averaged.
            decay: in [0, 1).
        """
        self._decay, self.steps = decay, 0
        self.values = copied(trainable.tensors())
        here = trainable.tensors()
        moving = [name for name in here if here[name].dtype.is_floating_point]
        self._means: list[Tensor] = [self.values[name] for name in moving]
        self._states = [here[name].detach() for name in moving]
        self._others = [(self.values[name], here[name]) for name in here if name not in moving]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the state that is there."""
        self.steps += 1
        weight = (1.0 - self._decay) / (1.0 - self._decay**self.steps)
        torch._foreach_lerp_(self._means, self._states, weight)
        for value, state in self._others:
            value.copy_(state)
