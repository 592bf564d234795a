"""Covariance functions: the covariance of a Gaussian process at each two of some points."""

from __future__ import annotations

from gendsl.library.functions import intervals
from gendsl.library.functions.spec import FunctionSpec, Kind
from gendsl.types import POSITIVE, REAL, Structured

__all__ = ["KERNELS"]

_LENGTHSCALE = "lengthscale"


def _kernel(
    name: str,
    params: tuple[str, ...],
    summary: str,
    tex: str,
    *,
    line_only: bool = False,
    to: bool = True,
) -> FunctionSpec:
    """A kernel of points on the line, or else in a space, with `params` after the points."""
    arguments = ", ".join(("x", *params))
    ranks: dict[tuple[int, ...], str] = {}
    for points in (1,) if line_only else (1, 2):
        own = (0, 1) if points == 2 and _LENGTHSCALE in params else (0,)
        for scales in own:
            options = [""] if points == 1 else [", axes=2"]
            options += [", each=True"] if scales else []
            key = (points, *(scales if p == _LENGTHSCALE else 0 for p in params))
            more = "".join(options)
            ranks[key] = f"runtime.{name}({arguments}{more})"
            if to:
                ranks[(*key, points)] = f"runtime.{name}({arguments}, to{more})"
    return FunctionSpec(
        name=name,
        params=("x", *params),
        optional=("to",) if to else (),
        kind=Kind.SHAPED,
        kernel=True,
        domain=(REAL, *[POSITIVE] * len(params)),
        range=intervals.constant(Structured("covariance")),
        torch=f"runtime.{name}({arguments})",
        by_rank=tuple(ranks.items()),
        summary=summary,
        tex=tex,
    )


KERNELS = (
    _kernel(
        "squared_exponential",
        ("scale", _LENGTHSCALE),
        "Very smooth functions.",
        r"s^2 e^{-r^2 / 2}, \quad r = \lvert x - x' \rvert / \ell",
    ),
    _kernel(
        "matern12",
        ("scale", _LENGTHSCALE),
        "Continuous functions without slopes: the Ornstein-Uhlenbeck process.",
        r"s^2 e^{-r}",
    ),
    _kernel(
        "matern32",
        ("scale", _LENGTHSCALE),
        "Functions with slopes.",
        r"s^2 (1 + \sqrt 3 r) e^{-\sqrt 3 r}",
    ),
    _kernel(
        "matern52",
        ("scale", _LENGTHSCALE),
        "Functions with curvature.",
        r"s^2 (1 + \sqrt 5 r + \tfrac{5}{3} r^2) e^{-\sqrt 5 r}",
    ),
    _kernel(
        "rational_quadratic",
        ("scale", _LENGTHSCALE, "mixture"),
        "Smooth functions of many lengthscales at once.",
        r"s^2 (1 + r^2 / 2a)^{-a}",
    ),
    _kernel(
        "periodic",
        ("scale", _LENGTHSCALE, "period"),
        "Functions that repeat; points on the line only.",
        r"s^2 \exp(-2 \sin^2(\pi \lvert x - x' \rvert / p) / \ell^2)",
        line_only=True,
    ),
    _kernel("linear_kernel", ("scale",), "Straight lines through 0.", r"s^2 x \cdot x'"),
    _kernel("constant_kernel", ("scale",), "An unknown constant.", "s^2"),
    _kernel(
        "white",
        ("scale",),
        "Independent noise at each point.",
        r"s^2 [x \text{ is } x']",
        to=False,
    ),
)
