"""The model as a whole: something is random, every latent matters, every step is covered."""

from __future__ import annotations

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import equation_expressions, references, walk
from gendsl.semantics.report import Report

__all__ = ["check"]


def check(model: ir.Model, report: Report) -> None:
    """Report structural mistakes of a model, and latents that nothing observes."""
    if not model.of_role("latent", "observed"):
        report.error(
            "GD507",
            f"the model `{model.name}` declares nothing random",
            model.span,
            help="declare what is observed: `observe y[n] ~ Normal(mu, sigma)`",
        )
        return
    _check_steps(model, report)
    _check_reach(model, report)


def _check_steps(model: ir.Model, report: Report) -> None:
    """A latent or a used let has an equation at every step of its sequence."""
    for variable in model.of_role("latent", "let"):
        literal = {e.step for e in variable.equations if e.step is not None}
        for equation in variable.equations:
            missing = [s for s in range(equation.first) if s not in literal]
            if equation.step is None and missing:
                steps = ", ".join(str(s) for s in missing[:3])
                report.error(
                    "GD508",
                    f"`{variable.name}` has no equation at step {steps}, to which its lags refer",
                    equation.span,
                    labels=(Label(variable.span, "declared here"),),
                    help=f"add a base case: `{variable.name}[{missing[0]}] ...`",
                )


def _check_reach(model: ir.Model, report: Report) -> None:
    """Warn of latents and params that no observation or energy depends on."""
    reached: set[str] = set()
    by_name = {v.name: v for v in model.variables}
    stack = [v.name for v in model.of_role("observed")]
    for energy in model.energies:
        stack.extend(references(energy.value))
    while stack:
        name = stack.pop()
        if name in reached:
            continue
        reached.add(name)
        for equation in by_name[name].equations:
            for expr in walk(*equation_expressions(equation)):
                if isinstance(expr, ir.Reference):
                    stack.append(expr.name)
    for variable in model.of_role("latent", "param"):
        if variable.name not in reached and model.of_role("observed"):
            report.warning(
                "GD509",
                f"no observation depends on the {variable.role} `{variable.name}`: "
                + (
                    "its posterior is its prior"
                    if variable.role == "latent"
                    else "it cannot be learned"
                ),
                variable.span,
            )
