"""Monotone rational-quadratic splines.

References:
    Neural spline flows (Durkan, Bekasov, Murray, Papamakarios, NeurIPS 2019), section 3.1 and
    appendix A.1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["rational_quadratic"]

LEAST = 1e-3
"""The least width, height (as shares of the range) and slope."""

STRAIGHT = math.log(math.expm1(1.0 - LEAST))
"""The raw number whose slope is 1."""


def _knots(raw: Tensor, bound: float) -> Tensor:
    """Increasing numbers from -bound to bound, one more than raw ones.

    The softmax is written out: over few entries torch's own takes several times as long.
    """
    length = 2.0 * bound
    least = LEAST * length
    positive = torch.exp(raw - raw.detach().amax(-1, keepdim=True))
    rest = (length - least * raw.shape[-1]) / positive.sum(-1, keepdim=True)
    return functional.pad(torch.cumsum(least + rest * positive, -1) - bound, (1, 0), value=-bound)


def rational_quadratic(
    x: Tensor, raw: Tensor, bins: int, bound: float, *, inverse: bool
) -> tuple[Tensor, Tensor]:
    """The spline or its inverse, and the log of the derivative of what is computed.

    Args:
        x: points, of any shape; outside of [-bound, bound] the spline is the identity.
        raw: `x.shape + (3 * bins - 1,)`: widths, heights, slopes at inner knots; zeros are the
            identity.
        bins: how many pieces.
        bound: half the length of the range.
        inverse: from values to points.
    """
    inside = x.abs() < bound
    at = torch.where(inside, x, 0.0)
    both = raw[..., : 2 * bins].unflatten(-1, (2, bins))
    knots = _knots(both, bound)
    slopes = LEAST + functional.softplus(raw[..., 2 * bins :] + STRAIGHT)
    slopes = functional.pad(slopes, (1, 1), value=1.0)
    along = knots[..., 1 if inverse else 0, 1:-1]
    bin_ = (at.unsqueeze(-1) >= along).sum(-1, keepdim=True)
    ends = torch.cat((bin_, bin_ + 1), -1)
    (x0, x1), (y0, y1) = (
        e.unbind(-1)
        for e in torch.gather(knots, -1, ends.unsqueeze(-2).expand(*x.shape, 2, 2)).unbind(-2)
    )
    d0, d1 = torch.gather(slopes, -1, ends).unbind(-1)
    width, height = x1 - x0, y1 - y0
    s = height / width
    bend = d0 + d1 - 2.0 * s
    if inverse:
        rise = at - y0
        a = height * (s - d0) + rise * bend
        b = height * d0 - rise * bend
        c = -s * rise
        root = torch.sqrt(torch.clamp(b * b - 4.0 * a * c, min=0.0))
        share = torch.clamp(2.0 * c / (-b - root), 0.0, 1.0)
        value = share * width + x0
    else:
        share = (at - x0) / width
        value = y0 + height * share * (s * share + d0 * (1.0 - share)) / (
            s + bend * share * (1.0 - share)
        )
    rest = share * (1.0 - share)
    slope = s * s * (d1 * share * share + 2.0 * s * rest + d0 * (1.0 - share) ** 2)
    log = torch.log(slope) - 2.0 * torch.log(s + bend * rest)
    found = torch.where(inside, value, x)
    return found, torch.where(inside, -log if inverse else log, 0.0)
