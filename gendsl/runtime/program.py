"""Emitted programs as functions: the one place where generated code is executed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pyro.distributions as dist
import torch
from pyro.distributions import constraints

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.emit.program import Program
from gendsl.ir import nodes as ir
from gendsl.runtime import distributions as runtime_distributions
from gendsl.runtime.data import BoundData, RowStream
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
        stream: rows that are read in batches, which are not among the arguments.
    """

    program: Program
    model: ir.Model
    function: Callable[..., None]
    arguments: Mapping[str, Any]
    sizes: Mapping[str, int]
    stream: RowStream | None = None

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


def load_program(
    program: Program,
    model: ir.Model,
    primitives: SimpleNamespace = PRIMITIVES,
    name: Literal["model", "guide"] = "model",
    wrapped: Mapping[str, Callable[[Callable[..., Any]], Callable[..., Any]]] | None = None,
) -> Callable[..., None]:
    """The function `model` of an emitted program, or its `guide`.

    What stands for `pyro` in it are `primitives`; the helpers of its prelude that are named in
    `wrapped` are replaced by what these make of them. Its code positions are those of the model
    text, so that a traceback names its lines.
    """
    namespace: dict[str, Any] = {
        "math": math,
        "torch": torch,
        "pyro": primitives,
        "dist": dist,
        "constraints": constraints,
        "runtime": runtime_distributions,
        "__name__": "gendsl_program",
    }
    exec(compile(program.prelude, "<gendsl prelude>", "exec"), namespace)
    for helper, wrap in (wrapped or {}).items():
        if helper in namespace:
            namespace[helper] = wrap(namespace[helper])
    tree = program.tree if name == "model" else program.guide
    assert tree is not None
    exec(compile(tree, model.source.name, "exec"), namespace)
    function: Callable[..., None] = namespace[name]
    return function


def executable(
    program: Program,
    model: ir.Model,
    bound: BoundData,
    dtype: torch.dtype,
    device: torch.device,
    kept: Mapping[str, torch.Tensor] | None = None,
    nets: Mapping[str, torch.nn.Module] | None = None,
) -> Executable:
    """A program with its data as tensors; counts become floats, categories stay whole.

    Args:
        program: what was emitted.
        model: what it was emitted from.
        bound: the data.
        dtype: of the tensors.
        device: of the tensors.
        kept: constants of the data of a fit, to predict with; by default those of these data.
        nets: the networks.

    Raises:
        DataError: GD861, the program has networks and none are given.
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
    if program.nets is not None:
        if nets is None:
            raise _untrained(model)
        arguments[program.nets] = dict(nets)
    function = load_program(program, model)
    return Executable(program, model, function, arguments, dict(bound.sizes), bound.stream)


def _untrained(model: ir.Model) -> DataError:
    names = ", ".join(f"`{n.name}`" for n in model.nets)
    message = f"{names} has no weights yet" if len(model.nets) == 1 else f"{names} have no weights"
    remedy = "fit the model first; then `fit.sample` draws from it"
    return DataError([Diagnostic("GD861", message, model.nets[0].span, help=remedy)], model.source)
