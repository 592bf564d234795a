"""Which rows of the data a batch takes, and the arguments of the program for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gendsl.inference.plan import GuideModel
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import equation_expressions, references, variable_expressions, walk
from gendsl.runtime.program import Executable

__all__ = ["Rows", "obstacle", "row_plate"]


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


def obstacle(model: ir.Model, guide: GuideModel | None, plate: str) -> str | None:
    """Why the members of a plate cannot be taken in batches; None if they can."""
    if model.axis(plate).size is not None:
        return f"the file itself says how many members `{plate}` has"
    amortised = guide.amortised if guide is not None else frozenset[str]()
    written = {g.name for g in model.guides}
    for variable in model.of_role("latent"):
        if plate in variable.axes and variable.name not in amortised | written:
            return f"`{variable.name}` has parameters for each `{plate}`: it is not amortised"
    for variable in model.of_role("param"):
        if plate in variable.axes:
            return f"the param `{variable.name}` has an entry for each `{plate}`"
    exprs = [x for v in model.variables for x in variable_expressions(v)]
    if guide is not None:
        exprs += [x for v in guide.model.variables for x in variable_expressions(v)]
    exprs += [e.value for e in model.energies]
    learned = _learned(model)
    for expr in walk(*exprs):
        found = _combined(expr, plate)
        if found is not None and not (isinstance(expr, ir.Reduce) and _is_fixed(expr, learned)):
            return f"a quantity {found} members of `{plate}`"
    return None


def _learned(model: ir.Model) -> frozenset[str]:
    """Everything but inputs and what is computed from these alone."""
    found = {v.name for v in model.variables if v.role not in ("input", "let")}
    for variable in model.of_role("let"):
        exprs = [x for e in variable.equations for x in equation_expressions(e)]
        if set(references(*exprs)) & found:
            found.add(variable.name)
    return frozenset(found)


def _is_fixed(expr: ir.Reduce, learned: frozenset[str]) -> bool:
    """Whether a reduction is a constant of the data, which is computed once."""
    return not set(references(expr.value)) & learned and not expr.type.plates


def _combined(expr: ir.Expr, plate: str) -> str | None:
    match expr:
        case ir.Reduce(axis=axis) if axis == plate:
            return "reduces over the"
        case ir.Collect(plate=axis) if axis == plate:
            return "collects the"
        case ir.Gather(axis=axis) | ir.Select(axis=axis) if axis == plate:
            return "picks"
        case ir.Spread(plate=axis) | ir.MemberNumber(plate=axis) if axis == plate:
            return "counts the"
        case ir.SizeNumber(size=size) if plate in size.names:
            return "counts the"
    return None


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
    """

    plate: str | None
    arrays: Mapping[str, Tensor]
    axis: Mapping[str, int]
    fixed: Mapping[str, Any]
    size_argument: str | None
    total: int
    redrawn: Mapping[str, str] = field(default_factory=dict)

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
        return Rows(plate, arrays, axis, fixed, size, total, redrawn)

    def learned_from(self) -> dict[str, Tensor]:
        """What batches are made of: probabilities in the place of data that are drawn anew."""
        return {n: t for n, t in self.arrays.items() if n not in self.redrawn}

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
        if self.plate is None:
            yield self.arguments(self.arrays, self.total), self.total
            return
        arrays, total = dict(self.arrays), self.total
        if most is not None and most < total:
            chosen, total = torch.linspace(0, total - 1, most).round().long(), most
            arrays = {n: t[chosen.to(t.device)] for n, t in arrays.items()}
        for start in range(0, total, size):
            stop = min(total, start + size)
            part = {n: t[start:stop] for n, t in arrays.items()}
            yield self.arguments(part, stop - start), stop - start

    def spaced(self, most: int) -> tuple[dict[str, Any], int]:
        """So many rows at most, evenly spaced: arguments and how many they are."""
        return next(self.chunks(most, most))
