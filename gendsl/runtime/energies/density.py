"""The unnormalised log density of a model at any values, from its emitted program.

Chains stand where a program has draws: in front of all plates; and where a block falls apart over
the plate of the rows, each row is a chain of its own as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from gendsl.emit.program import Program
from gendsl.ir import nodes as ir
from gendsl.runtime.objectives import Layout
from gendsl.runtime.program import load_program

__all__ = ["Values", "Weigher"]

Values = Mapping[str, Tensor]
"""Values of random variables, (chains, plates, event) or without the first axis."""


@dataclass
class _Plate:
    """A plate that only says where it stands."""

    run: Weigher
    name: str

    def __enter__(self) -> None:
        self.run.open.append(self.name)

    def __exit__(self, *error: object) -> None:
        self.run.open.pop()


class Weigher:
    """The emitted model as a function from values to log densities.

    Attributes:
        layout: where plates stand.
        depths: the dimension of each plate, counted from the right.
        row_plate: the plate whose members are rows; None if there is none.
        nets: the argument of the networks; None if there is none.
        open: the plates that are open.
    """

    def __init__(
        self,
        program: Program,
        model: ir.Model,
        sizes: Mapping[str, int],
        row_plate: str | None,
        param: Callable[..., Tensor],
    ) -> None:
        """Load the program.

        Args:
            program: what was emitted.
            model: what it was emitted from.
            sizes: of every axis in the data.
            row_plate: the plate whose members are rows.
            param: what stands for `pyro.param`.
        """
        self.depths = dict(program.layout.depths)
        self.layout = Layout(
            program.layout.max_plate_nesting, -self.depths[row_plate] if row_plate else None
        )
        self.row_plate, self.nets = row_plate, program.nets
        self._sizes = dict(sizes)
        self._size_argument = dict(program.sizes).get(row_plate) if row_plate else None
        self.open: list[str] = []
        self._values: Values = {}
        self._found: list[Tensor] = []
        namespace = SimpleNamespace(
            deterministic=_passed,
            factor=self._factor,
            module=_module,
            param=param,
            plate=self._plate,
            sample=self._sample,
        )
        self._model = load_program(program, model, namespace)

    def __call__(self, values: Values, arguments: Mapping[str, Any]) -> Tensor:
        """The log density at `values`, up to the constants of energies.

        Args:
            values: of some random variables.
            arguments: everything else.

        Returns:
            Shape (chains or 1, rows or 1): summed over all other plates. Terms outside the plate
            of the rows are added to each row's.
        """
        self._values, self._found = values, []
        try:
            self._model(**arguments)
            return torch.stack(torch.broadcast_tensors(*self._found)).sum(0)
        finally:
            self._values, self._found = {}, []

    def sizes(self, arguments: Mapping[str, Any]) -> dict[str, int]:
        """The size of every axis, the rows being as many as the arguments say."""
        if self.row_plate is None or self._size_argument is None:
            return self._sizes
        return self._sizes | {self.row_plate: int(arguments[self._size_argument])}

    def _plate(self, name: str, size: int, *, dim: int) -> _Plate:
        del size, dim
        return _Plate(self, name)

    @property
    def _local(self) -> bool:
        return self.row_plate in self.open

    def _factor(self, name: str, value: Tensor) -> None:
        del name
        self._found.append(self.layout.collapse(value, 0, local=self._local))

    def _sample(
        self,
        name: str,
        law: Any,  # noqa: ANN401  Pyro's distributions
        obs: Tensor | None = None,
        infer: object = None,
    ) -> Tensor:
        del infer
        value = self._values.get(name, obs)
        if value is None:
            raise ValueError(f"{name} has no value")
        self._found.append(self.layout.collapse(law.log_prob(value), 0, local=self._local))
        return value


def _passed(name: str, value: Tensor, event_dim: int | None = None) -> Tensor:
    del name, event_dim
    return value


def _module(name: str, module: nn.Module) -> nn.Module:
    del name
    return module
