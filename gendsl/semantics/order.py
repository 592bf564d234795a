"""Which equations need which, and an order in which each comes after what it needs."""

from __future__ import annotations

from collections.abc import Iterator

from gendsl.diagnostics import Label
from gendsl.semantics.report import Report
from gendsl.semantics.scope import Declaration, Scope, ValueDecl
from gendsl.semantics.subscripts import lag_of
from gendsl.syntax import ast

__all__ = ["dependency_order", "mentions"]


def _parts(expr: ast.Expr) -> tuple[ast.Expr, ...]:
    match expr:
        case ast.NumberExpr() | ast.Name():
            return ()
        case ast.Unary(operand=operand):
            return (operand,)
        case ast.Chain(first=first, rest=rest):
            return (first, *(operand for _, operand in rest))
        case ast.Power(base=base, exponent=exponent):
            return base, exponent
        case ast.Compare(left=left, right=right):
            return left, right
        case ast.Bool(operands=operands):
            return operands
        case ast.ConditionalExpr(then=then, condition=condition, otherwise=otherwise):
            return then, condition, otherwise
        case ast.ListExpr(items=items):
            return items
        case ast.Call(arguments=arguments):
            if expr.function == ast.Name("lags"):
                return ()
            return tuple(a.value for a in arguments)
        case ast.Subscript(value=value, items=items):
            return (value, *(i.value for i in items))
        case ast.Member(value=value):
            return (value,)
        case ast.Pipe(base=base, stages=stages):
            return (base, *stages)


def _is_lagged(expr: ast.Subscript, scope: Scope) -> bool:
    for item in expr.items:
        lag = lag_of(item.value)
        if lag is not None and lag[1] > 0 and scope.is_sequence(lag[0]):
            return True
    return False


def _is_causal(expr: ast.Call, scope: Scope) -> bool:
    """Whether a call is of a net through which its first argument may reach itself."""
    net = scope.callables.get(expr.function.id) if isinstance(expr.function, ast.Name) else None
    return isinstance(net, ast.Net) and net.signature.causal


def mentions(exprs: Iterator[ast.Expr], scope: Scope) -> Iterator[ast.Name]:
    """The declared values that `exprs` need at the same step: lagged ones are left out."""
    stack = list(exprs)
    while stack:
        expr = stack.pop()
        if isinstance(expr, ast.Name) and expr.id in scope.values:
            yield expr
        if isinstance(expr, ast.Subscript) and _is_lagged(expr, scope):
            stack.extend(i.value for i in expr.items if lag_of(i.value) is None)
            continue
        if isinstance(expr, ast.Call) and _is_causal(expr, scope):
            stack.extend(a.value for a in expr.arguments[1:])
            continue
        stack.extend(_parts(expr))


def right_sides(statement: ValueDecl) -> Iterator[ast.Expr]:
    """The expressions that an equation needs, bounds of its type included."""
    match statement:
        case ast.Param(initial=initial) if initial is not None:
            yield initial
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
        for name in mentions(right_sides(statement), scope):
            found.setdefault(name.id, name)
    return found


def dependency_order(scope: Scope, report: Report) -> tuple[list[str], set[str]]:
    """The values in dependency order, and those that a cycle makes meaningless.

    Values that do not depend on one another keep the order of the text.
    """
    needs = {name: _needs(d, scope) for name, d in scope.values.items()}
    order: list[str] = []
    state: dict[str, int] = {}
    broken: set[str] = set()
    for root in scope.values:
        path: list[tuple[str, Iterator[str]]] = []
        if root not in state:
            state[root] = 1
            path.append((root, iter(needs[root])))
        while path:
            name, rest = path[-1]
            step = next(rest, None)
            if step is None:
                state[name] = 2
                order.append(name)
                path.pop()
            elif state.get(step) == 1:
                names = [n for n, _ in path]
                cycle = names[names.index(step) :]
                if not broken & set(cycle):
                    _report_cycle(cycle, needs, scope, report)
                broken |= set(cycle)
            elif step not in state:
                state[step] = 1
                path.append((step, iter(needs[step])))
    return order, broken


def _report_cycle(
    cycle: list[str], needs: dict[str, dict[str, ast.Name]], scope: Scope, report: Report
) -> None:
    where = [needs[a][b] for a, b in zip(cycle, [*cycle[1:], cycle[0]], strict=True)]
    path = " -> ".join([*cycle, cycle[0]])
    if len(cycle) == 1:
        message = f"`{cycle[0]}` depends on itself"
    else:
        message = f"these quantities depend on one another in a circle: {path}"
    labels = tuple(
        Label(name.span, f"`{owner}` needs `{name.id}`")
        for owner, name in zip(cycle[1:], where[1:], strict=True)
    )
    report.error(
        "GD501",
        message,
        where[0].span,
        labels=labels,
        help="a circle is legal only through a lag of a sequence, such as `z[t-1]`",
    )
