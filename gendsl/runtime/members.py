"""Plates whose members are variables of their own: how a program is given all their values.

A factor depends on few of the members. They are coloured so that no two of one factor have the
same colour, and the members of one colour take their values along one dimension together: the
program runs as it is, and the table of each factor is cut out of what it returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, product

import networkx as nx
import numpy as np
import torch

from gendsl.runtime.scopes import Scope, Scopes
from gendsl.runtime.tables import Table, spread

__all__ = ["Members", "masks", "member", "shade"]


@dataclass(frozen=True)
class Members:
    """The members of the grounded latents of a program.

    Attributes:
        scopes: which of them factors depend on.
        sites: the site of each latent, by its name.
        colours: of the members of each, (*plates).
    """

    scopes: Scopes
    sites: Mapping[str, str]
    colours: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, scopes: Scopes, sites: Mapping[str, str]) -> Members:
        """Colour the members of each latent."""
        graph = nx.Graph()
        graph.add_nodes_from(range(scopes.count))
        random = [v.name for v in scopes.model.of_role("latent", "observed")]
        found = [scopes.of_variable(n) for n in random]
        found += [scopes.of_energy(k) for k in range(len(scopes.model.energies))]
        for scope in found:
            rows = scope.numbers.reshape(-1, scopes.count)
            for row in np.unique(rows, axis=0):
                graph.add_edges_from(combinations(np.flatnonzero(row).tolist(), 2))
        colours = {}
        for name, plates in scopes.plates.items():
            shape = [scopes.sizes[p] for p in plates]
            first = scopes.first[name]
            own = range(first, first + int(np.prod(shape)))
            painted = nx.greedy_color(graph.subgraph(own))
            colours[name] = np.array([painted[n] for n in own], dtype=int).reshape(shape)
        return cls(scopes, sites, colours)

    def variable(self, site: str) -> str | None:
        """The grounded latent of a site."""
        return next((n for n, s in self.sites.items() if s == site), None)

    def names(self, variable: str) -> list[str]:
        """Those of its members, in the order of their numbers."""
        shape = self.colours[variable].shape
        return [member(variable, place) for place in np.ndindex(*shape)]

    def split(self, label: str, table: Table, step: tuple[int, str] | None = None) -> list[Table]:
        """The tables of single members from that of a site.

        Args:
            label: the site.
            table: with colours among its axes.
            step: that of a literal equation, and its sequence.
        """
        shades = [a for a in table.axes if ":" in a]
        if not shades:
            return [table]
        scope, table = self._scope(label), spread(table)
        names = {a.rpartition(":")[0] for a in shades}
        apart = {p for n in names for p in self.scopes.plates[n]} | {*scope.axes}
        cut = [(p, *_origin(p)) for p in sorted(table.plates)]
        cut = [(p, own, shift) for p, own, shift in cut if own in apart]
        sizes = [self.scopes.sizes[own] - shift for _, own, shift in cut]
        found = []
        for place in product(*map(range, sizes)):
            at = {} if step is None else {step[1]: step[0]}
            at |= {own: k + shift for (_, own, shift), k in zip(cut, place, strict=True)}
            here = self._here(scope, at)
            value, axes = table.value, list(table.axes)
            for (plate, _, _), k in zip(cut, place, strict=True):
                if plate in axes:
                    value = value.select(axes.index(plate), k)
                    axes.remove(plate)
            for shade in shades:
                if shade not in here:
                    value = value.select(axes.index(shade), 0)
                    axes.remove(shade)
            found.append(
                Table(
                    value,
                    tuple(here.get(a, a) for a in axes),
                    table.plates - {p for p, _, _ in cut},
                )
            )
        return found

    def _scope(self, label: str) -> Scope:
        name = label
        if label.startswith("energy "):
            return self.scopes.of_energy(int(label.removeprefix("energy ")) - 1)
        known = {v.name for v in self.scopes.model.variables}
        for end in ("[", " from ", "_missing", "_known"):
            if name not in known:
                name = label.rpartition(end)[0]
        return self.scopes.of_variable(name)

    def _here(self, scope: Scope, at: Mapping[str, int]) -> dict[str, str]:
        """The member that each shade stands for at one place."""
        numbers = scope.numbers
        for axis in range(len(scope.axes) - 1, -1, -1):
            size = numbers.shape[axis]
            name = scope.axes[axis]
            if name in at:
                numbers = np.take(numbers, at[name] if size > 1 else 0, axis=axis)
            else:
                numbers = np.asarray(numbers.any(axis=axis))
        found = {}
        for name, colours in self.colours.items():
            first = self.scopes.first[name]
            own = np.flatnonzero(numbers[first : first + colours.size])
            for number in own.tolist():
                place = tuple(map(int, np.unravel_index(number, colours.shape)))
                found[shade(name, int(colours[place]))] = member(name, place)
        return found


def member(variable: str, place: tuple[int, ...]) -> str:
    """What one member is called among variables that are eliminated."""
    return f"{variable}#{','.join(map(str, place))}"


def shade(variable: str, colour: int) -> str:
    """What the dimension of one colour is called."""
    return f"{variable}:{colour}"


def _origin(plate: str) -> tuple[str, int]:
    """The sequence that a plate of fewer steps belongs to, and its first step."""
    name, _, first = plate.partition(" from ")
    return name, int(first or 0)


def masks(colours: np.ndarray, dims: list[int]) -> list[torch.Tensor]:
    """For each colour, which members have it, the plates at their dimensions from the right."""
    order = sorted(range(len(dims)), key=lambda k: dims[k])
    moved = np.transpose(colours, order)
    shape = [1] * -min(dims, default=0)
    for k in order:
        shape[dims[k]] = colours.shape[k]
    whole = torch.as_tensor(moved.reshape(shape))
    return [whole == c for c in range(int(colours.max(initial=-1)) + 1)]
