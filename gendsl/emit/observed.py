"""Observed variables to statements: given values, and missing ones."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from math import inf

from gendsl.emit import pycode as py
from gendsl.emit.setting import Setting
from gendsl.emit.sites import SiteEmitter, Statement, enumerated, has_children, needed
from gendsl.emit.stepped import SteppedEmitter
from gendsl.ir import nodes as ir
from gendsl.ir.laws import tied_axes
from gendsl.semantics.supports import hull, is_discrete
from gendsl.types import Index, Interval

__all__ = ["ObservedEmitter"]

NEVER = -1e9
"""The logarithm of a probability of 0, of which 0 times is 0: expectations are taken of it."""


@dataclass(slots=True)
class ObservedEmitter:
    """Emits the statements of the observed variables of one model.

    Attributes:
        sites: of its other variables.
        given: observed variables that are never drawn, because they depend on their own past.
        completed: those of which missing values have a guide.
    """

    sites: SiteEmitter
    given: frozenset[str]
    completed: frozenset[str] = frozenset()

    @property
    def _setting(self) -> Setting:
        return self.sites.setting

    def statements(self, variable: ir.Variable) -> list[Statement]:
        """Everything that belongs to an observed variable."""
        imputed = variable.optional and has_children(self.sites.model, variable.name)
        name = self.sites.identifier(variable)
        if variable.name in self.completed:
            return [self._completed(variable, name)]
        if imputed and is_discrete(variable.type.support):
            return [self._summed(variable, name)]
        result = [self._filled(variable, name)] if imputed else []
        known = py.name(f"{name}_known") if variable.optional and not imputed else None
        if variable.name in self.given:
            stepped = SteppedEmitter(self.sites)
            return [*result, *stepped.densities(variable, name, variable.name, known)]
        return [*result, self._whole(variable, name, known)]

    def _whole(self, variable: ir.Variable, name: str, known: ast.expr | None) -> Statement:
        """One site for all members."""
        law = self.sites.law(variable, next(iter(variable.equations), None), known)
        site = self.sites.site(variable, law, obs=py.name(name))
        code = (py.assign(name, site, variable.span),)
        return Statement(
            variable.type.plates,
            code,
            makes=frozenset({variable.name}),
            needs=needed(variable),
        )

    # Covariates with missing entries

    def _completed(self, variable: ir.Variable, name: str) -> Statement:
        """Missing values come from the guide, which leaves known ones as they are.

        Without a guide discrete ones can be summed out, pinned where they are known.
        """
        known, equation = py.name(f"{name}_known"), variable.equations[0]
        law, seen = self.sites.law(variable, equation), self.sites.law(variable, equation, known)
        missing = self.sites.law(variable, equation, ast.UnaryOp(ast.Invert(), known))
        finite = is_discrete(variable.type.support)
        if finite and variable.type.event:
            missing = py.call("runtime.listed", missing)
        label, infer = f"{variable.name}_missing", enumerated() if finite else None
        drawn = self.sites.site(variable, missing, label, infer=infer)
        code: list[ast.stmt] = [py.assign(name, drawn, variable.span)]
        if finite:
            given = self._setting.names.extra(f"{name}_given")
            code.insert(0, py.assign(given, py.name(name), variable.span))
            code.append(self._pin(variable, name, given, NEVER))
        code.append(py.run(self.sites.site(variable, seen, obs=py.name(name)), variable.span))
        test = ast.Compare(known, [ast.Is()], [ast.Constant(None)])
        whole = self.sites.site(variable, law, obs=py.name(name))
        choice = ast.If(test, [py.assign(name, whole, variable.span)], code)
        made, needs = frozenset({variable.name}), needed(variable)
        return Statement(variable.type.plates, (choice,), makes=made, needs=needs)

    def _pin(self, variable: ir.Variable, name: str, given: str, never: float) -> ast.stmt:
        """A factor that lets a known entry have no other value."""
        tied = tied_axes(variable)
        unequal = _any(ast.Compare(py.name(name), [ast.NotEq()], [py.name(given)]), tied)
        both = ast.BinOp(py.name(f"{name}_known"), ast.BitAnd(), unequal)
        differs = _any(both, len(variable.type.event) - tied)
        pinned = py.call("torch.where", differs, py.number(never), py.number(0.0))
        factor = py.call("pyro.factor", py.text(f"{variable.name}_known"), pinned)
        return py.run(factor, variable.span)

    def _summed(self, variable: ir.Variable, name: str) -> Statement:
        """Finitely many values: summed out, and pinned where they are known."""
        known = f"{name}_known"
        law = self.sites.law(variable, variable.equations[0])
        site = self.sites.site(variable, law, obs=py.name(name))
        given = self._setting.names.extra(f"{name}_given")
        drawn = self.sites.site(variable, law, f"{variable.name}_missing", infer=enumerated())
        test = ast.Compare(py.name(known), [ast.Is()], [ast.Constant(None)])
        choice = ast.If(
            test,
            [py.assign(name, site, variable.span)],
            [
                py.assign(given, py.name(name), variable.span),
                py.assign(name, drawn, variable.span),
                self._pin(variable, name, given, -inf),
            ],
        )
        return Statement(
            variable.type.plates,
            (choice,),
            makes=frozenset({variable.name}),
            needs=needed(variable),
        )

    def _filled(self, variable: ir.Variable, name: str) -> Statement:
        """Continuous values: one flat latent for each missing entry; the site weighs them."""
        known, tied = py.name(f"{name}_known"), tied_axes(variable)
        gaps = self._setting.names.extra(f"{name}_gaps")
        drawn = self._setting.names.extra(f"{name}_missing")
        count = py.call("int", py.call(py.attribute(gaps, "sum")))
        label = py.text(f"{variable.name}_missing_entry")
        plate = py.call("pyro.plate", label, count, dim=py.number(-1))
        site = self.sites.site(
            variable, self._entry_law(variable, tied), f"{variable.name}_missing"
        )
        lead = len(variable.type.event) - tied
        numbers = ast.BinOp(
            py.call("torch.cumsum", py.call(py.attribute(gaps, "flatten")), py.number(0)),
            ast.Sub(),
            py.number(1),
        )
        clamped = py.call("torch.clamp", numbers, min=py.number(0))
        slots = py.call(py.attribute(clamped, "reshape"), py.attribute(gaps, "shape"))
        taken = self._setting.helper(
            "take",
            py.name(drawn),
            slots,
            py.number(-1 - tied),
            event=py.number(tied) if tied else None,
            index_event=py.number(lead) if lead else None,
        )
        whole = py.call("torch.where", self._setting.lifted(known, tied), py.name(name), taken)
        inside = ast.With([ast.withitem(plate)], [py.assign(drawn, site, variable.span)])
        body: list[ast.stmt] = [
            py.assign(gaps, ast.UnaryOp(ast.Invert(), known), variable.span),
            inside,
            py.assign(name, whole, variable.span),
        ]
        test = ast.Compare(known, [ast.IsNot()], [ast.Constant(None)])
        code = (ast.If(test, body, []),)
        return Statement(frozenset(), code, makes=frozenset({variable.name}))

    def _entry_law(self, variable: ir.Variable, tied: int) -> ast.expr:
        """Density 1 on one value of a variable."""
        support = variable.type.support
        event = variable.type.event[len(variable.type.event) - tied :]
        whole = isinstance(support, (Interval, Index)) or support.event_dim == tied
        entry = replace(
            variable,
            type=replace(variable.type, event=event, support=support if whole else hull(support)),
            lower=None,
            upper=None,
        )
        return self.sites.distributions.flat(entry)


def _any(code: ast.expr, axes: int) -> ast.expr:
    """Whether a condition holds anywhere along the last axes."""
    for _ in range(axes):
        code = py.call(py.attribute(code, "any"), py.number(-1))
    return code
