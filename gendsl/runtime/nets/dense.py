"""Networks that read all inputs as one vector: linear maps and perceptrons."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gendsl.library.architectures import Design
from gendsl.runtime.nets.arguments import Arguments, Given
from gendsl.runtime.nets.heads import Heads
from gendsl.runtime.nets.layers import Layers

__all__ = ["Dense", "linear", "mlp", "perceptron", "read", "residual_mlp"]


def read(design: Design, *, ragged: bool = False) -> Arguments:
    """What reads the inputs of a network, with the options of its architecture."""
    return Arguments(
        design.inputs,
        embedding=design.whole("embedding") if design.given("embedding") else None,
        frequencies=design.whole("frequencies"),
        ragged=ragged,
    )


class Dense(nn.Module):
    """A network between vectors: all entries of all inputs to all entries of all outputs."""

    def __init__(self, arguments: Arguments, trunk: nn.Module, heads: Heads) -> None:
        super().__init__()
        self.arguments = arguments
        self.trunk = trunk
        self.heads = heads

    def forward(self, *inputs: Given) -> Tensor | dict[str, Tensor]:
        """The outputs, of shape `batch + event`, of inputs of such shapes."""
        found, batch = self.arguments(inputs)
        flat = [numbers.flatten(1) for numbers in found]
        features = flat[0] if len(flat) == 1 else torch.cat(flat, -1)
        outputs: Tensor | dict[str, Tensor] = self.heads(self.trunk(features), batch)
        return outputs


def _features(arguments: Arguments) -> int:
    sizes = (math.prod(n or 0 for n in port.event) for port in arguments.ports)
    return sum(n * width for n, width in zip(sizes, arguments.widths, strict=True))


def linear(design: Design) -> nn.Module:
    """A linear map."""
    arguments = read(design)
    return Dense(arguments, nn.Identity(), Heads(_features(arguments), design))


def perceptron(width: int, hidden: Sequence[int], layers: Layers) -> nn.Sequential:
    """Hidden layers: linear, normalisation, activation, dropout."""
    modules: list[nn.Module] = []
    for size in hidden:
        modules.append(layers.linear(width, size))
        modules += [*layers.normalise(size), layers.act(), *layers.drop()]
        width = size
    return nn.Sequential(*modules)


_WIDTH = 128
_LAYERS = 2


def mlp(design: Design) -> nn.Module:
    """A multilayer perceptron."""
    arguments = read(design)
    hidden = design.wholes("hidden") if design.given("hidden") else (_WIDTH,)
    if design.given("layers"):
        hidden *= design.whole("layers")
    elif not design.given("hidden"):
        hidden *= _LAYERS
    trunk = perceptron(_features(arguments), hidden, Layers.of(design.options))
    return Dense(arguments, trunk, Heads(hidden[-1], design))


class Residual(nn.Module):
    """x + f(x)."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.added = nn.Sequential(*modules)

    def forward(self, x: Tensor) -> Tensor:
        """The sum."""
        added: Tensor = self.added(x)
        return x + added


def residual_mlp(design: Design) -> nn.Module:
    """A residual perceptron, with activations before the linear maps of a block."""
    arguments = read(design)
    layers = Layers.of(design.options)
    width = design.whole("hidden")
    blocks = [
        Residual(
            *layers.normalise(width),
            layers.act(),
            layers.linear(width, width),
            *layers.normalise(width),
            layers.act(),
            *layers.drop(),
            layers.linear(width, width),
        )
        for _ in range(design.whole("layers"))
    ]
    first = layers.linear(_features(arguments), width)
    trunk = nn.Sequential(first, *blocks, *layers.normalise(width), layers.act())
    return Dense(arguments, trunk, Heads(width, design))
