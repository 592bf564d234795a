"""How a reference back along a sequence is written."""

from __future__ import annotations

from gendsl.syntax import ast

__all__ = ["lag_of"]


def lag_of(item: ast.Expr) -> tuple[str, int] | None:
    """``t - 1`` as (``t``, 1); ``t + 1`` as (``t``, -1); None if it is no such thing."""
    match item:
        case ast.Chain(
            first=ast.Name(id=name), rest=((("+" | "-") as op, ast.NumberExpr(value=int() as k)),)
        ):
            return name, k if op == "-" else -k
        case _:
            return None
