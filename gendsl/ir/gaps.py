"""Values that may be missing: which stay so, and where guides use them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from gendsl.ir import nodes as ir
from gendsl.ir.traversal import children, equation_expressions, references, variable_expressions
from gendsl.types import BINARY, ValueType

__all__ = ["Needs", "drawn_where_missing", "factors", "gaps", "mask", "needs", "nets_by_gaps"]

DROPPED = "Product"
"""The law of laws whose factors drop out where what they need is missing."""


def drawn_where_missing(model: ir.Model) -> tuple[str, ...]:
    """The observed variables whose missing values are unknowns: others depend on them."""
    exprs = [x for v in model.variables for x in variable_expressions(v)]
    used = references(*exprs, *(e.value for e in model.energies))
    return tuple(v.name for v in model.of_role("observed") if v.optional and v.name in used)


def gaps(model: ir.Model) -> frozenset[str]:
    """The observed variables of which values may stay missing: nothing depends on them."""
    may = {v.name for v in model.of_role("observed") if v.optional}
    return frozenset(may - set(drawn_where_missing(model)))


def nets_by_gaps(model: ir.Model) -> dict[str, frozenset[int]]:
    """The positions of the arguments of nets that may be missing, for nets that have such."""
    return {n.name: n.optional for n in model.nets if n.optional}


@dataclass
class Needs:
    """What expressions need of values that may be missing.

    Attributes:
        whole: those that have to be known, with the place where.
        partly: those that are given to nets together with a mask, with the place where.
    """

    whole: dict[str, ir.Expr] = field(default_factory=dict)
    partly: dict[str, ir.Expr] = field(default_factory=dict)


def needs(
    exprs: Iterable[ir.Expr],
    missing: frozenset[str],
    model: ir.Model,
) -> Needs:
    """What expressions need of the variables `missing`, through deterministic quantities too."""
    found, seen, nets = Needs(), set[str](), nets_by_gaps(model)
    lets = {v.name: v for v in model.of_role("let")}
    stack = list(exprs)
    while stack:
        expr = stack.pop()
        if isinstance(expr, ir.Reference):
            if expr.name in missing:
                found.whole.setdefault(expr.name, expr)
            elif expr.name in lets and expr.name not in seen:
                seen.add(expr.name)
                for equation in lets[expr.name].equations:
                    stack += equation_expressions(equation)
        elif isinstance(expr, ir.NetCall):
            optional = nets.get(expr.net, frozenset())
            for number, arg in enumerate(expr.args):
                name = _bare(arg)
                if number in optional and name in missing:
                    found.partly.setdefault(name, arg)
                else:
                    stack.append(arg)
        else:
            stack += children(expr)
    return found


def _bare(arg: ir.Expr) -> str:
    """The variable that an argument is, or collects; empty for anything else."""
    inner = arg.value if isinstance(arg, ir.Collect) else arg
    return inner.name if isinstance(inner, ir.Reference) else ""


def mask(arg: ir.Expr, missing: frozenset[str]) -> ir.Expr | None:
    """Which entries of the argument of a net are known, as an expression; None: all of them.

    Emitted programs have the mask of ``x``, of the shape of ``x``, as the variable ``x known``.
    """
    if _bare(arg) not in missing:
        return None
    if isinstance(arg, ir.Collect):
        inner = mask(arg.value, missing)
        assert inner is not None
        return ir.Collect(inner, arg.plate, _truth(arg.type), span=arg.span)
    assert isinstance(arg, ir.Reference)
    return ir.Reference(f"{arg.name} known", _truth(arg.type), span=arg.span)


def _truth(type_: ValueType) -> ValueType:
    return ValueType(type_.plates, type_.event, BINARY)


def factors(distribution: ir.Distribution) -> Iterator[ir.Distribution]:
    """The factors of a product, those of products in it among them; else the law itself."""
    if distribution.name != DROPPED:
        yield distribution
        return
    for part in distribution.parts:
        yield from factors(part)
