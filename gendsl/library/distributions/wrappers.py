"""Distributions of distributions."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gendsl.library.distributions.spec import DistributionSpec, Form, Parameter
from gendsl.library.distributions.traits import (
    CLOSED_PRODUCTS,
    Combine,
    censored,
    hurdle,
    listed,
    mixture,
    product,
    zero_inflated,
)
from gendsl.library.registry import Registry
from gendsl.types import BINARY, REAL, UNIT, Structured

__all__ = ["WRAPPERS", "WrapperSpec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrapperSpec(DistributionSpec):
    """A distribution of distributions.

    Its `params` are those of its own; `forms` are templates over them and ``parts``, the list
    of its parts, or ``part``, the only one. `support` is not used: `combine` tells it.

    Attributes:
        combine: what is known of the whole, from the parts and from intervals that contain
            the values of its own parameters; or why it cannot be.
        least: so many parts at least.
        most: so many at most; None for any number.
        by_position: whether the parameters of the first form may stand in front of the parts.
        over: the template of a mixture of one part over a plate at dimension ``-depth``.
        joint: whether all event axes of a value are tied.
        moves: whether the support depends on its own parameters.
        calls: how it is called, for messages and the reference.
    """

    combine: Combine
    least: int
    most: int | None
    by_position: bool
    over: str | None = None
    joint: bool = False
    moves: bool = False
    calls: tuple[str, ...]

    def signature(self, form: Form | None = None) -> str:
        """``Mixture(weights, d1, d2, ...)``, for messages."""
        return self.calls[self.forms.index(form) % len(self.calls)] if form else self.calls[0]


_PROBS = Parameter("probs", UNIT, "probability", symbol=r"\pi")
_LOGITS = Parameter("logits", REAL, "log odds", symbol=r"\log\tfrac{\pi}{1 - \pi}")


def _of_zeros(meaning: str) -> tuple[Parameter, ...]:
    return tuple(replace(p, meaning=p.meaning + meaning) for p in (_PROBS, _LOGITS))


def _bound_forms(first: str, second: str) -> tuple[Form, ...]:
    """One or both of two parameters of `Censored`."""
    return tuple(
        Form(names, f"runtime.Censored(part, {', '.join(f'{n}={n}' for n in names)})")
        for names in ((first,), (second,), (first, second))
    )


_WRAPPERS = (
    WrapperSpec(
        name="Mixture",
        params=(
            Parameter("weights", Structured("simplex"), "probability of each", 1, symbol="w"),
            Parameter("logits", REAL, "log weights, up to a constant", 1, symbol=r"\log w"),
        ),
        forms=(
            Form(("weights",), "runtime.Mixture(parts, weights=weights)"),
            Form(("logits",), "runtime.Mixture(parts, logits=logits)"),
        ),
        combine=mixture,
        least=2,
        most=None,
        by_position=True,
        over="runtime.MixtureOver(part, depth, {0}={0})",
        joint=True,
        calls=(
            "Mixture(weights, d1, d2, ...)",
            "Mixture(weights, d, component)",
            "Mixture(d1, d2, ..., logits=z)",
        ),
        support=REAL,
        example={},
        summary="One of several distributions, chosen by weights; the choice is summed out.",
        density=r"\log \textstyle\sum_k w_k\, p_k(x)",
    ),
    WrapperSpec(
        name="ZeroInflated",
        params=_of_zeros(" of a zero beside those of the distribution"),
        forms=(
            Form(("probs",), "runtime.ZeroInflated(part, probs=probs)"),
            Form(("logits",), "runtime.ZeroInflated(part, logits=logits)"),
        ),
        combine=zero_inflated,
        least=1,
        most=1,
        by_position=True,
        calls=("ZeroInflated(probs, d)", "ZeroInflated(d, logits=z)"),
        support=REAL,
        discrete=True,
        example={},
        summary="Counts with more zeros than the distribution has.",
        density=r"\log(\pi\, [x = 0] + (1 - \pi)\, p(x))",
        references=(
            "Lambert (1992), Technometrics 34(1); there, too, the probability is that of "
            "the extra zero. PyMC's `psi` is one minus it.",
        ),
    ),
    WrapperSpec(
        name="Hurdle",
        params=_of_zeros(" of a zero"),
        forms=(
            Form(("probs",), "runtime.Hurdle(part, probs=probs)"),
            Form(("logits",), "runtime.Hurdle(part, logits=logits)"),
        ),
        combine=hurdle,
        least=1,
        most=1,
        by_position=True,
        calls=("Hurdle(probs, d)", "Hurdle(d, logits=z)"),
        support=REAL,
        example={},
        summary="Zero, or else a draw given that it is above zero. For a continuous "
        "distribution 0 has a probability and all else a density.",
        density=r"\log \pi \text{ at } 0,\ \log(1 - \pi) + \log p(x) - \log(1 - P(0)) "
        r"\text{ above}",
        references=(
            "Mullahy (1986), Journal of Econometrics 33(3). PyMC's `psi` is one minus "
            "the probability of a zero.",
        ),
    ),
    WrapperSpec(
        name="Censored",
        params=(
            Parameter("lower", REAL, "what is lower is recorded as this", symbol="a"),
            Parameter("upper", REAL, "what is higher is recorded as this", symbol="b"),
            Parameter("left", BINARY, "1 where the value is only known to be at most this"),
            Parameter("right", BINARY, "1 where the value is only known to be above this"),
        ),
        forms=(*_bound_forms("lower", "upper"), *_bound_forms("left", "right")),
        combine=censored,
        moves=True,
        least=1,
        most=1,
        by_position=False,
        calls=(
            "Censored(d, lower=a, upper=b)",
            "Censored(d, right=flag)",
            "Censored(d, left=flag)",
        ),
        support=REAL,
        example={},
        summary="Values that are only known to lie beyond a bound, or beyond the value recorded.",
        density=r"\log p(x) \text{ between},\ \log P(X \le a) \text{ at } a,\ "
        r"\log P(X \ge b) \text{ at } b",
    ),
    WrapperSpec(
        name="Product",
        params=(),
        forms=(Form((), "runtime.product(parts)"),),
        combine=product,
        least=2,
        most=None,
        by_position=False,
        calls=("Product(d1, d2, ...)",),
        support=REAL,
        example={},
        summary="A product of densities, divided by its integral: where all of several experts "
        "agree. Of one kind: " + listed(CLOSED_PRODUCTS) + ".",
        density=r"\textstyle\sum_i \log p_i(x) - \log \int \prod_i p_i",
        references=("Hinton (2002), Neural Computation 14(8).",),
    ),
)

WRAPPERS: Registry[WrapperSpec] = Registry(WrapperSpec, {"specs": _WRAPPERS})
"""Distributions of distributions, by name."""
