"""Latents that can be integrated out exactly, read off the model's equations.

Given all else, latents with normal laws are jointly normal if they come into the density through
means of normal laws alone, and there linearly: the log density is then a quadratic function of
them (Rauch, Tung and Striebel, Maximum likelihood estimates of linear dynamic systems, 1965, for
states along a sequence; Lindley and Smith, Bayes estimates for the linear model, 1972, for
hierarchies).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from math import prod

from gendsl.graph.families import conjugate_latents
from gendsl.graph.recursion import scans
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import (
    children,
    distribution_expressions,
    equation_expressions,
    references,
    variable_expressions,
)
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.library.functions import FUNCTIONS
from gendsl.semantics.narrowing import narrowing
from gendsl.semantics.supports import hull, is_discrete
from gendsl.types import REAL, Interval, Size

__all__ = ["Refused", "gaussian", "integrable", "refused"]

UNKNOWN_SIZE = 100
"""What an axis whose size only data tell is taken for, to compare latents by size."""


class Degree(IntEnum):
    """How an expression depends on some variables."""

    FREE = 0
    AFFINE = 1
    OTHER = 2


@dataclass(frozen=True, slots=True)
class Refused:
    """A latent with a normal law that is not integrated out, and why."""

    name: str
    reason: str


def integrable(
    model: ir.Model, sampled: frozenset[str] = frozenset()
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(family, latents) that can be integrated out, in this order; each given all that is left.

    `sampled` are not to be.
    """
    names, _ = _chosen(model, sampled)
    normal = (("gaussian", names),) if names else ()
    return (*normal, *conjugate_latents(model, names, sampled))


