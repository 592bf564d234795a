"""What networks of images share: layouts of events, contexts, and residual blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gendsl.library.architectures import Design
from gendsl.library.architectures.images import Image
from gendsl.runtime.nets.heads import links
from gendsl.runtime.nets.layers import Layers

__all__ = ["Block", "Context", "Pixels", "Stage", "as_image", "features", "known"]


def known(image: Image | str | None) -> Image:
    """An image of a design that its rule has accepted."""
    if not isinstance(image, Image):
        raise TypeError(f"not an image: {image}")
    return image


def features(design: Design, which: Sequence[int], widths: Sequence[int]) -> int:
    """How many numbers present the inputs `which`, as one vector."""
    return sum(math.prod(n or 0 for n in design.inputs[i].event) * widths[i] for i in which)


def as_image(numbers: Tensor, image: Image) -> Tensor:
    """Presented entries, `(rows,) + event + (n,)`, as `(rows, n channels, height, width)`."""
    rows, n = numbers.shape[0], numbers.shape[-1]
    height, width, channels = image.height, image.width, image.channels
    if image.first:
        parts = numbers.reshape(rows, channels, height, width, n).permute(0, 1, 4, 2, 3)
    else:
        parts = numbers.reshape(rows, height, width, channels, n).permute(0, 3, 4, 1, 2)
    return parts.flatten(1, 2)


class Pixels(nn.Module):
    """A convolution to the raw numbers of outputs that are images, and their links.

    Args:
        width: channels that are read.
        design: of the network.
        images: its outputs as images, of one size.
        kernel: side of the convolution.
    """

    def __init__(self, width: int, design: Design, images: dict[str, Image], kernel: int) -> None:
        super().__init__()
        self.images = images
        self.links = nn.ModuleList(links(design))
        self.events = [port.event for port in design.outputs.values()]
        self.sizes = [image.channels for image in images.values()]
        self.last = Layers.of(design.options).last(width, sum(self.sizes), kernel=kernel)

    def forward(self, x: Tensor, batch: torch.Size) -> Tensor | dict[str, Tensor]:
        """The outputs, of shape `batch + event`, of channels `(rows, width, height, width)`."""
        raw_channels = self.last(x).to(next(self.last.parameters()).dtype)  # as `Heads` does
        parts = raw_channels.split(self.sizes, 1)
        found = {}
        for (name, image), link, event, part in zip(
            self.images.items(), self.links, self.events, parts, strict=True
        ):
            raw = part if image.first else part.permute(0, 2, 3, 1)
            found[name] = link(raw.reshape((*batch, *(n or 0 for n in event))))
        return found[""] if tuple(found) == ("",) else found


class Context(nn.Module):
    """A hidden layer of all inputs that are a context."""

    def __init__(self, inputs: int, width: int, layers: Layers) -> None:
        super().__init__()
        self.width = width
        self.hidden = nn.Sequential(layers.linear(inputs, width), layers.act())

    def forward(self, found: Sequence[Tensor]) -> Tensor:
        """`(rows, width)`, of presented inputs."""
        hidden: Tensor = self.hidden(torch.cat([numbers.flatten(1) for numbers in found], -1))
        return hidden


class _Bias(nn.Module):
    """A bias of every channel, linear in the context."""

    def __init__(self, context: int, channels: int, layers: Layers) -> None:
        super().__init__()
        self.linear = layers.linear(context, channels) if context else None

    def forward(self, x: Tensor, context: Tensor | None) -> Tensor:
        """The sum."""
        if self.linear is None or context is None:
            return x
        bias: Tensor = self.linear(context)
        return x + bias.unsqueeze(-1).unsqueeze(-1)


class Stage(nn.Module):
    """A convolution, a normalisation, the context's bias, an activation, dropout.

    Args:
        convolution: the first of these, which may do more: change the size.
        channels: it returns.
        layers: makes the rest.
        context: the width of the context, 0 for none.
    """

    def __init__(
        self, convolution: nn.Module, channels: int, layers: Layers, context: int
    ) -> None:
        super().__init__()
        self.convolution = nn.Sequential(convolution, *layers.normalise(channels, image=True))
        self.bias = _Bias(context, channels, layers)
        self.rest = nn.Sequential(layers.act(), *layers.drop())

    def forward(self, x: Tensor, context: Tensor | None) -> Tensor:
        """The next channels."""
        after: Tensor = self.rest(self.bias(self.convolution(x), context))
        return after


class Block(nn.Module):
    """A residual block: what it reads, plus two convolutions with the context's bias between.

    Args:
        inputs: channels it reads.
        outputs: channels it returns; where they differ, or the size, a 1 by 1 convolution brings
            what it reads to these.
        layers: makes its layers.
        context: the width of the context, 0 for none.
        stride: 2 halves the size.
    """

    def __init__(
        self, inputs: int, outputs: int, layers: Layers, context: int, *, stride: int = 1
    ) -> None:
        super().__init__()
        self.before = nn.Sequential(
            *layers.normalise(inputs, image=True),
            layers.act(),
            layers.convolution(inputs, outputs, 3, stride=stride),
        )
        self.bias = _Bias(context, outputs, layers)
        self.after = nn.Sequential(
            *layers.normalise(outputs, image=True),
            layers.act(),
            *layers.drop(),
            layers.convolution(outputs, outputs, 3),
        )
        same = inputs == outputs and stride == 1
        self.kept = (
            nn.Identity() if same else layers.convolution(inputs, outputs, 1, stride=stride)
        )

    def forward(self, x: Tensor, context: Tensor | None) -> Tensor:
        """The sum."""
        added: Tensor = self.after(self.bias(self.before(x), context))
        kept: Tensor = self.kept(x)
        return kept + added
