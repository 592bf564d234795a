"""Causal networks entry after entry: what they have computed of earlier ones is kept.

While values are drawn the networks are called once for each entry, with all entries so far. Inside
`stepping` a network that can computes what the newest entry adds, and returns the outputs so far.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from gendsl.runtime.nets.arguments import Arguments, Given
from gendsl.runtime.nets.heads import Heads

__all__ = ["Causal", "Steps", "Stepwise", "order_of", "stepping"]


class Steps:
    """Where a walk over the entries is, and what each call of a network remembers.

    A call is known by its place among the calls of its network at one entry: a law calls its
    networks in the same order at each.

    Attributes:
        number: how many entries are known.
    """

    def __init__(self) -> None:
        self.number = 0
        self._calls: dict[int, int] = {}
        self._memory: dict[tuple[int, int], dict[str, Any]] = {}

    def begin(self, number: int) -> None:
        """Go to the entry after `number` known ones."""
        self.number = number
        self._calls = {}

    def memory(self, net: nn.Module) -> dict[str, Any]:
        """What the next call of a network may keep."""
        call = self._calls.get(id(net), 0)
        self._calls[id(net)] = call + 1
        return self._memory.setdefault((id(net), call), {})


class Causal(nn.Module):
    """A network whose output for an entry depends on earlier entries of its first input.

    Attributes:
        steps: the walk that it takes part in, if any.
        order: the entries of the first input, row-major, in the order in which they depend on one
            another; None for their own order.
    """

    steps: Steps | None = None
    order: Tensor | None

    def __init__(self, order: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("order", order)


class Stepwise(Causal):
    """A causal network along the first axis of its first input, which can go step by step.

    The first input is read one step late.
    """

    arguments: Arguments
    heads: Heads

    def next_outputs(self, inputs: Sequence[Given]) -> Tensor | dict[str, Tensor]:
        """The outputs at the newest step, repeated at all steps: nothing else of them is used."""
        assert self.steps is not None
        memory = self.steps.memory(self)
        first = self.arguments.ports[0]
        each = math.prod(n or 0 for n in first.event[1:])
        step, inner = divmod(self.steps.number, each)
        axes = [-len(port.event) for port in self.arguments.ports]
        length = inputs[0].shape[axes[0]]  # type: ignore[union-attr]
        if inner == 0:
            now = [
                value.narrow(axis, step, 1) if along and isinstance(value, Tensor) else value
                for value, axis, along in zip(inputs, axes, self.arguments.free, strict=True)
            ]
            assert isinstance(inputs[0], Tensor)
            now[0] = inputs[0].narrow(axes[0], max(step - 1, 0), 1)
            found, batch = self.arguments(now)
            features = self.next_features(found, step, length, memory)
            memory["outputs"] = self.heads(features, batch)
        outputs = memory["outputs"]
        if isinstance(outputs, dict):
            ranks = dict(zip(self.heads.names, self.heads.links, strict=True))
            return {
                name: _repeated(value, len(tuple(ranks[name].event)), length)  # type: ignore[arg-type]
                for name, value in outputs.items()
            }
        (link,) = self.heads.links
        return _repeated(outputs, len(tuple(link.event)), length)  # type: ignore[arg-type]

    def next_features(
        self, found: list[Tensor], step: int, length: int, memory: dict[str, Any]
    ) -> Tensor:
        """The features at one step, (rows, 1, width).

        Args:
            found: the inputs as they are presented, with one step each: the first one's is the
                step before, which at step 0 is to be passed over.
            step: the number of the step.
            length: how many there are.
            memory: what earlier steps left.
        """
        raise NotImplementedError


def _repeated(value: Tensor, rank: int, length: int) -> Tensor:
    """One step, along the first of `rank` event axes, at all steps."""
    shape = list(value.shape)
    shape[value.dim() - rank] = length
    return value.expand(shape)


def order_of(nets: Sequence[nn.Module]) -> Tensor | None:
    """The order of the entries, which causal networks of one law have in common."""
    return next((o for o in (getattr(n, "order", None) for n in nets) if o is not None), None)


@contextmanager
def stepping(nets: Sequence[nn.Module]) -> Iterator[Steps]:
    """Let networks remember, while the block runs."""
    steps = Steps()
    able = [n for n in nets if isinstance(n, Causal)]
    for net in able:
        net.steps = steps
    try:
        yield steps
    finally:
        for net in able:
            net.steps = None
