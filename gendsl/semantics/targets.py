"""The left sides of equations: axes, literal steps, and the declared type."""

from __future__ import annotations

from dataclasses import dataclass

from gendsl.diagnostics import Label
from gendsl.semantics.context import Context, Declared
from gendsl.semantics.declared import declared_type
from gendsl.semantics.report import Poisoned
from gendsl.semantics.scope import Declaration, ValueDecl
from gendsl.syntax import ast

__all__ = ["LeftSide", "declare", "left_side"]


@dataclass(frozen=True, slots=True)
class LeftSide:
    """The axes of one equation; `step` is set when one of them is a literal step.

    `axes` holds None in the place of the literal step.
    """

    axes: tuple[str | None, ...]
    step: int | None


def left_side(ctx: Context, target: ast.Target) -> LeftSide:
    """Read the subscripts of a target."""
    axes: list[str | None] = []
    step: int | None = None
    for subscript in target.subscripts:
        match subscript:
            case ast.Name(id=name) if ctx.scope.is_plate(name):
                if name in axes:
                    raise ctx.report.error(
                        "GD112", f"the plate `{name}` stands twice", subscript.span
                    )
                axes.append(name)
            case ast.NumberExpr(value=int() as value) if step is None:
                axes.append(None)
                step = value
            case _:
                raise _bad_subscript(ctx, subscript, target)
    return LeftSide(tuple(axes), step)


def _bad_subscript(ctx: Context, subscript: ast.Expr, target: ast.Target) -> Poisoned:
    if isinstance(subscript, ast.Name):
        word = subscript.id
        plates = [a for a in ctx.scope.axes if ctx.scope.is_plate(a)]
        if word in ctx.scope.axes:
            return ctx.report.error(
                "GD113",
                f"`{word}` is a size of event axes, not a plate",
                subscript.span,
                labels=ctx.scope.label(word, "declared with `dim` here"),
                help=f"write the type with it: `{target.name.id}: real[{word}]`",
            )
        return ctx.report.error(
            "GD114",
            f"no plate is called `{word}`",
            subscript.span,
            labels=ctx.scope.label(word, f"`{word}` is declared here, but not as a plate"),
            help=ctx.scope.suggestion(word, plates) or f"declare it: `plate {word}`",
        )
    return ctx.report.error(
        "GD115",
        "the left side lists plates, sequences, and at most one literal step",
        subscript.span,
        help="an equation for the general step is written `z[t] ~ ...` with `z[t-1]` on the right",
    )


def _axes(ctx: Context, declaration: Declaration) -> tuple[str, ...]:
    """The axes of a value, from all its equations."""
    sides = [left_side(ctx, s.target) for s in declaration.statements]
    general = [s for s in sides if s.step is None]
    if not general:
        span = declaration.first.target.span
        sequences = [a for a in ctx.scope.axes if ctx.scope.is_sequence(a)]
        if declaration.keyword == "input" or not sequences:
            raise ctx.report.error(
                "GD115", "a literal step stands for a member of a sequence", span,
                help="declare `sequence t` and give an equation for `[t]` too",
            )
        raise ctx.report.error(
            "GD504",
            f"`{declaration.name}` has an equation at a literal step only",
            span,
            help=f"add the general one, such as `{declaration.name}[{sequences[0]}] ~ ...`",
        )
    axes = tuple(a for a in general[0].axes if a is not None)
    for side, statement in zip(sides, declaration.statements, strict=True):
        names = tuple(a if b is None else b for a, b in zip(axes, side.axes, strict=False))
        at = [a for a, b in zip(axes, side.axes, strict=False) if b is None]
        if len(side.axes) != len(axes) or names != axes:
            raise ctx.report.error(
                "GD116",
                f"the equations of `{declaration.name}` have different axes",
                statement.target.span,
                labels=(Label(declaration.first.target.span, "compare with this one"),),
            )
        if at and not ctx.scope.is_sequence(at[0]):
            raise ctx.report.error(
                "GD315",
                f"`{at[0]}` is a plate: its members have no order, so it has no steps",
                statement.target.span,
                labels=ctx.scope.label(at[0], "declare it with `sequence`"),
            )
    return axes


def declare(ctx: Context, declaration: Declaration) -> Declared:
    """The axes and the declared type of a value."""
    axes = _axes(ctx, declaration)
    typed: list[tuple[ValueDecl, ast.TypeExpr]] = [
        (s, s.type) for s in declaration.statements if s.type is not None
    ]
    missing_ok = isinstance(declaration.first, ast.Observe)
    results = [declared_type(ctx, t, axes, missing_ok=missing_ok) for _, t in typed]
    if not results:
        return declared_type(ctx, None, axes, missing_ok=missing_ok)
    for (_, type_), result in zip(typed[1:], results[1:], strict=True):
        if result != results[0]:
            raise ctx.report.error(
                "GD215",
                f"the equations of `{declaration.name}` declare different types",
                type_.span,
                labels=(Label(typed[0][1].span, "the first one"),),
            )
    return results[0]
