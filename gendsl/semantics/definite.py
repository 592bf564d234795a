"""Which operations keep matrices positive definite, and which numbers are then positive."""

from __future__ import annotations

from collections.abc import Sequence

from gendsl.ir import nodes as ir
from gendsl.semantics.supports import hull
from gendsl.types import POSITIVE, Structured, Support

__all__ = ["definite"]

MATRICES = ("inverse", "kron", "transpose")
NUMBERS = ("det", "diagonal", "eigenvalues_sym", "trace")
COVARIANCE = Structured("covariance")


def _is_definite(expr: ir.Expr) -> bool:
    support = expr.type.support
    return isinstance(support, Structured) and support.kind in ("covariance", "correlation")


def _is_factor(expr: ir.Expr) -> bool:
    """Whether an operand is definite, or a number that may be added to or multiply one that is."""
    if _is_definite(expr):
        return len(expr.type.event) == 2
    known = hull(expr.type.support)
    return not expr.type.event and known.lower >= 0 and known.upper > 0


def definite(name: str, args: Sequence[ir.Expr]) -> Support | None:
    """The support of a function of positive definite matrices; None where nothing follows.

    Sums and entrywise products of such matrices are positive definite (Horn and Johnson, Matrix
    Analysis, 2013, theorem 7.5.3), and so are those with positive numbers.
    """
    matrices = [a for a in args if a.type.event]
    if not matrices or not _is_definite(matrices[0]):
        return None
    if name in ("add", "mul"):
        return COVARIANCE if all(map(_is_factor, args)) else None
    if name in MATRICES and all(map(_is_definite, matrices)):
        return COVARIANCE
    if name == "quad_form" and len(args[1].type.event) == 1:
        return POSITIVE
    return POSITIVE if name in NUMBERS else None
