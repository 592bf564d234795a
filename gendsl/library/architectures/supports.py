"""Which supports a network's output can have: those that a link maps real numbers onto."""

from __future__ import annotations

from typing import assert_never

from gendsl.library.architectures.ports import Port
from gendsl.types import Index, Interval, Structured

__all__ = ["FLOOR", "LINKS", "elementwise", "without_link"]

FLOOR = 1e-6
"""How far outputs stay away from open ends of their support."""

LINKS: tuple[tuple[str, str], ...] = (
    ("real", "y = x, after the option `output`"),
    ("positive", "softplus(x) + 1e-6, or exp(x) + 1e-6 with `positive = exp`"),
    ("unit", "(1 - 2e-6) sigmoid(x) + 1e-6"),
    ("real(a, b)", "a + (b - a) times that of `unit`"),
    ("real(a, inf), real(-inf, b)", "a + y and b - y, with y as for `positive`"),
    ("simplex[K]", "(1 - 1e-6) softmax(x) + 1e-6 / K"),
    (
        "ordered[K]",
        "the first entry real, each further one larger by softplus(x) + 1e-6; a bound on one "
        "side is where this begins, between two each entry takes a share of what is left",
    ),
    ("zero_sum[K]", "x - mean(x)"),
    ("unit_vector[K]", "x / sqrt(sum(x**2) + 1e-12)"),
    ("covariance[D]", "L transpose(L) of a lower triangle L, with a `positive` diagonal"),
    ("cholesky[D]", "such a triangle itself, as for `scale_tril =`"),
    ("correlation[D]", "the same of L with a diagonal of 1, its rows scaled to length 1"),
)
"""The links by support, for the reference; `gendsl.runtime.nets.links` computes them."""


def elementwise(port: Port) -> bool:
    """Whether each entry has a range of its own."""
    return isinstance(port.support, Interval)


def without_link(port: Port) -> str | None:
    """Why no link leads to the support of an output, or None."""
    match port.support:
        case Interval(integer=True):
            return (
                "whole numbers cannot be learned by gradients; return a `real` value and let a "
                "distribution use it, as in `Bernoulli(logits = f(x))`"
            )
        case Interval():
            return None
        case Index():
            return (
                "categories cannot be learned by gradients; return `real` logits, with the "
                "categories as the last axis"
            )
        case Structured(kind="angle"):
            return "an angle has no continuous link; return `real[2]` and take `atan2` of it"
        case Structured(kind="correlation" | "cholesky_correlation") if port.event[-1] == 1:
            return "it is the number 1, which needs no network"
        case Structured():
            return None
        case _ as unknown:
            assert_never(unknown)
