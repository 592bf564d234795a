"""Learned functions and flows."""

from __future__ import annotations

from dataclasses import dataclass

from gendsl.ir.node import Node
from gendsl.types import ValueType

__all__ = ["FlowBody", "Net", "NetOption"]

NetOption = int | float | str | tuple[int, ...]
"""A number, a word, or a list of whole numbers."""


@dataclass(frozen=True, slots=True)
class FlowBody:
    """What a flow has beside a transform and its options.

    Attributes:
        map: its scalar map, of `gendsl.library.transforms`; empty where it has none.
        map_options: of it, those that the text gives.
        sampling: it is drawn from while it is learned, so that draws are the cheap direction.
    """

    map: str = ""
    map_options: tuple[tuple[str, NetOption], ...] = ()
    sampling: bool = False


@dataclass(frozen=True, slots=True)
class Net(Node):
    """A learned function, or a flow: a learned bijection of the type of its one value.

    Attributes:
        name: of the net.
        inputs: event shape and support of each argument; no plates.
        outputs: the same of each value, by name; a single value has the empty name.
        architecture: a name of `gendsl.library.architectures`; None where a module is supplied.
        options: of the architecture, those that the text gives.
        optional: positions of the arguments of which entries may be missing.
        causal: entry i of each value, in row-major order of the first argument's event shape,
            depends on that argument's entries before i only.
        flow: what makes it a flow, whose inputs are its context and whose `architecture` is a
            name of `gendsl.library.transforms`; None for a function.
    """

    name: str
    inputs: tuple[ValueType, ...]
    outputs: tuple[tuple[str, ValueType], ...]
    architecture: str | None
    options: tuple[tuple[str, NetOption], ...] = ()
    optional: frozenset[int] = frozenset()
    causal: bool = False
    flow: FlowBody | None = None

    def output(self, part: str) -> ValueType:
        """The type of one of the values."""
        return dict(self.outputs)[part]
