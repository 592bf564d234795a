"""Emitted programs as functions: the one place where generated code is executed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyro.distributions as dist
import torch
from pyro.distributions import constraints

from gendsl.emit.program import Program
from gendsl.ir import nodes as ir
from gendsl.runtime import distributions as runtime_distributions
from gendsl.runtime.data import BoundData
from gendsl.runtime.plates import PRIMITIVES
from gendsl.types import Index

__all__ = ["Executable", "executable", "load_program"]


@dataclass(frozen=True)
class Executable:
    """A program with its data: call `function(**arguments)` under Pyro's handlers.

    Attributes:
        program: what was emitted.
        model: what it was emitted from.
        function: the Pyro model.
        arguments: sizes, inputs, observed values and masks of known entries.
        sizes: the size of every axis.
    """

    program: Program
    model: ir.Model
    function: Callable[..., None]
    arguments: Mapping[str, Any]
    sizes: Mapping[str, int]

    @property
    def nesting(self) -> int:
        """How many batch dimensions plates take."""
        return self.program.layout.max_plate_nesting

    def run(self) -> None:
        """Call the model on its data."""
        self.function(**self.arguments)

    def when_recovered(self) -> Executable:
        """The same, with what is computed from latents that are summed out elsewhere."""
        name = self.program.recovered
        if name is None:
            return self
        return replace(self, arguments={**self.arguments, name: True})

    def without(self, names: frozenset[str]) -> Executable:
        """The same, with the observed variables `names` to be drawn instead of given."""
        dropped: dict[str, bool | None] = {a: None for n, a in self.program.observed if n in names}
        for name, argument in self.program.known:
            if name in names:
                dropped[argument] = None if name in self.program.imputed else True
        return Executable(
            self.program, self.model, self.function, {**self.arguments, **dropped}, self.sizes
        )


def load_program(program: Program, model: ir.Model) -> Callable[..., None]:
    """The function `model` of an emitted program.

    Its code positions are those of the model text, so that a traceback names its lines.
    """
    namespace: dict[str, Any] = {
        "math": math,
        "torch": torch,
        "pyro": PRIMITIVES,
        "dist": dist,
        "constraints": constraints,
        "runtime": runtime_distributions,
        "__name__": "gendsl_program",
    }
    exec(compile(program.prelude, "<gendsl prelude>", "exec"), namespace)
    exec(compile(program.tree, model.source.name, "exec"), namespace)
    function: Callable[..., None] = namespace["model"]
    return function


def executable(
    program: Program,
    model: ir.Model,
    bound: BoundData,
    dtype: torch.dtype,
    device: torch.device,
    kept: Mapping[str, torch.Tensor] | None = None,
) -> Executable:
    """A program with its data as tensors; counts become floats, categories stay whole.

    Args:
        program: what was emitted.
        model: what it was emitted from.
        bound: the data.
        dtype: of the tensors.
        device: of the tensors.
        kept: constants of the data of a fit, to predict with; by default those of these data.
    """
    arguments: dict[str, Any] = {a: bound.sizes[n] for n, a in program.sizes}
    for name, argument in (*program.inputs, *program.observed):
        if name not in bound.values:
            continue
        whole = isinstance(model.variable(name).type.support, Index)
        arguments[argument] = torch.as_tensor(
            np.array(bound.values[name]), dtype=torch.int64 if whole else dtype, device=device
        )
    for name, argument in program.known:
        if name in bound.missing:
            known = ~np.asarray(bound.missing[name], dtype=bool)
            arguments[argument] = torch.as_tensor(known, device=device)
    if program.kept is not None:
        arguments[program.kept] = dict(kept or {})
    return Executable(program, model, load_program(program, model), arguments, dict(bound.sizes))
