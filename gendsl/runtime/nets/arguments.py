"""How networks read their inputs: as numbers, one row for each member of the batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gendsl.library.architectures import Port
from gendsl.runtime.variational.relaxed import soft_of
from gendsl.types import UNIT

__all__ = ["Arguments", "Entries", "Given", "NetError"]

Given = Tensor | tuple[Tensor, Tensor]
"""An input; of an optional one the values and which of them are known."""

_ONE_HOT_UP_TO = 64
_EMBEDDING = 64
_STEPS = 1000.0
_LONGEST_PERIOD = 10_000.0


class NetError(ValueError):
    """A network that cannot be built, or values that do not fit its signature."""


class Entries(nn.Module):
    """The numbers that present each entry of an input, along a new last axis of size `width`.

    A number is itself; a scalar `unit` input may be sines and cosines (Ho, Jain and Abbeel
    2020: 1000 steps, periods in geometric progression); a category is one-hot or a learned
    embedding. Of an optional input, entries that are missing are zeros, and one more number says
    whether the entry is known.
    """

    def __init__(self, port: Port, *, embedding: int | None, frequencies: int) -> None:
        super().__init__()
        self.port = port
        self.embedding: nn.Embedding | None = None
        self.like: Tensor
        self.register_buffer("like", torch.empty(0), persistent=False)  # moves with the weights
        self.categories = port.categories
        self.waves = frequencies if port.support == UNIT and not port.event else 0
        if self.categories is not None:
            learned = embedding is not None or self.categories > _ONE_HOT_UP_TO
            if learned:
                self.embedding = nn.Embedding(self.categories, embedding or _EMBEDDING)
            width = (embedding or _EMBEDDING) if learned else self.categories
        else:
            width = 2 * self.waves or 1
        self.width = width + port.optional

    def forward(self, given: Given) -> Tensor:
        """Present `given`, of shape `batch + event`, as `batch + event + (width,)`."""
        if not self.port.optional:
            if not isinstance(given, Tensor):
                raise NetError(f"`{self.port}` is not optional: it is a tensor, not a pair")
            return self._present(given)
        if isinstance(given, Tensor):
            raise NetError(f"`{self.port}` is given as a pair: values, and which are known")
        value, known = given
        if known.shape != value.shape:
            raise NetError(
                f"`{self.port}`: values have shape {tuple(value.shape)}, but what is known of "
                f"them {tuple(known.shape)}"
            )
        mask = known.bool().unsqueeze(-1)
        # What stands where nothing is known may be anything, NaN included.
        numbers = self._present(torch.where(known.bool(), value, torch.zeros_like(value)))
        return torch.cat((torch.where(mask, numbers, 0.0), mask.to(numbers.dtype)), -1)

    def _present(self, value: Tensor) -> Tensor:
        soft = soft_of(value)
        if soft is not None:
            entries = soft.presented()
            return entries if self.embedding is None else entries @ self.embedding.weight
        if self.embedding is not None:
            found: Tensor = self.embedding(value.long())
            return found
        if self.categories is not None:
            every = torch.arange(self.categories, device=value.device)
            return (value.long().unsqueeze(-1) == every).to(self.like.dtype)
        value = value if value.is_floating_point() else value.to(self.like.dtype)
        value = value.unsqueeze(-1)
        if not self.waves:
            return value
        order = torch.arange(self.waves, device=value.device, dtype=value.dtype) / self.waves
        angle = _STEPS * value * torch.exp(-math.log(_LONGEST_PERIOD) * order)
        return torch.cat((torch.sin(angle), torch.cos(angle)), -1)


class Arguments(nn.Module):
    """All inputs of a network, with their batch axes united into one.

    Args:
        ports: the inputs.
        embedding: width of embeddings, or None.
        frequencies: pairs of waves for scalar `unit` inputs.
        ragged: whether the first event axis of inputs along the first one's is of any length.
    """

    def __init__(
        self, ports: Sequence[Port], *, embedding: int | None, frequencies: int, ragged: bool
    ) -> None:
        super().__init__()
        self.ports = tuple(ports)
        self.entries = nn.ModuleList(
            Entries(port, embedding=embedding, frequencies=frequencies) for port in ports
        )
        self.free = tuple(ragged and port.shares_first_axis(ports[0]) for port in ports)

    @property
    def widths(self) -> tuple[int, ...]:
        """How many numbers present each entry of each input."""
        return tuple(int(entries.width) for entries in self.entries)  # type: ignore[arg-type]

    def forward(self, given: Sequence[Given]) -> tuple[list[Tensor], torch.Size]:
        """Present all inputs.

        Args:
            given: tensors of shape `batch + event`; their batch shapes broadcast against each
                other, and any may be empty.

        Returns:
            For each input a tensor of shape `(rows,) + event + (width,)`, and the joint batch
            shape, whose members are the rows.

        Raises:
            NetError: a shape does not fit the signature.
        """
        if len(given) != len(self.ports):
            raise NetError(f"the network has {len(self.ports)} inputs, not {len(given)}")
        found = [
            self._checked(entries(value), port, free)
            for entries, value, port, free in zip(
                self.entries, given, self.ports, self.free, strict=True
            )
        ]
        if any(self.free[1:]):
            self._one_length(found)
        counts = [t.dim() - len(p.event) - 1 for t, p in zip(found, self.ports, strict=True)]
        batch = _joint([t.shape[:count] for t, count in zip(found, counts, strict=True)])
        return [_rows(t, count, batch) for t, count in zip(found, counts, strict=True)], batch

    def _checked(self, numbers: Tensor, port: Port, free: bool) -> Tensor:  # noqa: FBT001
        rank = len(port.event)
        event = tuple(numbers.shape[max(numbers.dim() - rank - 1, 0) : numbers.dim() - 1])
        if event[free:] != port.event[free:] or len(event) != rank:
            raise NetError(
                f"`{port}` has event shape {port.event}, but is given values that end in {event}"
            )
        return numbers

    def _one_length(self, found: Sequence[Tensor]) -> None:
        along = zip(found, self.ports, self.free, strict=True)
        lengths = {t.shape[t.dim() - len(p.event) - 1] for t, p, free in along if free}
        if len(lengths) > 1:
            raise NetError(f"sequences of different lengths, {sorted(lengths)}, go together")


def _joint(batches: Sequence[torch.Size]) -> torch.Size:
    if all(batch == batches[0] for batch in batches):
        return batches[0]
    try:
        joint: torch.Size = torch.broadcast_shapes(*batches)
    except RuntimeError:
        shapes = " and ".join(str(tuple(batch)) for batch in batches)
        raise NetError(f"batch shapes {shapes} of the inputs do not agree") from None
    return joint


def _rows(numbers: Tensor, count: int, batch: torch.Size) -> Tensor:
    """The first `count` axes made those of `batch`, and then one."""
    event = numbers.shape[count:]
    if numbers.shape[:count] != batch:
        numbers = numbers.expand(batch + event)
    return numbers if len(batch) == 1 else numbers.reshape((math.prod(batch), *event))
