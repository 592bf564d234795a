"""The records that say everything the compiler knows about the transforms of flows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from gendsl.library.architectures.ports import Port
from gendsl.library.architectures.spec import ArchitectureOption, OptionValue

__all__ = ["FlowDesign", "FlowRule", "MapSpec", "TransformSpec", "Way"]


class Way(IntEnum):
    """How one direction of a transform is computed, the cheapest first."""

    PARALLEL = 0
    SOLVED = 1
    ITERATED = 2
    SEQUENTIAL = 3

    @property
    def words(self) -> str:
        """For plans and the reference."""
        return _WORDS[self]


_WORDS = {
    Way.PARALLEL: "one pass",
    Way.SOLVED: "one pass and a root found numerically for each number",
    Way.ITERATED: "repeated passes until a fixed point is reached",
    Way.SEQUENTIAL: "a pass for each entry, one after the other",
}


@dataclass(frozen=True, slots=True)
class FlowDesign:
    """What a flow is built from.

    Attributes:
        event: the type whose values it maps to one another.
        contexts: what it is conditional on.
        options: a value for every option of the transform.
        map: the scalar map that it is made of; empty where it takes none.
        map_options: a value for every option of that map.
    """

    event: Port
    contexts: tuple[Port, ...]
    options: Mapping[str, OptionValue]
    map: str = ""
    map_options: Mapping[str, OptionValue] = field(default_factory=dict)

    @property
    def entries(self) -> int | None:
        """How many numbers a value has; None where a size is not known yet."""
        total = 1
        for size in self.event.event:
            if size is None:
                return None
            total *= size
        return total

    def word(self, name: str) -> str:
        """The value of an option that is a word."""
        return str(self.options[name])

    def whole(self, name: str) -> int:
        """The value of an option that is a whole number."""
        value = self.options[name]
        assert isinstance(value, int)
        return value

    def wholes(self, name: str) -> tuple[int, ...]:
        """The value of an option that is a list."""
        value = self.options[name]
        assert isinstance(value, tuple)
        return value


FlowRule = Callable[[FlowDesign], str | None]
"""Why a design is illegal, as a clause for a message, or None; unknown sizes pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSpec:
    """An increasing function of one number, with parameters: what couplings apply.

    Attributes:
        name: the name users write.
        summary: a sentence for the reference.
        formula: from the base u to the data x, as TeX.
        options: what may be set.
        forward: how x is computed from u.
        inverse: how u is computed from x.
        condition: what makes it invertible, and how that is kept.
        references: sources.
    """

    name: str
    summary: str
    formula: str
    options: tuple[ArchitectureOption, ...] = ()
    forward: Way = Way.PARALLEL
    inverse: Way = Way.PARALLEL
    condition: str
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformSpec:
    """A transform: an invertible map of one event type, with its log-determinant.

    Attributes:
        name: the name users write.
        title: what messages call it.
        summary: a sentence for the reference.
        takes: the types it maps, in words.
        options: what may be set.
        default_map: the scalar map where none is given; empty where it takes none.
        rule: why a type is illegal for it.
        forward: how a value is computed from the base, the cost of a sample.
        inverse: how the base is computed from a value, the cost of a density.
        conditional: whether it may have a context.
        fitted: whether its first values are computed from the data.
        condition: what makes it invertible, and how that is kept.
        references: sources.
    """

    name: str
    title: str
    summary: str
    takes: str
    options: tuple[ArchitectureOption, ...] = ()
    default_map: str = ""
    rule: FlowRule
    forward: Way = Way.PARALLEL
    inverse: Way = Way.PARALLEL
    conditional: bool = True
    fitted: bool = False
    condition: str
    references: tuple[str, ...] = ()

    @property
    def option_names(self) -> frozenset[str]:
        """The names of its options."""
        return frozenset(o.name for o in self.options)

    def objection(self, design: FlowDesign) -> str | None:
        """Why a flow of this transform cannot have this design, or None."""
        if 0 in design.event.event:
            return f"`{design.event}` has no entries"
        if design.contexts and not self.conditional:
            return f"{self.title} has no context"
        return self.rule(design)

    def ways(self, scalar: MapSpec | None, *, turned: bool = False) -> tuple[Way, Way]:
        """How a sample and how a density is computed, with its scalar map.

        With `turned` the roles of base and data are exchanged.
        """
        forward = max(self.forward, scalar.forward) if scalar is not None else self.forward
        inverse = max(self.inverse, scalar.inverse) if scalar is not None else self.inverse
        return (inverse, forward) if turned else (forward, inverse)
