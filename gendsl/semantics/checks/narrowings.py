"""Every narrowing by a declared type can be accounted for."""

from __future__ import annotations

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.semantics.narrowing import narrowing
from gendsl.semantics.report import Report
from gendsl.types import Structured

__all__ = ["check"]

NULL_SETS = {
    "zero_sum": ("is zero", "for centred effects write `let c = a - mean(a)`, or `~ Flat()`"),
    "unit_vector": ("is zero", "write `~ Flat()`, which is uniform on the sphere"),
    "angle": (
        "has no meaning: a line is not a circle",
        "use `VonMises(loc, concentration)`, or `~ Flat()`",
    ),
}
"""Types to which no density on the reals can be narrowed: why, and what to write instead."""


def check(model: ir.Model, report: Report) -> None:
    """Refuse narrowings whose probability depends on something unknown and has no formula."""
    for variable in model.of_role("latent", "observed"):
        for equation in variable.equations:
            if equation.distribution is not None:
                _check_equation(variable, equation.distribution, report)


def _check_equation(variable: ir.Variable, dist: ir.Distribution, report: Report) -> None:
    kind = narrowing(variable, dist)
    declared = variable.type.support
    if kind.entry == "constant":
        report.warning(
            "GD406",
            f"the density of `{variable.name}` is known up to a constant only: the probability "
            f"that a draw of {dist.name} is {declared} has no formula here",
            dist.span,
            labels=(Label(variable.span, "conditioned on this type"),),
            help="inference is not affected; `log_density` is up to that constant",
        )
    if kind.entry != "refused":
        return
    remedy = "use a distribution on that type, or make its parameters numbers"
    why = "cannot be computed here, and depends on its parameters"
    if isinstance(declared, Structured) and declared.kind in NULL_SETS:
        why, remedy = NULL_SETS[declared.kind]
    law = "a distribution pushed through `|>`" if dist.name == "Pipe" else dist.name
    report.error(
        "GD405",
        f"`{variable.name}` is narrowed to {declared}, and the probability of that under "
        f"{law} {why}",
        dist.span,
        labels=(Label(variable.span, "the narrower type is declared here"),),
        help=remedy,
    )
