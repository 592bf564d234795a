"""Layers that several networks are made of, as the options of an architecture describe them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import init
from torch.nn.utils.parametrizations import weight_norm

from gendsl.library.architectures import OptionValue

__all__ = ["Layers", "Sine", "initialise"]


class Sine(nn.Module):
    """The sine, as an activation."""

    def forward(self, x: Tensor) -> Tensor:
        """Entrywise."""
        return torch.sin(x)


_ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "leaky_relu": lambda: nn.LeakyReLU(0.01),
    "softplus": nn.Softplus,
    "sigmoid": nn.Sigmoid,
    "sine": Sine,
}

_MOST_GROUPS = 32
_LEAST_OF_A_GROUP = 8

Affine = nn.Linear | nn.Conv2d | nn.ConvTranspose2d


def initialise(weight: Tensor, bias: Tensor | None, word: str) -> None:
    """Draw a weight and set its bias as the option `initialisation` says, but for `zero_last`."""
    if word in ("default", "zero_last"):
        return
    if word == "xavier":
        init.xavier_uniform_(weight)
    elif word == "kaiming":
        init.kaiming_normal_(weight, nonlinearity="relu")
    else:
        init.orthogonal_(weight)
    if bias is not None:
        init.zeros_(bias)


@dataclass(frozen=True, slots=True)
class Layers:
    """Makes layers with the options that an architecture was given.

    Attributes:
        activation: a word of the options, as the others.
        normalisation: what normalises hidden layers.
        dropout: a probability.
        initialisation: of weights. Random numbers are those of torch's current generator.
    """

    activation: str = "relu"
    normalisation: str = "none"
    dropout: float = 0.0
    initialisation: str = "default"

    @staticmethod
    def of(options: Mapping[str, OptionValue]) -> Layers:
        """Those that the options describe; one that an architecture lacks is as above."""
        plain = Layers()
        return Layers(
            activation=str(options.get("activation", plain.activation)),
            normalisation=str(options.get("normalisation", plain.normalisation)),
            dropout=float(options.get("dropout", plain.dropout)),  # type: ignore[arg-type]
            initialisation=str(options.get("initialisation", plain.initialisation)),
        )

    def linear(self, inputs: int, outputs: int, *, bias: bool = True) -> nn.Module:
        """A linear map."""
        return self._affine(nn.Linear(inputs, outputs, bias=bias), hidden=True)

    def convolution(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> nn.Module:
        """A convolution that keeps the size, up to its stride: `ceil(size / stride)`."""
        made = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2)
        return self._affine(made, hidden=True)

    def transposed(
        self, inputs: int, outputs: int, kernel: int, *, odd: tuple[int, int]
    ) -> nn.Module:
        """A transposed convolution of stride 2: to twice the size, less 1 where that is `odd`."""
        made = nn.ConvTranspose2d(
            inputs,
            outputs,
            kernel,
            stride=2,
            padding=kernel // 2,
            output_padding=(1 - odd[0], 1 - odd[1]),
        )
        return self._affine(made, hidden=True)

    def last(self, inputs: int, outputs: int, *, kernel: int | None = None) -> nn.Module:
        """The layer to the outputs: linear, or a convolution where there is a kernel."""
        made: Affine = (
            nn.Linear(inputs, outputs)
            if kernel is None
            else nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        )
        self._affine(made, hidden=False)
        if self.initialisation == "zero_last":
            init.zeros_(made.weight)
            if made.bias is not None:
                init.zeros_(made.bias)
        return made

    def _affine(self, made: Affine, *, hidden: bool) -> nn.Module:
        initialise(made.weight, made.bias, self.initialisation)
        if hidden and self.normalisation == "weight":
            weight_norm(made)
        return made

    def act(self) -> nn.Module:
        """The activation."""
        return _ACTIVATIONS[self.activation]()

    def drop(self) -> list[nn.Module]:
        """Dropout, where there is any."""
        return [nn.Dropout(self.dropout)] if self.dropout else []

    def normalise(self, width: int, *, image: bool = False) -> list[nn.Module]:
        """The normalisation of `(rows, width)` or of images `(rows, width, height, width)`.

        Layer normalisation of an image is over all of it, its channels included.
        """
        match self.normalisation:
            case "layer":
                return [nn.GroupNorm(1, width) if image else nn.LayerNorm(width)]
            case "batch":
                return [_ImageBatch(width) if image else _VectorBatch(width)]
            case "group":
                return [nn.GroupNorm(_groups(width), width)]
        return []


class _Single(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation that takes its running moments where a batch has one value a channel.

    One value has no variance; the last batch of an epoch may be that small.
    """

    def forward(self, input: Tensor) -> Tensor:
        """As torch's, but for a single value."""
        if not self.training or input.numel() // input.shape[1] > 1:
            found: Tensor = super().forward(input)
            return found
        moments = self.running_mean, self.running_var
        return nn.functional.batch_norm(input, *moments, self.weight, self.bias, eps=self.eps)


class _VectorBatch(_Single, nn.BatchNorm1d):
    """For vectors."""


class _ImageBatch(_Single, nn.BatchNorm2d):
    """For images."""


def _groups(width: int) -> int:
    """A power of 2 that divides the width; a group of one entry would be normalised to 0."""
    groups = math.gcd(width, _MOST_GROUPS)
    while groups > 1 and width // groups < _LEAST_OF_A_GROUP:
        groups //= 2
    return groups
