"""What is known of a distribution as a whole, and what wrappers make of that of their parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from gendsl.library.distributions.spec import DistributionSpec
from gendsl.types import POSITIVE, REAL, Index, Interval, Structured, Support

__all__ = [
    "CLOSED_PRODUCTS",
    "Combine",
    "Refusal",
    "Traits",
    "censored",
    "hurdle",
    "listed",
    "mixture",
    "product",
    "zero_inflated",
]

CLOSED_PRODUCTS = frozenset(
    {
        *("Bernoulli", "Beta", "Categorical", "Dirichlet", "Exponential", "Gamma", "Geometric"),
        *("HalfNormal", "InverseGamma", "LogNormal", "MultivariateNormal", "Normal", "VonMises"),
    }
)
"""Distributions whose products are of the same kind, as in `gendsl.runtime.products`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What is known of a distribution as a whole, made of others or not.

    Attributes:
        name: of the outermost one.
        support: of a value.
        event_dim: how many of a value's last event axes are tied.
        atoms: a continuous one has single values of positive probability.
        constant: it depends on nothing but numbers.

    The others are those of `DistributionSpec`.
    """

    name: str
    support: Support
    event_dim: int = 0
    discrete: bool = False
    has_cdf: bool = False
    cdf_differentiable: bool = True
    symmetric: bool = False
    log_concave: bool = False
    improper: bool = False
    atoms: bool = False
    constant: bool = False

    @staticmethod
    def of(spec: DistributionSpec, support: Support, *, constant: bool) -> Traits:
        """Those of a distribution of the table."""
        return Traits(
            name=spec.name,
            support=support,
            event_dim=spec.event_dim,
            discrete=spec.discrete,
            has_cdf=spec.has_cdf,
            cdf_differentiable=spec.cdf_differentiable,
            symmetric=spec.symmetric,
            log_concave=spec.log_concave,
            improper=spec.improper,
            constant=constant,
        )

    @property
    def exact_cdf(self) -> bool:
        """Whether its distribution function may stand in a density."""
        return self.has_cdf and (self.cdf_differentiable or self.constant)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why parts cannot be wrapped.

    Attributes:
        part: the number of the part that is at fault.
        kind: ``differs``: it does not go with the first part; ``lacks``: it lacks something.
        reason: the rest of a sentence that begins with the wrapper's name.
        remedy: what to write instead.
    """

    part: int
    kind: Literal["differs", "lacks"]
    reason: str
    remedy: str


Hulls = Mapping[str, Interval]
Combine = Callable[[Sequence[Traits], Hulls], Traits | Refusal]


