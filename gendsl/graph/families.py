"""Latents whose law given all else is a beta, gamma, inverse gamma or Dirichlet law.

A latent is conditionally conjugate where its prior is of such a family and every other factor that
depends on it is, as a function of it, a kernel of the same family (Raiffa and Schlaifer, Applied
Statistical Decision Theory, 1961; Diaconis and Ylvisaker, Conjugate priors for exponential
families, 1979). Which parameters of which distributions have such kernels, their records say.
"""

from __future__ import annotations

from dataclasses import dataclass

from gendsl.graph.monomials import Monomial, Reader, claims, through_lets
from gendsl.graph.recursion import held
from gendsl.ir import nodes as ir
from gendsl.ir.laws import depends_on_numbers_only
from gendsl.ir.traversal import (
    children,
    distribution_expressions,
    equation_expressions,
    references,
    variable_expressions,
)
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.library.distributions.spec import Kernel
from gendsl.semantics.narrowing import Narrowing, narrowing
from gendsl.semantics.supports import is_discrete
from gendsl.types import POSITIVE, REAL, UNIT, Structured, Support

__all__ = ["conjugate_latents"]

SUPPORTS: dict[str, Support] = {
    "beta": UNIT,
    "gamma": POSITIVE,
    "inverse_gamma": POSITIVE,
    "dirichlet": Structured("simplex"),
}
"""The families, in the order in which they are integrated out, and where each of them lives."""

SIGN = {"gamma": 1, "inverse_gamma": -1}
"""The power of a gamma value that a latent of a family is."""

ALIGNED, COMBINED = "aligned", "combined"
"""How members of a plate are chosen: by the plate itself, or several of them at once."""


@dataclass(frozen=True, slots=True)
class _Factor:
    """An equation of a random variable.

    Attributes:
        variable: whose density it is.
        law: that density.
        sources: all that it depends on, lets replaced by what they depend on.
    """

    variable: ir.Variable
    law: ir.Distribution
    sources: frozenset[str]


