"""Autoregressive transforms with masked networks.

References:
    MADE: masked autoencoder for distribution estimation (Germain, Gregor, Murray, Larochelle,
    ICML 2015), for the masks.
    Masked autoregressive flow for density estimation (Papamakarios, Pavlakou, Murray, NeurIPS
    2017).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from gendsl.library.transforms import FlowDesign
from gendsl.runtime.flows.bijection import Bijection, Context, Pair
from gendsl.runtime.flows.linear import random_order
from gendsl.runtime.flows.maps import ScalarMap, scalar_map
from gendsl.runtime.nets.layers import Layers

__all__ = ["Autoregressive", "Masked", "autoregressive"]


class Masked(nn.Linear):
    """A linear map some of whose weights are 0."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.mask: Tensor
        self.register_buffer("mask", mask.to(self.weight.dtype), persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        """The map."""
        return functional.linear(input, self.weight * self.mask, self.bias)

    def some(self, input: Tensor, first: int, end: int) -> Tensor:
        """The results from `first` to before `end`."""
        weight = self.weight[first:end] * self.mask[first:end]
        return functional.linear(input, weight, self.bias[first:end])


class Autoregressive(Bijection):
    """u_i = h^-1(x_i), the parameters of h computed from the entries before i in an order.

    Args:
        scalar: the map h.
        order: the entries, first to last.
        width: of the context, on which all entries depend.
        hidden: widths of the network.
        activation: its nonlinearity.
    """

    def __init__(
        self,
        scalar: ScalarMap,
        order: Tensor,
        width: int,
        hidden: Sequence[int],
        activation: str,
    ) -> None:
        super().__init__()
        self.scalar, self.entries = scalar, len(order)
        self.order = tuple(int(i) for i in order)
        degrees = torch.empty(self.entries, dtype=torch.long)
        degrees[order] = torch.arange(1, self.entries + 1)
        self.net = nn.Sequential()
        given = torch.cat((degrees, torch.zeros(width, dtype=torch.long)))
        # Hidden units of degree d see entries up to the d-th; of degree 0, the context alone.
        least = 0 if width or self.entries == 1 else 1
        spread = max(1, self.entries - least)
        for size in hidden:
            own = torch.arange(size) % spread + least
            self.net.append(Masked(own.unsqueeze(-1) >= given))
            self.net.append(Layers(activation=activation).act())
            given = own
        last = Masked((degrees.unsqueeze(-1) > given).repeat_interleave(scalar.size, 0))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.net.append(last)

    def _raw(self, x: Tensor, context: Context) -> Tensor:
        given = x if context is None else torch.cat((x, context), -1)
        found: Tensor = self.net(given)
        return found.reshape(*x.shape, self.scalar.size)

    def _raw_of(self, entry: int, x: Tensor, context: Context) -> Tensor:
        """The parameters of one entry."""
        given = x if context is None else torch.cat((x, context), -1)
        last = self.net[-1]
        assert isinstance(last, Masked)
        size = self.scalar.size
        return last.some(self.net[:-1](given), entry * size, (entry + 1) * size)

    def inverse(self, x: Tensor, context: Context) -> Pair:
        """All entries at once."""
        u, log = self.scalar.inverse(x, self._raw(x, context))
        return u, log.sum(-1)

    def forward(self, u: Tensor, context: Context) -> Pair:
        """One entry after the other, each from those before it."""
        columns = [torch.zeros_like(u[:, 0])] * self.entries
        logs = []
        for i in self.order:
            raw = self._raw_of(i, torch.stack(columns, -1), context)
            columns[i], log = self.scalar.forward(u[:, i], raw)
            logs.append(log)
        return torch.stack(columns, -1), torch.stack(logs, -1).sum(-1)


def autoregressive(design: FlowDesign, entries: int, width: int) -> list[Bijection]:
    """Layers, the data's first: the last of the list is nearest to the data."""
    layers: list[Bijection] = []
    word = design.word("order")
    for number in range(design.whole("layers")):
        order = torch.arange(entries)
        if word == "reverse" and number % 2:
            order = order.flip(0)
        if word == "random" and number:
            order = random_order(entries, design.whole("seed") + number)
        scalar = scalar_map(design.map, design.map_options)
        hidden, activation = design.wholes("hidden"), design.word("activation")
        layers.insert(0, Autoregressive(scalar, order, width, hidden, activation))
    return layers
