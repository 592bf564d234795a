"""Convolutions that see earlier entries only: along sequences, and over images.

References:
    WaveNet: a generative model for raw audio (van den Oord and others, 2016).
    Conditional image generation with PixelCNN decoders (van den Oord and others, NeurIPS 2016):
    gates, and two stacks, so that there is no blind spot.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gendsl.library.architectures import Design
from gendsl.library.architectures.images import Image, image_of
from gendsl.runtime.nets.arguments import Given
from gendsl.runtime.nets.dense import read
from gendsl.runtime.nets.heads import Heads
from gendsl.runtime.nets.images import as_image, known
from gendsl.runtime.nets.layers import Layers, initialise
from gendsl.runtime.nets.recurrent import delayed
from gendsl.runtime.nets.stepping import Causal, Stepwise

__all__ = ["CausalConvolution", "PixelCNN", "causal_conv", "pixelcnn"]


def _gated(x: Tensor, dim: int) -> Tensor:
    """Tanh of one half of the channels times the sigmoid of the other."""
    value, gate = x.chunk(2, dim)
    return torch.tanh(value) * torch.sigmoid(gate)


class _Dilated(nn.Module):
    """A gated dilated convolution of steps up to the present one, added to what it reads."""

    def __init__(
        self, width: int, kernel: int, dilation: int, layers: Layers, *, last: bool
    ) -> None:
        super().__init__()
        self.reach = (kernel - 1) * dilation
        self.back = [self.reach - dilation * i for i in range(kernel)]
        self.taken = layers.linear(kernel * width, 2 * width)
        self.drop = nn.Dropout(layers.dropout)
        self.passed = None if last else layers.linear(width, width)
        self.skipped = layers.linear(width, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(rows, steps, width)` to the same, and what goes to the outputs."""
        length = x.shape[1]
        padded = functional.pad(x, (0, 0, self.reach, 0))
        seen = [padded[:, self.reach - b : self.reach - b + length] for b in self.back]
        return self._added(x, torch.cat(seen, -1))

    def _added(self, x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.drop(_gated(self.taken(seen), -1))
        return x if self.passed is None else x + self.passed(hidden), self.skipped(hidden)

    def next(
        self, x: Tensor, step: int, length: int, kept: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The same at one step, (rows, 1, width); `kept` has what was read at earlier ones."""
        if step == 0:
            kept["read"] = x.new_zeros(x.shape[0], self.reach + length, x.shape[2])
        kept["read"][:, self.reach + step] = x[:, 0]
        seen = [kept["read"][:, self.reach + step - b] for b in self.back]
        return self._added(x, torch.cat(seen, -1).unsqueeze(1))


class CausalConvolution(Stepwise):
    """Dilated convolutions of earlier steps; dilations double, up to where they begin anew."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        width, layers = design.whole("width"), Layers.of(design.options)
        self.arguments = read(design, ragged=True)
        self.stepwise = self.arguments.free
        self.presented = nn.ModuleList(
            layers.linear(math.prod(n or 0 for n in port.event[along:]) * w, width)
            for port, w, along in zip(
                design.inputs, self.arguments.widths, self.stepwise, strict=True
            )
        )
        count, cycle = design.whole("layers"), design.whole("cycle")
        self.blocks = nn.ModuleList(
            _Dilated(width, design.whole("kernel"), 2 ** (i % cycle), layers, last=i == count - 1)
            for i in range(count)
        )
        self.last = nn.Sequential(nn.ReLU(), layers.linear(width, width), nn.ReLU())
        self.heads = Heads(width, design, per_step=True)

    def _read(self, found: list[Tensor]) -> list[Tensor]:
        return [
            presented(numbers.flatten(2) if along else numbers.flatten(1).unsqueeze(1))
            for presented, numbers, along in zip(self.presented, found, self.stepwise, strict=True)
        ]

    def forward(self, *inputs: Given) -> Tensor | dict[str, Tensor]:
        """The outputs, of shape `batch + event`, of sequences `batch + (steps, ...)`."""
        if self.steps is not None:
            return self.next_outputs(inputs)
        found, batch = self.arguments(inputs)
        steps = self._read(found)
        steps[0] = delayed(steps[0])
        x = sum(steps[1:], steps[0])
        total = torch.zeros_like(x)
        for block in self.blocks:
            x, skipped = block(x)
            total = total + skipped
        outputs: Tensor | dict[str, Tensor] = self.heads(self.last(total), batch)
        return outputs

    def next_features(
        self, found: list[Tensor], step: int, length: int, memory: dict[str, Any]
    ) -> Tensor:
        """The features at the newest step."""
        steps = self._read(found)
        if step == 0:
            steps[0] = torch.zeros_like(steps[0])
        x = sum(steps[1:], steps[0])
        total = torch.zeros_like(x)
        for number, block in enumerate(self.blocks):
            assert isinstance(block, _Dilated)
            x, skipped = block.next(x, step, length, memory.setdefault(str(number), {}))
            total = total + skipped
        features: Tensor = self.last(total)
        return features


class _MaskedConvolution(nn.Conv2d):
    """A convolution of which a mask leaves some weights.

    Args:
        into: the channel of the image that each input belongs to.
        out: the same of each output.
        kernel: height and width; the present row is the last, the present column the last where
            the kernel is one row high, else the middle.
        strict: at the present pixel an output sees earlier channels only, not its own.
    """

    def __init__(
        self,
        into: Tensor,
        out: Tensor,
        kernel: tuple[int, int],
        layers: Layers,
        *,
        strict: bool = False,
    ) -> None:
        super().__init__(len(into), len(out), kernel)
        initialise(self.weight, self.bias, layers.initialisation)
        mask = torch.ones(self.weight.shape)
        if kernel[0] == 1:
            before, after = into.unsqueeze(0), out.unsqueeze(1)
            mask[:, :, -1, -1] = (after > before if strict else after >= before).to(mask.dtype)
        self.mask: Tensor
        self.register_buffer("mask", mask)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  as in torch
        """The convolution, padded such that it ends at the present pixel."""
        height, width = self.kernel_size
        sides = (width // 2, width // 2) if height > 1 else (width - 1, 0)
        padded = functional.pad(input, (*sides, height - 1, 0))
        return functional.conv2d(padded, self.weight * self.mask, self.bias)


def _down(x: Tensor) -> Tensor:
    """Every row where the one below it was; the first row is zero."""
    return functional.pad(x, (0, 0, 1, 0))[:, :, :-1]


class _Gated(nn.Module):
    """A layer of both stacks: rows above, and the row up to the pixel.

    Args:
        into: the channel of the image that each input of the row belongs to.
        above: how many channels the rows above have.
        hidden: the channel of the image that each hidden unit belongs to.
        kernel: side of the filters.
        context: the width of the context at each pixel, 0 for none.
        layers: makes dropout.
        first: whether the inputs are the image itself.
    """

    def __init__(
        self,
        into: Tensor,
        above: int,
        hidden: Tensor,
        kernel: int,
        context: int,
        layers: Layers,
        *,
        first: bool,
    ) -> None:
        super().__init__()
        both = torch.cat((hidden, hidden))
        reach, width = kernel // 2 + 1, len(hidden)
        free = torch.zeros(above, dtype=torch.long)
        self.first = first
        self.above = _MaskedConvolution(free, both, (reach, kernel), layers)
        self.row = _MaskedConvolution(into, both, (1, reach), layers, strict=first)
        self.down = nn.Conv2d(2 * width, 2 * width, 1)
        self.context = nn.Conv2d(context, 4 * width, 1, bias=False) if context else None
        self.out = _MaskedConvolution(hidden, hidden, (1, 1), layers)
        self.drop = nn.Dropout(layers.dropout)

    def forward(self, above: Tensor, row: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """Features of the rows above each pixel, and of all that is before it."""
        # Features of rows above are those of the rows before the present one, so that later
        # layers may read them at the present row; of the image itself they are moved down.
        seen = self.above(_down(above) if self.first else above)
        passed = self.row(row) + self.down(seen)
        if self.context is not None:
            one, two = self.context(context).chunk(2, 1)
            seen, passed = seen + one, passed + two
        new: Tensor = self.out(self.drop(_gated(passed, 1)))
        return _gated(seen, 1), new if self.first else row + new


class PixelCNN(Causal):
    """Gated convolutions over pixels before each one, row by row, and channels before its own."""

    def __init__(self, design: Design) -> None:
        image = known(image_of(design.first, design))
        super().__init__(_raster(image))
        self.image = image
        self.arguments = read(design)
        layers, width = Layers.of(design.options), design.whole("width")
        entry, *others = self.arguments.widths
        channels = image.channels
        into = torch.arange(channels).repeat_interleave(entry)
        hidden = torch.arange(width) * channels // width
        self.alike = [i for i, p in enumerate(design.inputs) if i and p.axes == design.first.axes]
        self.apart = [i for i in range(1, len(design.inputs)) if i not in self.alike]
        sizes = [math.prod(n or 0 for n in p.event) for p in design.inputs]
        context = sum(channels * others[i - 1] for i in self.alike)
        context += sum(sizes[i] * others[i - 1] for i in self.apart)
        kernel = design.whole("kernel")
        self.blocks = nn.ModuleList(
            _Gated(
                hidden if i else into,
                width if i else len(into),
                hidden,
                kernel,
                context,
                layers,
                first=not i,
            )
            for i in range(design.whole("layers"))
        )
        self.between = _MaskedConvolution(hidden, hidden, (1, 1), layers)
        self.heads = Heads(1, design)
        pixels = image.height * image.width
        self.each = [size // (pixels * channels) for size in self.heads.sizes]
        out = torch.arange(channels).repeat_interleave(sum(self.each))
        self.heads.last = last = _MaskedConvolution(hidden, out, (1, 1), layers)
        if layers.initialisation == "zero_last":
            for parameter in last.parameters():
                nn.init.zeros_(parameter)

    def forward(self, *inputs: Given) -> Tensor | dict[str, Tensor]:
        """The outputs, of shape `batch + event`, of inputs of such shapes."""
        found, batch = self.arguments(inputs)
        row = above = as_image(found[0], self.image)
        context = self._context(found)
        for block in self.blocks:
            above, row = block(above, row, context)
        raw = self.heads.last(torch.relu(self.between(torch.relu(row))))
        numbers = raw.unflatten(1, (self.image.channels, sum(self.each)))
        axes = (0, 1, 3, 4, 2) if self.image.first else (0, 3, 4, 1, 2)
        parts = numbers.permute(axes).split(self.each, -1)
        return self.heads.linked(torch.cat([p.flatten(1) for p in parts], -1), batch)

    def _context(self, found: list[Tensor]) -> Tensor | None:
        """Further inputs at every pixel: images as channels, others the same everywhere."""
        size = self.image.size
        parts = [as_image(found[i], self.image) for i in self.alike]
        flat = [found[i].flatten(1) for i in self.apart]
        parts += [p.unsqueeze(-1).unsqueeze(-1).expand(-1, -1, *size) for p in flat]
        return torch.cat(parts, 1) if parts else None


def _raster(image: Image) -> Tensor | None:
    """The entries pixel by pixel; None where that is their own order."""
    if not image.first or image.channels == 1:
        return None
    entries = torch.arange(image.channels * image.height * image.width)
    return entries.reshape(image.channels, -1).T.reshape(-1)


def causal_conv(design: Design) -> nn.Module:
    """Dilated causal convolutions."""
    return CausalConvolution(design)


def pixelcnn(design: Design) -> nn.Module:
    """A gated PixelCNN."""
    return PixelCNN(design)
