"""Interpolation, and functions that give a basis for a curve at one or several numbers."""

from __future__ import annotations

from collections.abc import Sequence

from gendsl.library.functions import intervals
from gendsl.library.functions.spec import FunctionSpec, Kind
from gendsl.types import POSITIVE, REAL, Interval, Structured

__all__ = ["CURVES"]


def _basis(
    name: str,
    params: tuple[str, ...],
    summary: str,
    tex: str,
    range_: intervals.Range,
    *,
    domain: tuple[Interval, ...] = (),
    sizes: tuple[str, ...] = (),
    linear: tuple[tuple[str, ...], ...] = (),
) -> FunctionSpec:
    """A function of numbers `x`, alone or in a vector; its expression says which."""
    call = f"runtime.{name}({', '.join(params)}"
    others = tuple(1 if p in ("knots", "xs", "ys") else 0 for p in params[1:])
    vector = ((1, *others), f"{call}, axes=1)")
    return FunctionSpec(
        name=name,
        params=params,
        kind=Kind.SHAPED,
        domain=domain,
        range=range_,
        torch=f"{call})",
        by_rank=(vector,) if params[0] == "x" else (),
        sizes=sizes,
        linear=linear,
        summary=summary,
        tex=tex,
    )


def _values(hulls: Sequence[Interval]) -> Interval:
    return Interval(lower=hulls[2].lower, upper=hulls[2].upper)


CURVES = (
    _basis(
        "interpolate",
        ("x", "xs", "ys"),
        "The piecewise linear function through the points (xs, ys) at x; constant beyond the "
        "ends. xs is `ordered`.",
        r"y_k + (y_{k+1} - y_k) \frac{x - x_k}{x_{k+1} - x_k}",
        _values,
        linear=(("ys",),),
    ),
    _basis(
        "bspline",
        ("x", "knots", "degree"),
        "B-splines at x: K + degree - 1 weights from K knots, which are `ordered` and include "
        "both ends. Beyond these the splines keep the values that they have there.",
        r"B_{i,d}(x)",
        intervals.constant(Structured("simplex")),
        sizes=("degree",),
    ),
    _basis(
        "natural_spline",
        ("x", "knots"),
        "Natural cubic splines at x that are 1 at one knot and 0 at the others, so that "
        "coefficients are values of the curve at the knots, which are `ordered`. Straight "
        "lines beyond the ends.",
        r"N_i(x): N_i(k_j) = [i = j]",
        intervals.constant(REAL),
    ),
    _basis(
        "fourier",
        ("x", "period", "waves"),
        "Cosines and then sines of 1 to `waves` waves a period at x: a season of 2 * `waves` "
        "coefficients.",
        r"\cos\tfrac{2\pi j x}{p}, \sin\tfrac{2\pi j x}{p}",
        intervals.constant(Interval(lower=-1.0, upper=1.0)),
        domain=(REAL, POSITIVE, REAL),
        sizes=("waves",),
    ),
    _basis(
        "hilbert_basis",
        ("x", "boundary", "count"),
        "The first eigenfunctions of the Laplacian between -boundary and boundary at x: with "
        "`hilbert_frequencies`, a Gaussian process in few dimensions.",
        r"L^{-1/2} \sin\tfrac{j \pi (x + L)}{2 L}",
        intervals.constant(REAL),
        domain=(REAL, POSITIVE, REAL),
        sizes=("count",),
    ),
    _basis(
        "hilbert_frequencies",
        ("boundary", "count"),
        "The frequencies of the functions of `hilbert_basis`, at which to take the spectral "
        "density of a kernel.",
        r"\tfrac{j \pi}{2 L}",
        intervals.constant(POSITIVE),
        domain=(POSITIVE, REAL),
        sizes=("count",),
    ),
)
