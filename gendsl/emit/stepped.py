"""Variables whose equations differ along a sequence: a site for each literal step and the rest.

Random variables have values of their own: those of a latent come from a site of density 1,
those of an observed variable from the data. Given them, the densities at all steps are weighed
at once.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from gendsl.emit import pycode as py
from gendsl.emit.setting import Setting, Window
from gendsl.emit.sites import SiteEmitter, Statement, needed, window_of
from gendsl.graph.recursion import held
from gendsl.ir import nodes as ir
from gendsl.ir.laws import tied_axes

__all__ = ["SteppedEmitter", "parts"]


def parts(model: ir.Model) -> tuple[tuple[str, str], ...]:
    """The sites that weigh the values of latents, by their first steps, and these latents."""
    found: list[tuple[str, str]] = []
    for name in sorted(held(model)):
        latent = model.variable(name)
        window = window_of(model, latent)
        first = window.first if window is not None else 0
        sites = {e.step: f"{name}[{e.step}]" for e in latent.equations if e.step is not None}
        sites[first] = f"{name} from {first}"
        found += [(sites[step], name) for step in sorted(sites)]
    return tuple(found)


@dataclass(slots=True)
class SteppedEmitter:
    """Emits the densities of one model's variables along sequences, given their values."""

    sites: SiteEmitter

    @property
    def _setting(self) -> Setting:
        return self.sites.setting

    def latent(self, variable: ir.Variable) -> list[Statement]:
        """The values of a latent, and their densities."""
        name = self.sites.identifier(variable)
        law = self.sites.distributions.flat(variable)
        site = self.sites.site(variable, law)
        values = Statement(
            variable.type.plates,
            (py.assign(name, site, variable.span), *self._earlier(variable, name)),
            makes=frozenset({variable.name}),
        )
        window = self.sites.window(variable)
        first = window.first if window is not None else 0
        label = f"{variable.name} from {first}"
        return [values, *self.densities(variable, name, label)]

    def _earlier(self, variable: ir.Variable, name: str) -> list[ast.stmt]:
        """The state of a hidden Markov chain one step earlier, as a site of its own."""
        setting = self._setting
        if not setting.earlier.get(variable.name):
            return []
        window = self.sites.window(variable)
        sequence = window.sequence if window is not None else self.sites.along(variable)
        dim = py.number(-setting.layout.depths[sequence])
        shifted = setting.helper("earlier", py.name(name), py.number(1), dim)
        site = py.call("pyro.deterministic", py.text(f"{variable.name} before"), shifted)
        return [py.assign(setting.earlier[variable.name], site, variable.span)]

    def densities(
        self, variable: ir.Variable, name: str, label: str, known: ast.expr | None = None
    ) -> list[Statement]:
        """A site for each literal step, and one for the general equation where it holds.

        Args:
            variable: whose values are weighed.
            name: what its values are called.
            label: what the site of the general equation is called.
            known: the mask of known entries.
        """
        window = self.sites.window(variable)
        if window is None:
            law = self.sites.law(variable, variable.equations[-1], known)
            site = self.sites.site(variable, law, label, obs=py.name(name))
            code = (*self._setting.taken(), py.run(site, variable.span))
            return [Statement(variable.type.plates, code, needs=self._needs(variable))]
        result = []
        for equation in variable.equations:
            if equation.step is None:
                continue
            key = py.slice_from(equation.step, equation.step + 1)
            given, mask = self._cut(variable, window.sequence, name, known, key)
            law = self.sites.law(variable, equation, mask, key)
            site = self.sites.site(variable, law, f"{variable.name}[{equation.step}]", obs=given)
            plates = variable.type.plates - {window.sequence}
            code = (*self._setting.taken(), py.run(site, variable.span))
            result.append(Statement(plates, code, needs=self._needs(variable)))
        return [*result, self._general(variable, window, name, label, known)]

    def _needs(self, variable: ir.Variable) -> frozenset[str]:
        return needed(variable) | {variable.name}

    def _general(
        self,
        variable: ir.Variable,
        window: Window,
        name: str,
        label: str,
        known: ast.expr | None,
    ) -> Statement:
        """The site of the general equation, without the literal steps that it reaches."""
        equation = next(e for e in variable.equations if e.step is None)
        given: ast.expr = py.name(name)
        mask, key = known, None
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
            law = self.sites.law(variable, equation, mask, key)
        site = self.sites.site(variable, law, label, obs=given)
        cut = None if window.masked else window
        code = (*self._setting.taken(), py.run(site, variable.span))
        return Statement(variable.type.plates, code, cut, needs=self._needs(variable))

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
