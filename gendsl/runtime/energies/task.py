"""A block of energies with its data: what training, sampling and evaluation are computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gendsl.graph.energies import EnergyFacts
from gendsl.ir import nodes as ir
from gendsl.runtime.energies.density import Weigher
from gendsl.runtime.energies.units import Free, free
from gendsl.runtime.variational.learned import Learned
from gendsl.runtime.variational.rows import Rows

__all__ = ["Task"]


@dataclass(frozen=True)
class Task:
    """The density of a block's members given all else.

    Values are laid out as in the emitted program: plates at fixed dimensions from the right,
    chains in front of them. Where the block falls apart over the plate of the rows, each row is a
    problem of its own.

    Attributes:
        weigher: the emitted model as a function of values.
        facts: what is known of the block.
        model: what was emitted.
        rows: the data.
        learned: params and networks.
        names: the argument of each visible variable.
        known: what was found out about the block and is used again.
    """

    weigher: Weigher
    facts: EnergyFacts
    model: ir.Model
    rows: Rows
    learned: Learned
    names: Mapping[str, str]
    known: dict[str, Any] = field(default_factory=dict)

    @property
    def visible(self) -> tuple[str, ...]:
        """The observed variables of the block."""
        return self.facts.visible

    @property
    def conditional(self) -> bool:
        """Whether rows have inputs of their own."""
        arguments = {*self.rows.arrays} - set(self.names.values())
        return bool(arguments)

    def event(self, name: str) -> int:
        """How many event axes a variable has."""
        return len(self.model.variable(name).type.event)

    def arguments(self, batch: Mapping[str, Tensor], rows: int) -> dict[str, Any]:
        """The arguments for the rows of a batch."""
        return self.arguments_of(self.rows.arguments(batch, rows))

    def arguments_of(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments of rows with the networks."""
        return {**given, **self._nets}

    def sized(self, rows: int) -> dict[str, Any]:
        """The arguments of so many rows without data; inputs of rows there must be none."""
        given = self.rows.arguments({}, rows) | self._nets
        return given | {argument: None for argument in self.names.values()}

    @property
    def _nets(self) -> dict[str, Any]:
        name = self.weigher.nets
        return {} if name is None else {name: self.learned.nets}

    def values(self, arguments: Mapping[str, Any]) -> dict[str, Tensor]:
        """The values of the visible variables among arguments."""
        return {n: arguments[self.names[n]] for n in self.visible}

    def shape(self, name: str, arguments: Mapping[str, Any], chains: int = 0) -> tuple[int, ...]:
        """The shape of a variable's values, with so many chains in front of all plates."""
        variable, layout = self.model.variable(name), self.weigher.layout
        sizes = self.weigher.sizes(arguments)
        depths = self.weigher.depths
        plates = [1] * layout.depth
        for axis in variable.axes:
            plates[-depths[axis]] = sizes[axis]
        event = tuple(s.evaluate(dict(sizes)) for s in variable.type.event)
        return (*((chains,) if chains else ()), *plates, *event)

    def entries(self, value: Tensor, name: str) -> Tensor:
        """The sum of entries of a variable's shape for each chain: (chains or 1, rows or 1)."""
        variable = self.model.variable(name)
        local = self.rows.plate is not None and self.rows.plate in variable.axes
        event = len(variable.type.event)
        return self.weigher.layout.collapse(value, event, local=local)

    def free(self, values: Mapping[str, Tensor], arguments: Mapping[str, Any]) -> Free:
        """The log density with the units summed out, ready for a gradient by what is learned."""

        def log_weight(held: Mapping[str, Tensor]) -> Tensor:
            return self.weigher(held, arguments)

        return free(log_weight, self.with_units(values, arguments), self.facts.units, self.entries)

    def log_density(self, values: Mapping[str, Tensor], arguments: Mapping[str, Any]) -> Tensor:
        """The unnormalised log density of the visible variables, (chains or 1, rows or 1).

        It has all derivatives that the energy has, of any order.
        """
        return self.tempered(values, arguments, 1.0)

    def tempered(
        self, values: Mapping[str, Tensor], arguments: Mapping[str, Any], share: float
    ) -> Tensor:
        """The same where the energy counts with a share, before units are summed out."""
        return self.summed(values, arguments, self.facts.units, self._chains(values), share)

    def summed(
        self,
        values: Mapping[str, Tensor],
        arguments: Mapping[str, Any],
        names: tuple[str, ...],
        chains: int,
        share: float = 1.0,
    ) -> Tensor:
        """The log density of `values` where the binary variables `names` are summed out.

        Args:
            values: of all other members.
            arguments: everything else.
            names: those in which the log density is affine together.
            chains: how many stand in front of all plates; 0 for none.
            share: of the energy that counts.
        """
        if not names:
            return share * self.weigher(values, arguments)
        found, odds = self._at_zero(values, arguments, names, chains)
        found = share * found
        for name, each in odds.items():
            found = found + self.entries(softplus(share * each), name)
        return found

    def odds(
        self, values: Mapping[str, Tensor], arguments: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        """The log odds of the units, given visible values."""
        found = self._at_zero(values, arguments, self.facts.units, self._chains(values))
        return {n: o.detach() for n, o in found[1].items()}

    def _at_zero(
        self,
        values: Mapping[str, Tensor],
        arguments: Mapping[str, Any],
        names: tuple[str, ...],
        chains: int,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The log density where `names` are 0, and its derivatives by them: their log odds."""
        with torch.enable_grad():
            zeros = {n: torch.zeros(self.shape(n, arguments, chains)) for n in names}
            units = {n: z.requires_grad_() for n, z in zeros.items()}
            found = self.weigher({**values, **units}, arguments)
            odds = torch.autograd.grad(found.sum(), list(units.values()), create_graph=True)
        return found, dict(zip(units, odds, strict=True))

    def with_units(
        self, values: Mapping[str, Tensor], arguments: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        """Values with zeros for the units, as many as there are chains."""
        lead = self._chains(values)
        units = {n: torch.zeros(self.shape(n, arguments, lead)) for n in self.facts.units}
        return {**values, **units}

    def _chains(self, values: Mapping[str, Tensor]) -> int:
        """The size of the axis in front of all plates, 0 where there is none."""
        for name in self.visible:
            value = values[name]
            if value.ndim == self.weigher.layout.depth + 1 + self.event(name):
                return value.shape[0]
        return 0
