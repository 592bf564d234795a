"""Distributions to Python: parameters aligned, entries independent, types narrowed."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from math import inf

from gendsl.emit import pycode as py
from gendsl.emit.expressions import Emitter
from gendsl.emit.setting import Setting
from gendsl.emit.supports import flat_law
from gendsl.ir import nodes as ir
from gendsl.ir.gaps import factors, mask, needs
from gendsl.ir.laws import dequantised, support_arguments, traits_of
from gendsl.ir.traversal import distribution_expressions, references
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.library.distributions.spec import DistributionSpec, Form
from gendsl.library.distributions.wrappers import WRAPPERS
from gendsl.semantics.narrowing import Narrowing, narrowing
from gendsl.semantics.supports import hull
from gendsl.types import Index, Interval, Size, Structured, Support

__all__ = ["DistributionEmitter"]

HOW = {"half": "half", "cdf": "cdf", "constant": "unnormalised"}
"""How `runtime.Truncated` finds the probability of an interval, for each kind of narrowing."""


@dataclass(slots=True)
class DistributionEmitter:
    """Emits the distributions of one model.

    Attributes:
        emitter: of their arguments.
        unknown: variables whose values change while the model is inferred.
        guide: the guide, where the distributions of one are emitted.
    """

    emitter: Emitter
    unknown: frozenset[str]
    guide: ir.Model | None = None

    @property
    def _setting(self) -> Setting:
        return self.emitter.setting

    def plain(
        self,
        distribution: ir.Distribution,
        event: tuple[Size, ...],
        known: ast.expr | None = None,
    ) -> ast.expr:
        """The distribution of a value of shape `event`, before any narrowing."""
        code = self.law(distribution, event)
        if known is not None:
            code = py.call(py.attribute(code, "mask"), known)
        return _independent(code, len(event) - traits_of(distribution).event_dim)

    def narrowed(
        self,
        variable: ir.Variable,
        distribution: ir.Distribution,
        known: ast.expr | None = None,
    ) -> ast.expr:
        """The distribution of `variable`, conditioned on its declared type.

        Args:
            variable: whose it is.
            distribution: as written.
            known: the mask of known entries.
        """
        event, own = variable.type.event, traits_of(distribution).event_dim
        kind = narrowing(variable, distribution)
        if kind.entry == "flat":
            return self.flat(variable, known)
        code = self.law(distribution, event)
        if known is not None and self._depends_on_data(distribution):
            _tolerate(code)
        code = self._entry(code, variable, distribution, kind)
        if dequantised(variable.type.support, distribution):
            ends = (py.number(float(end)) for end in _bounds(variable.type.support))
            code = py.call("runtime.Dequantised", code, *ends)
        if _is_ordered(variable.type.support):
            code, own = self._ordered(code, variable, kind), 1
        if known is not None:
            code = py.call(py.attribute(code, "mask"), known)
        return _independent(code, len(event) - own)

    def flat(self, variable: ir.Variable, known: ast.expr | None = None) -> ast.expr:
        """Density 1 on the type."""
        event = variable.type.event
        if variable.lower is not None or variable.upper is not None:
            code, own = self._flat_between(variable), 0
        else:
            code, own = flat_law(self._setting, variable.type.support, event)
        lead = event[: len(event) - own]
        if lead:
            code = py.call(py.attribute(code, "expand"), self._setting.shape(lead))
        if known is not None:
            code = py.call(py.attribute(code, "mask"), known)
        return _independent(code, len(lead))

    def _flat_between(self, variable: ir.Variable) -> ast.expr:
        """Density 1 on an interval whose bounds depend on other quantities."""
        low, high = self.bounds(variable)
        return py.call("runtime.FlatBetween", low, high)

    # Parameters

    def law(self, distribution: ir.Distribution, event: tuple[Size, ...]) -> ast.expr:
        """The distribution of one entry, its batch shape ending in the value's own axes."""
        if distribution.maps:
            return py.mark(self._pushed(distribution), distribution.span)
        if distribution.parts:
            return py.mark(self._wrapped(distribution, event), distribution.span)
        spec = DISTRIBUTIONS[distribution.name]
        args = _on_the_logit_scale(spec, dict(distribution.args))
        form = _form(spec, args)
        lead = event[: len(event) - spec.event_dim]
        own = event[len(event) - spec.event_dim :]
        shapes = {n: _Shape.of(spec, n, a, lead, own) for n, a in args.items()}
        values = {n: self._parameter(a, shapes[n], lead, own) for n, a in args.items()}
        carried = any(shape.lead for shape in shapes.values())
        wide = not lead or carried
        varying = next((n for n, a in args.items() if self._setting.varies(a)), None)
        if not wide and varying is not None:
            sizes = [self._setting.size(s) for s in lead]
            ones = [py.number(1)] * shapes[varying].own
            whole = isinstance(args[varying].type.support, Index)
            dtype = py.attribute("torch", "long") if whole else None
            zeros = py.call("torch.zeros", *sizes, *ones, dtype=dtype)
            values[varying] = ast.BinOp(values[varying], ast.Add(), zeros)
        tensors = frozenset(n for n, a in args.items() if not self._setting.is_number(a))
        values |= {letter: self._setting.size(s) for letter, s in zip(spec.axes, own, strict=True)}
        moves = self._moves(distribution)
        code = py.fill(form.moving if moves and form.moving else form.pyro, values, tensors)
        if moves:
            assert isinstance(code, ast.Call)
            code.keywords.append(ast.keyword("validate_args", ast.Constant(value=False)))
        if not wide and varying is None:
            code = py.call(py.attribute(code, "expand"), self._setting.shape(lead))
        return code

    def _pushed(self, distribution: ir.Distribution) -> ast.expr:
        """A push-forward: its base, and the flows that draws pass, in order."""
        base = self.plain(distribution.parts[0], distribution.type.event)
        flows: list[ast.expr] = [self.emitter.expr(call) for call in distribution.maps]
        return py.call("dist.TransformedDistribution", base, ast.List(flows, ast.Load()))

    def _wrapped(self, distribution: ir.Distribution, event: tuple[Size, ...]) -> ast.expr:
        """A distribution of distributions: its own parameters, and its parts."""
        spec = WRAPPERS[distribution.name]
        if distribution.name == "Product" and self.guide is not None:
            return self._product(self.guide, distribution, event)
        args = _on_the_logit_scale(spec, dict(distribution.args))
        lead = () if spec.joint else event
        values = {
            n: self._parameter(a, _Shape.of(spec, n, a, lead, ()), lead, ())
            for n, a in args.items()
        }
        emitted = self.plain if spec.joint else self.law
        parts = [emitted(part, event) for part in distribution.parts]
        values |= {"part": parts[0], "parts": ast.List(parts, ast.Load())}
        template = _form(spec, args).pyro
        if distribution.over is not None:
            assert spec.over is not None
            (name,) = args
            template = spec.over.format(name)
            values["depth"] = py.number(self._setting.layout.depths[distribution.over])
        code = py.fill(template, values)
        if self._moves(distribution):
            assert isinstance(code, ast.Call)
            code.keywords.append(ast.keyword("validate_args", ast.Constant(value=False)))
        return code

    def _product(
        self, guide: ir.Model, distribution: ir.Distribution, event: tuple[Size, ...]
    ) -> ast.expr:
        """A product in a guide, of which factors drop out where what they need is missing."""
        found = list(factors(distribution))
        parts: list[ast.expr] = [self.law(f, event) for f in found]
        terms = [self._presence(guide, f, len(event)) for f in found]
        whole = ast.Constant(value=True)
        present = [py.join(ast.BitAnd(), t) if t else whole for t in terms]
        known = ast.List(present, ast.Load()) if any(terms) else None
        return py.call("runtime.product", ast.List(parts, ast.Load()), present=known)

    def _presence(self, guide: ir.Model, factor: ir.Distribution, lead: int) -> list[ast.expr]:
        """Whether a factor has what it needs, for each member: all of these."""
        missing = frozenset(self._setting.gaps)
        need = needs(distribution_expressions(factor), missing, guide)
        terms: list[ast.expr] = []
        for helper, wanted in (("all_known", need.whole), ("some_known", need.partly)):
            for expr in wanted.values():
                known = mask(expr, missing)
                assert known is not None
                rank = py.number(len(expr.type.event))
                code = self.emitter.expr(known)
                terms.append(self._setting.helper(helper, code, rank, py.number(lead)))
        return terms

    def _parameter(
        self, arg: ir.Expr, shape: _Shape, lead: tuple[Size, ...], own: tuple[Size, ...]
    ) -> ast.expr:
        """A parameter with the value's leading event axes, or with axes of size 1 for them."""
        if shape.filled:
            return self._filled(arg, shape, lead, own)
        code = self.emitter.number(arg) if isinstance(arg, ir.Constant) else self.emitter.expr(arg)
        if shape.lead or not self._setting.varies(arg):
            return code
        return self._setting.lifted(code, len(lead), shape.own)

    def _filled(
        self, arg: ir.Expr, shape: _Shape, lead: tuple[Size, ...], own: tuple[Size, ...]
    ) -> ast.expr:
        """A scalar in the place of a whole vector, as in ``Dirichlet(1)``."""
        size = self._setting.size(own[-1])
        code = self.emitter.number(arg)
        if self._setting.is_number(arg):
            if isinstance(arg, ir.Constant) and arg.value in (0, 1):
                return py.call("torch.ones" if arg.value else "torch.zeros", size)
            return py.call("torch.full", py.tuple_of([size]), code)
        missing = 1 if shape.lead else 1 + len(lead)
        if shape.lead or self._setting.varies(arg):
            code = self._setting.lifted(code, missing)
        return ast.BinOp(code, ast.Mult(), py.call("torch.ones", size))

    # Supports that move with an unknown

    def _moves(self, distribution: ir.Distribution) -> bool:
        """Whether the support depends on an unknown, which may leave an observed value outside."""
        return bool(self.unknown & set(references(*support_arguments(distribution))))

    def _depends_on_data(self, distribution: ir.Distribution) -> bool:
        """Whether what stands for a missing value may lie outside a continuous support."""
        support = distribution.type.support
        continuous = isinstance(support, Interval) and not support.integer
        hulls = [hull(a.type.support) for a in support_arguments(distribution)]
        fixed = all(h.lower == h.upper for h in hulls)
        return continuous and not fixed and not self._moves(distribution)

    # Narrowing

    def _entry(
        self,
        code: ast.expr,
        variable: ir.Variable,
        distribution: ir.Distribution,
        kind: Narrowing,
    ) -> ast.expr:
        """The distribution of one entry, conditioned on an interval."""
        support = variable.type.support
        if kind.entry not in HOW:
            return code
        lower, upper = _bounds(support)
        if kind.entry == "constant" and isinstance(support, Structured):
            if (lower, upper) == (-inf, inf):
                return code
        if kind.entry == "half" and lower == 0 and not _is_ordered(support):
            loc = dict(distribution.args)["loc"]
            if isinstance(loc, ir.Constant) and loc.value == 0:
                return py.call("dist.FoldedDistribution", code)
        low, high = self.bounds(variable)
        return py.call("runtime.Truncated", code, low, high, py.text(HOW[kind.entry]))

    def bounds(self, variable: ir.Variable) -> tuple[ast.expr, ast.expr]:
        """The bounds of an interval, whether they are numbers or not."""
        lower, upper = _bounds(variable.type.support)
        return (
            self._bound(variable, variable.lower, lower),
            self._bound(variable, variable.upper, upper),
        )

    def _bound(self, variable: ir.Variable, expr: ir.Expr | None, static: float) -> ast.expr:
        if expr is None:
            return py.number(float(static))
        code = self.emitter.number(expr)
        rank = len(variable.type.event)
        if rank and not expr.type.event and self._setting.varies(expr):
            return self._setting.lifted(code, rank)
        return code

    def _ordered(self, code: ast.expr, variable: ir.Variable, kind: Narrowing) -> ast.expr:
        """Entries jointly in increasing order."""
        lower, upper = _bounds(variable.type.support)
        bounds: list[ast.expr] = []
        if (lower, upper) != (-inf, inf):
            bounds = [py.number(float(lower))]
            bounds += [py.number(float(upper))] if upper != inf else []
        identical = None if kind.ordered else ast.Constant(value=False)
        return py.call("runtime.Ordered", code, *bounds, identical=identical)


