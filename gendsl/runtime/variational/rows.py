"""Which rows of the data a batch takes, and the arguments of the program for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.inference.batching import obstacle
from gendsl.inference.plan import GuideModel
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import variable_expressions, walk
from gendsl.runtime.data import RowStream
from gendsl.runtime.program import Executable
from gendsl.runtime.training.batches import ArraySource, Batch, Batching, Source

__all__ = ["Rows", "obstacle", "row_plate", "verify_stream"]

ROWS, NUMBERS = 2_000, 300_000
"""Rows, and numbers of the data times draws, that are looked at together after a training."""


def row_plate(model: ir.Model, guide: GuideModel | None, sizes: Mapping[str, int]) -> str | None:
    """The plate whose members are the rows of batches: the largest one with data that can be."""
    observed = {a for v in model.of_role("observed") for a in v.axes}
    able = [
        axis.name
        for axis in model.axes
        if axis.kind == "plate"
        and axis.name in observed
        and sizes[axis.name] > 0
        and not obstacle(model, guide, axis.name)
    ]
    return max(able, key=lambda n: sizes[n], default=None)


def verify_stream(model: ir.Model, guide: GuideModel | None, plate: str) -> None:
    """Refuse rows that are read in batches where something needs all of them.

    Raises:
        DataError: GD870.
    """
    why = obstacle(model, guide, plate)
    exprs = [x for v in model.variables for x in variable_expressions(v)]
    if why is None and any(isinstance(e, ir.Reduce) and e.axis == plate for e in walk(*exprs)):
        why = f"a constant of the data is computed from all members of `{plate}`"
    if why is not None:
        message = f"the rows of `{plate}` cannot be read in batches: {why}"
        remedy = "give all data in memory, such as by `numpy.load`"
        raise DataError([Diagnostic("GD870", message, model.span, help=remedy)], model.source)


@dataclass(frozen=True)
class Rows:
    """The arguments of a program, cut along a plate.

    Attributes:
        plate: whose members are rows; None where all data are one batch.
        arrays: the arguments that have rows, the rows first, by argument.
        axis: where the rows stand in each of them.
        fixed: all other arguments.
        size_argument: the argument that is the number of rows.
        total: the number of rows; 1 without a plate.
        redrawn: arguments of binary data that are drawn anew, by what holds their probabilities.
        stream: reads the arguments that have rows, where they are not in memory.
        called: the arguments, by what they are called in batches of the stream.
    """

    plate: str | None
    arrays: Mapping[str, Tensor]
    axis: Mapping[str, int]
    fixed: Mapping[str, Any]
    size_argument: str | None
    total: int
    redrawn: Mapping[str, str] = field(default_factory=dict)
    stream: RowStream | None = None
    called: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(
        executable: Executable,
        plate: str | None,
        probabilities: Mapping[str, np.ndarray] | None = None,
    ) -> Rows:
        """The rows of a program with its data, some of them binary by `probabilities`."""
        program, model = executable.program, executable.model
        arrays: dict[str, Tensor] = {}
        axis: dict[str, int] = {}
        names = (*program.inputs, *program.observed, *program.known)
        for name, argument in names:
            variable = model.variable(name)
            value = executable.arguments.get(argument)
            if plate is None or plate not in variable.axes or not torch.is_tensor(value):
                continue
            place = variable.axes.index(plate)
            arrays[argument] = value.movedim(place, 0)
            axis[argument] = place
        called: dict[str, str] = {}
        stream = executable.stream
        if stream is not None:
            called = {n: a for n, a in (*program.inputs, *program.observed) if n in stream.names}
            lacking = stream.admission.lacking
            called |= {f"known {n}": a for n, a in program.known if n in lacking}
            axis |= dict.fromkeys(called.values(), 0)
        size = None if plate is None else dict(program.sizes).get(plate)
        fixed = {n: v for n, v in executable.arguments.items() if n not in arrays and n != size}
        total = 1 if plate is None else executable.sizes[plate]
        redrawn: dict[str, str] = {}
        for name, values in (probabilities or {}).items():
            argument = dict(program.observed)[name]
            if argument in arrays:
                place = axis[argument]
                redrawn[argument] = f"probability of {argument}"
                arrays[redrawn[argument]] = torch.as_tensor(values).movedim(place, 0)
        return Rows(plate, arrays, axis, fixed, size, total, redrawn, stream, called)

    def part(self, chosen: np.ndarray) -> Rows:
        """Some of the rows, by increasing numbers; terms are still scaled to all of them."""
        if self.stream is not None:
            return replace(self, stream=self.stream.part(chosen))
        numbers = torch.as_tensor(chosen)
        return replace(self, arrays={n: t[numbers] for n, t in self.arrays.items()})

    def source(self) -> Source:
        """What batches are taken from: probabilities in the place of data that are drawn anew."""
        dtype = torch.get_default_dtype()
        if self.stream is not None:
            return _Renamed(self.stream.open(dtype), self.called)
        arrays = {n: t for n, t in self.arrays.items() if n not in self.redrawn}
        arrays = arrays or {"all": torch.zeros(self.total)}
        return ArraySource(arrays, device=torch.zeros(()).device, dtype=dtype)

    def anew(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A batch with fresh draws of what is drawn anew."""
        found = dict(batch)
        for argument, held in self.redrawn.items():
            found[argument] = torch.bernoulli(found.pop(held))
        return found

    def arguments(self, batch: Mapping[str, Tensor], rows: int) -> dict[str, Any]:
        """The arguments for the rows of a batch."""
        found = dict(self.fixed)
        for name, value in batch.items():
            place = self.axis.get(name)
            if place is not None:
                found[name] = value.movedim(0, place) if place else value
        if self.size_argument is not None:
            found[self.size_argument] = rows
        return found

    def chunks(self, size: int, most: int | None = None) -> Iterator[tuple[dict[str, Any], int]]:
        """Rows in their order, so many at a time: arguments and how many they are.

        With `most` that many at most, evenly spaced. Without a plate there is one piece.
        """
        if self.stream is not None:
            for batch in self.stream.in_order(size, most):
                rows = len(next(iter(batch.values())))
                yield self.arguments({self.called[n]: t for n, t in batch.items()}, rows), rows
            return
        if self.plate is None:
            yield self.arguments(self.arrays, self.total), self.total
            return
        total = len(next(iter(self.arrays.values()))) if self.arrays else self.total
        chosen = None
        if most is not None and most < total:
            chosen, total = torch.linspace(0, total - 1, most).round().long(), most
        for start in range(0, total, size):
            stop = min(total, start + size)
            span = slice(start, stop)
            part = {
                n: t[span] if chosen is None else t[chosen[span].to(t.device)]
                for n, t in self.arrays.items()
            }
            yield self.arguments(part, stop - start), stop - start

    def at_a_time(self, particles: int) -> int:
        """How many rows to look at together with so many draws of each."""
        numbers = sum(t.numel() for t in self.arrays.values()) // self.total
        return max(1, min(ROWS, NUMBERS // (max(1, numbers) * particles)))

    def spaced(self, most: int) -> tuple[dict[str, Any], int]:
        """So many rows at most, evenly spaced: arguments and how many they are."""
        return next(self.chunks(most, most))


class _Renamed:
    """Batches by the names that the program has for them."""

    def __init__(self, source: Source, called: Mapping[str, str]) -> None:
        self._source, self._called = source, called

    @property
    def total(self) -> int:
        return self._source.total

    @property
    def order(self) -> str:
        return self._source.order

    def count(self, batching: Batching) -> int:
        return self._source.count(batching)

    def facts(self) -> dict[str, Any]:
        return self._source.facts()

    def batches(self, batching: Batching, epoch: int, start: int = 0) -> Iterator[Batch]:
        for batch in self._source.batches(batching, epoch, start):
            yield {self._called[name]: tensor for name, tensor in batch.items()}
