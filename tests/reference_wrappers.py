"""Distributions of distributions in the reference evaluator, in numpy and scipy.

Written from the definitions of the language reference: mixtures by adding up densities, censoring
by distribution functions of scipy, products by numerical integrals of what they are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from named_arrays import Named, aligned, each_member, union
from reference_distributions import REFERENCES, log_probability
from reference_nets import flow_to_base
from scipy import special

from gendsl.ir import nodes as ir
from gendsl.types import Index, Interval

__all__ = ["legal_values", "log_interval", "wrapped"]

Evaluate = Callable[[ir.Expr, Any], Named]
Entrywise = Callable[[ir.Distribution, Named, Any], tuple[Any, Any, Mapping[str, Any], Any]]


class Wrapped:
    """Log densities and probabilities of distributions at values, in one scope."""

    def __init__(self, scope: Any, evaluate: Evaluate, entrywise: Entrywise) -> None:
        self.scope, self._evaluate, self._entrywise = scope, evaluate, entrywise

    def args(self, law: ir.Distribution) -> dict[str, Named]:
        return {name: self._evaluate(arg, self.scope) for name, arg in law.args}

    def log_density(self, law: ir.Distribution, value: Named) -> Named:
        """Per independent entry."""
        plates, _, _, log = self._entrywise(law, value, self.scope)
        return Named(plates, log)

    def log_interval(self, law: ir.Distribution, low: Named, high: Named, like: Named) -> Named:
        """The log probability of (low, high], per entry of a value of the shape of `like`."""
        if law.name == "Mixture":
            parts = [self.log_interval(p, low, high, like) for p in law.parts]
            return self.mixed(law, [self._whole(p) for p in parts])
        if law.name == "ZeroInflated":
            inner = self.log_interval(law.parts[0], low, high, like)
            plates, (log, extra, a, b) = aligned([inner, self.chance(law), low, high])
            zero = (a < 0) & (b >= 0)
            return Named(plates, np.log(extra * zero + (1 - extra) * np.exp(log)))
        if law.parts:
            raise NotImplementedError(f"the distribution function of {law.name}")
        plates, _, shaped, _ = self._entrywise(law, like, self.scope)
        plates = union([Named(plates, np.zeros([1] * len(plates))), low, high])
        ends = [self._raised(x, plates, like.event_rank) for x in (low, high)]
        params = {}
        for name, data in shaped.items():
            rest = [1] * (len(plates) - (data.ndim - like.event_rank))
            lead = data.ndim - like.event_rank
            params[name] = data.reshape((*data.shape[:lead], *rest, *data.shape[lead:]))
        return Named(plates, log_probability(law.name, *ends, params))

    @staticmethod
    def _raised(value: Named, plates: tuple[str, ...], rank: int) -> np.ndarray:
        data = value.with_plates(plates)
        return data.reshape((*data.shape, *[1] * (rank - value.event_rank)))

    def chance(self, law: ir.Distribution) -> Named:
        """The probability of a zero."""
        ((name, value),) = self.args(law).items()
        return value if name == "probs" else Named(value.plates, special.expit(value.data))

    @staticmethod
    def _whole(log: Named) -> Named:
        axes = tuple(range(len(log.plates), log.data.ndim))
        return Named(log.plates, log.data.sum(axis=axes))

    def mixed(self, law: ir.Distribution, terms: list[Named]) -> Named:
        ((name, given),) = self.args(law).items()
        data = given.data
        weights = np.log(data) if name == "weights" else special.log_softmax(data, -1)
        if law.over is not None:
            together = terms[0].plate_first(law.over)
        else:
            plates, arrays = aligned(terms)
            together = Named(plates, np.stack(np.broadcast_arrays(*arrays), -1))
        plates, (a, b) = aligned([together, Named(given.plates, weights)])
        return Named(plates, special.logsumexp(a + b, -1))

    def mixture(self, law: ir.Distribution, value: Named) -> Named:
        return self.mixed(law, [self._whole(self.log_density(p, value)) for p in law.parts])

    def zero_inflated(self, law: ir.Distribution, value: Named) -> Named:
        inner = self.log_density(law.parts[0], value)
        plates, (log, extra, x) = aligned([inner, self.chance(law), value])
        return Named(plates, np.log(extra * (x == 0) + (1 - extra) * np.exp(log)))

    def hurdle(self, law: ir.Distribution, value: Named) -> Named:
        (part,) = law.parts
        zeros = Named(value.plates, np.zeros_like(value.data))
        inner, empty = self.log_density(part, value), self.log_density(part, zeros)
        plates, (log, at_zero, zero, x) = aligned([inner, empty, self.chance(law), value])
        discrete = isinstance(part.type.support, Interval) and part.type.support.integer
        above = np.log1p(-np.exp(at_zero)) if discrete else 0.0
        return Named(plates, np.where(x == 0, np.log(zero), np.log(1 - zero) + log - above))

    def censored(self, law: ir.Distribution, value: Named) -> Named:
        (part,) = law.parts
        args, log = self.args(law), self.log_density(part, value)
        nothing = Named((), np.array(-np.inf)), Named((), np.array(np.inf))
        discrete = isinstance(part.type.support, Interval) and part.type.support.integer
        for name, arg in args.items():
            bound = arg if name in ("lower", "upper") else value
            if name in ("lower", "left"):
                beyond = self.log_interval(part, nothing[0], bound, value)
            else:
                less = 1 if discrete and name == "upper" else 0
                start = Named(bound.plates, bound.data - less)
                beyond = self.log_interval(part, start, nothing[1], value)
            plates, (old, new, at, x) = aligned([log, beyond, arg, value])
            chosen = {"lower": x <= at, "upper": x >= at}.get(name, at != 0)
            log = Named(plates, np.where(chosen, new, old))
        return log

    def pipe(self, law: ir.Distribution, value: Named) -> Named:
        """The density of the base where the value comes from, by the Jacobian of the way there."""
        (base,) = law.parts
        logs = []
        for call in reversed(law.maps):
            inverse = partial(flow_to_base, self.scope.model.net(call.net), self.scope.sizes)
            given = [value, *(self._evaluate(a, self.scope) for a in call.args)]
            logs.append(each_member(partial(_part, inverse, 1), given))
            value = each_member(partial(_part, inverse, 0), given)
        plates, arrays = aligned([self._whole(self.log_density(base, value)), *logs])
        return Named(plates, sum(arrays))

    def product(self, law: ir.Distribution, value: Named) -> Named:
        logs, params = [], []
        for part in law.parts:
            plates, _, shaped, log = self._entrywise(part, value, self.scope)
            logs.append(Named(plates, log))
            params.append({n: Named(plates, data) for n, data in shaped.items()})
        plates, arrays = aligned(logs)
        total = Named(plates, sum(arrays))
        names = [(i, n) for i, given in enumerate(params) for n in given]
        first = law.parts[0]
        # A vector of probabilities has an axis of its own behind the entries.
        own = isinstance(first.type.support, Index)
        flat = [params[i][n].with_plates(plates) for i, n in names]
        lead = np.broadcast_shapes(*(f.shape[: f.ndim - own] for f in flat), ())
        flat = [np.broadcast_to(f, lead + (f.shape[-1:] if own else ())) for f in flat]
        integral = np.empty(lead)
        for at in np.ndindex(*lead):
            given = {key: f[at] for key, f in zip(names, flat, strict=True)}
            integral[at] = _log_integral(first, len(law.parts), given)
        return Named(plates, total.data - integral)


def _part(function: Callable[..., Any], part: int, value: np.ndarray, *rest: np.ndarray) -> Any:
    return function(value, rest)[part]


def _log_integral(
    first: ir.Distribution, count: int, given: Mapping[tuple[int, str], np.ndarray]
) -> float:
    """The log of the integral, or of the sum, of a product of densities of one kind."""

    def log(x: np.ndarray) -> np.ndarray:
        total = np.zeros(np.shape(x))
        for i in range(count):
            params = {n: v for (j, n), v in given.items() if j == i}
            total = total + REFERENCES[first.name].log_density(x, **params)
        return total

    support = first.type.support
    if isinstance(support, Index):
        size = next(v for v in given.values()).shape[-1]
        return float(special.logsumexp([float(log(np.array(float(k)))) for k in range(size)]))
    assert isinstance(support, Interval)
    if support.integer:
        return float(special.logsumexp(log(np.arange(0.0, min(support.upper, 2000) + 1))))
    x, weight = _nodes(support.lower, support.upper)
    with np.errstate(all="ignore"):
        return float(np.log(np.nansum(weight * np.exp(log(x)))))


def _nodes(lower: float, upper: float) -> tuple[np.ndarray, np.ndarray]:
    """The double exponential rule on the line, the positive half-line or the unit interval."""
    at = np.linspace(-3.6, 3.6, 401)
    inner, slope = np.sinh(at) * np.pi / 2, np.cosh(at) * np.pi / 2 * (at[1] - at[0])
    if np.isinf(lower):
        return np.sinh(inner), np.cosh(inner) * slope
    if np.isinf(upper):
        return np.exp(inner), np.exp(inner) * slope
    assert (lower, upper) == (0.0, 1.0)
    return special.expit(inner), special.expit(inner) * special.expit(-inner) * slope


def wrapped(
    law: ir.Distribution, value: Named, scope: Any, evaluate: Evaluate, entrywise: Entrywise
) -> tuple[tuple[str, ...], np.ndarray]:
    """Plates, those of the value first, and the log density per independent entry."""
    laws = Wrapped(scope, evaluate, entrywise)
    kinds = {
        "Mixture": laws.mixture,
        "ZeroInflated": laws.zero_inflated,
        "Hurdle": laws.hurdle,
        "Censored": laws.censored,
        "Product": laws.product,
        "Pipe": laws.pipe,
    }
    found = kinds[law.name](law, value)
    plates = union([value, found])
    return plates, found.with_plates(plates)


def log_interval(
    law: ir.Distribution,
    low: Named,
    high: Named,
    like: Named,
    scope: Any,
    evaluate: Evaluate,
    entrywise: Entrywise,
) -> Named:
    """The log probability of an interval, for types that narrow a distribution."""
    return Wrapped(scope, evaluate, entrywise).log_interval(law, low, high, like)


def legal_values(
    law: ir.Distribution,
    value: np.ndarray,
    bound: Callable[[ir.Expr], np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """Values moved to those that a distribution with atoms has, some of them onto the atoms."""
    chosen = rng.uniform(size=value.shape) < 0.4
    if law.name == "Hurdle":
        return np.where(chosen, 0.0, np.abs(value))
    if law.name == "Censored":
        for name, arg in law.args:
            if name in ("lower", "upper"):
                at = bound(arg)
                value = (np.maximum if name == "lower" else np.minimum)(value, at)
                value = np.where(chosen & (rng.uniform(size=value.shape) < 0.5), at, value)
    return value
