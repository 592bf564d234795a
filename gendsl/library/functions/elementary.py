"""Elementary functions of numbers, entry by entry."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from math import inf

from gendsl.library.functions import intervals
from gendsl.library.functions.spec import FunctionSpec
from gendsl.types import POSITIVE, REAL, Interval

__all__ = ["ELEMENTARY"]

_BETWEEN = Interval(lower=-1.0, upper=1.0)
_ABOVE_MINUS_ONE = Interval(lower=-1.0)
_ABOVE_ONE = Interval(lower=1.0)


def _unary(
    name: str,
    summary: str,
    tex: str,
    range_: intervals.Range,
    *,
    domain: Interval = REAL,
    torch: str = "",
    scalar: str = "",
    smooth: bool = True,
) -> FunctionSpec:
    return FunctionSpec(
        name=name,
        params=("x",),
        domain=(domain,),
        range=range_,
        torch=torch or f"torch.{name}(x)",
        scalar=scalar or f"math.{name}(x)",
        smooth=smooth,
        summary=summary,
        tex=tex,
    )


def _increasing(
    function: Callable[[float], float], at_low: float | None = None, at_high: float | None = None
) -> intervals.Range:
    return intervals.increasing(function, at_low=at_low, at_high=at_high)


def _tangent(hulls: Sequence[Interval]) -> Interval:
    x = hulls[0]
    if not (abs(x.lower) < 1e6 and abs(x.upper) < 1e6):
        return REAL
    if math.floor(x.lower / math.pi + 0.5 - 1e-9) != math.floor(x.upper / math.pi + 0.5 + 1e-9):
        return REAL
    return intervals.hull((math.tan(x.lower), math.tan(x.upper)))


_EXPONENTIALS = (
    _unary("exp", "Exponential.", "e^x", _increasing(math.exp, at_low=0.0, at_high=inf)),
    _unary(
        "expm1",
        "Exponential minus 1, accurate near 0.",
        "e^x - 1",
        _increasing(math.expm1, at_low=-1.0, at_high=inf),
    ),
    _unary(
        "log",
        "Natural logarithm.",
        r"\log x",
        intervals.increasing(math.log, low=0.0, at_low=-inf, at_high=inf),
        domain=POSITIVE,
    ),
    _unary(
        "log1p",
        "Logarithm of 1 + x, accurate near 0.",
        r"\log(1 + x)",
        intervals.increasing(math.log1p, low=-1.0, at_low=-inf, at_high=inf),
        domain=_ABOVE_MINUS_ONE,
    ),
    _unary(
        "sqrt",
        "Square root.",
        r"\sqrt{x}",
        intervals.increasing(math.sqrt, low=0.0),
        domain=POSITIVE,
    ),
    FunctionSpec(
        name="square",
        params=("x",),
        range=lambda hulls: intervals.power(
            [hulls[0], Interval(integer=True, lower=2.0, upper=2.0)]
        ),
        torch="torch.square(x)",
        scalar="x * x",
        summary="Square.",
        tex="x^2",
    ),
)

_ROUNDING = (
    _unary(
        "abs",
        "Absolute value.",
        r"\lvert x \rvert",
        intervals.absolute,
        scalar="abs(x)",
        smooth=False,
    ),
    _unary(
        "sign",
        "-1, 0 or 1.",
        r"\operatorname{sign} x",
        intervals.rounded(lambda x: (x > 0) - (x < 0)),
        scalar="(x > 0) - (x < 0)",
        smooth=False,
    ),
    _unary(
        "floor",
        "Largest whole number that is not above.",
        r"\lfloor x \rfloor",
        intervals.rounded(math.floor),
        smooth=False,
    ),
    _unary(
        "ceil",
        "Smallest whole number that is not below.",
        r"\lceil x \rceil",
        intervals.rounded(math.ceil),
        smooth=False,
    ),
    _unary(
        "round",
        "Nearest whole number; halves go to the even one.",
        r"\lfloor x \rceil",
        intervals.rounded(round),
        scalar="round(x)",
        smooth=False,
    ),
)

_TRIGONOMETRIC = (
    _unary("sin", "Sine.", r"\sin x", intervals.periodic(math.sin, math.pi / 2)),
    _unary("cos", "Cosine.", r"\cos x", intervals.periodic(math.cos, 0.0)),
    _unary("tan", "Tangent.", r"\tan x", _tangent, smooth=False),
    _unary(
        "asin",
        "Angle with this sine.",
        r"\arcsin x",
        intervals.increasing(math.asin, low=-1.0, high=1.0),
        domain=_BETWEEN,
    ),
    _unary(
        "acos",
        "Angle with this cosine.",
        r"\arccos x",
        intervals.decreasing(math.acos, low=-1.0, high=1.0),
        domain=_BETWEEN,
    ),
    _unary("atan", "Angle with this tangent.", r"\arctan x", _increasing(math.atan)),
    _unary(
        "sinh",
        "Hyperbolic sine.",
        r"\sinh x",
        _increasing(lambda x: math.copysign(math.sinh(abs(x)) if abs(x) < 710 else inf, x)),
    ),
    _unary("cosh", "Hyperbolic cosine.", r"\cosh x", intervals.even(math.cosh)),
    _unary("tanh", "Hyperbolic tangent.", r"\tanh x", _increasing(math.tanh)),
    _unary("asinh", "Inverse of `sinh`.", r"\operatorname{arsinh} x", _increasing(math.asinh)),
    _unary(
        "acosh",
        "Inverse of `cosh` on the positive numbers.",
        r"\operatorname{arcosh} x",
        intervals.increasing(math.acosh, low=1.0),
        domain=_ABOVE_ONE,
    ),
    _unary(
        "atanh",
        "Inverse of `tanh`.",
        r"\operatorname{artanh} x",
        intervals.increasing(math.atanh, low=-1.0, high=1.0, at_low=-inf, at_high=inf),
        domain=_BETWEEN,
    ),
)

_BINARY = (
    FunctionSpec(
        name="atan2",
        params=("y", "x"),
        range=intervals.constant(Interval(lower=-math.pi, upper=math.pi)),
        torch="torch.atan2(torch.as_tensor(y), torch.as_tensor(x))",
        scalar="math.atan2(y, x)",
        smooth=False,
        summary="Angle of the point (x, y).",
        tex=r"\operatorname{atan2}(y, x)",
    ),
    FunctionSpec(
        name="hypot",
        params=("x", "y"),
        range=lambda hulls: intervals.hull(
            math.hypot(*bounds)
            for bounds in zip(
                *((a.lower, a.upper) for a in (intervals.absolute([h]) for h in hulls)),
                strict=True,
            )
        ),
        torch="torch.hypot(torch.as_tensor(x), torch.as_tensor(y))",
        scalar="math.hypot(x, y)",
        smooth=False,
        summary="Distance of the point (x, y) from the origin.",
        tex=r"\sqrt{x^2 + y^2}",
    ),
    FunctionSpec(
        name="mod",
        params=("x", "y"),
        range=intervals.quotient_rest,
        torch="x % y",
        scalar="x % y",
        smooth=False,
        summary="What is left of x after a whole number of times y; it has y's sign.",
        tex=r"x - y \lfloor x / y \rfloor",
    ),
    FunctionSpec(
        name="maximum",
        params=("x", "y"),
        range=intervals.elementwise_max,
        torch="torch.maximum(torch.as_tensor(x), torch.as_tensor(y))",
        scalar="max(x, y)",
        variadic=True,
        smooth=False,
        summary="The largest of the arguments, entry by entry.",
        tex=r"\max(x, y)",
    ),
    FunctionSpec(
        name="minimum",
        params=("x", "y"),
        range=intervals.elementwise_min,
        torch="torch.minimum(torch.as_tensor(x), torch.as_tensor(y))",
        scalar="min(x, y)",
        variadic=True,
        smooth=False,
        summary="The smallest of the arguments, entry by entry.",
        tex=r"\min(x, y)",
    ),
    FunctionSpec(
        name="clip",
        params=("x", "lower", "upper"),
        range=intervals.clipped,
        torch="torch.clamp(torch.clamp(torch.as_tensor(x), min=lower), max=upper)",
        scalar="min(max(x, lower), upper)",
        smooth=False,
        summary="x, or the bound that it passes.",
        tex=r"\min(\max(x, l), u)",
    ),
)

ELEMENTARY = (*_EXPONENTIALS, *_ROUNDING, *_TRIGONOMETRIC, *_BINARY)
