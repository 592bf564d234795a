"""Running a tape: its operations on tensors, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from torch import Tensor

from gendsl.runtime.tracing import Argument, Ref, Tape, map_refs

__all__ = ["Both", "evaluator", "runner"]

Both = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Value and gradient at a point."""


def runner(tape: Tape) -> Both:
    """A function that runs the steps of a tape, one tensor operation after the other."""
    table: list[Any] = [None] * (len(tape.steps) + 1)
    program: list[tuple[int, Any, Any, Any]] = []
    for number, step in enumerate(tape.steps, start=1):
        nested = any(isinstance(a, (list, tuple)) and _holds_ref(a) for a in step.args)
        if nested or _holds_ref(step.kwargs):
            program.append((number, step.op, None, (step.args, step.kwargs)))
            continue
        slots = []
        for argument in step.args:
            if isinstance(argument, Ref):
                slots.append(argument.number)
            else:
                slots.append(len(table))
                table.append(argument)
        program.append((number, step.op, _getter(slots), step.kwargs))

    def both(point: Tensor) -> tuple[Tensor, Tensor]:
        values = table.copy()
        values[0] = point

        def at(ref: Ref) -> Argument:
            return values[ref.number]

        for number, op, getter, rest in program:
            if getter is not None:
                values[number] = op(*getter(values), **rest)
            else:
                values[number] = op(*map_refs(rest[0], at), **map_refs(rest[1], at))
        value: Tensor = map_refs(tape.value, at)
        gradient: Tensor = map_refs(tape.gradient, at)
        return value, gradient

    return both


def evaluator(tape: Tape) -> Callable[[Tensor], Tensor]:
    """The value alone."""
    both = runner(tape)
    return lambda point: both(point)[0]


def _holds_ref(value: Argument) -> bool:
    found: list[Ref] = []
    map_refs(value, found.append)
    return bool(found)


def _getter(slots: list[int]) -> Callable[[list[Any]], tuple[Any, ...]]:
    if len(slots) == 1:
        only = slots[0]
        return lambda values: (values[only],)
    return itemgetter(*slots)
