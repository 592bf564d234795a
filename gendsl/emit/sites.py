"""Variables to statements: latents, params, deterministic values and factors."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from gendsl.diagnostics import InternalCompilerError
from gendsl.emit import pycode as py
from gendsl.emit.chained import autoregressive
from gendsl.emit.distributions import DistributionEmitter
from gendsl.emit.expressions import Emitter
from gendsl.emit.setting import Setting, Window
from gendsl.emit.supports import constraint, plain_start
from gendsl.graph.recursion import recurrent
from gendsl.ir import nodes as ir
from gendsl.ir.laws import tied_axes, traits_of
from gendsl.ir.traversal import (
    equation_expressions,
    is_autoregressive,
    references,
    variable_expressions,
    walk,
)
from gendsl.semantics.supports import is_discrete
from gendsl.types import Index, Structured

__all__ = [
    "SiteEmitter",
    "Statement",
    "enumerated",
    "has_children",
    "in_order",
    "needed",
    "sequence_of",
    "window_of",
]


@dataclass(frozen=True, slots=True)
class Statement:
    """Emitted statements that stand together inside the plates `plates`.

    Attributes:
        plates: inside which they stand.
        code: the statements.
        window: names the sequence that is cut short in them.
        makes: the variables that have their values after them.
        needs: the variables whose values they use.
        deferred: they are run only when latents that are summed out have been recovered.
    """

    plates: frozenset[str]
    code: tuple[ast.stmt, ...]
    window: Window | None = None
    makes: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    deferred: bool = False


def in_order(statements: list[Statement]) -> list[Statement]:
    """Statements such that each comes after those it needs; else as they are."""
    waiting = list(statements)
    found: list[Statement] = []
    while waiting:
        missing = frozenset[str]().union(*(s.makes for s in waiting))
        ready = (s for s in waiting if not (s.needs - s.makes) & missing)
        chosen = next(ready, None)
        if chosen is None:
            raise InternalCompilerError("statements need one another")
        found.append(chosen)
        waiting.remove(chosen)
    return found


def needed(variable: ir.Variable) -> frozenset[str]:
    """The variables that the equations of a variable mention, itself left out."""
    return frozenset(references(*variable_expressions(variable))) - {variable.name}


def enumerated() -> ast.expr:
    """The `infer` of a site that is summed out."""
    return ast.Dict([py.text("enumerate")], [py.text("parallel")])


def has_children(model: ir.Model, name: str) -> bool:
    """Whether any quantity depends on the variable `name`, itself at later steps included."""
    exprs = [x for v in model.variables for e in v.equations for x in equation_expressions(e)]
    exprs += [b for v in model.variables for b in (v.lower, v.upper) if b is not None]
    return name in references(*exprs, *(e.value for e in model.energies))


def window_of(model: ir.Model, variable: ir.Variable) -> Window | None:
    """The steps of the general equation of a variable; None if it holds at all of them."""
    general = next((e for e in variable.equations if e.step is None), None)
    if general is None:
        return None
    first, literal = general.first, {e.step for e in variable.equations}
    while first in literal:
        first += 1
    alone = len(variable.equations) == 1
    return None if first == 0 and alone else Window(sequence_of(model, variable), first)


def sequence_of(model: ir.Model, variable: ir.Variable) -> str:
    """The sequence along which the equations of a variable differ, or it depends on its past."""
    along = [a for a in variable.axes if model.axis(a).kind == "sequence"]
    if len(along) == 1:
        return along[0]
    circle = next((c for c in recurrent(model) if variable.name in c), frozenset[str]())
    for group in ({variable.name}, circle):
        members = [v for v in model.variables if v.name in group]
        differ = {e.sequence for v in members for e in v.equations}
        exprs = [x for v in members for e in v.equations for x in equation_expressions(e)]
        differ |= {x.sequence for x in walk(*exprs) if isinstance(x, ir.Lag)}
        found = next((a for a in along if a in differ), None)
        if found is not None:
            return found
    return along[-1]


@dataclass(slots=True)
class SiteEmitter:
    """Emits the statements of one model, but those of observed variables.

    Attributes:
        model: what is emitted.
        emitter: of expressions.
        distributions: of laws.
        enumerated: latents that are summed out.
        joint: whether Pyro itself sums them out, so that laws of vectors have to list these.
    """

    model: ir.Model
    emitter: Emitter
    distributions: DistributionEmitter
    enumerated: frozenset[str]
    joint: bool = False

    @property
    def setting(self) -> Setting:
        """What is known of the model."""
        return self.emitter.setting

    def identifier(self, variable: ir.Variable) -> str:
        """What a variable is called in the program."""
        return self.setting.names.variables[variable.name]

    def window(self, variable: ir.Variable) -> Window | None:
        """The steps of the general equation, masked where a summed-out latent stands on them."""
        found = window_of(self.model, variable)
        if found is None:
            return None
        if variable.name in self.setting.earlier:
            return replace(found, masked=True)
        stack = [x for e in variable.equations for x in equation_expressions(e)]
        seen: set[str] = set()
        while stack:
            for name in references(stack.pop()):
                other = self.model.variable(name)
                if self._summed_out(other) and found.sequence in other.type.plates:
                    return replace(found, masked=True)
                if other.role == "let" and name not in seen:
                    seen.add(name)
                    stack += [e.value for e in other.equations if e.value is not None]
        return found

    def along(self, variable: ir.Variable) -> str:
        """The sequence along which a variable recurs."""
        return sequence_of(self.model, variable)

    def _summed_out(self, variable: ir.Variable) -> bool:
        """Whether a variable is enumerated, or missing entries of it are."""
        missing = variable.optional and is_discrete(variable.type.support)
        return missing or variable.name in self.enumerated

    def site(
        self,
        variable: ir.Variable,
        law: ast.expr,
        label: str = "",
        **keywords: ast.expr | None,
    ) -> ast.expr:
        """``pyro.sample``."""
        name = py.text(label or variable.name)
        return py.mark(py.call("pyro.sample", name, law, **keywords), variable.span)

    def present(
        self, variable: ir.Variable, key: ast.expr | None = None, tied: int = 0
    ) -> ast.expr | None:
        """Which steps of a ragged sequence there are, for a variable along it; else None.

        With `key` at some steps alone; `tied` event axes of its law are one entry.
        """
        axis = next((a for a in self.model.axes if a.lengths and a.name in variable.axes), None)
        if axis is None:
            return None
        code: ast.expr = py.name(self.setting.names.there[axis.name])
        if key is not None:
            code = self.setting.along(axis.name, code, key, 0)
        return self.setting.lifted(code, len(variable.type.event) - tied)

    def law(
        self,
        variable: ir.Variable,
        equation: ir.Equation | None,
        known: ast.expr | None = None,
        key: ast.expr | None = None,
    ) -> ast.expr:
        """The distribution of a variable by one of its equations, entries masked by `known`.

        With `key` at some steps of a sequence alone.
        """
        present = self.present(variable, key, tied_axes(variable))
        if present is not None:
            known = present if known is None else ast.BinOp(known, ast.BitAnd(), present)
        if equation is None or equation.distribution is None:
            return self.distributions.flat(variable, known)
        law = self.distributions.narrowed(variable, equation.distribution, known)
        if is_autoregressive(variable):
            law = autoregressive(self.setting, self.model, variable, law)
        return py.mark(law, equation.span)

    def latent(self, variable: ir.Variable) -> Statement:
        """A sample site."""
        equation = variable.equations[-1] if variable.equations else None
        summed = variable.name in self.enumerated
        law = self.law(variable, equation)
        if summed and self.joint and variable.type.event:
            law = py.call("runtime.listed", law)
        site = self.site(variable, law, infer=enumerated() if summed else None)
        code = py.assign(self.identifier(variable), site, variable.span)
        return Statement(
            variable.type.plates,
            (code,),
            makes=frozenset({variable.name}),
            needs=needed(variable),
        )

    def guided(self, variable: ir.Variable, *, carried: bool, summed: bool = False) -> Statement:
        """A sample site of a guide, whose law is not narrowed.

        With `carried` it is that of the coordinates without bounds, with `summed` its values are
        all tried.
        """
        (equation,) = variable.equations
        law = self.guide_law(variable, equation, carried=carried)
        name, label = self.identifier(variable), variable.name
        known = py.name(f"{name}_known")
        in_part = variable.role == "observed"  # drawn where it is missing
        if in_part:
            law, label = py.call("runtime.pinned", law, known, py.name(name)), f"{label}_missing"
        if summed and variable.type.event:
            law = py.call("runtime.listed", law)
        site = self.site(variable, law, label, infer=enumerated() if summed else None)
        code: ast.stmt = py.assign(name, site, variable.span)
        if in_part:
            code = ast.If(ast.Compare(known, [ast.IsNot()], [ast.Constant(None)]), [code], [])
        made = frozenset({variable.name})
        return Statement(variable.type.plates, (code,), makes=made, needs=needed(variable))

    def guide_law(
        self, variable: ir.Variable, equation: ir.Equation, *, carried: bool = False
    ) -> ast.expr:
        """The law of a latent by an equation of its guide."""
        step, given = self.setting.step, equation.distribution
        key = None
        if step is not None:
            number = py.name(step.number)
            key = ast.Slice(number, ast.BinOp(number, ast.Add(), py.number(1)))
        event = len(variable.type.event)
        if given is None:
            assert equation.value is not None
            point = self.emitter.tensor(equation.value)
            law: ast.expr = py.call("dist.Delta", point, event_dim=py.number(event))
        elif carried:
            law = self.distributions.plain(given, given.type.event)
            law = py.call("runtime.carried", law, constraint(variable.type.support))
        else:
            known = self.present(variable, key, traits_of(given).event_dim)
            law = self.distributions.plain(given, given.type.event, known)
        present = self.present(variable, key, event)
        if present is not None and (given is None or carried):
            law = py.call(py.attribute(law, "mask"), present)
        return py.mark(law, equation.span)

    def let(self, variable: ir.Variable, *, site: bool = True) -> Statement:
        """A deterministic site; NaN at the steps where its equation does not hold.

        Without `site` the value alone, as in guides: a site there needs one in the model.
        """
        equation = next(e for e in variable.equations if e.step is None)
        assert equation.value is not None
        setting, rank = self.setting, len(variable.type.event)
        with setting.within(self.window(variable)):
            value = self.emitter.tensor(equation.value)
            if equation.value.type.plates != variable.type.plates:
                value = ast.BinOp(value, ast.Add(), self.zeros(variable))
            if setting.window is not None:
                value = setting.padded(value, rank, self._nothing(variable, setting.window))
        for literal in variable.equations:
            if literal.step is not None and literal.value is not None:
                here = setting.at(self.along(variable), literal.step, rank)
                given = self.emitter.tensor(literal.value)
                value = py.call("torch.where", here, given, value)
        if site:
            name = py.text(variable.name)
            value = py.call("pyro.deterministic", name, value, event_dim=py.number(rank))
        assigned = py.assign(self.identifier(variable), value, variable.span)
        return Statement(
            variable.type.plates,
            (assigned,),
            makes=frozenset({variable.name}),
            needs=needed(variable),
        )

    def _nothing(self, variable: ir.Variable, window: Window) -> ast.expr:
        """What stands at the steps before a window: NaN, or what literal steps replace."""
        literal = {e.step for e in variable.equations}
        whole = isinstance(variable.type.support, Index)
        if whole and literal.issuperset(range(window.first)):
            return py.number(0)
        return py.attribute("math", "nan")

    def zeros(self, variable: ir.Variable, single: str | None = None) -> ast.expr:
        """Zeros over all the plates of a variable, for a value that does not vary over all.

        Along the sequence `single` there is one step alone.
        """
        plates = variable.type.plates - {single}
        sizes = self.setting.plate_sizes(plates)
        ones = [py.number(1)] * len(variable.type.event)
        whole = isinstance(variable.type.support, Index)
        dtype = py.attribute("torch", "long") if whole else None
        return py.call("torch.zeros", *sizes, *ones, dtype=dtype)

    def param(self, variable: ir.Variable, *, scattered: bool = False) -> Statement:
        """``pyro.param``, with all of its plates as leading dimensions.

        One that is `scattered`, a matrix, begins at random entries, of variance 1 / its columns.
        """
        setting = self.setting
        shape = setting.plate_sizes(variable.type.plates)
        shape += [setting.size(s) for s in variable.type.event]
        nothing = ast.arguments([], [], None, [], [], None, [])
        limits, start = constraint(variable.type.support), self._start(variable, shape)
        if variable.lower is not None or variable.upper is not None:
            bounds = self.distributions.bounds(variable)
            limits = py.call("runtime.between", *bounds)
            if variable.initial is None:
                start = py.call("runtime.start_between", *bounds, py.tuple_of(shape))
        if scattered:
            root = ast.BinOp(shape[-1], ast.Pow(), ast.Constant(0.5))
            start = ast.BinOp(py.call("torch.randn", *shape), ast.Div(), root)
        thunk = ast.Lambda(nothing, start)
        site = py.call("pyro.param", py.text(variable.name), thunk, constraint=limits)
        assigned = py.assign(self.identifier(variable), site, variable.span)
        return Statement(frozenset(), (assigned,), makes=frozenset({variable.name}))

    def _start(self, variable: ir.Variable, shape: list[ast.expr]) -> ast.expr:
        """Where the search starts: as declared, else a plain point of the support."""
        if variable.initial is None:
            return plain_start(variable.type.support, shape)
        if self.setting.is_number(variable.initial):
            value = self.emitter.number(variable.initial)
            if isinstance(variable.type.support, Structured):  # of a matrix: times the identity
                return ast.BinOp(value, ast.Mult(), plain_start(variable.type.support, shape))
            return py.call("torch.full", py.tuple_of(shape), value)
        value = self.emitter.tensor(variable.initial)
        return py.call(py.attribute(value, "expand"), py.tuple_of(shape)) if shape else value

    def energy(self, energy: ir.Energy, number: int) -> Statement:
        """``pyro.factor`` of minus the energy, summed over its plates by them."""
        lags = [e for e in walk(energy.value) if isinstance(e, ir.Lag)]
        window = Window(lags[0].sequence, max(e.steps for e in lags)) if lags else None
        with self.setting.within(window):
            value = self.emitter.tensor(energy.value)
        term = py.call("pyro.factor", py.text(f"energy {number}"), ast.UnaryOp(ast.USub(), value))
        code = py.run(py.mark(term, energy.span), energy.span)
        needs = frozenset(references(energy.value))
        return Statement(energy.value.type.plates, (code,), window, needs=needs)
