"""Who owns Z: no energy whose normalising constant depends on something unknown goes by."""

from __future__ import annotations

from collections.abc import Mapping

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.blocks import Block, blocks_of, roots
from gendsl.semantics.report import Report

__all__ = ["check"]

Variables = Mapping[str, ir.Variable]


def check(model: ir.Model, report: Report) -> None:
    """Refuse energies that leave log Z to nobody (charter, section 5)."""
    variables = {v.name: v for v in model.variables}
    blocks = blocks_of(model)
    owned = {number for block in blocks for number in block.energies}
    for number, energy in enumerate(model.energies):
        if number not in owned:
            report.error(
                "GD505",
                "this energy mentions no random variable",
                energy.span,
                help="an energy weighs the values of latents and observed variables",
            )
    for block in blocks:
        _check_block(block, model, variables, report)
    _check_undirected(model, {m for b in blocks for m in b.members}, report)


def _check_block(block: Block, model: ir.Model, variables: Variables, report: Report) -> None:
    """Refuse a block whose Z is a function of something inferred: it is doubly intractable.

    Where it is a function of something learned, methods that account for it train it.
    """
    if not block.latents:
        return
    owner = variables[block.latents[0]]
    members = ", ".join(f"`{m}`" for m in sorted(block.members)[:4])
    energies = [model.energies[n] for n in block.energies]
    guilty = [e for e in energies if owner.name in roots([e.value], variables)]
    report.error(
        "GD608",
        f"the normalising constant of this energy depends on `{owner.name}`, which is inferred: "
        "it cannot be left out, and this version cannot compute it",
        (guilty or energies)[0].span,
        labels=(Label(owner.span, f"log Z of {members} is a function of this"),),
        help="make it an input, or a `param`, which is learned by score matching or contrastive "
        "divergence; or use a normalised distribution",
    )


def _check_undirected(model: ir.Model, owned: set[str], report: Report) -> None:
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
