"""What one distribution asks of its parameters: sizes of their own axes, and supports."""

from __future__ import annotations

from dataclasses import replace

from gendsl.ir import nodes as ir
from gendsl.library.distributions.spec import DistributionSpec, Parameter
from gendsl.semantics.context import Context
from gendsl.semantics.supports import fits, hull
from gendsl.types import Index, Interval, Size, Structured, Support

__all__ = ["Typed", "axis_sizes", "entry_total", "meets", "own_shapes", "own_sizes", "required"]

Typed = list[tuple[Parameter, ir.Expr]]


def own_shapes(typed: Typed) -> dict[str, tuple[Size, ...]]:
    """The sizes of the parameters' own event axes; those given as scalars have none."""
    return {
        p.name: a.type.event[len(a.type.event) - p.event_dim :]
        for p, a in typed
        if len(a.type.event) >= p.event_dim > 0
    }


def axis_sizes(
    spec: DistributionSpec, typed: Typed, event: tuple[Size, ...] = ()
) -> dict[str, Size]:
    """The size of each axis of the record, by its letter, as far as something tells it.

    Args:
        spec: the record.
        typed: the arguments. Members of an axis tell its size too.
        event: the sizes of the value's own axes; empty if not known.
    """
    sizes = spec.sizes_of_axes(own_shapes(typed), event)
    for param, arg in typed:
        given = arg.type.support
        if isinstance(param.support, Index) and isinstance(given, Index):
            assert param.support.size.name is not None
            sizes.setdefault(param.support.size.name, given.size)
    return sizes


def own_sizes(param: Parameter, sizes: dict[str, Size]) -> tuple[Size, ...] | None:
    """The sizes that a parameter's own axes must have; None if nothing tells them."""
    if not sizes.keys() >= set(param.axes):
        return None
    return tuple(sizes[letter] for letter in param.axes)


def required(param: Parameter, sizes: dict[str, Size]) -> Support:
    """The support that a parameter must have, here."""
    wanted = param.support
    if isinstance(wanted, Index) and wanted.size.name in sizes:
        return replace(wanted, size=sizes[wanted.size.name])
    return wanted


def meets(ctx: Context, arg: ir.Expr, wanted: Support) -> bool:
    """Whether it follows from the types that a value lies in the support of a parameter."""
    given = arg.type.support
    match wanted:
        case Interval():
            return fits(given, wanted)
        case Index():
            return isinstance(given, Index) and ctx.sizes.agree(given.size, wanted.size)
        case Structured(kind="simplex"):
            if isinstance(arg, ir.Stack):
                return _may_be_simplex(arg)
            computed = not isinstance(arg, (ir.Reference, ir.Constant))
            return given == wanted or (computed and hull(given).lower >= 0)
        case Structured(kind="ordered"):
            return _increase(arg) or (isinstance(given, Structured) and fits(given, wanted))
        case Structured():
            return True  # matrices: no rule of types proves them; they are checked as they come


def entry_total(arg: ir.Expr) -> float | None:
    """The sum of literal entries, rounded as people write them."""
    entries = _numbers(arg)
    return None if entries is None else round(sum(entries), 6)


def _numbers(arg: ir.Expr) -> list[float] | None:
    """The entries of a literal vector."""
    if not isinstance(arg, ir.Stack):
        return None
    hulls = [hull(item.type.support) for item in arg.items]
    return [h.lower for h in hulls] if all(h.lower == h.upper for h in hulls) else None


def _may_be_simplex(arg: ir.Stack) -> bool:
    """Whether literal entries are not negative and sum to one."""
    total = entry_total(arg)
    return total is None or (hull(arg.type.support).lower >= 0 and total == 1)


def _increase(arg: ir.Expr) -> bool:
    """Whether literal entries are strictly increasing."""
    entries = _numbers(arg)
    return entries is not None and all(a < b for a, b in zip(entries, entries[1:], strict=False))
