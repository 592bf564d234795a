"""The left sides of equations: axes, literal steps, and the declared type."""

from __future__ import annotations

from dataclasses import dataclass

from gendsl.diagnostics import Label
from gendsl.semantics.context import Context, Declared
from gendsl.semantics.declared import declared_type
from gendsl.semantics.report import Poisoned
from gendsl.semantics.scope import Declaration, ValueDecl
from gendsl.syntax import ast
from gendsl.types import Size

__all__ = ["LeftSide", "declare", "left_side", "verify_side"]


@dataclass(frozen=True, slots=True)
class LeftSide:
    """The axes of one equation; `step` is set when one of them is a literal step.

    `axes` holds None in the place of the literal step.
    """

    axes: tuple[str | None, ...]
    step: int | None

    @property
    def plates(self) -> frozenset[str]:
        """The axes that vary."""
        return frozenset(a for a in self.axes if a is not None)


def left_side(ctx: Context, target: ast.Target) -> LeftSide:
    """Read the subscripts of a target."""
    axes: list[str | None] = []
    step: int | None = None
    for subscript in target.subscripts:
        match subscript:
            case ast.Name(id=name) if ctx.scope.is_plate(name):
                if name in axes:
                    raise ctx.report.error(
                        "GD112",
                        f"the plate `{name}` stands twice",
                        subscript.span,
                        help="for pairs of members declare a plate of pairs, with an "
                        f"`index({name})` for each side",
                    )
                axes.append(name)
            case ast.NumberExpr(value=int() as value) if step is None:
                axes.append(None)
                step = value
            case _:
                raise _bad_subscript(ctx, subscript, target)
    return LeftSide(tuple(axes), step)


def _bad_subscript(ctx: Context, subscript: ast.Expr, target: ast.Target) -> Poisoned:
    if not isinstance(subscript, ast.Name):
        return ctx.report.error(
            "GD115",
            "the left side lists plates, sequences, and at most one literal step",
            subscript.span,
            help="the general step is written `z[t] ~ ...`, with `z[t-1]` on the right",
        )
    word = subscript.id
    if isinstance(ctx.scope.axes.get(word), ast.DimDecl):
        return ctx.report.error(
            "GD113",
            f"`{word}` is a size of event axes, not a plate",
            subscript.span,
            labels=ctx.scope.label(word, "declared with `dim` here"),
            help=f"write it in the type, `{target.name.id}: real[{word}]`, or declare it with "
            "`plate`",
        )
    kind = ctx.scope.kind(word)
    if kind is not None:
        return ctx.report.error(
            "GD113",
            f"the left side lists plates, and `{word}` is {kind}",
            subscript.span,
            labels=ctx.scope.label(word, "declared here"),
            help="an index stands on the right side: `alpha[county_of]`",
        )
    return ctx.report.unknown(
        "GD114",
        f"no plate is called `{word}`",
        word,
        subscript.span,
        ctx.scope.suggestion(word, ctx.scope.plates()) or f"declare it: `plate {word}`",
    )


def _axes(ctx: Context, declaration: Declaration) -> tuple[str, ...]:
    """The axes of a value, from all its equations."""
    sides = [left_side(ctx, s.target) for s in declaration.statements]
    general = next((s for s in sides if s.step is None), None)
    if general is None:
        raise _no_general(ctx, declaration)
    axes = tuple(a for a in general.axes if a is not None)
    for side, statement in zip(sides, declaration.statements, strict=True):
        verify_side(ctx, declaration, axes, side, statement)
    return axes


def _no_general(ctx: Context, declaration: Declaration) -> Poisoned:
    span = declaration.first.target.span
    sequences = [a for a in ctx.scope.axes if ctx.scope.is_sequence(a)]
    if declaration.keyword in ("input", "param") or not sequences:
        return ctx.report.error(
            "GD115",
            "a number on the left side is a step of a sequence, and there is no sequence here",
            span,
            help="declare `sequence t` and write an equation for `[t]` too",
        )
    name, sequence = declaration.name, sequences[0]
    return ctx.report.error(
        "GD504",
        f"`{name}` has an equation at a literal step only",
        span,
        help=f"add the one for the general step, such as `{declaration.keyword} "
        f"{name}[{sequence}] ...`",
    )


def verify_side(
    ctx: Context,
    declaration: Declaration,
    axes: tuple[str, ...],
    side: LeftSide,
    statement: ValueDecl | ast.Guide,
) -> None:
    """Verify that an equation has the axes of the general one, and steps that exist."""
    same = len(side.axes) == len(axes)
    if not same or any(b not in (a, None) for a, b in zip(axes, side.axes, strict=True)):
        raise ctx.report.error(
            "GD116",
            f"the equations of `{declaration.name}` have different axes",
            statement.target.span,
            labels=(Label(declaration.first.target.span, "compare with this one"),),
            help="write the same plates in the same order, with a number for the step",
        )
    if side.step is None:
        return
    axis = axes[side.axes.index(None)]
    if not ctx.scope.is_sequence(axis):
        raise ctx.report.error(
            "GD315",
            f"`{axis}` is a plate: its members have no order, so it has no steps",
            statement.target.span,
            labels=ctx.scope.label(axis, "declared with `plate` here"),
            help=f"write `sequence {axis}` to give it an order",
        )
    length = ctx.sizes.known(Size.named(axis))
    if length is not None and side.step >= length:
        raise ctx.report.error(
            "GD314",
            f"`{axis}` has {length} steps, numbered from 0: there is no step {side.step}",
            statement.target.span,
            labels=ctx.scope.label(axis, "its length is declared here"),
        )


def declare(ctx: Context, declaration: Declaration) -> Declared:
    """The axes and the declared type of a value."""
    axes = _axes(ctx, declaration)
    typed = [(s, s.type) for s in declaration.statements if s.type is not None]
    name, missing_ok = declaration.name, isinstance(declaration.first, ast.Observe)
    results = [declared_type(ctx, name, t, axes, missing_ok=missing_ok) for _, t in typed]
    if not results:
        return declared_type(ctx, name, None, axes, missing_ok=missing_ok)
    for (_, type_), result in zip(typed[1:], results[1:], strict=True):
        if result != results[0]:
            raise ctx.report.error(
                "GD215",
                f"the equations of `{declaration.name}` declare different types",
                type_.span,
                labels=(Label(typed[0][1].span, "the first one"),),
                help="write the type once, or the same one each time",
            )
    return results[0]
