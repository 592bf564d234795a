"""Which models data can be drawn from."""

from __future__ import annotations

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.emit.program import Program
from gendsl.ir import nodes as ir
from gendsl.runtime.rebasing import is_improper

__all__ = ["verify_drawable"]


def verify_drawable(model: ir.Model, program: Program) -> None:
    """Refuse to draw from what has no normalised prior.

    Raises:
        DataError: GD822 for improper priors and steps without a distribution, GD915 for energies.
    """
    wrong = [
        Diagnostic(
            "GD822",
            f"`{v.name}` has an improper prior, so nothing can be drawn from the model",
            v.span,
            help="give it a proper prior, such as Normal(0, 10)",
        )
        for v in model.of_role("latent", "observed")
        if is_improper(v)
    ]
    for name, first in program.windows:
        variable = model.variable(name)
        literal = {e.step for e in variable.equations}
        lacking = [s for s in range(first) if s not in literal]
        if lacking:
            wrong.append(
                Diagnostic(
                    "GD822",
                    f"`{name}` has no distribution at step {lacking[0]}, so nothing can be "
                    "drawn from the model",
                    variable.span,
                    help=f"add a base case: `observe {name}[{lacking[0]}] ~ ...`",
                )
            )
    if model.energies:
        wrong.append(
            Diagnostic(
                "GD915",
                "this model has an energy; this version cannot draw from it without data yet",
                model.energies[0].span,
            )
        )
    if wrong:
        raise DataError(wrong, model.source)
