"""Networks whose steps attend to each other."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gendsl.library.architectures import Design
from gendsl.runtime.nets.arguments import Given, NetError
from gendsl.runtime.nets.dense import read
from gendsl.runtime.nets.heads import Heads
from gendsl.runtime.nets.layers import Layers
from gendsl.runtime.nets.recurrent import delayed
from gendsl.runtime.nets.stepping import Stepwise

__all__ = ["Attention", "Transformer", "transformer"]

_LONGEST_PERIOD = 10_000.0


class Attention(nn.Module):
    """Scaled dot-product attention of several heads, `(rows, steps, width)` to the same.

    Args:
        width: of each step.
        heads: which share the width.
        layers: makes the linear maps.
        causal: each step attends to itself and those before it.
        dropout: of attention weights.
    """

    def __init__(
        self, width: int, heads: int, layers: Layers, *, causal: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.heads = heads
        self.causal = causal
        self.dropout = dropout
        self.queries = layers.linear(width, width)
        self.keys = layers.linear(width, width, bias=False)  # it would change no weight
        self.values = layers.linear(width, width)
        self.joined = layers.linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """What each step attends to, joined linearly."""
        queries, keys, values = (
            made(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for made in (self.queries, self.keys, self.values)
        )
        found = functional.scaled_dot_product_attention(
            queries,
            keys,
            values,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=self.causal,
        )
        joined: Tensor = self.joined(found.transpose(1, 2).flatten(2))
        return joined

    def next(self, x: Tensor, step: int, length: int, kept: dict[str, Tensor]) -> Tensor:
        """What one step attends to among itself and those before it, which `kept` has."""
        query, key, value = (
            made(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for made in (self.queries, self.keys, self.values)
        )
        for name, new in (("keys", key), ("values", value)):
            if step == 0:
                kept[name] = new.new_zeros(*new.shape[:2], length, new.shape[3])
            kept[name][:, :, step] = new[:, :, 0]
        keys, values = (kept[name][:, :, : step + 1] for name in ("keys", "values"))
        found = functional.scaled_dot_product_attention(query, keys, values)
        joined: Tensor = self.joined(found.transpose(1, 2).flatten(2))
        return joined


class _Block(nn.Module):
    """x + attention, and to that + perceptron, each of what is normalised."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        width = design.whole("width")
        inner = design.whole("feedforward") if design.given("feedforward") else 4 * width
        layers = Layers.of(design.options)
        self.before = nn.LayerNorm(width)
        self.attention = Attention(
            width,
            design.whole("heads"),
            layers,
            causal=design.causal,
            dropout=layers.dropout,
        )
        self.drop = nn.Dropout(layers.dropout)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width),
            layers.linear(width, inner),
            layers.act(),
            layers.linear(inner, width),
            nn.Dropout(layers.dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The sum."""
        x = x + self.drop(self.attention(self.before(x)))
        added: Tensor = self.perceptron(x)
        return x + added

    def next(self, x: Tensor, step: int, length: int, kept: dict[str, Tensor]) -> Tensor:
        """The same at one step, (rows, 1, width)."""
        x = x + self.attention.next(self.before(x), step, length, kept)
        added: Tensor = self.perceptron(x)
        return x + added


class Transformer(Stepwise):
    """Blocks of attention over the steps of a sequence.

    A causal one reads the first input one step late, a learned vector in front of it, and attends
    to no later step.
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        width = design.whole("width")
        layers = Layers.of(design.options)
        self.arguments = read(design, ragged=True)
        self.stepwise = self.arguments.free
        self.presented = nn.ModuleList(
            layers.linear(math.prod(n or 0 for n in port.event[along:]) * w, width)
            for port, w, along in zip(
                design.inputs, self.arguments.widths, self.stepwise, strict=True
            )
        )
        self.positions = design.word("positions")
        self.longest = design.first.event[0] or 0
        if self.positions == "learned":
            self.places = nn.Parameter(0.02 * torch.randn(self.longest, width))
        self.causal = design.causal
        if self.causal:
            self.start = nn.Parameter(0.02 * torch.randn(width))
        count = design.whole("layers")
        self.blocks = nn.Sequential(*(_Block(design) for _ in range(count)), nn.LayerNorm(width))
        self.pool = design.word("pool")
        self.heads = Heads(width, design, per_step=self.pool == "none")

    def forward(self, *inputs: Given) -> Tensor | dict[str, Tensor]:
        """The outputs, of shape `batch + event`, of sequences `batch + (steps, ...)`."""
        if self.steps is not None:
            return self.next_outputs(inputs)
        found, batch = self.arguments(inputs)
        steps = [
            presented(numbers.flatten(2) if along else numbers.flatten(1).unsqueeze(1))
            for presented, numbers, along in zip(self.presented, found, self.stepwise, strict=True)
        ]
        if self.causal:
            steps[0] = delayed(steps[0], self.start)
        x = sum(steps[1:], steps[0])  # a context stands at one step, for all
        x = self.blocks(x + self._places(x))
        if self.pool == "mean":
            x = x.mean(1)
        outputs: Tensor | dict[str, Tensor] = self.heads(x, batch)
        return outputs

    def next_features(
        self, found: list[Tensor], step: int, length: int, memory: dict[str, Any]
    ) -> Tensor:
        """What the newest step attends to, keys and values of the earlier ones kept."""
        steps = [
            presented(numbers.flatten(2) if along else numbers.flatten(1).unsqueeze(1))
            for presented, numbers, along in zip(self.presented, found, self.stepwise, strict=True)
        ]
        if step == 0:
            steps[0] = self.start.expand_as(steps[0])
            memory["places"] = self._places(steps[0].expand(-1, length, -1))
        x = sum(steps[1:], steps[0]) + memory["places"][step]
        for number, block in enumerate(self.blocks):
            kept = memory.setdefault(str(number), {})
            x = block.next(x, step, length, kept) if isinstance(block, _Block) else block(x)
        features: Tensor = x
        return features

    def _places(self, x: Tensor) -> Tensor:
        length, width = x.shape[1:]
        if self.positions == "none":
            return torch.zeros_like(x[0])
        if self.positions == "learned":
            if length > self.longest:
                raise NetError(
                    f"learned positions are those of {self.longest} steps, but {length} are given"
                )
            return self.places[:length]
        order = torch.arange(0, width, 2, dtype=x.dtype, device=x.device) / width
        place = torch.arange(length, dtype=x.dtype, device=x.device).unsqueeze(-1)
        angle = place * torch.exp(-math.log(_LONGEST_PERIOD) * order)
        return torch.stack((torch.sin(angle), torch.cos(angle)), -1).flatten(1)


def transformer(design: Design) -> nn.Module:
    """A transformer."""
    return Transformer(design)
