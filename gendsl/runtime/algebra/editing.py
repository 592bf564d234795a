"""A tape that is being rewritten: steps are appended, and results take the place of others."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor

from gendsl.runtime.contents import step_key
from gendsl.runtime.tracing import Argument, Operation, Ref, Step, Tape, map_refs, pruned

__all__ = ["Editor", "Node"]

aten = torch.ops.aten

Node = Ref | Tensor
"""A result of the tape, or a tensor that does not depend on its input."""

AGREEMENT = 1e-9
"""How well a result must agree with that whose place it takes, at the point of the recording."""


class Editor:
    """The steps of a tape, to which others are added.

    Attributes:
        steps: all operations so far; what an operation refers to stands before it, with the
            exception of results that took the place of others.
        samples: the result of each number at one point.
        notes: what was rewritten, in words.
    """

    def __init__(self, tape: Tape) -> None:
        """Begin with the steps of `tape`."""
        self.tape = tape
        self.steps = list(tape.steps)
        self.samples = list(tape.samples)
        self.notes: list[str] = []
        self._instead: dict[int, Node] = {}
        self._found: dict[Hashable, Ref] = {
            step_key(s.op, s.args, s.kwargs): Ref(n) for n, s in enumerate(tape.steps, start=1)
        }

    def step(self, node: Node) -> Step | None:
        """What computes a result; None for the input and for constants."""
        return self.steps[node.number - 1] if isinstance(node, Ref) and node.number else None

    def sample(self, node: Node) -> Tensor:
        """A node at the point of the recording."""
        return self.samples[node.number] if isinstance(node, Ref) else node

    def emit(self, op: Operation, *args: Argument, **kwargs: Any) -> Node:  # noqa: ANN401
        """The result of one more operation; a constant if nothing in it depends on the input."""
        found: list[Ref] = []
        map_refs((args, kwargs), found.append)

        def at(ref: Ref) -> Tensor:
            return self.samples[ref.number]

        with torch.no_grad():
            if not found:
                result: Tensor = op(*args, **kwargs)
                return result
            key = step_key(op, args, kwargs)
            if key not in self._found:
                self.samples.append(op(*map_refs(args, at), **map_refs(kwargs, at)))
                self.steps.append(Step(op, args, kwargs))
                self._found[key] = Ref(len(self.steps))
        return self._found[key]

    def shape(self, node: Node) -> torch.Size:
        """The shape of a node."""
        return self.sample(node).shape

    def times(self, a: Node | None, b: Node) -> Node:
        """A product; None is 1."""
        return b if a is None else self.emit(aten.mul.Tensor, a, b)

    def plus(self, a: Node | None, b: Node) -> Node:
        """A sum; None is 0."""
        return b if a is None else self.emit(aten.add.Tensor, a, b)

    def reshape(self, node: Node, shape: torch.Size | tuple[int, ...]) -> Node:
        """The same entries in another shape."""
        if self.shape(node) == torch.Size(shape):
            return node
        return self.emit(aten.reshape.default, node, list(shape))

    def replace(self, old: Ref, new: Node, note: str | None) -> bool:
        """Put a result in the place of another, unless the two differ at the recorded point."""
        was, now = self.samples[old.number], self.sample(new)
        itself = isinstance(new, Ref) and self.current(new) == old
        if itself or was.shape != now.shape or was.dtype != now.dtype:
            return False
        scale = float(was.abs().max().clamp(min=1.0)) if was.numel() else 1.0
        if not bool(torch.isfinite(was).all()) or not torch.allclose(
            was, now, rtol=AGREEMENT, atol=AGREEMENT * scale
        ):
            return False
        self._instead[old.number] = new
        if note is not None:
            self.notes.append(note)
        return True

    def current(self, node: Node) -> Node:
        """What stands in the place of a node now."""
        while isinstance(node, Ref) and node.number in self._instead:
            node = self._instead[node.number]
        return node

    def needed(self) -> list[int]:
        """The steps that the value needs now, each after those that it needs."""
        order: list[int] = []
        seen: set[int] = {0}
        value = self.current(self.tape.value)
        waiting = [value.number] if isinstance(value, Ref) else []
        while waiting:
            number = waiting[-1]
            left = [n for n in self._needs(number) if n not in seen]
            if left:
                waiting += left
                continue
            waiting.pop()
            if number not in seen:
                seen.add(number)
                order.append(number)
        return order

    def finished(self) -> Tape:
        """The tape with all replacements, in an order in which it can run."""
        order, value = self.needed(), self.current(self.tape.value)
        renamed: dict[int, Ref] = {0: Ref(0)}
        renamed |= {old: Ref(new) for new, old in enumerate(order, start=1)}

        def rename(ref: Ref) -> Node:
            now = self.current(ref)
            return renamed[now.number] if isinstance(now, Ref) else now

        steps = tuple(
            Step(s.op, map_refs(s.args, rename), map_refs(s.kwargs, rename))
            for s in (self.steps[n - 1] for n in order)
        )
        samples = (self.samples[0], *(self.samples[n] for n in order))
        return pruned(steps, map_refs(value, rename), self.tape.gradient, samples)

    def _needs(self, number: int) -> list[int]:
        if number == 0:
            return []
        found: list[Ref] = []
        step = self.steps[number - 1]
        map_refs((step.args, step.kwargs), found.append)
        now = [self.current(r) for r in found]
        return [n.number for n in now if isinstance(n, Ref)]
