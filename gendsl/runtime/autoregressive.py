"""Variables whose entries depend on one another in an order: the chain rule as a distribution.

The law of all entries, given all of them, is one run of the networks (teacher forcing): entry i of
its parameters depends on entries before i alone, so that it is exact. Draws are made entry after
entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from pyro.distributions import TorchDistribution
from torch import Tensor, nn
from torch.distributions import Distribution, Independent
from torch.types import _size

from gendsl.runtime.entry_laws import Sharpening, draw, entry_of
from gendsl.runtime.nets.stepping import order_of, stepping

__all__ = ["Autoregressive", "Drawing", "drawing"]

_NO_AXES = torch.Size()

Law = Callable[[Tensor], Any]


@dataclass(frozen=True)
class Drawing:
    """How entries are drawn.

    Attributes:
        sharpening: how the law of each entry is changed first; None: not at all.
        given: values of entries that are known, of the shape of a draw, by the site's shape.
        known: which they are.
        cached: networks keep what they have computed of earlier entries.
    """

    sharpening: Sharpening | None = None
    given: Tensor | None = None
    known: Tensor | None = None
    cached: bool = True


_PLAIN = Drawing()
_DRAWING: ContextVar[Drawing] = ContextVar("drawing", default=_PLAIN)


@contextmanager
def drawing(how: Drawing) -> Iterator[None]:
    """Draw entries so while the block runs."""
    token = _DRAWING.set(how)
    try:
        yield
    finally:
        _DRAWING.reset(token)


class Autoregressive(TorchDistribution):
    """The law of a value whose entries depend on those before them.

    Args:
        law: from a value to the law of all its entries, of which the parameters of entry i depend
            on the entries before i alone.
        start: a legal value, of which only the shape counts: the axes of the entries, in front of
            them those of plates that the order runs along.
        nets: the causal networks in `law`, which agree on the order of the entries.
        along: the batch axis, from the right, that the order runs along first; 0 for none.
    """

    arg_constraints = {}
    has_rsample = False
    has_enumerate_support = False

    def __init__(
        self, law: Law, start: Tensor, *nets: nn.Module, along: int = 0, batch: _size | None = None
    ) -> None:
        self.law, self.start, self.nets, self.along = law, start, nets, along
        self._expanded = None if batch is None else torch.Size(batch)
        self._batch = self._expanded
        self._at_start: Any = None
        self._validate_args = False

    @property
    def _first(self) -> Any:  # noqa: ANN401
        """The law at `start`, which tells shapes and the support."""
        if self._at_start is None:
            with torch.no_grad():
                self._at_start = self.law(self.start)
        return self._at_start

    @property
    def batch_shape(self) -> torch.Size:
        """Of the plates."""
        if self._batch is None:
            self._batch = torch.Size(self._first.batch_shape)
        return self._batch

    @property
    def event_shape(self) -> torch.Size:
        """Of the entries that are one event."""
        return torch.Size(self._first.event_shape)

    @property
    def support(self) -> Any:  # noqa: ANN401
        """That of each law."""
        return self._first.support

    def expand(self, batch_shape: _size, _instance: object = None) -> Autoregressive:
        """The same for a larger batch."""
        del _instance
        return Autoregressive(
            self.law, self.start, *self.nets, along=self.along, batch=batch_shape
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """The density of the value: each entry given those before it."""
        found: Tensor = self.law(value).log_prob(value)
        if self._expanded is None:
            return found
        return found.expand(torch.broadcast_shapes(found.shape, self._expanded))

    def __repr__(self) -> str:
        """Short: a law has no parameters to show."""
        return f"Autoregressive(of {tuple(self.start.shape)})"

    # Draws

    def sample(self, sample_shape: _size = _NO_AXES) -> Tensor:
        """Draw entry after entry, as `drawing` says."""
        how = _DRAWING.get()
        with torch.no_grad():
            value = self._empty(torch.Size(sample_shape))
            order = order_of(self.nets)
            with ExitStack() as stack:
                steps = stack.enter_context(stepping(self.nets)) if how.cached else None
                for number, place in enumerate(self._places(order)):
                    if steps is not None:
                        steps.begin(number)
                    base = _by_entry(self.law(value))
                    drawn = draw(entry_of(base, place, value.shape), how.sharpening)
                    if how.known is not None and how.given is not None:
                        known = how.known[place]
                        drawn = torch.where(known, how.given[place].to(drawn.dtype), drawn)
                    value[place] = drawn.to(value.dtype)
        return value

    def _empty(self, sample_shape: torch.Size) -> Tensor:
        shape = sample_shape + self.batch_shape + self.event_shape
        return self.start.expand(shape).clone()

    def _places(self, order: Tensor | None) -> Iterator[tuple[Any, ...]]:
        """Where each entry stands, in order."""
        rank = len(self.event_shape)
        sizes = list(self.event_shape)
        if self.along:
            sizes.insert(0, self.batch_shape[-self.along])
        count = prod(sizes)
        for i in range(count) if order is None else order.tolist():
            place: list[int] = []
            rest = i
            for size in reversed(sizes):
                rest, at = divmod(rest, size)
                place.insert(0, at)
            if not self.along:
                yield (..., *place)
                continue
            free = [slice(None)] * (self.along - 1)
            yield (..., place[0], *free, *place[1 : 1 + rank])


def _by_entry(law: Any) -> Distribution:  # noqa: ANN401
    """A law of which every entry is a member of the batch."""
    while isinstance(law, Independent):
        law = law.base_dist
    found: Distribution = law
    return found
