"""Flows: layers composed, as transforms of torch's distributions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributions import Transform, constraints

from gendsl.library.architectures import Port
from gendsl.runtime.flows.bijection import Bijection, Context, Pair
from gendsl.runtime.nets.arguments import Arguments, Given

__all__ = ["Flow", "FlowTransform", "observed"]

Observer = Callable[["Flow", int, Tensor, Context], None]
"""Told of every layer before data pass it on their way to the base."""


class Flow(nn.Module):
    """An invertible map of values of one event shape, with or without a context.

    Called with the context it gives a `torch.distributions.Transform` from base to data, so that
    ``TransformedDistribution(Normal(...), [f(c)])`` is the law of its values.

    Attributes:
        layers: from the base to the data.
        event: the event shape.
        observer: told of layers while data pass them; None most of the time.

    Args:
        event: the event shape.
        contexts: what it is conditional on.
        make: gives the layers, from the number of entries and the width of the context.
    """

    def __init__(
        self,
        event: Sequence[int],
        contexts: Sequence[Port],
        make: Callable[[int, int], Sequence[Bijection]],
    ) -> None:
        super().__init__()
        self.event = tuple(event)
        self.entries = math.prod(self.event)
        self.arguments: Arguments | None = None
        if contexts:
            self.arguments = Arguments(contexts, embedding=None, frequencies=0, ragged=False)
        sizes = (math.prod(n or 0 for n in p.event) for p in contexts)
        widths = self.arguments.widths if self.arguments is not None else ()
        self.width = sum(n * w for n, w in zip(sizes, widths, strict=True))
        self.layers = nn.ModuleList(make(self.entries, self.width))
        self.observer: Observer | None = None

    def forward(self, *contexts: Given) -> FlowTransform:
        """The transform, given a context; its tensors may have any batch axes."""
        if self.arguments is None:
            return FlowTransform(self, None)
        found, batch = self.arguments(contexts)
        flat = torch.cat([numbers.flatten(1) for numbers in found], -1)
        return FlowTransform(self, flat.reshape(*batch, self.width))

    def to_data(self, u: Tensor, context: Context) -> Pair:
        """Data, (rows, entries), and log-determinants (rows,), of the base."""
        total = torch.zeros_like(u[:, 0])
        for layer in self.layers:
            u, log = layer(u, context)
            total = total + log
        return u, total

    def to_base(self, x: Tensor, context: Context) -> Pair:
        """The base, and log-determinants, of data."""
        total = torch.zeros_like(x[:, 0])
        for number in reversed(range(len(self.layers))):
            if self.observer is not None:
                self.observer(self, number, x, context)
            x, log = self.layers[number].inverse(x, context)  # type: ignore[operator]
            total = total + log
        return x, total


@contextmanager
def observed(flows: Sequence[Flow], observer: Observer) -> Iterator[None]:
    """Tell `observer` of every layer that data pass on their way to the base."""
    for flow in flows:
        flow.observer = observer
    try:
        yield
    finally:
        for flow in flows:
            flow.observer = None


class FlowTransform(Transform):
    """A flow at one context, from base to data.

    The last pair of values and its log-determinant are kept: the density of what was just drawn
    costs no second pass.
    """

    bijective = True
    sign = +1

    def __init__(self, flow: Flow, context: Context) -> None:
        super().__init__()
        self.flow, self.context = flow, context
        self._last: tuple[Tensor, Tensor, Tensor] | None = None

    @property
    def domain(self) -> constraints.Constraint:  # type: ignore[override]
        """All real numbers."""
        rank = len(self.flow.event)
        return constraints.independent(constraints.real, rank) if rank else constraints.real

    @property
    def codomain(self) -> constraints.Constraint:  # type: ignore[override]
        """All real numbers."""
        return self.domain

    def forward_shape(self, shape: Sequence[int]) -> torch.Size:
        """That of the values and of the context together."""
        rank = len(self.flow.event)
        batch = tuple(shape[: len(shape) - rank])
        if self.context is not None:
            batch = tuple(torch.broadcast_shapes(batch, self.context.shape[:-1]))
        return torch.Size((*batch, *self.flow.event))

    inverse_shape = forward_shape

    def _call(self, x: Tensor) -> Tensor:
        if self._last is None or self._last[0] is not x:
            y, log = self._run(x, self.flow.to_data)
            self._last = x, y, log
        return self._last[1]

    def _inverse(self, y: Tensor) -> Tensor:
        if self._last is None or self._last[1] is not y:
            x, log = self._run(y, self.flow.to_base)
            self._last = x, y, -log
        return self._last[0]

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """``log |det dy/dx|``, of the batch shape."""
        if self._last is None or self._last[0] is not x or self._last[1] is not y:
            self._call(x)
        assert self._last is not None
        return self._last[2]

    def _run(self, value: Tensor, direction: Callable[[Tensor, Context], Pair]) -> Pair:
        """A direction, the batch axes of values and context united into rows."""
        shape = self.forward_shape(value.shape)
        rank = len(self.flow.event)
        batch = shape[: len(shape) - rank]
        if value.shape != shape:
            value = value.expand(shape)
        context = self.context
        if context is not None:
            if context.shape[:-1] != batch:
                context = context.expand(*batch, context.shape[-1])
            context = context.reshape(-1, context.shape[-1])
        found, log = direction(value.reshape(-1, self.flow.entries), context)
        return found.reshape(shape), log.reshape(batch)
