"""Who owns Z: no energy whose normalising constant depends on something unknown goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import called_nets, equation_expressions, references
from gendsl.semantics.report import Report

__all__ = ["check"]

Variables = Mapping[str, ir.Variable]


@dataclass(slots=True)
class _Block:
    """Variables that energies normalise jointly, and what the energies mention."""

    members: set[str]
    mentioned: set[str]
    energies: list[ir.Energy] = field(default_factory=list)

    def merge(self, other: _Block) -> None:
        """Take `other` in."""
        self.members |= other.members
        self.mentioned |= other.mentioned
        self.energies += other.energies


def check(model: ir.Model, report: Report) -> None:
    """Refuse energies that leave log Z to nobody (charter, section 5)."""
    variables = {v.name: v for v in model.variables}
    owner: dict[str, _Block] = {}
    for energy in model.energies:
        block = _block(energy, variables, report)
        if block is not None:
            _own(owner, block)
    for block in {id(b): b for b in owner.values()}.values():
        _check_block(block, model, variables, report)
    _check_undirected(model, owner, report)


def _own(owner: dict[str, _Block], block: _Block) -> None:
    """Note a block, merged with those that it shares a variable with."""
    sharing = {id(owner[m]): owner[m] for m in sorted(block.members) if m in owner}
    largest, *others = sorted(
        [*sharing.values(), block], key=lambda b: len(b.members), reverse=True
    )
    for other in others:
        owner.update(dict.fromkeys(other.members, largest))
        largest.merge(other)
    owner.update(dict.fromkeys(block.members, largest))


def _block(energy: ir.Energy, variables: Variables, report: Report) -> _Block | None:
    """What one energy normalises: the undirected variables in it, else those it tilts."""
    mentioned = _roots([energy.value], variables)
    random = {n for n in mentioned if variables[n].random}
    if not random:
        report.error(
            "GD505",
            "this energy mentions no random variable",
            energy.span,
            help="an energy weighs the values of latents and observed variables",
        )
        return None
    undirected = {n for n in random if not variables[n].equations}
    return _Block(undirected or _tilted(random, variables), mentioned, [energy])


def _mentioned(exprs: list[ir.Expr], variables: Variables) -> set[str]:
    """The variables that expressions depend on, directly or through lets."""
    seen: set[str] = set()
    stack = list(references(*exprs))
    while stack:
        name = stack.pop()
        if name not in seen:
            seen.add(name)
            if variables[name].role == "let":
                stack.extend(references(*_right_sides(variables[name])))
    return seen


def _roots(exprs: list[ir.Expr], variables: Variables) -> set[str]:
    """Those of them that are no lets."""
    return {n for n in _mentioned(exprs, variables) if variables[n].role != "let"}


def _nets(exprs: list[ir.Expr], variables: Variables) -> tuple[str, ...]:
    """The nets that expressions call, directly or through lets."""
    lets = [variables[n] for n in _mentioned(exprs, variables) if variables[n].role == "let"]
    return called_nets(*exprs, *(e for v in lets for e in _right_sides(v)))


def _right_sides(variable: ir.Variable) -> list[ir.Expr]:
    return [e for equation in variable.equations for e in equation_expressions(equation)]


def _ancestors(name: str, variables: Variables) -> set[str]:
    """Everything that a variable depends on, directly or not."""
    seen: set[str] = set()
    stack = [name]
    while stack:
        for parent in references(*_right_sides(variables[stack.pop()])):
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return seen


def _tilted(random: set[str], variables: Variables) -> set[str]:
    """Those on which no other variable of the energy depends."""
    needed: set[str] = set()
    for name in sorted(random):
        needed |= _ancestors(name, variables) - {name}
    return random - needed


def _check_block(block: _Block, model: ir.Model, variables: Variables, report: Report) -> None:
    """Refuse a block whose Z is a function of something learned or inferred."""
    parents = set(block.mentioned)
    exprs = [e.value for e in block.energies]
    for member in block.members:
        exprs += _right_sides(variables[member])
        parents |= _roots(_right_sides(variables[member]), variables)
    parents -= block.members
    owed = [v for n, v in variables.items() if n in parents and v.role in ("param", "latent")]
    nets = [model.net(n) for n in _nets(exprs, variables)]
    owners: list[ir.Variable | ir.Net] = [*owed, *nets]
    owner = next(iter(owners), None)
    if owner is None:
        return
    members = ", ".join(f"`{m}`" for m in sorted(block.members)[:4])
    inferred = isinstance(owner, ir.Variable) and owner.role == "latent"
    kind = "inferred" if inferred else "learned"
    guilty = [
        e
        for e in block.energies
        if owner.name in {*_roots([e.value], variables), *_nets([e.value], variables)}
    ]
    report.error(
        "GD608",
        f"the normalising constant of this energy depends on `{owner.name}`, which is {kind}: "
        "it cannot be left out, and this version cannot compute it",
        (guilty or block.energies)[0].span,
        labels=(Label(owner.span, f"log Z of {members} is a function of this"),),
        help="make it an input, or use a normalised distribution; energies with learned parts "
        "are trained by score matching or contrastive divergence, which a later version brings",
    )


def _check_undirected(model: ir.Model, owned: Mapping[str, _Block], report: Report) -> None:
    for variable in model.of_role("latent", "observed"):
        if variable.equations or variable.name in owned:
            continue
        word = "latent" if variable.role == "latent" else "observe"
        improper = ", or `~ Flat()` for an improper prior" if word == "latent" else ""
        report.error(
            "GD506",
            f"`{variable.name}` has no distribution, and no energy mentions it",
            variable.span,
            help=f"write `{word} {variable.name} ~ ...`{improper}",
        )
