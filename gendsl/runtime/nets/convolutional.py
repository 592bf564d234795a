"""Networks between images and codes: convolutional encoders and decoders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from gendsl.library.architectures import Design
from gendsl.library.architectures.images import (
    Image,
    code_of,
    conditioning,
    halvings,
    image_of,
    same_size,
    stages,
    widths_of,
)
from gendsl.runtime.nets.arguments import Given
from gendsl.runtime.nets.dense import read
from gendsl.runtime.nets.heads import Heads
from gendsl.runtime.nets.images import Context, Pixels, Stage, as_image, features, known
from gendsl.runtime.nets.layers import Layers

__all__ = ["Decoder", "Encoder", "conv_decoder", "conv_encoder"]


def _context(
    design: Design, which: Sequence[int], widths: Sequence[int], width: int, layers: Layers
) -> Context | None:
    return Context(features(design, which, widths), width, layers) if which else None


class Encoder(nn.Module):
    """Convolutions of stride 2, and a layer for codes with and without positions."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        layers = Layers.of(design.options)
        self.arguments = read(design)
        self.image = known(image_of(design.first, design))
        self.alike, self.others = conditioning(design)
        count = stages(self.image, tuple(design.outputs.values()), design)
        hidden = widths_of(design, count if isinstance(count, int) else 0)
        widths = self.arguments.widths
        self.context = _context(design, self.others, widths, hidden[0], layers)
        channels = self.image.channels * sum(widths[i] for i in self.alike)
        self.stages = nn.ModuleList()
        for after in hidden:
            made = layers.convolution(channels, after, design.whole("kernel"), stride=2)
            self.stages.append(Stage(made, after, layers, hidden[0] if self.others else 0))
            channels = after
        height, width = halvings(self.image)[len(hidden)]
        positioned = {n: p for n, p in design.outputs.items() if len(p.axes) >= 2}
        vectors = {n: p for n, p in design.outputs.items() if n not in positioned}
        self.names = tuple(design.outputs)
        self.vectors = (
            Heads(channels * height * width, replace(design, outputs=vectors)) if vectors else None
        )
        codes = {n: _code(code_of(p, self.image, design)) for n, p in positioned.items()}
        self.codes = (
            Pixels(channels, replace(design, outputs=positioned), codes, 1) if codes else None
        )

    def forward(self, *inputs: Given) -> Tensor | dict[str, Tensor]:
        """The codes, of shape `batch + event`, of images of such shapes."""
        found, batch = self.arguments(inputs)
        x = torch.cat([as_image(found[i], self.image) for i in self.alike], 1)
        context = self.context([found[i] for i in self.others]) if self.context else None
        for stage in self.stages:
            x = stage(x, context)
        outputs: dict[str, Tensor] = {}
        for made in (
            self.vectors(x.flatten(1), batch) if self.vectors else {},
            self.codes(x, batch) if self.codes else {},
        ):
            outputs |= made if isinstance(made, dict) else {"": made}
        if self.names == ("",):
            return outputs[""]
        return {name: outputs[name] for name in self.names}


def _code(found: tuple[int, Image] | str | None) -> Image:
    return known(found[1] if isinstance(found, tuple) else found)


class _Doubling(nn.Module):
    """A step to the next larger size, of about twice the sides.

    Args:
        inputs: channels it reads.
        outputs: channels it returns.
        size: the larger size.
        design: its options say how.
        layers: makes the convolution.
    """

    def __init__(
        self, inputs: int, outputs: int, size: tuple[int, int], design: Design, layers: Layers
    ) -> None:
        super().__init__()
        self.size = size
        self.transposed = design.word("upsampling") == "transposed"
        kernel = design.whole("kernel")
        self.convolution = (
            layers.transposed(inputs, outputs, kernel, odd=(size[0] % 2, size[1] % 2))
            if self.transposed
            else layers.convolution(inputs, outputs, kernel)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The larger image."""
        if not self.transposed:
            x = functional.interpolate(x, size=self.size, mode="nearest")
        made: Tensor = self.convolution(x)
        return made


class Decoder(nn.Module):
    """Steps that double the size, from codes to images."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        layers = Layers.of(design.options)
        self.arguments = read(design)
        outputs = same_size(design, known(image_of(next(iter(design.outputs.values())), design)))
        if not isinstance(outputs, dict):
            raise TypeError(f"no images: {outputs}")
        image = next(iter(outputs.values()))
        count = stages(image, design.inputs[:1], design)
        hidden = widths_of(design, count if isinstance(count, int) else 0)
        if not design.given("hidden"):
            hidden = hidden[::-1]
        sizes = halvings(image)[: len(hidden) + 1][::-1]
        self.start = sizes[0]
        self.code = (
            _code(code_of(design.first, image, design)) if len(design.first.axes) >= 2 else None
        )
        alike, others = conditioning(design)
        # A code without positions is a vector like all other inputs: they are read as one.
        self.alike, self.others = (alike, others) if self.code else ([*alike, *others], [])
        widths = self.arguments.widths
        self.context = _context(design, self.others, widths, hidden[0], layers)
        if self.code:
            channels = self.code.channels * sum(widths[i] for i in self.alike)
            self.first = layers.convolution(channels, hidden[0], 1)
        else:
            inputs = features(design, self.alike, widths)
            self.first = layers.linear(inputs, hidden[0] * math.prod(self.start))
        act = nn.Sequential(layers.act())
        self.act = act
        context = hidden[0] if self.others else 0
        self.stages = nn.ModuleList(
            Stage(_Doubling(before, after, size, design, layers), after, layers, context)
            for before, after, size in zip(
                hidden, (*hidden[1:], hidden[-1]), sizes[1:], strict=True
            )
        )
        self.pixels = Pixels(hidden[-1], design, outputs, design.whole("kernel"))

    def forward(self, *inputs: Given) -> Tensor | dict[str, Tensor]:
        """The images, of shape `batch + event`, of codes of such shapes."""
        found, batch = self.arguments(inputs)
        read_first = [found[i] for i in self.alike]
        if self.code is not None:
            code = self.code
            x = self.first(torch.cat([as_image(numbers, code) for numbers in read_first], 1))
        else:
            x = self.first(torch.cat([numbers.flatten(1) for numbers in read_first], -1))
            x = x.unflatten(-1, (-1, *self.start))
        x = self.act(x)
        context = self.context([found[i] for i in self.others]) if self.context else None
        for stage in self.stages:
            x = stage(x, context)
        outputs: Tensor | dict[str, Tensor] = self.pixels(x, batch)
        return outputs


def conv_encoder(design: Design) -> nn.Module:
    """A convolutional encoder."""
    return Encoder(design)


def conv_decoder(design: Design) -> nn.Module:
    """A convolutional decoder."""
    return Decoder(design)
