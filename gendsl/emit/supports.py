"""Supports to Python: constraints, densities of 1 on them, and points to start from."""

from __future__ import annotations

import ast
from math import inf, isinf, pi
from typing import assert_never

from gendsl.emit import pycode as py
from gendsl.emit.setting import Setting
from gendsl.types import Index, Interval, Size, Structured, Support

__all__ = ["constraint", "flat_law", "plain_start"]

MANIFOLDS = ("zero_sum", "unit_vector", "covariance", "correlation", "cholesky_correlation")
"""Supports whose bijections are in `gendsl.runtime.manifolds`."""


def constraint(support: Support) -> ast.expr:
    """The `torch.distributions.constraints` object of a continuous support."""
    match support:
        case Interval(integer=False, lower=lower, upper=upper):
            return _interval(lower, upper)
        case Structured(kind="simplex"):
            return py.attribute("constraints", "simplex")
        case Structured(kind="ordered", lower=lower, upper=upper):
            if upper == inf and lower in (0.0, -inf):
                word = "ordered_vector" if isinf(lower) else "positive_ordered_vector"
                return py.attribute("constraints", word)
            return py.call("runtime.OrderedBetween", py.number(lower), py.number(upper))
        case Structured(kind="angle"):
            return _interval(-pi, pi)
        case Structured(kind="cholesky"):
            return py.attribute("constraints", "lower_cholesky")
        case Structured(kind=kind):
            assert kind in MANIFOLDS
            return py.attribute("runtime", kind)
        case Index() | Interval():
            raise ValueError("whole numbers have no bijection")
        case _:
            assert_never(support)


def _interval(lower: float, upper: float) -> ast.expr:
    if isinf(lower) and isinf(upper):
        return py.attribute("constraints", "real")
    if isinf(upper):
        positive = py.attribute("constraints", "positive")
        return positive if lower == 0 else py.call("constraints.greater_than", py.number(lower))
    if isinf(lower):
        return py.call("constraints.less_than", py.number(upper))
    if (lower, upper) == (0.0, 1.0):
        return py.attribute("constraints", "unit_interval")
    return py.call("constraints.interval", _bound(lower), _bound(upper))


def flat_law(setting: Setting, support: Support, event: tuple[Size, ...]) -> tuple[ast.expr, int]:
    """A distribution with density 1 on a support, of its own last axes of `event`.

    Where Pyro has a proper distribution on the support it is that one, masked, so that the
    program can draw a point to start from.

    Returns:
        The code, and how many event axes it has.
    """
    own = support.event_dim if isinstance(support, Structured) else 0
    base = _proper(setting, support, event)
    if base is not None:
        return py.call(py.attribute(base, "mask"), ast.Constant(value=False)), own
    tail = event[len(event) - own :]
    shape = [setting.shape(tail)] if tail else []
    return py.call("runtime.FlatOn", constraint(support), *shape), own


def _proper(setting: Setting, support: Support, event: tuple[Size, ...]) -> ast.expr | None:
    """A proper distribution on the support, if Pyro has one."""
    zero, one = py.number(0.0), py.number(1.0)
    match support:
        case Index(size=size):
            return py.call("dist.Categorical", py.call("torch.ones", setting.size(size)))
        case Interval(integer=True):
            return py.call("dist.Bernoulli", py.number(0.5))
        case Interval(lower=lower, upper=upper):
            if isinf(lower) and isinf(upper):
                return py.call("dist.Normal", zero, one)
            if lower == 0 and isinf(upper):
                return py.call("dist.LogNormal", zero, one)
            if isinf(lower) or isinf(upper):
                return None
            return py.call("dist.Uniform", py.number(lower), py.number(upper))
        case Structured(kind="angle"):
            turn = py.attribute("math", "pi")
            return py.call("dist.Uniform", ast.UnaryOp(ast.USub(), turn), turn)
        case Structured(kind="simplex"):
            return py.call("dist.Dirichlet", py.call("torch.ones", setting.size(event[-1])))
        case Structured():
            return None
        case _:
            assert_never(support)


def plain_start(support: Support, shape: list[ast.expr]) -> ast.expr:
    """A plain point of a support: where the search for a param begins."""
    size: ast.expr = py.tuple_of(shape)
    if isinstance(support, Interval):
        return py.call("torch.full", size, py.number(_inside(support.lower, support.upper)))
    assert isinstance(support, Structured)
    match support.kind:
        case "angle" | "zero_sum":
            return py.call("torch.zeros", size)
        case "simplex":
            return ast.BinOp(py.call("torch.ones", size), ast.Div(), shape[-1])
        case "ordered":
            low = support.lower if not isinf(support.lower) else min(0.0, support.upper - 2.0)
            high = support.upper if not isinf(support.upper) else low + 2.0
            ends = [py.number(low + (high - low) * at) for at in (0.25, 0.75)]
            line = py.call("torch.linspace", *ends, shape[-1])
            return py.call(py.attribute(line, "expand"), size)
        case "unit_vector":
            return ast.BinOp(py.call("torch.ones", size), ast.Div(), _root(shape[-1]))
        case _:
            return py.call(py.attribute(py.call("torch.eye", shape[-1]), "expand"), size)


def _root(size: ast.expr) -> ast.expr:
    return py.call("math.sqrt", size)


def _inside(low: float, high: float) -> float:
    if isinf(low) and isinf(high):
        return 0.0
    if isinf(low):
        return high - 1.0
    return low + 1.0 if isinf(high) else (low + high) / 2


def _bound(value: float) -> ast.expr:
    """A number, pi by its name."""
    if abs(value) == pi:
        turn = py.attribute("math", "pi")
        return turn if value > 0 else ast.UnaryOp(ast.USub(), turn)
    return py.number(value)
