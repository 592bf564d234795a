"""Variables to statements: sample sites, params, deterministic values and factors."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from math import inf

from gendsl.emit import pycode as py
from gendsl.emit.distributions import DistributionEmitter, constraint, flat_base
from gendsl.emit.expressions import FULL, Emitter, Window, mark
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import references, walk
from gendsl.semantics.supports import hull, is_discrete
from gendsl.source import Span
from gendsl.types import Index, Interval, Structured

__all__ = ["SiteEmitter", "Statement", "has_children"]


@dataclass(frozen=True, slots=True)
class Statement:
    """Emitted statements that stand together inside the plates `plates`.

    `window` names the sequence that is cut short in it.
    """

    plates: frozenset[str]
    code: tuple[ast.stmt, ...]
    window: Window | None = None


def has_children(model: ir.Model, name: str) -> bool:
    """Whether any other quantity depends on the variable `name`."""
    for variable in model.variables:
        for equation in variable.equations:
            values = [equation.value] if equation.value is not None else []
            if equation.distribution is not None:
                values += [a for _, a in equation.distribution.args]
            if variable.name != name and name in references(*values):
                return True
    return any(name in references(e.value) for e in model.energies)


def assign(target: str, value: ast.expr, span: Span) -> ast.stmt:
    """``target = value``."""
    node = ast.Assign([ast.Name(target, ast.Store())], value)
    node.gen_span = span  # type: ignore[attr-defined]
    return node


def run(value: ast.expr, span: Span) -> ast.stmt:
    """``value`` as a statement."""
    node = ast.Expr(value)
    node.gen_span = span  # type: ignore[attr-defined]
    return node


@dataclass(slots=True)
class SiteEmitter:
    """Emits the statements of one model."""

    model: ir.Model
    emitter: Emitter
    distributions: DistributionEmitter
    enumerated: frozenset[str]

    def variable(self, variable: ir.Variable) -> list[Statement]:
        """The statements of a variable; none for inputs, which are arguments."""
        match variable.role:
            case "input":
                return []
            case "param":
                return [self._param(variable)]
            case "let":
                return [self._let(variable)]
            case "latent":
                return [self._latent(variable)]
            case "observed":
                return self._observed(variable)

    def _id(self, variable: ir.Variable) -> str:
        return self.emitter.names.variables[variable.name]

    def _site(self, variable: ir.Variable, law: ast.expr, **keywords: ast.expr | None) -> ast.expr:
        code = py.call("pyro.sample", py.text(variable.name), law, **keywords)
        return mark(code, variable.span)

    def _law(self, variable: ir.Variable) -> ast.expr:
        equation = next((e for e in variable.equations if e.step is None), None)
        if equation is None or equation.distribution is None:
            return self.distributions.flat(variable)
        law = self.distributions.narrowed(variable, equation.distribution)
        return mark(law, equation.span)

    def _latent(self, variable: ir.Variable) -> Statement:
        infer: ast.expr | None = None
        if variable.name in self.enumerated:
            infer = ast.Dict([py.text("enumerate")], [py.text("parallel")])
        site = self._site(variable, self._law(variable), infer=infer)
        code = assign(self._id(variable), site, variable.span)
        return Statement(variable.type.plates, (code,))

    def _let(self, variable: ir.Variable) -> Statement:
        equation = variable.equations[-1]
        assert equation.value is not None
        emitter = self.emitter
        window = _window(variable, equation)
        emitter.window = window
        value = emitter.tensor(equation.value)
        if equation.value.type.plates != variable.type.plates:
            value = ast.BinOp(value, ast.Add(), self._zeros(variable, window))
        emitter.window = None
        if window is not None:
            rank = emitter.layout.depths[window.sequence] - 1 + len(variable.type.event)
            pads = [py.number(0)] * (2 * rank) + [py.number(window.first), py.number(0)]
            value = py.call(
                "torch.nn.functional.pad", value, py.tuple_of(pads),
                value=py.call("float", py.text("nan")),
            )
        event = len(variable.type.event)
        code = py.call(
            "pyro.deterministic",
            py.text(variable.name),
            value,
            event_dim=py.number(event),
        )
        return Statement(
            variable.type.plates, (assign(self._id(variable), code, variable.span),)
        )

    def _zeros(self, variable: ir.Variable, window: Window | None) -> ast.expr:
        """Zeros over all the plates of a variable, for a value that does not vary over all."""
        layout, names = self.emitter.layout, self.emitter.names
        by_depth = {layout.depths[p]: p for p in variable.type.plates}
        sizes: list[ast.expr] = []
        for depth in range(layout.depth(variable.type.plates), 0, -1):
            plate = by_depth.get(depth)
            size: ast.expr = py.name(names.sizes[plate]) if plate else py.number(1)
            if window is not None and plate == window.sequence:
                size = ast.BinOp(size, ast.Sub(), py.number(window.first))
            sizes.append(size)
        return py.call("torch.zeros", *sizes, *[py.number(1)] * len(variable.type.event))

    def _param(self, variable: ir.Variable) -> Statement:
        layout, emitter = self.emitter.layout, self.emitter
        by_depth = {layout.depths[p]: p for p in variable.type.plates}
        plates = [
            py.name(emitter.names.sizes[by_depth[d]]) if d in by_depth else py.number(1)
            for d in range(layout.depth(variable.type.plates), 0, -1)
        ]
        shape = [*plates, *(emitter.size(s) for s in variable.type.event)]
        initial = self._initial(variable, shape)
        thunk = ast.Lambda(ast.arguments([], [], None, [], [], None, []), initial)
        limits = constraint(variable.type.support)
        site = py.call("pyro.param", py.text(variable.name), thunk, constraint=limits)
        return Statement(frozenset(), (assign(self._id(variable), site, variable.span),))

    def _initial(self, variable: ir.Variable, shape: list[ast.expr]) -> ast.expr:
        """Where the search starts: as declared, else a plain point of the support."""
        size: ast.expr = py.tuple_of(shape)
        if variable.initial is not None:
            value = self.emitter.tensor(variable.initial)
            return py.call(py.attribute(value, "expand"), size) if shape else value
        support = variable.type.support
        if isinstance(support, Structured):
            return self._structured_initial(variable, shape)
        assert isinstance(support, Interval)
        low, high = support.lower, support.upper
        start = 0.0
        if low > -inf and high < inf:
            start = (low + high) / 2
        elif low > -inf:
            start = low + 1.0
        elif high < inf:
            start = high - 1.0
        return py.call("torch.full", size, py.number(start))

    def _structured_initial(self, variable: ir.Variable, shape: list[ast.expr]) -> ast.expr:
        support = variable.type.support
        assert isinstance(support, Structured)
        last = shape[-1]
        if support.kind == "simplex":
            return ast.BinOp(py.call("torch.ones", py.tuple_of(shape)), ast.Div(), last)
        if support.kind == "ordered":
            line = py.call("torch.linspace", py.number(1.0), py.number(2.0), last)
            return py.call(py.attribute(line, "expand"), py.tuple_of(shape))
        if support.event_dim == 2:
            eye = py.call("torch.eye", last)
            return py.call(py.attribute(eye, "expand"), py.tuple_of(shape))
        line = py.call("torch.ones", py.tuple_of(shape))
        return ast.BinOp(line, ast.Div(), py.call("math.sqrt", last))

    # Observed variables

    def _observed(self, variable: ir.Variable) -> list[Statement]:
        if not variable.equations:
            return [self._undirected(variable)]
        equation = next(e for e in variable.equations if e.step is None)
        window = _window(variable, equation)
        if variable.optional and has_children(self.model, variable.name):
            return self._imputed(variable)
        self.emitter.window = window
        law = self._law(variable)
        self.emitter.window = None
        if variable.optional:
            known = py.name(f"{self._id(variable)}_known")
            law = py.call(py.attribute(law, "mask"), known)
        given: ast.expr = py.name(self._id(variable))
        if window is not None:
            right = self.emitter.layout.depths[window.sequence] - 1 + len(variable.type.event)
            key = py.slice_from(window.first)
            given = py.index(given, ast.Constant(...), key, *[FULL] * right)
        site = self._site(variable, law, obs=given)
        if window is not None:
            return [Statement(variable.type.plates, (run(site, variable.span),), window)]
        code = assign(self._id(variable), site, variable.span)
        return [Statement(variable.type.plates, (code,))]

    def _undirected(self, variable: ir.Variable) -> Statement:
        site = self._site(variable, self.distributions.flat(variable), obs=py.name(self._id(variable)))
        code = assign(self._id(variable), site, variable.span)
        return Statement(variable.type.plates, (code,))

    def _imputed(self, variable: ir.Variable) -> list[Statement]:
        """A covariate with missing entries: they are latents of its own distribution."""
        name, known = self._id(variable), f"{self._id(variable)}_known"
        law = self._law(variable)
        plain = assign(name, self._site(variable, law, obs=py.name(name)), variable.span)
        if is_discrete(variable.type.support):
            test = ast.Compare(py.name(known), [ast.Is()], [ast.Constant(None)])
            body = self._summed_entries(variable, law, name, known)
            return [Statement(variable.type.plates, (ast.If(test, [plain], body),))]
        test = ast.Compare(py.name(known), [ast.IsNot()], [ast.Constant(None)])
        filled = ast.If(test, self._inferred_entries(variable, name, known), [])
        return [
            Statement(frozenset(), (filled,)),
            Statement(variable.type.plates, (plain,)),
        ]

    def _summed_entries(
        self, variable: ir.Variable, law: ast.expr, name: str, known: str
    ) -> list[ast.stmt]:
        """Finitely many values: summed out, and pinned where they are known."""
        given = self.emitter.names.extra(f"{name}_given")
        drawn = py.call(
            "pyro.sample",
            py.text(f"{variable.name}_missing"),
            law,
            infer=ast.Dict([py.text("enumerate")], [py.text("parallel")]),
        )
        differs = ast.BinOp(
            py.name(known),
            ast.BitAnd(),
            ast.Compare(py.name(name), [ast.NotEq()], [py.name(given)]),
        )
        pinned = py.call("torch.where", differs, py.number(-inf), py.number(0.0))
        factor = py.call("pyro.factor", py.text(f"{variable.name}_known"), pinned)
        return [
            assign(given, py.name(name), variable.span),
            assign(name, drawn, variable.span),
            run(factor, variable.span),
        ]

    def _inferred_entries(
        self, variable: ir.Variable, name: str, known: str
    ) -> list[ast.stmt]:
        """Continuous values: one flat latent for each missing entry; the site below weighs it."""
        slot = self.emitter.names.extra(f"{name}_slot")
        drawn = self.emitter.names.extra(f"{name}_missing")
        base, _ = flat_base(self.emitter, _entry_of(variable))
        site = py.call(
            "pyro.sample",
            py.text(f"{variable.name}_missing"),
            py.call(py.attribute(base, "mask"), ast.Constant(False)),
        )
        missing = ast.UnaryOp(ast.Invert(), py.name(known))
        plate = py.call(
            "pyro.plate",
            py.text(f"{variable.name}_missing_entry"),
            py.call("int", py.call(py.attribute(missing, "sum"))),
            dim=py.number(-1),
        )
        inside = ast.With([ast.withitem(plate)], [assign(drawn, site, variable.span)])
        counted = py.call("torch.cumsum", py.call(py.attribute(missing, "flatten")), py.number(0))
        shaped = py.call(py.attribute(counted, "reshape"), py.attribute(known, "shape"))
        slots = py.call("torch.clamp", ast.BinOp(shaped, ast.Sub(), py.number(1)), py.number(0))
        self.emitter.used.add("take")
        taken = py.call("take", py.name(drawn), py.name(slot), py.number(-1))
        whole = py.call("torch.where", py.name(known), py.name(name), taken)
        return [
            inside,
            assign(slot, slots, variable.span),
            assign(name, whole, variable.span),
        ]

    # Energies

    def energy(self, energy: ir.Energy, number: int) -> Statement:
        """``pyro.factor`` of minus the energy, summed over its plates by them."""
        value = self.emitter.tensor(energy.value)
        term = ast.UnaryOp(ast.USub(), value)
        code = py.call("pyro.factor", py.text(f"energy_{number}"), term)
        return Statement(energy.value.type.plates, (run(mark(code, energy.span), energy.span),))


def _entry_of(variable: ir.Variable) -> ir.Variable:
    """A scalar variable with the support of one entry of `variable`."""
    support = variable.type.support
    entry = support if isinstance(support, (Interval, Index)) else hull(support)
    return replace(variable, type=replace(variable.type, event=(), support=entry))


def _window(variable: ir.Variable, equation: ir.Equation) -> Window | None:
    """The steps at which an equation with lags holds."""
    if equation.first == 0 or equation.step is not None:
        return None
    values = [equation.value] if equation.value is not None else []
    if equation.distribution is not None:
        values = [a for _, a in equation.distribution.args]
    sequence = _lagged(values)
    return Window(sequence, equation.first) if sequence is not None else None


def _lagged(values: list[ir.Expr]) -> str | None:
    return next((e.sequence for e in walk(*values) if isinstance(e, ir.Lag)), None)