def gaussian(model: ir.Model, sampled: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The latents, `sampled` left out, that are jointly normal given all else.

    Of two that multiply one another the larger is taken.
    """
    return _chosen(model, sampled)[0]


def refused(model: ir.Model) -> tuple[Refused, ...]:
    """The latents with normal laws that are not integrated out, with the reason."""
    return _chosen(model, frozenset())[1]


def _chosen(
    model: ir.Model, sampled: frozenset[str]
) -> tuple[tuple[str, ...], tuple[Refused, ...]]:
    candidates = [
        v for v in model.of_role("latent") if _has_normal_law(v) and v.name not in sampled
    ]
    place = {v.name: k for k, v in enumerate(model.variables)}
    candidates.sort(key=lambda v: (-_size(model, v), place[v.name]))
    taken: set[str] = set()
    misses: list[Refused] = []
    for variable in candidates:
        reason = _Quadratic(model, frozenset(taken | {variable.name})).obstacle()
        if reason is None:
            taken.add(variable.name)
        else:
            misses.append(Refused(variable.name, reason))
    while above := _above_sampled(model, taken):
        taken -= set(above)
        misses += [
            Refused(n, f"`{child}` depends on it and is sampled") for n, child in above.items()
        ]
    misses.sort(key=lambda m: place[m.name])
    return tuple(sorted(taken, key=place.__getitem__)), tuple(misses)


def _above_sampled(model: ir.Model, taken: set[str]) -> dict[str, str]:
    """Those of `taken` on which laws of latents depend that are sampled, with one such latent.

    Without them such latents would be tied to one another, and could not be non-centred.
    """
    lets = {v.name: v for v in model.of_role("let")}
    found: dict[str, str] = {}
    for variable in model.of_role("latent"):
        if variable.name in taken:
            continue
        stack, seen = list(references(*variable_expressions(variable))), set[str]()
        while stack:
            name = stack.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in taken:
                found.setdefault(name, variable.name)
            if name in lets:
                stack.extend(references(*variable_expressions(lets[name])))
    return found


def _has_normal_law(variable: ir.Variable) -> bool:
    laws = [e.distribution for e in variable.equations]
    if variable.type.support != REAL or variable.lower is not None or variable.upper is not None:
        return False
    return bool(laws) and all(
        d is not None and not d.parts and bool(DISTRIBUTIONS[d.name].gaussian) for d in laws
    )


def _size(model: ir.Model, variable: ir.Variable) -> int:
    sizes = [model.axis(a).size for a in variable.axes]
    return prod(_number(model, s) for s in (*sizes, *variable.type.event))


def _number(model: ir.Model, size: Size | None, depth: int = 8) -> int:
    """A size as a number, axes that only data decide taken for `UNKNOWN_SIZE`."""
    if size is None or not depth:
        return UNKNOWN_SIZE
    if size.value is not None:
        return size.value
    return max(
        1,
        sum(
            factor * prod(_number(model, model.axis(n).size, depth - 1) for n in names)
            for names, factor in size.terms
        ),
    )


@dataclass(slots=True)
class _Quadratic:
    """Whether the log density is quadratic in the latents `chosen`, together."""

    model: ir.Model
    chosen: frozenset[str]
    lets: dict[str, Degree] = field(default_factory=dict)
    discrete: frozenset[str] = frozenset()

    def obstacle(self) -> str | None:
        """What stands against it; None if nothing does."""
        self.lets = self._degrees_of_lets()
        self.discrete = self._tied_to_discrete()
        for variable in self.model.variables:
            if variable.role == "let":
                problem = self._claim(variable)
            elif variable.random:
                problem = self._factor(variable)
            else:
                continue
            if problem is not None:
                return problem
        if any(self.degree(e.value) != Degree.FREE for e in self.model.energies):
            return "an energy depends on it"
        return None

    def _degrees_of_lets(self) -> dict[str, Degree]:
        """The degree of every let.

        Those computed step by step count as not linear: derivatives through all steps, for each
        of the chosen, cost more than is won.
        """
        lets = self.model.of_role("let")
        recurring = {v.name for group in scans(self.model) for v in group}
        self.lets = dict.fromkeys((v.name for v in lets), Degree.FREE)
        changed = True
        while changed:
            changed = False
            for variable in lets:
                exprs = [x for e in variable.equations for x in equation_expressions(e)]
                found = max((self.degree(x) for x in exprs), default=Degree.FREE)
                if found and variable.name in recurring:
                    found = Degree.OTHER
                if found > self.lets[variable.name]:
                    self.lets[variable.name], changed = found, True
        return self.lets

    def _tied_to_discrete(self) -> frozenset[str]:
        """What depends on a discrete unknown, which is summed out: those and lets of them."""
        found = {
            v.name
            for v in self.model.of_role("latent", "observed")
            if is_discrete(v.type.support) and (v.role == "latent" or v.optional)
        }
        grown = True
        while grown:
            before = len(found)
            for variable in self.model.of_role("let"):
                if found & set(references(*variable_expressions(variable))):
                    found.add(variable.name)
            grown = len(found) > before
        return frozenset(found)

    def degree(self, expr: ir.Expr) -> Degree:
        """How an expression depends on the chosen."""
        match expr:
            case ir.Reference(name=name):
                if name in self.chosen:
                    return Degree.AFFINE
                return self.lets.get(name, Degree.FREE)
            case ir.Apply(function=name, args=args):
                return self._applied(name, args)
            case ir.Reduce(function=name, value=value):
                return self._applied(name, (value,))
            case ir.Gather(value=value, index=index):
                outer = self.degree(index)
                return self.degree(value) if outer == Degree.FREE else Degree.OTHER
            case ir.Select() | ir.Lag() | ir.Spread() | ir.Collect() | ir.Stack():
                return max((self.degree(x) for x in children(expr)), default=Degree.FREE)
            case _:
                found = max((self.degree(x) for x in children(expr)), default=Degree.FREE)
                return Degree.FREE if found == Degree.FREE else Degree.OTHER

    def _applied(self, function: str, args: tuple[ir.Expr, ...]) -> Degree:
        degrees = [self.degree(a) for a in args]
        if max(degrees, default=Degree.FREE) == Degree.FREE:
            return Degree.FREE
        if Degree.OTHER in degrees:
            return Degree.OTHER
        spec = FUNCTIONS[function]
        last = len(spec.params) - 1
        moved = [spec.params[min(k, last)] for k, d in enumerate(degrees) if d != Degree.FREE]
        fits = any(set(moved) <= set(g) and (len(g) > 1 or len(moved) == 1) for g in spec.linear)
        return Degree.AFFINE if fits else Degree.OTHER

    def _claim(self, variable: ir.Variable) -> str | None:
        """Values for which the claim of a let fails have density 0."""
        if self.lets[variable.name] == Degree.FREE:
            return None
        bounds = [b for b in (variable.lower, variable.upper) if b is not None]
        declared = variable.type.support
        narrow = not isinstance(declared, Interval) or any(
            not _within(hull(e.value.type.support), declared)
            for e in variable.equations
            if e.value is not None
        )
        return f"`{variable.name}` claims less than every number" if bounds or narrow else None

    def _factor(self, variable: ir.Variable) -> str | None:
        """What stands against the density of a random variable."""
        name = variable.name
        if any(self.degree(b) for b in (variable.lower, variable.upper) if b is not None):
            return f"the bounds of `{name}` depend on it"
        for equation in variable.equations:
            law = equation.distribution
            if law is None:
                continue
            exprs = distribution_expressions(law)
            if name not in self.chosen and not any(self.degree(x) for x in exprs):
                continue
            if self.discrete & {name, *references(*exprs)}:
                return f"`{name}` depends on a discrete unknown too"
            problem = self._law(variable, law)
            if problem is not None:
                return problem
        return None

    def _law(self, variable: ir.Variable, law: ir.Distribution) -> str | None:
        name = variable.name
        spec = DISTRIBUTIONS.get(law.name)
        if law.parts or spec is None or not (spec.gaussian or spec.gaussian_given):
            return f"`{name}` is not normal"
        found = narrowing(variable, law)
        if found.entry != "none" or found.ordered:
            return f"`{name}` is cut off"
        moved = dict(self._moving(law))
        for parameter, degree in moved.items():
            if degree == Degree.OTHER:
                recurring = self._recurring(dict(law.args)[parameter])
                why = "is computed step by step" if recurring else "is not linear in it"
                return f"`{parameter}` of `{name}` {why}"
        groups = [spec.gaussian] if spec.gaussian else []
        groups += [] if name in self.chosen else [spec.gaussian_given]
        if any(set(moved) <= set(g) for g in groups):
            return None
        least = min((set(moved) - set(g) for g in groups), key=len)
        return f"`{min(least)}` of `{name}` depends on it"

    def _recurring(self, expr: ir.Expr) -> bool:
        """Whether it depends on the chosen through lets that are computed step by step."""
        stepped = {v.name for group in scans(self.model) for v in group if self.lets[v.name]}
        lets = {v.name: v for v in self.model.of_role("let")}
        stack, seen = list(references(expr)), set[str]()
        while stack:
            name = stack.pop()
            if name in lets and name not in seen:
                seen.add(name)
                stack.extend(references(*variable_expressions(lets[name])))
        return bool(stepped & seen)

    def _moving(self, law: ir.Distribution) -> Iterator[tuple[str, Degree]]:
        for parameter, expr in law.args:
            degree = self.degree(expr)
            if degree != Degree.FREE:
                yield parameter, degree


def _within(inner: Interval, outer: Interval) -> bool:
    return outer.lower <= inner.lower and inner.upper <= outer.upper
