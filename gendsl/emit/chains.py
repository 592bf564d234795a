"""Hidden Markov chains of a model: what the runtime needs to sum them out along a sequence."""

from __future__ import annotations

from dataclasses import dataclass

from gendsl.emit.sites import sequence_of
from gendsl.graph.recursion import chained, lagged_names
from gendsl.ir import nodes as ir
from gendsl.types import Index, Interval, Size

__all__ = ["Chain", "chains_of"]


@dataclass(frozen=True, slots=True)
class Chain:
    """A discrete latent whose steps are tied to one another: a hidden Markov chain.

    Attributes:
        name: the latent, and the site of its states.
        before: the site of its states one step earlier; None if nothing depends on them.
        sequence: along which it runs.
        states: how many values it has.
        lowest: the least of them.
    """

    name: str
    before: str | None
    sequence: str
    states: Size
    lowest: int


def chains_of(model: ir.Model) -> tuple[Chain, ...]:
    """The hidden Markov chains of a model, in its order."""
    lagged = lagged_names(model)
    found = []
    for v in chained(model):
        support = v.type.support
        assert isinstance(support, (Index, Interval))
        if isinstance(support, Index):
            states, lowest = support.size, 0
        else:
            lowest = int(support.lower)
            states = Size.of(int(support.upper) - lowest + 1)
        before = f"{v.name} before" if v.name in lagged else None
        found.append(Chain(v.name, before, sequence_of(model, v), states, lowest))
    return tuple(found)
