"""Recursions along sequences that this version cannot run."""

from __future__ import annotations

from gendsl.ir import nodes as ir
from gendsl.ir.traversal import equation_expressions, walk
from gendsl.semantics.report import Report

__all__ = ["check"]


def check(model: ir.Model, report: Report) -> None:
    """Refuse lags and steps of quantities that are not data, once a model."""
    for variable in model.variables:
        for equation in variable.equations:
            if variable.role != "observed" and equation.step is not None:
                _refuse(variable, equation, report)
                return
            for expr in walk(*equation_expressions(equation)):
                if isinstance(expr, ir.Lag) and not _is_data(model, expr.value):
                    _refuse(variable, expr, report)
                    return


def _is_data(model: ir.Model, expr: ir.Expr) -> bool:
    return isinstance(expr, ir.Reference) and model.variable(expr.name).role in (
        "input",
        "observed",
    )


def _refuse(variable: ir.Variable, node: ir.Equation | ir.Expr, report: Report) -> None:
    report.error(
        "GD912",
        f"`{variable.name}` recurs along a sequence; this is part of the language, but this "
        "version runs lags of data only",
        node.span,
    )
