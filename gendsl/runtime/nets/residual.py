"""Networks of residual blocks between images: residual networks and U-Nets."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gendsl.library.architectures import Design
from gendsl.library.architectures.convolutional import is_map, levels_of
from gendsl.library.architectures.images import (
    Image,
    conditioning,
    halvings,
    image_of,
    same_size,
)
from gendsl.runtime.nets.arguments import Given
from gendsl.runtime.nets.attention import Attention
from gendsl.runtime.nets.dense import read
from gendsl.runtime.nets.heads import Heads
from gendsl.runtime.nets.images import Block, Context, Pixels, as_image, features, known
from gendsl.runtime.nets.layers import Layers

__all__ = ["Reading", "ResNet", "UNet", "resnet", "unet"]

_CONTEXT_WIDTHS = 4


class Reading(nn.Module):
    """What both kinds begin with: the image, and the context in front of all blocks.

    Args:
        design: of the network.
        width: channels of the first convolution; the context has four times as many.
    """

    def __init__(self, design: Design, width: int) -> None:
        super().__init__()
        layers = Layers.of(design.options)
        self.arguments = read(design)
        self.image = known(image_of(design.first, design))
        self.alike, self.others = conditioning(design)
        widths = self.arguments.widths
        self.width = _CONTEXT_WIDTHS * width if self.others else 0
        self.context = (
            Context(features(design, self.others, widths), self.width, layers)
            if self.others
            else None
        )
        channels = self.image.channels * sum(widths[i] for i in self.alike)
        self.first = layers.convolution(channels, width, 3)

    def forward(self, inputs: tuple[Given, ...]) -> tuple[Tensor, Tensor | None, torch.Size]:
        """The first channels, the context if there is one, and the batch shape."""
        found, batch = self.arguments(inputs)
        x = torch.cat([as_image(found[i], self.image) for i in self.alike], 1)
        context = self.context([found[i] for i in self.others]) if self.context else None
        return self.first(x), context, batch


def _images(design: Design, image: Image) -> dict[str, Image]:
    found = same_size(design, image)
    if not isinstance(found, dict):
        raise TypeError(f"no images: {found}")
    return found


class ResNet(nn.Module):
    """Groups of residual blocks, to vectors or to images of the same size."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        layers = Layers.of(design.options)
        hidden = design.wholes("hidden")
        self.reading = Reading(design, hidden[0])
        self.mapped = bool(is_map(design))
        self.blocks = nn.ModuleList()
        before = hidden[0]
        for group, width in enumerate(hidden):
            for n in range(design.whole("layers")):
                stride = 2 if group and not n and not self.mapped else 1
                self.blocks.append(Block(before, width, layers, self.reading.width, stride=stride))
                before = width
        self.last = nn.Sequential(*layers.normalise(before, image=True), layers.act())
        self.outputs = (
            Pixels(before, design, _images(design, self.reading.image), 3)
            if self.mapped
            else Heads(before, design)
        )

    def forward(self, *inputs: Given) -> Tensor | dict[str, Tensor]:
        """The outputs, of shape `batch + event`, of images of such shapes."""
        x, context, batch = self.reading(inputs)
        for block in self.blocks:
            x = block(x, context)
        x = self.last(x)
        outputs: Tensor | dict[str, Tensor] = self.outputs(
            x if self.mapped else x.mean((-2, -1)), batch
        )
        return outputs


class _PixelAttention(nn.Module):
    """x plus attention between its pixels."""

    def __init__(self, width: int, layers: Layers) -> None:
        super().__init__()
        self.before = nn.Sequential(*layers.normalise(width, image=True))
        self.attention = Attention(width, 1, layers)

    def forward(self, x: Tensor) -> Tensor:
        """The sum."""
        pixels = self.before(x).flatten(2).mT
        added: Tensor = self.attention(pixels).mT.reshape(x.shape)
        return x + added


class _Larger(nn.Module):
    """Nearest pixels at a larger size, and a convolution."""

    def __init__(self, width: int, size: tuple[int, int], layers: Layers) -> None:
        super().__init__()
        self.size = size
        self.convolution = layers.convolution(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """The larger image."""
        larger: Tensor = self.convolution(
            functional.interpolate(x, size=self.size, mode="nearest")
        )
        return larger


class UNet(nn.Module):
    """Down through ever smaller sizes and back up, reading what stood at each size on the way."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        layers = Layers.of(design.options)
        self.reading = Reading(design, design.whole("width"))
        image, context = self.reading.image, self.reading.width
        widths, count = levels_of(design, image), design.whole("layers")
        self.count = count
        self.down, self.smaller = nn.ModuleList(), nn.ModuleList()
        before, kept = widths[0], [widths[0]]
        for level, width in enumerate(widths):
            for _ in range(count):
                self.down.append(Block(before, width, layers, context))
                before = width
                kept.append(width)
            if level < len(widths) - 1:
                self.smaller.append(layers.convolution(width, width, 3, stride=2))
                kept.append(width)
        self.middle = nn.ModuleList(Block(before, before, layers, context) for _ in range(2))
        self.attention = (
            _PixelAttention(before, layers)
            if design.word("attention") == "middle"
            else nn.Identity()
        )
        self.up, self.larger = nn.ModuleList(), nn.ModuleList()
        for level in range(len(widths) - 1, -1, -1):
            for _ in range(count + 1):
                self.up.append(Block(before + kept.pop(), widths[level], layers, context))
                before = widths[level]
            if level:
                self.larger.append(_Larger(before, halvings(image)[level - 1], layers))
        self.last = nn.Sequential(*layers.normalise(before, image=True), layers.act())
        self.pixels = Pixels(before, design, _images(design, image), 3)

    def forward(self, *inputs: Given) -> Tensor | dict[str, Tensor]:
        """The outputs, of shape `batch + event`, of images of such shapes."""
        x, context, batch = self.reading(inputs)
        kept = [x]
        for n, block in enumerate(self.down):
            x = block(x, context)
            kept.append(x)
            if (n + 1) % self.count == 0 and (n + 1) // self.count <= len(self.smaller):
                x = self.smaller[n // self.count](x)
                kept.append(x)
        x = self.middle[1](self.attention(self.middle[0](x, context)), context)
        for n, block in enumerate(self.up):
            x = block(torch.cat((x, kept.pop()), 1), context)
            if (n + 1) % (self.count + 1) == 0 and (n + 1) // (self.count + 1) <= len(self.larger):
                x = self.larger[n // (self.count + 1)](x)
        outputs: Tensor | dict[str, Tensor] = self.pixels(self.last(x), batch)
        return outputs


def resnet(design: Design) -> nn.Module:
    """A residual network."""
    return ResNet(design)


def unet(design: Design) -> nn.Module:
    """A U-Net."""
    return UNet(design)