def _shared(parts: Sequence[Traits], **changes: object) -> Traits:
    """What holds of all the parts, of the first one's support."""
    whole = replace(
        parts[0],
        discrete=any(p.discrete for p in parts),
        has_cdf=all(p.has_cdf for p in parts),
        cdf_differentiable=all(p.cdf_differentiable for p in parts),
        symmetric=False,
        log_concave=False,
        constant=all(p.constant for p in parts),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def _unfit(parts: Sequence[Traits], *, scalar: bool) -> Refusal | None:
    """What no wrapper takes; with `scalar`, what one of single numbers does not take."""
    for number, part in enumerate(parts):
        if part.improper:
            reason = f"needs proper distributions, and {part.name} has no finite integral"
            return Refusal(number, "lacks", reason, "give it bounds: `Uniform(a, b)`")
        if part.atoms:
            reason = f"cannot take {part.name}, which gives single values a probability"
            remedy = f"put `{part.name}` around the whole"
            return Refusal(number, "lacks", reason, remedy)
        if scalar and part.event_dim:
            reason = f"takes distributions of single numbers, and a draw of this {part.name} is "
            remedy = "give the entries a plate of their own"
            return Refusal(number, "lacks", f"{reason}one value of several entries", remedy)
        if scalar and isinstance(part.support, Index | Structured):
            reason = f"takes distributions of numbers, and a draw of {part.name} is "
            remedy = "use a distribution of numbers"
            return Refusal(number, "lacks", f"{reason}{part.support}", remedy)
    return None


def _hull(supports: Sequence[Support]) -> Support:
    """The smallest interval around several."""
    first = supports[0]
    if all(s == first for s in supports):
        return first
    found = [s for s in supports if isinstance(s, Interval)]
    lower, upper = min(s.lower for s in found), max(s.upper for s in found)
    return Interval(found[0].integer, lower, upper)


def mixture(parts: Sequence[Traits], hulls: Hulls) -> Traits | Refusal:
    """One of several, of one kind."""
    first = parts[0]
    for number, part in enumerate(parts[1:], 1):
        alike = part.support == first.support
        if isinstance(part.support, Interval) and isinstance(first.support, Interval):
            alike = part.support.integer == first.support.integer
        if not alike:
            reason = (
                f"cannot mix {part.name}, whose draws are {part.support}, with {first.name}, "
                f"whose draws are {first.support}"
            )
            remedy = "mix distributions of one kind: all continuous, or all of whole numbers"
            if first.discrete != part.discrete:
                remedy = (
                    "a point mass at 0 is `ZeroInflated(probs, d)` for counts, and "
                    "`Hurdle(probs, d)` for positive numbers"
                )
            return Refusal(number, "differs", reason, remedy)
    support = _hull([p.support for p in parts])
    return _unfit(parts, scalar=False) or _shared(parts, support=support)


def zero_inflated(parts: Sequence[Traits], hulls: Hulls) -> Traits | Refusal:
    """A distribution of counts that may be 0."""
    (part,) = parts
    unfit = _unfit(parts, scalar=True)
    if unfit is not None:
        return unfit
    assert isinstance(part.support, Interval)
    if not part.discrete:
        reason = f"adds to the probability of 0, and {part.name} is continuous: 0 has none there"
        return Refusal(0, "lacks", reason, "write `Hurdle(probs, d)`")
    if part.support.lower > 0 or part.support.upper < 0:
        reason = f"adds to the probability of 0, and a draw of {part.name} is never 0"
        return Refusal(0, "lacks", reason, "write `Hurdle(probs, d)`")
    return _shared(parts)


def hurdle(parts: Sequence[Traits], hulls: Hulls) -> Traits | Refusal:
    """A distribution of counts or of positive numbers."""
    (part,) = parts
    unfit = _unfit(parts, scalar=True)
    if unfit is not None:
        return unfit
    assert isinstance(part.support, Interval)
    if part.support.lower < 0:
        reason = "takes a distribution of counts or of positive numbers, and a draw of "
        remedy = "such as `Poisson(rate)` or `LogNormal(loc, scale)`"
        return Refusal(0, "lacks", f"{reason}{part.name} may be below 0", remedy)
    if part.discrete:
        return _shared(parts, support=Interval(integer=True, lower=0.0, upper=part.support.upper))
    closed = _closed(0.0, part.support.upper)
    return _shared(parts, support=closed, atoms=True, has_cdf=False)


def _closed(lower: float, upper: float) -> Interval:
    """A real interval that contains its bounds; `positive` does not, and widens to `real`."""
    found = Interval(lower=lower, upper=upper)
    return REAL if found == POSITIVE else found


def censored(parts: Sequence[Traits], hulls: Hulls) -> Traits | Refusal:
    """A distribution of numbers with a distribution function."""
    (part,) = parts
    unfit = _unfit(parts, scalar=True)
    if unfit is not None:
        return unfit
    if not part.exact_cdf:
        why = "has no formula" if not part.has_cdf else "has no gradient in its parameters"
        reason = f"needs the distribution function of {part.name}, which {why} here"
        remedy = "use a distribution that has one, such as `Normal`, `LogNormal` or `Weibull`"
        return Refusal(0, "lacks", reason, remedy)
    own = part.support
    assert isinstance(own, Interval)
    if not {"lower", "upper"} & set(hulls):
        return _shared(parts, atoms=not part.discrete, has_cdf=False)
    low, high = hulls.get("lower"), hulls.get("upper")
    lower = own.lower if low is None else max(own.lower, low.lower)
    upper = own.upper if high is None else min(own.upper, high.upper)
    if low is not None and high is not None and low.lower >= high.upper:
        reason = f"needs a lower bound below the upper one, but these are {low.lower:g} and "
        return Refusal(0, "differs", f"{reason}{high.upper:g}", "exchange them")
    if lower > upper or (lower == upper and not own.integer):
        reason = f"would leave {part.name} no values: its draws are {own}"
        return Refusal(0, "differs", reason, "choose bounds among the values that it has")
    if own.integer:
        return _shared(
            parts, support=Interval(integer=True, lower=lower, upper=upper), has_cdf=False
        )
    touched = low is not None and low.lower <= 0 <= low.upper
    support = _closed(lower, upper) if touched else Interval(lower=lower, upper=upper)
    return _shared(parts, support=support, atoms=True, has_cdf=False)


def product(parts: Sequence[Traits], hulls: Hulls) -> Traits | Refusal:
    """Distributions of one kind whose product has a known integral."""
    first = parts[0]
    for number, part in enumerate(parts):
        if part.name not in CLOSED_PRODUCTS:
            reason = f"must be divided by its integral, which has no formula for {part.name}"
            return Refusal(number, "lacks", reason, f"it has one for {listed(CLOSED_PRODUCTS)}")
        if part.name != first.name:
            reason = (
                f"must be divided by its integral, which has no formula for {first.name} "
                f"times {part.name}"
            )
            return Refusal(number, "differs", reason, "multiply distributions of one kind")
        if part.support != first.support:
            reason = f"cannot multiply distributions of {first.support} and of {part.support}"
            return Refusal(number, "differs", reason, "give them as many categories")
    log_concave = all(p.log_concave for p in parts)
    return _shared(parts, log_concave=log_concave)


def listed(names: frozenset[str]) -> str:
    """``A, B and C``."""
    *most, last = sorted(names)
    return f"{', '.join(most)} and {last}"