@dataclass(frozen=True, slots=True)
class _Shape:
    """Which axes an argument brings along.

    Attributes:
        own: how many event axes the parameter has of its own.
        lead: whether the argument has the value's leading event axes.
        filled: whether it lacks its own axes and stands for a whole vector.
    """

    own: int
    lead: bool
    filled: bool

    @staticmethod
    def of(
        spec: DistributionSpec,
        name: str,
        arg: ir.Expr,
        lead: tuple[Size, ...],
        own: tuple[Size, ...],
    ) -> _Shape:
        count, event = spec.parameter(name).event_dim, arg.type.event
        if len(event) == count + len(lead):
            return _Shape(count, bool(lead), filled=False)
        scalars = event == lead and own not in ((), event) and spec.fills(name)
        if len(event) == count and not scalars:
            return _Shape(count, lead=False, filled=False)
        return _Shape(count, bool(event), filled=True)


def _tolerate(code: ast.expr) -> None:
    """Let a distribution give values outside its support density 0, instead of refusing them."""
    while isinstance(code, ast.Call) and isinstance(code.func, ast.Attribute):
        if not isinstance(code.func.value, ast.Call):
            code.keywords.append(ast.keyword("validate_args", ast.Constant(value=False)))
            return
        code = code.func.value


def _independent(code: ast.expr, axes: int) -> ast.expr:
    return py.call(py.attribute(code, "to_event"), py.number(axes)) if axes else code


def _is_ordered(support: Support) -> bool:
    return isinstance(support, Structured) and support.kind == "ordered"


def _bounds(support: Support) -> tuple[float, float]:
    if isinstance(support, (Interval, Structured)):
        return support.lower, support.upper
    return -inf, inf


LINKS = ("softmax", "sigmoid", "inv_logit")
"""Functions that turn log odds into probabilities."""


def _on_the_logit_scale(spec: DistributionSpec, args: dict[str, ir.Expr]) -> dict[str, ir.Expr]:
    """``probs=softmax(x)`` as ``logits=x``: torch rounds probabilities below 1e-16 up."""
    name = "weights" if "weights" in args else "probs"
    probs = args.get(name)
    linked = isinstance(probs, ir.Apply) and probs.function in LINKS
    swapped = {"logits" if n == name else n: a for n, a in args.items()}
    if not linked or not any(set(f.params) == set(swapped) for f in spec.forms):
        return args
    assert isinstance(probs, ir.Apply)
    return swapped | {"logits": probs.args[0]}


def _form(spec: DistributionSpec, args: dict[str, ir.Expr]) -> Form:
    return next(f for f in spec.forms if set(f.params) == set(args))
