"""What is known of a block of energies: which units can be summed out or drawn together.

A group of binary variables in whose entries together an energy has degree 1 has independent
Bernoulli laws given all else: latents of that kind are summed out of the free energy, and all are
drawn at once by block Gibbs. In real variables a degree of 2 is a normal law.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gendsl.graph.degrees import degree_in
from gendsl.ir import nodes as ir
from gendsl.ir.blocks import Block, blocks_of
from gendsl.ir.traversal import called_nets, equation_expressions
from gendsl.library.architectures import ARCHITECTURES
from gendsl.types import BINARY, REAL, Size

__all__ = ["EnergyFacts", "energies_of"]

SUMS = frozenset({"add", "neg"})
"""Functions whose terms are looked at one by one."""

ROUGH = frozenset({"relu", "leaky_relu"})
"""Activations whose second derivatives are 0 wherever there are any."""


@dataclass(frozen=True, slots=True)
class EnergyFacts:
    """Facts about one block.

    Attributes:
        block: its variables, and what its constant depends on.
        units: binary latents that are summed out together.
        hidden: other latents of the block.
        visible: its observed variables.
        groups: groups of binary variables, each of which is drawn at once given all else; empty
            where some binary variable interacts with itself.
        binary: whether all visible variables are binary.
        real: whether all of them are numbers without bounds.
        quadratic: whether all members are real and the energy is quadratic in them.
        bipartite: whether all visible variables are binary and do not interact given the units.
        bits: over the states of how many binary entries the constant of a member of the row plate
            is a sum, where the text says so and all visible ones are binary.
        unconfined: whether numbers are weighed only by networks, or to the first degree, so that
            nothing is seen that makes Z finite.
        rough: a net without second derivatives that the energy is computed by; empty if none.
    """

    block: Block
    units: tuple[str, ...]
    hidden: tuple[str, ...]
    visible: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    binary: bool
    real: bool
    quadratic: bool
    bipartite: bool
    bits: int | None
    unconfined: bool
    rough: str


def energies_of(model: ir.Model) -> tuple[EnergyFacts, ...]:
    """The facts about every block of a model whose constant depends on something learned."""
    return tuple(_facts(model, block) for block in blocks_of(model) if block.learned)


def _facts(model: ir.Model, block: Block) -> EnergyFacts:
    members = [model.variable(n) for n in block.members]
    binary = [v for v in members if v.type.support == BINARY]
    latent = [v.name for v in members if v.role == "latent"]
    hidden = [v.name for v in binary if v.role == "latent" and not v.equations]
    units = tuple(hidden) if hidden and _degree(model, block, hidden) <= 1 else ()
    visible = [v for v in members if v.role == "observed"]
    all_real = all(v.type.support == REAL for v in members)
    groups = _groups(model, block, [v.name for v in binary], units)
    bipartite = bool(units) and groups[1:] == (tuple(v.name for v in visible),)
    sides = [_bits(model, block, visible)]
    if bipartite:
        sides.append(_bits(model, block, [model.variable(n) for n in units]))
    return EnergyFacts(
        block=block,
        units=units,
        hidden=tuple(n for n in latent if n not in units),
        visible=tuple(v.name for v in visible),
        groups=groups,
        binary=all(v.type.support == BINARY for v in visible),
        real=all(v.type.support == REAL for v in visible),
        quadratic=all_real and _degree(model, block, block.members) <= 2,
        bipartite=bipartite,
        bits=min((s for s in sides if s is not None), default=None),
        unconfined=not block.tilted and all_real and not _confined(model, block),
        rough=_rough(model, block.nets),
    )


def _degree(model: ir.Model, block: Block, names: Iterable[str]) -> float:
    chosen = frozenset(names)
    return max(degree_in(model, model.energies[n].value, chosen) for n in block.energies)


def _groups(
    model: ir.Model, block: Block, names: Sequence[str], units: tuple[str, ...]
) -> tuple[tuple[str, ...], ...]:
    """Groups of binary variables, the units first, that do not interact within."""
    groups: list[list[str]] = [list(units)] if units else []
    for name in names:
        if name in units:
            continue
        if _degree(model, block, (name,)) > 1:
            return ()
        fitting = (g for g in groups if _degree(model, block, (*g, name)) <= 1)
        group = next(fitting, None)
        if group is None:
            groups.append([name])
        else:
            group.append(name)
    return tuple(tuple(g) for g in groups)


def _bits(model: ir.Model, block: Block, visible: Sequence[ir.Variable]) -> int | None:
    total = 0
    for variable in visible:
        if variable.type.support != BINARY:
            return None
        entries = 1
        for axis in variable.axes:
            if axis not in block.plates:
                known = _literal(model, Size.named(axis))
                if known is None:
                    return None
                entries *= known
        for size in variable.type.event:
            known = _literal(model, size)
            if known is None:
                return None
            entries *= known
        total += entries
    return total


def _confined(model: ir.Model, block: Block) -> bool:
    """Whether some term of the energy may make Z finite: not a network, and not of degree 1."""
    members = frozenset(block.members)
    lets = {v.name: v for v in model.of_role("let")}
    stack: list[ir.Expr] = [model.energies[n].value for n in block.energies]
    while stack:
        expr = stack.pop()
        if isinstance(expr, ir.Reference) and expr.name in lets:
            stack += [x for e in lets[expr.name].equations for x in equation_expressions(e)]
        elif isinstance(expr, ir.Apply) and expr.function in SUMS:
            stack += expr.args
        elif isinstance(expr, ir.Reduce) and expr.function == "sum":
            stack.append(expr.value)
        elif degree_in(model, expr, members) >= 2 and not called_nets(expr):
            return True
    return False


def _literal(model: ir.Model, size: Size) -> int | None:
    known = {a.name: a.size.value for a in model.axes if a.size is not None and a.size.value}
    if not size.names <= known.keys():
        return None
    return size.evaluate({n: v for n, v in known.items() if v is not None})


def _rough(model: ir.Model, nets: tuple[str, ...]) -> str:
    for name in nets:
        net = model.net(name)
        spec = ARCHITECTURES.get(net.architecture or "")
        if spec is None:
            continue
        defaults = {o.name: o.default for o in spec.options}
        if (defaults | dict(net.options)).get("activation") in ROUGH:
            return name
    return ""
