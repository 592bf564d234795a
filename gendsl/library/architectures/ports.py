"""The inputs and outputs of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gendsl.types import Index, Size, Structured, Support, ValueType, describe_event

__all__ = ["Port"]


@dataclass(frozen=True, slots=True)
class Port:
    """An input or an output of a network: the shape of one event and its support.

    Attributes:
        event: the sizes of the event axes; None where a size is not known yet.
        support: of the entries. It says how an input is presented and which link an output has.
        categories: how many an `index` has; None for other supports, or if not known yet.
        optional: entries may be missing; the network is then given a pair, the values and
            which of them are known.
        axes: the same sizes as the model writes them. Two axes are one where these are equal,
            so that a context of size 20 is not taken for a sequence of length 20. By default
            the numbers.
    """

    event: tuple[int | None, ...]
    support: Support
    categories: int | None = None
    optional: bool = False
    axes: tuple[Size, ...] = ()

    def __post_init__(self) -> None:
        """Fill in the axes and the categories where they follow from the rest."""
        if len(self.axes) != len(self.event):
            if self.axes or None in self.event:
                raise ValueError("a port needs a size for every axis")
            object.__setattr__(self, "axes", tuple(Size.of(n or 0) for n in self.event))
        if self.categories is None and isinstance(self.support, Index):
            object.__setattr__(self, "categories", self.support.size.value)

    @staticmethod
    def of(type_: ValueType, sizes: Mapping[str, int], *, optional: bool = False) -> Port:
        """The port of a declared type, with as many numbers as `sizes` settle."""

        def number(size: Size) -> int | None:
            return size.evaluate(sizes) if size.names <= sizes.keys() else None

        support = type_.support
        return Port(
            event=tuple(map(number, type_.event)),
            support=support,
            categories=number(support.size) if isinstance(support, Index) else None,
            optional=optional,
            axes=type_.event,
        )

    @property
    def tied(self) -> int:
        """How many of the last event axes the support ties together."""
        return self.support.event_dim if isinstance(self.support, Structured) else 0

    def shares_first_axis(self, other: Port) -> bool:
        """Whether both have a first event axis, and it is the same."""
        return bool(self.axes) and self.axes[:1] == other.axes[:1]

    def __str__(self) -> str:
        """As the language writes it: ``index(V)[T]?``."""
        return f"{self.support}{describe_event(self.axes)}{'?' if self.optional else ''}"
