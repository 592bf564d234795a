"""Supports that move with an unknown, where no bijection can follow them."""

from __future__ import annotations

from collections.abc import Iterator

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.laws import support_arguments
from gendsl.ir.traversal import references, variable_expressions
from gendsl.semantics.moving import support_expressions, unknowns_behind
from gendsl.semantics.report import Report
from gendsl.semantics.supports import is_discrete

__all__ = ["check"]


def check(model: ir.Model, report: Report) -> None:
    """Refuse params that move at all, and latents that no bijection can follow."""
    for variable in model.of_role("param", "latent"):
        if not is_discrete(variable.type.support):
            for expr, unknown, why in _obstacles(variable, model):
                _refuse(variable, expr, unknown, why, report)
                break


def _obstacles(
    variable: ir.Variable, model: ir.Model
) -> Iterator[tuple[ir.Expr, ir.Variable, str]]:
    """What a support is computed from that it cannot move with: where, what, and why."""
    for expr in support_expressions(variable):
        for unknown in unknowns_behind(model, expr).values():
            if variable.role == "param":
                yield expr, unknown, "and it is learned as a point"
            elif is_discrete(unknown.type.support):
                yield expr, unknown, "which is summed out"
    if not _is_stepped(variable):
        return
    for equation in variable.equations:
        for expr in support_arguments(equation.distribution) if equation.distribution else ():
            for unknown in unknowns_behind(model, expr).values():
                yield expr, unknown, "and differs from step to step"


def _is_stepped(variable: ir.Variable) -> bool:
    """Whether steps of a sequence have laws of their own."""
    recurs = variable.name in references(*variable_expressions(variable))
    return recurs or len(variable.equations) > 1


def _refuse(
    variable: ir.Variable, expr: ir.Expr, unknown: ir.Variable, why: str, report: Report
) -> None:
    report.error(
        "GD910",
        f"the support of `{variable.name}` moves with the unknown `{unknown.name}`, {why}; this "
        "is part of the language, but this version cannot run it yet",
        expr.span,
        labels=(Label(unknown.span, f"`{unknown.name}` is declared here"),),
        help="declare it on (0, 1) and scale it with a `let`",
    )
