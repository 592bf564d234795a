"""The shape rules of functions that have one of their own."""

from __future__ import annotations

from collections.abc import Callable

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.library.functions import FUNCTIONS
from gendsl.semantics.context import Context
from gendsl.semantics.definite import definite
from gendsl.semantics.report import Poisoned
from gendsl.semantics.structural import STRUCTURAL, structural
from gendsl.semantics.supports import hull
from gendsl.source import Span
from gendsl.types import Index, Size, Support, ValueType, describe_event

__all__ = ["STRUCTURAL", "shaped", "structural"]

Event = tuple[Size, ...]


def shaped(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> ir.Expr:
    """A linear-algebra function of typed arguments."""
    for arg in args:
        if isinstance(arg.type.support, Index):
            raise ctx.report.error(
                "GD210",
                f"`{arg.type.support}` is a category: it has no arithmetic",
                arg.span,
                labels=ctx.label(arg, "declared here"),
            )
    event = RULES[name](ctx, name, args, span)
    plates = frozenset[str]().union(*(a.type.plates for a in args))
    return ir.Apply(name, args, ValueType(plates, event, _support(name, args)), span=span)


def _support(name: str, args: tuple[ir.Expr, ...]) -> Support:
    hulls = [hull(a.type.support) for a in args]
    known = definite(name, args)
    if known is not None:
        return known
    if name == "argsort":
        return Index(args[0].type.event[0])
    if name in ("matmul", "dot"):
        return FUNCTIONS["sum"].range([hull(FUNCTIONS["mul"].range(hulls))])
    return FUNCTIONS[name].range(hulls)


def _mismatch(
    ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span, why: str
) -> Poisoned:
    shapes = " and ".join(describe_event(a.type.event) or "a scalar" for a in args)
    labels: list[Label] = []
    for arg in args:
        if isinstance(arg, ir.Reference):
            shape = describe_event(arg.type.event) or "a scalar"
            labels += ctx.label(arg, f"`{arg.name}` is {shape}")
    shown = {"matmul": "@"}.get(name, name)
    return ctx.report.error(
        "GD302",
        f"`{shown}` cannot take {shapes}: {why}",
        span,
        labels=tuple(labels),
        help=_matmul_remedy(ctx, args) if name == "matmul" else None,
    )


def _matmul_remedy(ctx: Context, args: tuple[ir.Expr, ...]) -> str:
    left, right = args
    if not left.type.event or not right.type.event:
        return "to multiply by a number write `*`"
    if ctx.sizes.agree(right.type.event[-1], left.type.event[0]):
        names = [a.name if isinstance(a, ir.Reference) else "(...)" for a in (right, left)]
        return f"the sizes agree the other way round: `{' @ '.join(names)}`"
    if len(left.type.event) == 2 and ctx.sizes.agree(left.type.event[0], right.type.event[0]):
        return "the sizes agree for `transpose(...)` of the left side"
    return "the last size of the left side and the first of the right side are to be the same"


def _matmul(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    a, b = args[0].type.event, args[1].type.event
    if not 1 <= len(a) <= 2 or not 1 <= len(b) <= 2:
        raise _mismatch(ctx, name, args, span, "it multiplies vectors and matrices")
    if not ctx.sizes.agree(a[-1], b[0]):
        raise _mismatch(ctx, name, args, span, f"{a[-1]} and {b[0]} differ")
    return a[:-1] + b[1:]


def _vectors(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> tuple[Size, Size]:
    a, b = args[0].type.event, args[1].type.event
    if len(a) != 1 or len(b) != 1:
        raise _mismatch(ctx, name, args, span, "it takes two vectors")
    return a[0], b[0]


def _dot(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    a, b = _vectors(ctx, name, args, span)
    if not ctx.sizes.agree(a, b):
        raise _mismatch(ctx, name, args, span, f"{a} and {b} differ")
    return ()


def _outer(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    return _vectors(ctx, name, args, span)


def _transpose(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    event = args[0].type.event
    if len(event) != 2:
        raise _mismatch(ctx, name, args, span, "it takes a matrix")
    return event[1], event[0]


def _square(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    event = args[0].type.event
    if len(event) != 2 or not ctx.sizes.agree(event[0], event[1]):
        raise _mismatch(ctx, name, args, span, "it takes a square matrix")
    return event


def _scalar_of_square(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    _square(ctx, name, args, span)
    return ()


def _solve(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    event = args[0].type.event
    if len(event) != 2 or not ctx.sizes.agree(event[0], event[1]):
        raise _mismatch(ctx, name, args, span, "the first is to be a square matrix")
    right = args[1].type.event
    if not 1 <= len(right) <= 2 or not ctx.sizes.agree(event[1], right[0]):
        raise _mismatch(ctx, name, args, span, "the right side must have as many rows")
    return right


def _diag(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    event = args[0].type.event
    if len(event) != 1:
        raise _mismatch(ctx, name, args, span, "it takes a vector and gives a diagonal matrix")
    return event[0], event[0]


def _concat(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    total, rest = Size(()), args[0].type.event[1:]
    for arg in args:
        event = arg.type.event
        if len(event) != len(rest) + 1 or not ctx.agree(event[1:], rest):
            raise _mismatch(ctx, name, args, span, "all but the first axis must agree")
        total = total + event[0]
    return (total, *rest)


def _vector(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    event = args[0].type.event
    if len(event) != 1:
        raise _mismatch(ctx, name, args, span, "it takes a vector")
    return event


def _scalar_of_vector(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    _vector(ctx, name, args, span)
    return ()


def _diagonal(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    return _square(ctx, name, args, span)[:1]


def _one_more(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    (size,) = _vector(ctx, name, args, span)
    return (size + Size.of(1),)


def _quad_form(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    return _solve(ctx, name, args, span)[1:] * 2


def _kron(ctx: Context, name: str, args: tuple[ir.Expr, ...], span: Span) -> Event:
    a, b = args[0].type.event, args[1].type.event
    if len(a) != len(b) or not 1 <= len(a) <= 2:
        raise _mismatch(ctx, name, args, span, "it takes two matrices, or two vectors")
    return tuple(x * y for x, y in zip(a, b, strict=True))


Rule = Callable[[Context, str, tuple[ir.Expr, ...], Span], Event]
RULES: dict[str, Rule] = {
    "matmul": _matmul,
    "dot": _dot,
    "outer": _outer,
    "transpose": _transpose,
    "diag": _diag,
    "cholesky": _square,
    "inverse": _square,
    "solve": _solve,
    "solve_triangular": _solve,
    "quad_form": _quad_form,
    "eigenvalues_sym": _diagonal,
    "eigenvectors_sym": _square,
    "diagonal": _diagonal,
    "kron": _kron,
    "norm": _scalar_of_vector,
    "stick_breaking": _one_more,
    "argsort": _vector,
    "det": _scalar_of_square,
    "logdet": _scalar_of_square,
    "trace": _scalar_of_square,
    "concat": _concat,
}
"""Event shape of the result; every `Kind.SHAPED` record but the structural ones has a rule."""
