"""Flows of images in several scales.

References:
    Glow: generative flow with invertible 1x1 convolutions (Kingma, Dhariwal, NeurIPS 2018).
    Density estimation using Real NVP (Dinh, Sohl-Dickstein, Bengio, ICLR 2017), section 3.6, for
    the scales.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gendsl.library.transforms import FlowDesign
from gendsl.runtime.flows.bijection import Bijection, Context, Pair
from gendsl.runtime.flows.linear import Actnorm, Channels, Permute, Triangles

__all__ = ["ChannelCoupling", "Rest", "glow"]


class Rest(Bijection):
    """A bijection of the entries from one on; those before it have been factored out."""

    def __init__(self, start: int, inner: Bijection) -> None:
        super().__init__()
        self.start, self.inner = start, inner
        self.tolerance = inner.tolerance

    def initialise(self, x: Tensor) -> None:
        """As the inner one."""
        self.inner.initialise(x[:, self.start :])

    def forward(self, u: Tensor, context: Context) -> Pair:
        """The first entries stay."""
        rest, log = self.inner(u[:, self.start :], context)
        return torch.cat((u[:, : self.start], rest), -1), log

    def inverse(self, x: Tensor, context: Context) -> Pair:
        """The first entries stay."""
        rest, log = self.inner.inverse(x[:, self.start :], context)
        return torch.cat((x[:, : self.start], rest), -1), log


class ChannelCoupling(Bijection):
    """An affine map of half of the channels, whose numbers convolutions compute from the others.

    Args:
        shape: channels, height, width.
        width: of the context, which is the same at all pixels.
        hidden: channels of the hidden layers.
        first: whether the first half is moved, and not the second.
    """

    def __init__(
        self, shape: tuple[int, int, int], width: int, hidden: int, *, first: bool
    ) -> None:
        super().__init__()
        self.shape, self.first = shape, first
        half = shape[0] // 2
        self.sizes = (half, shape[0] - half)
        kept, moved = (self.sizes[1], self.sizes[0]) if first else self.sizes
        last = nn.Conv2d(hidden, 2 * moved, 3, padding=1)
        nn.init.zeros_(last.weight)
        assert last.bias is not None
        nn.init.zeros_(last.bias)
        self.net = nn.Sequential(
            nn.Conv2d(kept + width, hidden, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(),
            last,
        )

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What is kept and what is moved."""
        one, two = x.reshape(-1, *self.shape).split(self.sizes, 1)
        return (two, one) if self.first else (one, two)

    def _numbers(self, kept: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        given = kept
        if context is not None:
            planes = context[:, :, None, None].expand(-1, -1, *kept.shape[2:])
            given = torch.cat((kept, planes), 1)
        log, shift = self.net(given).chunk(2, 1)
        return 3.0 * torch.tanh(log / 3.0), shift

    def _whole(self, kept: Tensor, moved: Tensor) -> Tensor:
        return torch.cat((moved, kept) if self.first else (kept, moved), 1).flatten(1)

    def forward(self, u: Tensor, context: Context) -> Pair:
        """Scaled and shifted."""
        kept, moved = self._parts(u)
        log, shift = self._numbers(kept, context)
        return self._whole(kept, moved * torch.exp(log) + shift), log.flatten(1).sum(-1)

    def inverse(self, x: Tensor, context: Context) -> Pair:
        """Both undone."""
        kept, moved = self._parts(x)
        log, shift = self._numbers(kept, context)
        return self._whole(kept, (moved - shift) * torch.exp(-log)), -log.flatten(1).sum(-1)


def _squeezed(shape: tuple[int, int, int]) -> Permute:
    """To the base: each square of four pixels becomes four channels."""
    channels, height, width = shape
    places = torch.arange(channels * height * width)
    parted = places.reshape(channels, height // 2, 2, width // 2, 2)
    return Permute(torch.argsort(parted.permute(0, 2, 4, 1, 3).flatten()))


def glow(design: FlowDesign, entries: int, width: int) -> list[Bijection]:
    """Scales from the data on: squares to channels, steps, and half of the channels factored out.

    What is factored out is scaled and shifted by what the other half says of it.
    """
    event = [n or 0 for n in design.event.event]
    channels, height, breadth = (1, *event) if len(event) == 2 else event
    hidden, start = design.whole("width"), 0
    layers: list[Bijection] = []  # from the data to the base
    for level in range(design.whole("levels")):
        layers.append(Rest(start, _squeezed((channels, height, breadth))))
        channels, height, breadth = 4 * channels, height // 2, breadth // 2
        shape, pixels = (channels, height, breadth), height * breadth
        for _ in range(design.whole("layers")):
            mixing = Triangles(channels, 0, (), upper=True)
            layers.append(Rest(start, Channels(channels, pixels, Actnorm(channels))))
            layers.append(Rest(start, Channels(channels, pixels, mixing)))
            layers.append(Rest(start, ChannelCoupling(shape, width, hidden, first=False)))
        if level < design.whole("levels") - 1:
            layers.append(Rest(start, ChannelCoupling(shape, width, hidden, first=True)))
            start += (channels // 2) * pixels
            channels -= channels // 2
    return layers[::-1]
