"""Every narrowing by a declared type can be accounted for."""

from __future__ import annotations

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.semantics.narrowing import narrowing
from gendsl.semantics.report import Report

__all__ = ["check"]


def check(model: ir.Model, report: Report) -> None:
    """Refuse narrowings whose probability depends on something unknown and has no formula."""
    for variable in model.of_role("latent", "observed"):
        for equation in variable.equations:
            dist = equation.distribution
            if dist is None:
                continue
            kind = narrowing(variable, dist)
            if kind.entry == "refused":
                report.error(
                    "GD405",
                    f"`{variable.name}` is narrowed to {variable.type.support}, and the "
                    f"probability of that under {dist.name} cannot be computed here",
                    dist.span,
                    labels=(Label(variable.span, "the narrower type is declared here"),),
                    help="use a distribution on that type, or make its parameters constants",
                )
            elif kind.entry == "constant":
                report.warning(
                    "GD406",
                    f"the density of `{variable.name}` is known up to a constant only",
                    dist.span,
                    labels=(Label(variable.span, "conditioned on this type"),),
                    help="inference is not affected; `log_density` is up to that constant",
                )
            _check_bounds(variable, report)


def _check_bounds(variable: ir.Variable, report: Report) -> None:
    """Bounds of a latent that move with another unknown are not run yet."""
    if variable.role != "latent":
        return
    for bound in (variable.lower, variable.upper):
        if bound is not None:
            report.error(
                "GD910",
                f"the type of `{variable.name}` has a bound that depends on other quantities; "
                "this is part of the language, but this version cannot run it yet",
                bound.span,
                help="declare the unknown on (0, 1) and scale it with a `let`",
            )
