"""Networks of sets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from gendsl.library.architectures import Design
from gendsl.runtime.nets.arguments import Given, NetError
from gendsl.runtime.nets.dense import perceptron, read
from gendsl.runtime.nets.heads import Heads
from gendsl.runtime.nets.layers import Layers

__all__ = ["DeepSet", "deep_set"]

_POOLS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda x: x.mean(1),
    "sum": lambda x: x.sum(1),
    "max": lambda x: x.amax(1),
}


class DeepSet(nn.Module):
    """A perceptron of each member, a pool over them, and a perceptron of that and the context."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.arguments = read(design, ragged=True)
        self.pool = _POOLS[design.word("pool")]
        layers = Layers.of(design.options)
        self.of_members = self.arguments.free
        sizes = [
            math.prod(n or 0 for n in port.event[member:]) * width
            for port, width, member in zip(
                design.inputs, self.arguments.widths, self.of_members, strict=True
            )
        ]
        member = sum(n for n, of in zip(sizes, self.of_members, strict=True) if of)
        hidden, readout = design.wholes("hidden"), design.wholes("readout")
        self.members = perceptron(member, hidden, layers)
        self.readout = perceptron(hidden[-1] + sum(sizes) - member, readout, layers)
        self.heads = Heads(readout[-1], design)

    def forward(self, *inputs: Given) -> Tensor | dict[str, Tensor]:
        """The outputs, of shape `batch + event`, of sets `batch + (members, ...)`."""
        found, batch = self.arguments(inputs)
        sided = list(zip(found, self.of_members, strict=True))
        members = torch.cat([numbers.flatten(2) for numbers, of in sided if of], -1)
        if not members.shape[1]:
            raise NetError("a set has at least one member")
        # As further rows, so that normalisations see members as they see rows.
        each = self.members(members.flatten(0, 1)).unflatten(0, members.shape[:2])
        context = [numbers.flatten(1) for numbers, of in sided if not of]
        pooled = torch.cat((self.pool(each), *context), -1)
        outputs: Tensor | dict[str, Tensor] = self.heads(self.readout(pooled), batch)
        return outputs


def deep_set(design: Design) -> nn.Module:
    """A deep set."""
    return DeepSet(design)
