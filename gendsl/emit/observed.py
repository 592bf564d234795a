"""Observed variables to statements: given values, missing ones, steps of a sequence."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from math import inf

from gendsl.emit import pycode as py
from gendsl.emit.setting import Setting, Window
from gendsl.emit.sites import SiteEmitter, Statement, enumerated, has_children
from gendsl.ir import nodes as ir
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.semantics.supports import hull, is_discrete
from gendsl.types import Index, Interval, Structured

__all__ = ["ObservedEmitter", "tied_axes"]


def tied_axes(variable: ir.Variable) -> int:
    """How many of the last event axes are one value, known or missing together."""
    support = variable.type.support
    drawn = [DISTRIBUTIONS[e.distribution.name] for e in variable.equations if e.distribution]
    own = support.event_dim if isinstance(support, Structured) else 0
    return max([own, *(spec.event_dim for spec in drawn)])


@dataclass(slots=True)
class ObservedEmitter:
    """Emits the statements of the observed variables of one model."""

    sites: SiteEmitter

    @property
    def _setting(self) -> Setting:
        return self.sites.setting

    def statements(self, variable: ir.Variable) -> list[Statement]:
        """Everything that belongs to an observed variable."""
        imputed = variable.optional and has_children(self.sites.model, variable.name)
        name = self.sites.identifier(variable)
        if imputed and is_discrete(variable.type.support):
            return [self._summed(variable, name)]
        result = [self._filled(variable, name)] if imputed else []
        known = py.name(f"{name}_known") if variable.optional and not imputed else None
        window = self.sites.window(variable)
        if window is None and all(e.step is None for e in variable.equations):
            return [*result, self._whole(variable, name, known)]
        return [*result, *self._steps(variable, name, known)]

    def _whole(self, variable: ir.Variable, name: str, known: ast.expr | None) -> Statement:
        """One site for all members."""
        law = self.sites.law(variable, next(iter(variable.equations), None), known)
        site = self.sites.site(variable, law, obs=py.name(name))
        return Statement(variable.type.plates, (py.assign(name, site, variable.span),))

    # Sequences

    def _steps(self, variable: ir.Variable, name: str, known: ast.expr | None) -> list[Statement]:
        """A site for each literal step, and one for the general equation where it holds."""
        window = self.sites.window(variable)
        assert window is not None
        result = []
        for equation in variable.equations:
            if equation.step is None:
                continue
            key = py.slice_from(equation.step, equation.step + 1)
            given, mask = self._cut(variable, window.sequence, name, known, key)
            law = self.sites.law(variable, equation, mask)
            site = self.sites.site(variable, law, f"{variable.name}[{equation.step}]", obs=given)
            plates = variable.type.plates - {window.sequence}
            result.append(Statement(plates, (py.run(site, variable.span),)))
        result.append(self._general(variable, window, name, known))
        return result

    def _general(
        self, variable: ir.Variable, window: Window, name: str, known: ast.expr | None
    ) -> Statement:
        """The site of the general equation, without the literal steps that it reaches."""
        equation = next(e for e in variable.equations if e.step is None)
        given: ast.expr = py.name(name)
        mask = known
        if not window.masked:
            key = py.slice_from(window.first)
            given, mask = self._cut(variable, window.sequence, name, known, key)
        steps = [e.step for e in variable.equations if e.step is not None]
        later = tuple(s for s in steps if s > window.first)
        if later or window.masked:
            rank = len(variable.type.event) - tied_axes(variable)
            held = self._setting.held(window, later, rank)
            mask = held if mask is None else ast.BinOp(mask, ast.BitAnd(), held)
        with self._setting.within(window):
            law = self.sites.law(variable, equation, mask)
        site = self.sites.site(variable, law, obs=given)
        cut = None if window.masked else window
        return Statement(variable.type.plates, (py.run(site, variable.span),), cut)

    def _cut(
        self,
        variable: ir.Variable,
        sequence: str,
        name: str,
        known: ast.expr | None,
        key: ast.expr,
    ) -> tuple[ast.expr, ast.expr | None]:
        """The values, and their mask, at some steps."""
        rank = len(variable.type.event)
        given = self._setting.along(sequence, py.name(name), key, rank)
        if known is None:
            return given, None
        part = self._setting.along(sequence, known, key, rank - tied_axes(variable))
        some_missing = py.call("torch.is_tensor", known)
        return given, ast.IfExp(some_missing, part, ast.Constant(value=True))

    # Covariates with missing entries

    def _summed(self, variable: ir.Variable, name: str) -> Statement:
        """Finitely many values: summed out, and pinned where they are known."""
        known = f"{name}_known"
        law = self.sites.law(variable, variable.equations[0])
        site = self.sites.site(variable, law, obs=py.name(name))
        given = self._setting.names.extra(f"{name}_given")
        drawn = self.sites.site(variable, law, f"{variable.name}_missing", infer=enumerated())
        differs = ast.BinOp(
            py.name(known),
            ast.BitAnd(),
            ast.Compare(py.name(name), [ast.NotEq()], [py.name(given)]),
        )
        pinned = py.call("torch.where", differs, py.number(-inf), py.number(0.0))
        factor = py.call("pyro.factor", py.text(f"{variable.name}_known"), pinned)
        test = ast.Compare(py.name(known), [ast.Is()], [ast.Constant(None)])
        choice = ast.If(
            test,
            [py.assign(name, site, variable.span)],
            [
                py.assign(given, py.name(name), variable.span),
                py.assign(name, drawn, variable.span),
                py.run(factor, variable.span),
            ],
        )
        return Statement(variable.type.plates, (choice,))

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
        return Statement(frozenset(), (ast.If(test, body, []),))

    def _entry_law(self, variable: ir.Variable, tied: int) -> ast.expr:
        """Density 1 on one value of a variable."""
        support = variable.type.support
        event = variable.type.event[len(variable.type.event) - tied :]
        whole = isinstance(support, (Interval, Index)) or support.event_dim == tied
        entry = replace(
            variable,
            type=replace(variable.type, event=event, support=support if whole else hull(support)),
        )
        return self.sites.distributions.flat(entry)
