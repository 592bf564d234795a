"""Blocks: the variables that energies normalise jointly, and what their constants depend on.

An energy weighs the undirected variables that it mentions, those declared without ``~``; one that
mentions none tilts those of its variables on which no other variable of it depends. Blocks that
share a variable are one. Each is normalised given all else that its energies mention, so that its
constant Z is a function of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gendsl.ir import nodes as ir
from gendsl.ir.traversal import called_nets, children, references, variable_expressions

__all__ = ["Block", "blocks_of", "roots"]

Variables = Mapping[str, ir.Variable]


@dataclass(frozen=True, slots=True)
class Block:
    """Variables that energies normalise jointly.

    Attributes:
        members: the variables, in the order of the model.
        energies: the numbers of the energies, from 0.
        tilted: whether members have laws of their own, which the energies tilt.
        inputs: what Z depends on and the data give: inputs, and observed variables outside.
        params: quantities that are learned as points and that Z depends on.
        nets: functions that are learned as points and that Z depends on.
        latents: latents outside that Z depends on.
        plates: those that every member has and over whose members the block falls apart: nothing
            of it combines them.
    """

    members: tuple[str, ...]
    energies: tuple[int, ...]
    tilted: bool
    inputs: tuple[str, ...]
    params: tuple[str, ...]
    nets: tuple[str, ...]
    latents: tuple[str, ...]
    plates: tuple[str, ...]

    @property
    def learned(self) -> tuple[str, ...]:
        """Everything learned that Z depends on."""
        return (*self.params, *self.nets)


def blocks_of(model: ir.Model) -> tuple[Block, ...]:
    """The blocks of a model, in the order of their first energies.

    Energies that mention no random variable belong to none.
    """
    variables = {v.name: v for v in model.variables}
    owner: dict[str, _Group] = {}
    for number, energy in enumerate(model.energies):
        members = _members(energy, variables)
        if members:
            _own(owner, _Group(members, [number]))
    groups = sorted({id(g): g for g in owner.values()}.values(), key=lambda g: min(g.energies))
    order = {v.name: at for at, v in enumerate(model.variables)}
    return tuple(_block(model, variables, order, group) for group in groups)


@dataclass(slots=True)
class _Group:
    """Variables and the numbers of the energies that mention them."""

    members: set[str]
    energies: list[int]


def _own(owner: dict[str, _Group], group: _Group) -> None:
    """Note a group, merged with those that it shares a variable with."""
    sharing = {id(owner[m]): owner[m] for m in sorted(group.members) if m in owner}
    largest, *others = sorted([*sharing.values(), group], key=lambda g: -len(g.members))
    for other in others:
        owner.update(dict.fromkeys(other.members, largest))
        largest.members |= other.members
        largest.energies += other.energies
    owner.update(dict.fromkeys(group.members, largest))


def roots(exprs: Iterable[ir.Expr], variables: Variables) -> set[str]:
    """The variables that expressions depend on, directly or through lets, which are left out."""
    return {n for n in _mentioned(exprs, variables) if variables[n].role != "let"}


def _mentioned(exprs: Iterable[ir.Expr], variables: Variables) -> set[str]:
    seen: set[str] = set()
    stack = list(references(*exprs))
    while stack:
        name = stack.pop()
        if name not in seen:
            seen.add(name)
            if variables[name].role == "let":
                stack.extend(references(*variable_expressions(variables[name])))
    return seen


def _members(energy: ir.Energy, variables: Variables) -> set[str]:
    random = {n for n in roots([energy.value], variables) if variables[n].random}
    undirected = {n for n in random if not variables[n].equations}
    return undirected or _tilted(random, variables)


def _tilted(random: set[str], variables: Variables) -> set[str]:
    """Those on which no other variable of the energy depends."""
    needed: set[str] = set()
    for name in sorted(random):
        needed |= _ancestors(name, variables) - {name}
    return random - needed


def _ancestors(name: str, variables: Variables) -> set[str]:
    """Everything that a variable depends on, directly or not."""
    seen: set[str] = set()
    stack = [name]
    while stack:
        for parent in references(*variable_expressions(variables[stack.pop()])):
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return seen


def _block(
    model: ir.Model, variables: Variables, order: Mapping[str, int], group: _Group
) -> Block:
    members, numbers = group.members, sorted(group.energies)
    exprs = [model.energies[n].value for n in numbers]
    exprs += [x for m in sorted(members) for x in variable_expressions(variables[m])]
    mentioned = sorted(_mentioned(exprs, variables), key=order.__getitem__)
    lets = [variables[n] for n in mentioned if variables[n].role == "let"]
    everything = [*exprs, *(x for v in lets for x in variable_expressions(v))]

    def outside(*roles: str) -> tuple[str, ...]:
        return tuple(n for n in mentioned if variables[n].role in roles and n not in members)

    return Block(
        members=tuple(sorted(members, key=order.__getitem__)),
        energies=tuple(numbers),
        tilted=any(variables[m].equations for m in members),
        inputs=outside("input", "observed"),
        params=outside("param"),
        nets=called_nets(*everything),
        latents=outside("latent"),
        plates=_apart(model, [variables[m] for m in sorted(members)], everything),
    )


def _apart(
    model: ir.Model, members: Sequence[ir.Variable], exprs: Sequence[ir.Expr]
) -> tuple[str, ...]:
    """The plates over which a block falls apart into blocks of their own."""
    common = set(members[0].axes).intersection(*(m.axes for m in members))
    plates = [a for a in members[0].axes if a in common and model.axis(a).kind == "plate"]
    used: set[str] = set()
    stack = list(exprs) if plates else []
    while stack:
        expr = stack.pop()
        used |= _combined(expr)
        stack += children(expr)
    return tuple(a for a in plates if a not in used)


def _combined(expr: ir.Expr) -> set[str]:
    """The plates whose members an expression combines, by itself."""
    match expr:
        case ir.Reduce(axis=str(axis)) | ir.Gather(axis=str(axis)) | ir.Select(axis=str(axis)):
            return {axis}
        case ir.Collect(plate=plate) | ir.Spread(plate=plate):
            return {plate}
        case ir.Lag(sequence=sequence):
            return {sequence}
    return set()
