"""Functions of whole vectors, and reductions."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from gendsl.library.functions import intervals
from gendsl.library.functions.spec import FunctionSpec, Kind
from gendsl.types import BINARY, COUNT, POSITIVE, REAL, Interval, Structured

__all__ = ["REDUCTIONS", "VECTOR_FUNCTIONS"]


def _vector(
    name: str,
    summary: str,
    tex: str,
    range_: intervals.Range,
    torch: str,
    *,
    domain: Interval = REAL,
    smooth: bool = True,
    linear: bool = False,
) -> FunctionSpec:
    return FunctionSpec(
        name=name,
        params=("x",),
        domain=(domain,),
        range=range_,
        torch=torch,
        event=1,
        smooth=smooth,
        linear=(("x",),) if linear else (),
        summary=summary,
        tex=tex,
    )


def _from_below(hulls: Sequence[Interval]) -> Interval:
    """What a logarithm of a sum of exponentials may be, given its terms."""
    return Interval(lower=hulls[0].lower, upper=inf)


VECTOR_FUNCTIONS = (
    _vector(
        "softmax",
        "Probabilities from log weights.",
        r"e^{x_i} / \textstyle\sum_j e^{x_j}",
        intervals.constant(Structured("simplex")),
        "torch.softmax(x, -1)",
    ),
    _vector(
        "log_softmax",
        "Logarithm of `softmax`, without underflow.",
        r"x_i - \log \textstyle\sum_j e^{x_j}",
        intervals.constant(Interval(upper=0.0)),
        "torch.log_softmax(x, -1)",
    ),
    _vector(
        "normalize",
        "The vector divided by its sum.",
        r"x_i / \textstyle\sum_j x_j",
        intervals.constant(Structured("simplex")),
        "x / torch.sum(x, -1, keepdim=True)",
        domain=POSITIVE,
    ),
    _vector(
        "cumsum",
        "Running sums.",
        r"\textstyle\sum_{j \le i} x_j",
        intervals.total,
        "torch.cumsum(x, -1)",
        linear=True,
    ),
    _vector(
        "cumprod",
        "Running products.",
        r"\textstyle\prod_{j \le i} x_j",
        intervals.counted,
        "torch.cumprod(x, -1)",
    ),
    _vector(
        "logcumsumexp",
        "Logarithms of the running sums of exponentials, without overflow.",
        r"\log \textstyle\sum_{j \le i} e^{x_j}",
        _from_below,
        "torch.logcumsumexp(x, -1)",
    ),
    _vector(
        "cummax",
        "The largest entry so far.",
        r"\max_{j \le i} x_j",
        intervals.same,
        "torch.cummax(x, -1).values",
        smooth=False,
    ),
    _vector(
        "cummin",
        "The smallest entry so far.",
        r"\min_{j \le i} x_j",
        intervals.same,
        "torch.cummin(x, -1).values",
        smooth=False,
    ),
    _vector(
        "rank",
        "How many entries are smaller, from 0; equal entries have the same rank.",
        r"\textstyle\sum_j [x_j < x_i]",
        intervals.constant(COUNT),
        "runtime.rank(x)",
        smooth=False,
    ),
    _vector(
        "sort",
        "The entries in increasing order.",
        "x_{(i)}",
        intervals.same,
        "torch.sort(x, -1).values",
        smooth=False,
    ),
    _vector(
        "reverse",
        "The entries in the opposite order.",
        "x_{n - 1 - i}",
        intervals.same,
        "torch.flip(x, (-1,))",
        linear=True,
    ),
)


def _reduction(
    name: str,
    summary: str,
    tex: str,
    range_: intervals.Range,
    torch: str = "",
    *,
    domain: Interval = REAL,
    smooth: bool = True,
    linear: bool = False,
) -> FunctionSpec:
    return FunctionSpec(
        name=name,
        params=("x",),
        kind=Kind.REDUCTION,
        domain=(domain,),
        range=range_,
        torch=torch or f"torch.{name}(x, dim=dim, keepdim=keepdim)",
        smooth=smooth,
        linear=(("x",),) if linear else (),
        summary=summary,
        tex=tex,
    )


def _average(hulls: Sequence[Interval]) -> Interval:
    return Interval(lower=hulls[0].lower, upper=hulls[0].upper)


REDUCTIONS = (
    _reduction("sum", "Sum.", r"\textstyle\sum_i x_i", intervals.total, linear=True),
    _reduction(
        "mean", "Mean.", r"\bar x = \tfrac{1}{n} \textstyle\sum_i x_i", _average, linear=True
    ),
    _reduction(
        "sd",
        "Standard deviation, with n - 1.",
        r"\sqrt{\tfrac{1}{n - 1} \textstyle\sum_i (x_i - \bar x)^2}",
        intervals.constant(POSITIVE),
        "torch.std(x, dim=dim, keepdim=keepdim)",
    ),
    _reduction(
        "var",
        "Variance, with n - 1.",
        r"\tfrac{1}{n - 1} \textstyle\sum_i (x_i - \bar x)^2",
        intervals.constant(POSITIVE),
    ),
    _reduction("prod", "Product.", r"\textstyle\prod_i x_i", intervals.counted),
    _reduction(
        "min",
        "Smallest.",
        r"\min_i x_i",
        intervals.same,
        "torch.amin(x, dim=dim, keepdim=keepdim)",
        smooth=False,
    ),
    _reduction(
        "max",
        "Largest.",
        r"\max_i x_i",
        intervals.same,
        "torch.amax(x, dim=dim, keepdim=keepdim)",
        smooth=False,
    ),
    _reduction(
        "median",
        "The middle value; the mean of the two in the middle where their number is even.",
        r"\operatorname{med}_i x_i",
        _average,
        "torch.quantile(x, 0.5, dim=dim, keepdim=keepdim)",
        smooth=False,
    ),
    _reduction(
        "logsumexp",
        "Logarithm of the sum of exponentials, without overflow.",
        r"\log \textstyle\sum_i e^{x_i}",
        _from_below,
    ),
    _reduction(
        "any",
        "Whether one of them holds.",
        r"\textstyle\bigvee_i x_i",
        intervals.binary,
        "torch.any(x != 0, dim=dim, keepdim=keepdim) * 1.0",
        domain=BINARY,
        smooth=False,
    ),
    _reduction(
        "all",
        "Whether all of them hold.",
        r"\textstyle\bigwedge_i x_i",
        intervals.binary,
        "torch.all(x != 0, dim=dim, keepdim=keepdim) * 1.0",
        domain=BINARY,
        smooth=False,
    ),
)
