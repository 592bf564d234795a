"""What is known of a distribution as a whole, derived from what it is made of."""

from __future__ import annotations

from dataclasses import replace

from gendsl.ir import nodes as ir
from gendsl.ir.traversal import distribution_expressions, distributions
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.library.distributions.traits import Refusal, Traits
from gendsl.library.distributions.wrappers import WRAPPERS, WrapperSpec
from gendsl.library.functions.intervals import interval_of
from gendsl.types import REAL, Index, Interval, Structured, Support

__all__ = [
    "combined",
    "depends_on_numbers_only",
    "dequantised",
    "support_arguments",
    "tied_axes",
    "traits_of",
]


def traits_of(distribution: ir.Distribution) -> Traits:
    """What is known of a checked distribution, its parts included."""
    if distribution.maps:
        rank = len(distribution.type.event)
        return Traits(name="a push-forward", support=REAL, event_dim=rank)
    if not distribution.parts:
        spec = DISTRIBUTIONS[distribution.name]
        constant = depends_on_numbers_only(distribution)
        return Traits.of(spec, distribution.type.support, constant=constant)
    found = combined(
        distribution.name, distribution.args, distribution.parts, len(distribution.type.event)
    )
    assert isinstance(found, Traits)
    return found


def combined(
    name: str,
    args: tuple[tuple[str, ir.Expr], ...],
    parts: tuple[ir.Distribution, ...],
    rank: int,
) -> Traits | Refusal:
    """What is known of the wrapper `name` around `parts`, or why it cannot be.

    Args:
        name: of the wrapper.
        args: its own arguments.
        parts: checked.
        rank: how many event axes a value has.
    """
    spec = WRAPPERS[name]
    hulls = {n: interval_of(a.type.support) for n, a in args}
    found = spec.combine([traits_of(p) for p in parts], hulls)
    if isinstance(found, Refusal):
        return found
    constant = found.constant and all(_is_number(a) for _, a in args)
    # A draw of several tied entries has no distribution function.
    tied = rank if spec.joint else found.event_dim
    whole = replace(found, event_dim=tied, constant=constant, has_cdf=found.has_cdf and not tied)
    return whole if name == "Product" else replace(whole, name=name)


def support_arguments(distribution: ir.Distribution) -> tuple[ir.Expr, ...]:
    """The arguments that the support depends on, those of the parts included."""
    found: list[ir.Expr] = []
    for inner in distributions(distribution):
        if inner.maps:
            continue
        spec = WRAPPERS[inner.name] if inner.parts else DISTRIBUTIONS[inner.name]
        nominal = isinstance(inner.type.support, Index)
        own = spec.moves if isinstance(spec, WrapperSpec) else callable(spec.support)
        if own and not nominal:
            found += [value for _, value in inner.args]
    return tuple(found)


def depends_on_numbers_only(distribution: ir.Distribution) -> bool:
    """Whether all arguments are numbers, those of the parts included."""
    return all(_is_number(a) for a in distribution_expressions(distribution))


def _is_number(expr: ir.Expr) -> bool:
    match expr:
        case ir.Constant() | ir.SizeNumber():
            return True
        case ir.Apply(args=items) | ir.Stack(items=items):
            return all(_is_number(i) for i in items)
        case _:
            return False


def dequantised(support: Support, distribution: ir.Distribution) -> bool:
    """Whether whole numbers stand behind a flow: noise is added to them."""
    return bool(distribution.maps) and isinstance(support, Interval) and support.integer


def tied_axes(variable: ir.Variable) -> int:
    """How many of the last event axes are one value, known or missing together."""
    support = variable.type.support
    drawn = [traits_of(e.distribution) for e in variable.equations if e.distribution]
    own = support.event_dim if isinstance(support, Structured) else 0
    return max([own, *(law.event_dim for law in drawn)])
