"""Who owns Z: no energy whose normalising constant depends on something unknown goes by."""

from __future__ import annotations

from dataclasses import dataclass

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import equation_expressions, references
from gendsl.semantics.report import Report

__all__ = ["check"]


@dataclass(frozen=True, slots=True)
class _Block:
    """Variables that energies normalise jointly, and what their Z depends on."""

    members: frozenset[str]
    mentioned: frozenset[str]
    energies: tuple[ir.Energy, ...]


def check(model: ir.Model, report: Report) -> None:
    """Refuse energies that leave log Z to nobody (charter, section 5)."""
    by_name = {v.name: v for v in model.variables}
    depends = _dependencies(model)
    blocks: list[_Block] = []
    for energy in model.energies:
        names = _roots(energy.value, by_name)
        random = {n for n in names if by_name[n].random}
        if not random:
            report.error(
                "GD505",
                "this energy mentions no random variable",
                energy.span,
                help="an energy weighs the values of latents and observed variables",
            )
            continue
        undirected = {n for n in random if not by_name[n].equations}
        members = undirected or _tilted(random, depends)
        blocks.append(_Block(frozenset(members), frozenset(names), (energy,)))
    for block in _merged(blocks):
        _check_block(block, by_name, depends, report)
    _check_undirected(model, blocks, report)


def _roots(expr: ir.Expr, by_name: dict[str, ir.Variable]) -> set[str]:
    """The variables other than lets that an expression depends on."""
    found: set[str] = set()
    seen: set[str] = set()
    stack = list(references(expr))
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        if by_name[name].role == "let":
            for equation in by_name[name].equations:
                stack.extend(references(*equation_expressions(equation)))
        else:
            found.add(name)
    return found


def _dependencies(model: ir.Model) -> dict[str, set[str]]:
    """For each variable, everything its own equations depend on, directly or not."""
    by_name = {v.name: v for v in model.variables}
    below: dict[str, set[str]] = {}
    for variable in model.variables:
        direct: set[str] = set()
        for equation in variable.equations:
            for expr in equation_expressions(equation):
                direct |= _roots(expr, by_name)
        direct.discard(variable.name)
        below[variable.name] = direct.union(*(below.get(n, set()) for n in direct))
    return below


def _tilted(random: set[str], depends: dict[str, set[str]]) -> set[str]:
    """Those on which no other variable of the energy depends."""
    return {n for n in random if not any(n in depends[m] for m in random if m != n)}


def _merged(blocks: list[_Block]) -> list[_Block]:
    merged: list[_Block] = []
    for block in blocks:
        apart = []
        for other in merged:
            if other.members & block.members:
                block = _Block(
                    other.members | block.members,
                    other.mentioned | block.mentioned,
                    other.energies + block.energies,
                )
            else:
                apart.append(other)
        merged = [*apart, block]
    return merged


def _check_block(
    block: _Block,
    by_name: dict[str, ir.Variable],
    depends: dict[str, set[str]],
    report: Report,
) -> None:
    parents = (block.mentioned | set().union(*(depends[m] for m in block.members))) - block.members
    owed = [n for n in by_name if n in parents and by_name[n].role in ("param", "latent")]
    if not owed:
        return
    energy = block.energies[0]
    members = ", ".join(f"`{m}`" for m in sorted(block.members))
    owner = by_name[owed[0]]
    kind = "learned" if owner.role == "param" else "inferred"
    report.error(
        "GD608",
        f"the normalising constant of this energy depends on `{owner.name}`, which is {kind}: "
        "it cannot be left out, and this version cannot compute it",
        energy.span,
        labels=(Label(owner.span, f"log Z of the block of {members} is a function of this"),),
        help="an energy with learned parts is trained by score matching or contrastive divergence, "
        "which a later version brings; until then make it an input, or use a normalised "
        "distribution",
    )


def _check_undirected(model: ir.Model, blocks: list[_Block], report: Report) -> None:
    owned = frozenset().union(*(b.members for b in blocks))
    for variable in model.of_role("latent", "observed"):
        if not variable.equations and variable.name not in owned:
            word = "latent" if variable.role == "latent" else "observe"
            report.error(
                "GD506",
                f"`{variable.name}` has no distribution, and no energy mentions it",
                variable.span,
                help=f"write `{word} {variable.name} ~ ...`, or `~ Flat()` for an improper prior",
            )
