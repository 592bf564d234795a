"""Recursions along sequences that this version cannot run."""

from __future__ import annotations

from gendsl.ir import nodes as ir
from gendsl.ir.traversal import equation_expressions, walk
from gendsl.semantics.report import Report

__all__ = ["check"]


def check(model: ir.Model, report: Report) -> None:
    """Refuse lags and steps of quantities that are not data, once a model."""
    data = {v.name for v in model.of_role("input", "observed")}
    for variable in model.variables:
        for equation in variable.equations:
            if variable.role != "observed" and equation.step is not None:
                _refuse(variable.name, equation, report)
                return
            for expr in walk(*equation_expressions(equation)):
                if not isinstance(expr, ir.Lag):
                    continue
                if not isinstance(expr.value, ir.Reference) or expr.value.name not in data:
                    _refuse(variable.name, expr, report)
                    return


def _refuse(name: str, node: ir.Equation | ir.Expr, report: Report) -> None:
    report.error(
        "GD912",
        f"`{name}` recurs along a sequence of unknown values; this is part of the language, but "
        "this version runs lags of inputs and observed values only",
        node.span,
        help="put lags of the data in its place, such as `y[t-1]`, where the model allows it",
    )
