"""Couplings and elementwise transforms.

References:
    Density estimation using Real NVP (Dinh, Sohl-Dickstein, Bengio, ICLR 2017).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gendsl.library.transforms import FlowDesign
from gendsl.runtime.flows.bijection import Bijection, Context, Pair, Values
from gendsl.runtime.flows.linear import Permute, Triangles, random_order
from gendsl.runtime.flows.maps import ScalarMap, scalar_map
from gendsl.runtime.nets.dense import perceptron
from gendsl.runtime.nets.layers import Layers

__all__ = ["Coupling", "Elementwise", "coupling", "elementwise", "transformed"]


class Elementwise(Bijection):
    """A scalar map of each entry by itself."""

    def __init__(self, scalar: ScalarMap, values: Values) -> None:
        super().__init__()
        self.scalar, self.values = scalar, values

    def forward(self, u: Tensor, context: Context) -> Pair:
        """Entry by entry."""
        raw = self.values(context)
        x, log = self.scalar.forward(u, raw.expand(u.shape[0], *raw.shape[1:]))
        return x, log.sum(-1)

    def inverse(self, x: Tensor, context: Context) -> Pair:
        """Entry by entry."""
        raw = self.values(context)
        u, log = self.scalar.inverse(x, raw.expand(x.shape[0], *raw.shape[1:]))
        return u, log.sum(-1)


class Coupling(Bijection):
    """A scalar map of some entries with parameters computed from the others.

    Args:
        scalar: the map.
        moved: which entries are transformed, a mask.
        width: of the context.
        hidden: widths of the network.
        activation: its nonlinearity.
    """

    def __init__(
        self,
        scalar: ScalarMap,
        moved: Tensor,
        width: int,
        hidden: tuple[int, ...],
        activation: str,
    ) -> None:
        super().__init__()
        self.scalar = scalar
        kept_at, moved_at = torch.nonzero(~moved).flatten(), torch.nonzero(moved).flatten()
        self.kept: Tensor
        self.moved: Tensor
        self.back: Tensor
        self.register_buffer("kept", kept_at, persistent=False)
        self.register_buffer("moved", moved_at, persistent=False)
        back = torch.argsort(torch.cat((kept_at, moved_at)))
        self.register_buffer("back", back, persistent=False)
        trunk = perceptron(len(kept_at) + width, hidden, Layers(activation=activation))
        last = nn.Linear(hidden[-1], len(moved_at) * scalar.size)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.net = nn.Sequential(trunk, last)

    def _run(self, x: Tensor, context: Context, *, inverse: bool) -> Pair:
        kept, moved = x.index_select(-1, self.kept), x.index_select(-1, self.moved)
        given = kept if context is None else torch.cat((kept, context), -1)
        raw = self.net(given).reshape(*moved.shape, self.scalar.size)
        apply = self.scalar.inverse if inverse else self.scalar.forward
        found, log = apply(moved, raw)
        return torch.cat((kept, found), -1).index_select(-1, self.back), log.sum(-1)

    def forward(self, u: Tensor, context: Context) -> Pair:
        """Entries that are kept decide on the others."""
        return self._run(u, context, inverse=False)

    def inverse(self, x: Tensor, context: Context) -> Pair:
        """At the same cost."""
        return self._run(x, context, inverse=True)


def transformed(mask: str, event: tuple[int, ...]) -> Tensor:
    """Which entries, row by row, the first layer of a coupling transforms."""
    entries = torch.arange(int(torch.tensor(event).prod())) if event else torch.arange(1)
    if mask == "alternate":
        return entries % 2 == 1
    if mask == "halves":
        return entries >= (len(entries) + 1) // 2
    places = torch.zeros(event, dtype=torch.long)
    if mask == "channel":
        first = torch.arange(event[0]) >= (event[0] + 1) // 2
        return first.reshape(-1, *[1] * (len(event) - 1)).expand(event).flatten()
    rows = torch.arange(event[-2]).unsqueeze(-1) + torch.arange(event[-1])
    return ((places + rows) % 2 == 1).flatten()


def _mixed(mix: str, entries: int, layer: int) -> list[Bijection]:
    """What stands after a layer."""
    if mix == "permute":
        return [Permute(random_order(entries, layer))]
    return [Triangles(entries, 0, (), upper=True)] if mix == "linear" else []


def coupling(design: FlowDesign, entries: int, width: int) -> list[Bijection]:
    """Layers that take turns."""
    event = tuple(n or 0 for n in design.event.event)
    first = transformed(design.word("mask"), event)
    layers: list[Bijection] = []
    for number in range(design.whole("layers")):
        scalar = scalar_map(design.map, design.map_options)
        moved = first if number % 2 == 0 else ~first
        hidden, activation = design.wholes("hidden"), design.word("activation")
        layers.append(Coupling(scalar, moved, width, hidden, activation))
        layers += _mixed(design.word("mix"), entries, number)
    return layers


def elementwise(design: FlowDesign, entries: int, width: int) -> list[Bijection]:
    """A scalar map of each entry."""
    scalar = scalar_map(design.map, design.map_options)
    values = Values(torch.zeros(entries, scalar.size), width, design.wholes("hidden"))
    return [Elementwise(scalar, values)]
