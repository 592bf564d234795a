"""Giving a program every value of its discrete latents at once, each along a dimension of its own.

The densities that come back are tables over these values, of which `elimination` sums the latents
out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Any

import torch
from pyro.poutine.messenger import Messenger
from torch import Tensor
from torch.distributions import Independent

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.emit.chains import Chain
from gendsl.emit.sites import sequence_of
from gendsl.graph.elimination import LIMIT
from gendsl.ir import nodes as ir
from gendsl.runtime.members import Members, masks, shade
from gendsl.runtime.plates import DRAWS, is_empty
from gendsl.runtime.program import Executable
from gendsl.runtime.scopes import Scopes
from gendsl.types import Index

__all__ = ["EveryValue", "Listed", "Place", "countable", "every_value", "values_of"]


@dataclass(frozen=True)
class Place:
    """A hidden Markov chain in the tensors of a program.

    Attributes:
        chain: the latent.
        states: how many values it has.
        length: of its sequence.
        depth: of its sequence.
        whole: its values are whole numbers of a category.
    """

    chain: Chain
    states: int
    length: int
    depth: int
    whole: bool


@dataclass(frozen=True)
class Listed:
    """A discrete latent of which a program was given every value.

    Attributes:
        name: the site, and its axis in tables.
        values: each of them, (state, *event).
        plates: those that it stands in.
        sequence: that along which it is a chain.
        before: the axis of its states one step earlier.
        dims: where plates stand in its tensor.
        members: the names of the variables that its members are, if they are.
        grounded: the plates of these, in the order of their numbers.
    """

    name: str
    values: Tensor
    plates: frozenset[str]
    sequence: str | None
    before: str | None
    dims: Mapping[str, int]
    members: tuple[str, ...] = ()
    grounded: tuple[str, ...] = ()


class EveryValue(Messenger):
    """Gives a program every value of its discrete latents.

    Attributes:
        places: its hidden Markov chains.
        batch: how many dimensions plates and draws take.
        steps: for each site of a literal step, the step and its sequence.
        lengths: of sequences.
        given: latents that have their values.
        chains_alone: whether other latents than chains are left as they are.
        members: of latents whose members are variables of their own.
        listed: the latents of the last run, by name.
        axes: what each dimension on the left stands for.
    """

    def __init__(
        self,
        places: tuple[Place, ...],
        batch: int,
        steps: Mapping[str, tuple[int, str]],
        lengths: Mapping[str, int],
        given: frozenset[str] = frozenset(),
        *,
        chains_alone: bool = False,
        members: Members | None = None,
    ) -> None:
        """Nothing has been run yet."""
        super().__init__()
        self.places, self.batch, self.given = places, batch, given
        self.chains_alone, self.members = chains_alone, members
        self.steps, self.lengths = dict(steps), dict(lengths)
        self._chains = {p.chain.name: (p, i) for i, p in enumerate(places)}
        self._before = {p.chain.before: (p, i) for i, p in enumerate(places) if p.chain.before}
        self._reset()

    def _reset(self) -> None:
        self.listed: dict[str, Listed] = {}
        self.axes: dict[int, str] = {}
        self._next = -self.batch - 1 - 2 * len(self.places)
        self._combined = 1

    def __enter__(self) -> EveryValue:
        self._reset()
        super().__enter__()
        return self

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        name = msg["name"]
        if is_empty(msg) or name in self.given:
            return
        if name in self._chains:
            self._chain(msg, *self._chains[name])
        elif name in self._before and self._before[name][0].chain.name in self.listed:
            place, number = self._before[name]
            dim = -self.batch - 2 - 2 * number
            self.axes[dim] = name
            msg["value"] = _along(_states(place), dim)
            msg["is_observed"] = msg["done"] = msg["stop"] = True
        elif not (self.chains_alone or msg["is_observed"]) and countable(msg["fn"]):
            self._list(msg)

    def _chain(self, msg: dict[str, Any], place: Place, number: int) -> None:
        name, dim = place.chain.name, -self.batch - 1 - 2 * number
        value = _along(_states(place), dim)
        if any(s > 0 and label == f"{name}[{s}]" for label, (s, _) in self.steps.items()):
            sizes = [*value.shape]
            sizes[-place.depth] = place.length
            value = value.expand(sizes)  # single steps are picked out of it
        self._note(msg, name, dim, _states(place), place)
        msg["value"] = value
        msg["is_observed"] = msg["done"] = msg["stop"] = True

    def _list(self, msg: dict[str, Any]) -> None:
        """A latent that stands for itself, or each of its members."""
        name, values = msg["name"], values_of(msg["name"], msg["fn"])
        variable = self.members.variable(name) if self.members is not None else None
        if variable is None:
            self._note(msg, name, self._next, values, None)
            msg["value"] = _along(values, self._next, values.dim() - 1)
            self._next -= 1
        else:
            self._note(msg, name, None, values, None)
            msg["value"] = self._each(name, variable, values)
        msg["done"] = True

    def _each(self, name: str, variable: str, values: Tensor) -> Tensor:
        """The values of members, those of one colour along one dimension."""
        assert self.members is not None
        own, event = self.listed[name], values.dim() - 1
        plates = self.members.scopes.plates[variable]
        shades = masks(self.members.colours[variable], [own.dims[p] for p in plates])
        self._combined *= len(values) ** len(shades)
        _verify_size(name, self._combined * self.members.scopes.count)
        found = values[0]
        for colour, mask in enumerate(shades):
            self.axes[self._next] = shade(variable, colour)
            each = _along(values, self._next, event)
            found = torch.where(mask.reshape(*mask.shape, *(1,) * event), each, found)
            self._next -= 1
        names = tuple(self.members.names(variable))
        self.listed[name] = replace(own, members=names, grounded=plates)
        return found

    @property
    def variables(self) -> dict[str, Listed]:
        """What is eliminated: the latents, or their members, by name."""
        found: dict[str, Listed] = {}
        for name, own in self.listed.items():
            if not own.grounded:
                found[name] = own
            rest = own.plates - set(own.grounded)
            found |= {m: replace(own, name=m, plates=rest, members=()) for m in own.members}
        return found

    def _note(
        self, msg: dict[str, Any], name: str, dim: int | None, values: Tensor, place: Place | None
    ) -> None:
        if dim is not None:
            self.axes[dim] = name
        frames = {f.name: f.dim for f in msg["cond_indep_stack"] if f.name != DRAWS}
        sequence = None if place is None else place.chain.sequence
        before = None if place is None else place.chain.before
        self.listed[name] = Listed(name, values, frozenset(frames), sequence, before, frames)


def countable(law: Any) -> bool:  # noqa: ANN401  a distribution
    """Whether a law is of finitely many values that can be listed, or its entries are."""
    while isinstance(law, Independent):
        law = law.base_dist
    return bool(getattr(law, "has_enumerate_support", False))


def _states(place: Place) -> Tensor:
    dtype = torch.long if place.whole else torch.get_default_dtype()
    return torch.arange(place.states).to(dtype) + place.chain.lowest


def _along(values: Tensor, dim: int, event: int = 0) -> Tensor:
    """Values along a batch dimension, their event axes last."""
    own = values.shape[1:] if event else ()
    return values.reshape((values.shape[0],) + (1,) * (-dim - 1) + tuple(own))


def values_of(name: str, law: Any) -> Tensor:  # noqa: ANN401  a distribution
    """All the values of a law, (state, *event): entries of an event take each of theirs."""
    base, event = law, tuple(law.event_shape)
    while event and hasattr(base, "base_dist"):
        base = base.base_dist
    entries: Tensor = base.enumerate_support(expand=False).reshape(-1)
    if not event:
        return entries
    count = torch.Size(event).numel()
    _verify_size(name, len(entries) ** count)
    rows = list(product(entries.tolist(), repeat=count))
    return torch.tensor(rows, dtype=entries.dtype).reshape(-1, *event)


def _verify_size(name: str, entries: int) -> None:
    """Refuse more than `LIMIT` entries.

    Raises:
        DataError: GD834.
    """
    if entries > LIMIT:
        message = (
            f"`{name}` cannot be summed out: its members are tied, and their table has "
            f"{entries:,} entries"
        )
        remedy = f"at most {LIMIT:,} are summed over: give it fewer values or fewer members"
        raise DataError([Diagnostic("GD834", message, help=remedy)])


def every_value(
    executable: Executable,
    given: frozenset[str] = frozenset(),
    *,
    draws: bool = False,
    chains_alone: bool = False,
) -> EveryValue:
    """A handler that gives a program every value of its discrete latents.

    Args:
        executable: the program and its data.
        given: latents whose values are known.
        draws: whether there is a plate of draws left of all others.
        chains_alone: whether other latents than chains are left as they are.
    """
    model, depths = executable.model, executable.program.layout.depths
    places = []
    for chain in executable.program.chains:
        if chain.name in given:
            continue
        variable: ir.Variable = model.variable(chain.name)
        whole = isinstance(variable.type.support, Index)
        length = executable.sizes[chain.sequence]
        states = chain.states.evaluate(executable.sizes)
        places.append(Place(chain, states, length, depths[chain.sequence], whole))
    steps = {}
    for label, step in executable.program.steps:
        sequence = sequence_of(model, model.variable(label.rpartition("[")[0]))
        steps[label] = (step, sequence)
    lengths = executable.sizes
    batch = executable.nesting + draws
    return EveryValue(
        tuple(places),
        batch,
        steps,
        lengths,
        given,
        chains_alone=chains_alone,
        members=None if chains_alone else _members(executable, given),
    )


def _members(executable: Executable, given: frozenset[str]) -> Members | None:
    """The members that are variables of their own; None if there are none."""
    model, program = executable.model, executable.program
    sites = {n: f"{n}_missing" if n in program.imputed else n for n, _ in program.grounded}
    plates = {n: p for n, p in program.grounded if sites[n] not in given}
    if not plates:
        return None
    first, count = {}, 0
    for name, own in plates.items():
        first[name] = count
        count += prod(executable.sizes[p] for p in own)
    named = (*program.inputs, *program.observed)
    data = {
        n: v.cpu().numpy()
        for n, a in named
        if isinstance(v := executable.arguments.get(a), Tensor) and n not in program.imputed
    }
    scopes = Scopes(model, data, first, plates, executable.sizes, count)
    return Members.of(scopes, {n: sites[n] for n in plates})
