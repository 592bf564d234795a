"""What a family of conjugate laws must offer, so that its latents can be integrated out.

Nothing is transcribed from the program. A block of latents is known to make the log density, as a
function of them, one of a family with few numbers; these are read off by derivatives of the log
density at one constant point. Blocks are eliminated one after the other, and drawn back in the
opposite order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from gendsl.runtime.density import Unknown

__all__ = ["Block", "Joint", "NotIntegrable", "Setting", "typical"]

Joint = Callable[[Tensor, Mapping[str, Tensor]], Tensor]
"""The log density of flat unconstrained coordinates, and of natural values by site."""


class NotIntegrable(Exception):
    """With these data latents are better sampled, or cannot be integrated out; says why."""


@dataclass(frozen=True)
class Setting:
    """What a block is eliminated from.

    Attributes:
        joint: the log density with the latents of earlier blocks integrated out.
        own: the latents of the block.
        rest: those of later blocks, which are given to it on their own scale.
        size: how many unconstrained coordinates there are.
        ranks: how many axes the value of each of `own` needs so that one more may stand in front,
            over which `joint` is summed; empty if `joint` takes no such values.
    """

    joint: Joint
    own: tuple[Unknown, ...]
    rest: tuple[Unknown, ...]
    size: int
    ranks: Mapping[str, int] = field(default_factory=dict)


class Block(Protocol):
    """Latents of one family. Made from a `Setting`, when the data are known."""

    def evidence(self, theta: Tensor, rest: Mapping[str, Tensor]) -> Tensor:
        """The log density with the block integrated out, in operations that can be recorded.

        It can be differentiated in `theta`, and in `rest` as often as families after it need.
        """
        ...

    def statistics(self, theta: Tensor, rest: Mapping[str, Tensor]) -> Tensor:
        """A flat vector of the numbers that the law of the block given the others depends on."""
        ...

    def verify(self, theta: Tensor, rest: Mapping[str, Tensor]) -> None:
        """Whether the log density is of the family here, too.

        Raises:
            NotIntegrable: it is not.
        """
        ...

    def draw(self, statistics: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """A draw of each site, (draw, *shape), for each row of `statistics`."""
        ...


def typical(setting: Setting, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Coordinates, and values of what is integrated out later, as they could be; 0 for seed 0.

    The random state of torch is left alone.
    """
    generator = torch.Generator().manual_seed(seed)

    def standard(size: int) -> Tensor:
        drawn = 0.5 * torch.randn(size, generator=generator, dtype=torch.float64, device="cpu")
        return drawn.to(torch.zeros(())) if seed else torch.zeros(size)

    theta = standard(setting.size)
    rest = {
        u.name: u.transform(standard(u.size).reshape(u.unconstrained_shape)) for u in setting.rest
    }
    return theta, rest
