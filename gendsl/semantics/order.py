"""Which equations need which, and an order in which each comes after what it needs."""

from __future__ import annotations

from collections.abc import Iterator

from gendsl.diagnostics import Label
from gendsl.semantics.lags import lag_of
from gendsl.semantics.report import Report
from gendsl.semantics.scope import Declaration, Scope, ValueDecl
from gendsl.semantics.sorting import sorted_by_need
from gendsl.syntax import ast

__all__ = ["called", "dependency_order"]

SHOWN = 6
"""At most so many members of a circle are named."""


def _parts(expr: ast.Expr) -> tuple[ast.Expr, ...]:
    match expr:
        case ast.Chain(first=first, rest=rest):
            return (first, *(operand for _, operand in rest))
        case ast.Call(arguments=arguments):
            return tuple(a.value for a in arguments)
        case ast.Subscript(value=value, items=items):
            return (value, *(i.value for i in items))
        case ast.Bool(operands=several) | ast.ListExpr(items=several):
            return several
        case ast.Pipe(base=base, stages=stages):
            return (base, *stages)
        case _:
            return _fixed_parts(expr)


def _fixed_parts(expr: ast.Expr) -> tuple[ast.Expr, ...]:
    match expr:
        case ast.Unary(operand=operand):
            return (operand,)
        case ast.Power(base=base, exponent=exponent):
            return base, exponent
        case ast.Compare(left=left, right=right):
            return left, right
        case ast.ConditionalExpr(then=then, condition=condition, otherwise=otherwise):
            return then, condition, otherwise
        case ast.Member(value=value):
            return (value,)
        case _:
            return ()


def _is_lagged(expr: ast.Subscript, scope: Scope) -> bool:
    """Whether a subscript refers to another step; one that cannot is reported when typed."""
    for item in expr.items:
        match item.value:
            case ast.Chain(first=ast.Name(id=name), rest=((op, step), *_)):
                if op in "+-" and scope.is_plate(name) and step != ast.NumberExpr(0, "0"):
                    return True
    return False


def _needed_arguments(expr: ast.Call, scope: Scope, own: str) -> tuple[ast.Expr, ...]:
    """The arguments of a call that are needed at the same step, and in full.

    Left out are those of `lags`, and the variable `own` in the first one of a causal net, through
    which it may reach itself.
    """
    arguments = tuple(a.value for a in expr.arguments)
    if not isinstance(expr.function, ast.Name):
        return arguments
    declared = scope.callables.get(expr.function.id)
    if declared is None and expr.function.id == "lags":
        return ()
    if isinstance(declared, ast.Net) and declared.signature.causal and arguments:
        others = (n for n in _mentions(iter(arguments[:1]), scope) if n.id != own)
        return (*others, *arguments[1:])
    return arguments


def _mentions(exprs: Iterator[ast.Expr], scope: Scope, own: str = "") -> Iterator[ast.Name]:
    """The declared values that `exprs` need at the same step: lagged ones are left out.

    So is the variable `own`, whose equation they stand in, where a causal net reads it.
    """
    stack = list(exprs)
    stack.reverse()
    while stack:
        expr = stack.pop()
        if isinstance(expr, ast.Name):
            if expr.id in scope.values:
                yield expr
        elif isinstance(expr, ast.Subscript) and _is_lagged(expr, scope):
            stack.extend(i.value for i in reversed(expr.items) if lag_of(i.value) is None)
        elif isinstance(expr, ast.Call):
            stack.extend(reversed(_needed_arguments(expr, scope, own)))
            yield from _weights(expr, scope)
        else:
            stack.extend(reversed(_parts(expr)))


def _weights(expr: ast.Call, scope: Scope) -> Iterator[ast.Name]:
    """The weights that are latents of the networks that a call runs, through functions too."""
    if not scope.weights or not isinstance(expr.function, ast.Name):
        return
    waiting, seen = [expr.function.id], set[str]()
    while waiting:
        name = waiting.pop()
        declared = scope.callables.get(name)
        if name in seen or declared is None:
            continue
        seen.add(name)
        yield from (ast.Name(w, span=expr.span) for w in scope.weights.get(name, ()))
        if isinstance(declared, ast.Fn):
            waiting += [n.id for n in called(declared.value)]


def called(expr: ast.Expr) -> Iterator[ast.Name]:
    """The names of what `expr` calls, or hands over as an argument, in the order of the text."""
    stack = [expr]
    while stack:
        inner = stack.pop()
        if isinstance(inner, ast.Name):
            yield inner
        if isinstance(inner, ast.Call):
            stack.extend(reversed(_parts(inner)))
            stack.append(inner.function)
        else:
            stack.extend(reversed(_parts(inner)))


def _right_sides(statement: ValueDecl) -> Iterator[ast.Expr]:
    """The expressions that an equation needs, bounds of its type included."""
    match statement:
        case ast.Latent(distribution=d) if d is not None:
            yield d
        case ast.Observe(distribution=d, value=v):
            yield from (e for e in (d, v) if e is not None)
        case ast.Let(value=value):
            yield value
        case _:
            pass
    if isinstance(statement.type, ast.NamedType) and statement.type.name.id != "index":
        yield from statement.type.arguments


def _needs(declaration: Declaration, scope: Scope) -> dict[str, ast.Name]:
    found: dict[str, ast.Name] = {}
    for statement in declaration.statements:
        for name in _mentions(_right_sides(statement), scope, declaration.name):
            found.setdefault(name.id, name)
    return found


def dependency_order(scope: Scope, report: Report) -> tuple[list[str], set[str]]:
    """The values in dependency order, and those that a circle makes meaningless.

    Values that do not depend on one another keep the order of the text.
    """
    needs = {name: _needs(d, scope) for name, d in scope.values.items()}
    found = sorted_by_need(needs)
    for circle in found.circles:
        _report_circle(circle, needs, scope, report)
    return found.order, found.circular


def _report_circle(
    circle: list[str], needs: dict[str, dict[str, ast.Name]], scope: Scope, report: Report
) -> None:
    pairs = list(zip(circle, [*circle[1:], circle[0]], strict=True))
    if len(circle) == 1:
        message = f"`{circle[0]}` depends on itself"
    else:
        more = ["..."] if len(circle) > SHOWN else []
        path = " -> ".join([*circle[:SHOWN], *more, circle[0]])
        message = f"these quantities depend on one another in a circle: {path}"
    labels = tuple(Label(needs[a][b].span, f"`{a}` needs `{b}`") for a, b in pairs[1:SHOWN])
    first, second = pairs[0]
    sequences = [a for a in scope.axes if scope.is_sequence(a)]
    step = sequences[0] if sequences else "t"
    remedy = "a quantity may refer to itself only at an earlier step of a sequence: "
    remedy += f"`{second}[{step}-1]`"
    if any(isinstance(c, ast.Net) for c in scope.callables.values()):
        remedy += ", or in its own equation through a net declared `-> causal`"
    report.error("GD501", message, needs[first][second].span, labels=labels, help=remedy)
