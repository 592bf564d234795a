"""Functions of numbers that torch has not got, or not accurately enough."""

from __future__ import annotations

import torch
from torch import Tensor

from gendsl.runtime.incomplete import log_complement as log1mexp

__all__ = ["log1mexp", "trigamma"]

_SHIFT = 10
"""Where the asymptotic series of `trigamma` is right to the last digit."""


def trigamma(x: Tensor) -> Tensor:
    """The second derivative of log gamma at x above 0; torch's is right to nine digits.

    A sum of the first terms, and Euler and Maclaurin's series for the rest (Abramowitz and
    Stegun, Handbook of Mathematical Functions, 1972, 6.4.6 and 6.4.12).
    """
    first = torch.sum((x.unsqueeze(-1) + torch.arange(_SHIFT)) ** -2.0, -1)
    inverse = 1 / (x + _SHIFT)
    square = inverse**2
    series = 1 / 6 - square * (1 / 30 - square * (1 / 42 - square * (1 / 30 - square * 5 / 66)))
    return first + inverse * (1 + inverse * (0.5 + inverse * series))
