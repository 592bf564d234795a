"""Text to a checked model: parse, lower, check.

Imports no torch, numpy or networkx: this is what an editor and ``gendsl check`` load.
"""

from __future__ import annotations

from dataclasses import dataclass

from gendsl.diagnostics import CompileError, Diagnostic
from gendsl.ir import nodes as ir
from gendsl.semantics.checks import CHECKS
from gendsl.semantics.lower import lower
from gendsl.semantics.report import Report
from gendsl.source import Source
from gendsl.syntax.parser import parse_with_warnings

__all__ = ["CheckedModel", "check"]


@dataclass(frozen=True, slots=True)
class CheckedModel:
    """A model in which every name, plate, shape and support has been checked."""

    ir: ir.Model
    warnings: tuple[Diagnostic, ...]


def check(source: Source) -> CheckedModel:
    """Parse, lower and check a model text.

    Raises:
        CompileError: with every independent mistake of the first stage that has one.
    """
    program, warnings = parse_with_warnings(source)
    report = Report(warnings)
    model = lower(program, report)
    if model is not None:
        for rule in CHECKS:
            rule(model, report)
    if model is None or report.failed:
        raise CompileError(report.in_order(), source)
    return CheckedModel(model, report.in_order())
