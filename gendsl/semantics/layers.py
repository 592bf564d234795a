"""Networks as arithmetic of their weights."""

from __future__ import annotations

from dataclasses import dataclass

from gendsl.ir import nodes as ir
from gendsl.library.architectures import OptionValue

__all__ = ["Layer", "Weighted"]


@dataclass(frozen=True, slots=True)
class Layer:
    """A linear map of one or several values: a weight for each of them, and one bias."""

    weights: tuple[ir.Reference, ...]
    bias: ir.Reference


@dataclass(frozen=True, slots=True)
class Weighted:
    """A network as arithmetic.

    Attributes:
        hidden: its layers; the first takes the arguments.
        activation: the function after each of them.
        last: the layer of each output.
        options: of the architecture.
    """

    hidden: tuple[Layer, ...]
    activation: str
    last: tuple[tuple[str, Layer], ...]
    options: dict[str, OptionValue]