def conjugate_latents(
    model: ir.Model,
    gaussian: tuple[str, ...] = (),
    sampled: frozenset[str] = frozenset(),
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(family, latents) that can be integrated out exactly, after those of `gaussian`.

    Those of `sampled` are not to be. Latents of one factor are never chosen together, but for a
    variance and the normal latents whose whole block it scales. Of two that would do, the one with
    more axes is chosen, then the later one.
    """
    facts = _Analysis(model, frozenset(gaussian))
    place = {v.name: n for n, v in enumerate(model.variables)}
    latents = [v for v in model.of_role("latent") if v.name not in sampled]
    able = [(v, f) for v in latents if (f := facts.family(v)) is not None]
    able.sort(key=lambda vf: (-len(vf[0].axes) - len(vf[0].type.event), -place[vf[0].name]))
    chosen: dict[str, str] = {}
    for latent, family in able:
        if not facts.met(latent) & set(chosen):
            chosen[latent.name] = family
    found = []
    for family in SUPPORTS:
        names = tuple(v.name for v in model.variables if chosen.get(v.name) == family)
        if names:
            found.append((family, names))
    return tuple(found)


class _Analysis:
    """What is asked of a model, over and over."""

    def __init__(self, model: ir.Model, gaussian: frozenset[str]) -> None:
        self.model, self.gaussian = model, gaussian
        self.held = held(model)
        sources = through_lets(model)
        imputed = {v.name for v in model.of_role("observed") if v.optional and _needed(model, v)}
        data = {v.name for v in model.of_role("input", "observed")} - imputed
        self.reader = Reader(model, sources, frozenset(data))
        finite = {v.name for v in model.of_role("latent") if is_discrete(v.type.support)}
        self.opaque = finite | imputed
        self.factors = [
            _Factor(v, e.distribution, self.reader.of(*equation_expressions(e)) | {v.name})
            for v in model.variables
            if v.random
            for e in v.equations
            if e.distribution is not None
        ]
        self.energies = self.reader.of(*(e.value for e in model.energies))

    def met(self, latent: ir.Variable) -> frozenset[str]:
        """What stands in a factor together with a latent."""
        return frozenset[str]().union(*(f.sources for f in self._around(latent)))

    def _around(self, latent: ir.Variable) -> list[_Factor]:
        return [f for f in self.factors if latent.name in f.sources]

    def family(self, latent: ir.Variable) -> str | None:
        """The family of a latent given all else; None if none is known, or not for certain."""
        family = self._prior(latent)
        if family is None or self._elsewhere(latent):
            return None
        around = self._around(latent)
        if self.opaque & frozenset[str]().union(*(f.sources for f in around)):
            return None
        likelihood = [f for f in around if f.variable.name != latent.name]
        if not all(self._conjugate(f, latent, family) for f in likelihood):
            return None
        return family if self._apart(latent, around) else None

    def _prior(self, latent: ir.Variable) -> str | None:
        """The family of its prior."""
        if len(latent.equations) != 1 or latent.name in self.held:
            return None
        law = latent.equations[0].distribution
        if law is None or law.parts or latent.lower is not None or latent.upper is not None:
            return None
        spec = DISTRIBUTIONS[law.name]
        own = SUPPORTS.get(spec.family)
        if own is None or latent.type.support != own or law.type.support != own:
            return None
        if narrowing(latent, law) != Narrowing("none"):
            return None
        moves = callable(spec.support)
        return None if moves and not depends_on_numbers_only(law) else spec.family

    def _elsewhere(self, latent: ir.Variable) -> bool:
        """Whether more than laws of variables depends on it: an energy, a bound, a claim."""
        if latent.name in self.energies:
            return True
        for variable in self.model.variables:
            bounds = [b for b in (variable.lower, variable.upper) if b is not None]
            if latent.name in self.reader.of(*bounds):
                return True
            depends = latent.name in self.reader.sources[variable.name]
            if variable.role == "let" and depends and claims(variable):
                return True
        return False

    def _conjugate(self, factor: _Factor, latent: ir.Variable, family: str) -> bool:
        """Whether a factor is a kernel of the family, as a function of one entry of a latent."""
        variable, law = factor.variable, factor.law
        if law.parts or narrowing(variable, law) != Narrowing("none"):
            return False
        free = variable.role == "latent" and variable.type.support == REAL
        if free and variable.name not in self.gaussian:
            return False  # sampled as a standard variable, in whose place it would be scaled
        inside = [(n, a) for n, a in law.args if latent.name in self.reader.of(a)]
        if len(inside) != 1:
            return False
        name, arg = inside[0]
        spec = DISTRIBUTIONS[law.name]
        kernel = next((k for k in spec.kernels if k.parameter == name), None)
        tied = SUPPORTS[family] == Structured("simplex")
        if spec.parameter(name).event_dim and latent.type.event and not tied:
            return False  # several entries in one factor
        use = self.reader.monomial(arg, latent.name, int(tied))
        return kernel is not None and use is not None and _fits(kernel, use, family, law)

    def _apart(self, latent: ir.Variable, around: list[_Factor]) -> bool:
        """Whether it stays of its family when the normal latents are integrated out before it.

        It does where no normal latent stands in its factors; or where it scales the variance of
        every factor of the normal latents that those are tied to, so that their whole block
        scales with it: the normal-inverse-gamma law.
        """
        tied = frozenset[str]().union(*(f.sources for f in around)) & self.gaussian
        if not tied:
            return True
        if latent.type.event or tied & self.energies:
            return False
        block: list[_Factor] = []
        grown = True
        while grown:
            block = [f for f in self.factors if f.sources & tied]
            more = frozenset[str]().union(*(f.sources for f in block)) & self.gaussian
            grown = not more <= tied
            tied |= more
        return (
            all(latent.name in f.sources and self._aligned(f, latent, tied) for f in block)
            and not tied & self.energies
        )

    def _aligned(self, factor: _Factor, latent: ir.Variable, tied: frozenset[str]) -> bool:
        """Whether each entry of a factor has one member of every plate of a latent in it."""
        members = [v for v in self.model.variables if v.name in tied & factor.sources]
        names = tied | {latent.name}
        for axis in latent.axes:
            if any(axis not in v.axes for v in members):
                return False
            routes = self._routes(distribution_expressions(factor.law), names, axis)
            if factor.variable.name in tied:
                routes.add(ALIGNED)
            if len(routes) != 1 or COMBINED in routes:
                return False
        return True

    def _routes(
        self, exprs: tuple[ir.Expr, ...], names: frozenset[str], axis: str
    ) -> set[ir.Expr | str]:
        """How members of a plate are chosen where `names` are used in `exprs`."""
        found = set[ir.Expr | str]()
        for expr in exprs:
            if names & self.reader.of(expr):
                found |= self._routes_of(expr, names, axis)
        return found

    def _routes_of(self, expr: ir.Expr, names: frozenset[str], axis: str) -> set[ir.Expr | str]:
        match expr:
            case ir.Reference(name=name):
                body = self.reader.bodies.get(name)
                if name in names:
                    return {ALIGNED}
                return {COMBINED} if body is None else self._routes((body,), names, axis)
            case ir.Gather(value=value, index=index) if expr.axis == axis:
                inner = self._routes((value,), names, axis)
                return {index} if inner == {ALIGNED} else {COMBINED}
            case (
                ir.Reduce(axis=str() as other)
                | ir.Select(axis=str() as other)
                | ir.Lag(sequence=other)
                | ir.Collect(plate=other)
                | ir.Spread(plate=other)
            ) if other == axis:
                return {COMBINED}
            case ir.LogProb() | ir.OdeInt():
                return {COMBINED}
            case _:
                return self._routes(children(expr), names, axis)


def _needed(model: ir.Model, variable: ir.Variable) -> bool:
    """Whether anything depends on the values of an observed variable."""
    exprs = [x for v in model.variables if v is not variable for x in variable_expressions(v)]
    exprs += [x for e in variable.equations for x in equation_expressions(e)]
    return variable.name in references(*exprs, *(e.value for e in model.energies))


def _fits(kernel: Kernel, use: Monomial, family: str, law: ir.Distribution) -> bool:
    """Whether a kernel in a parameter is one of the family in what the parameter is made of."""
    if family in SIGN:
        own = kernel.family == "gamma" and not use.complement
        own = own and use.over == dict(law.args).get(kernel.exponent)
        return own and kernel.power * use.power == SIGN[family]
    return kernel.family == family and use.plain and (family == "beta" or not use.complement)
