"""Distributions to Python: parameters aligned, entries independent, types narrowed."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from math import inf

from gendsl.emit import pycode as py
from gendsl.emit.expressions import Emitter
from gendsl.ir import nodes as ir
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.library.distributions.spec import DistributionSpec, Form
from gendsl.semantics.narrowing import Narrowing, narrowing
from gendsl.types import Index, Interval, Size, Structured, Support

__all__ = ["DistributionEmitter", "constraint", "flat_base"]


@dataclass(slots=True)
class DistributionEmitter:
    """Emits the distributions of one model."""

    emitter: Emitter

    def plain(self, distribution: ir.Distribution, event: tuple[Size, ...]) -> ast.expr:
        """The distribution of a value of shape `event`, before any narrowing."""
        spec = DISTRIBUTIONS[distribution.name]
        code = self._law(spec, distribution, event)
        return self._independent(code, spec.event_dim, event)

    def narrowed(self, variable: ir.Variable, distribution: ir.Distribution) -> ast.expr:
        """The distribution of `variable`, conditioned on its declared type."""
        event, spec = variable.type.event, DISTRIBUTIONS[distribution.name]
        kind = narrowing(variable, distribution)
        if kind.entry == "flat":
            return self.flat(variable)
        code = self._law(spec, distribution, event)
        code = self._entry(code, variable, distribution, kind)
        if isinstance(variable.type.support, Structured) and variable.type.support.kind == "ordered":
            return self._ordered(code, variable, kind)
        return self._independent(code, spec.event_dim, event)

    def flat(self, variable: ir.Variable) -> ast.expr:
        """Density 1 on the type: a proper base to start from, whose density is masked out."""
        base, own = flat_base(self.emitter, variable)
        event = variable.type.event
        lead = event[: len(event) - own]
        if lead:
            shape = ast.List([self.emitter.size(s) for s in lead], ast.Load())
            base = py.call(py.attribute(base, "expand"), shape)
        masked = py.call(py.attribute(base, "mask"), ast.Constant(False))
        return self._independent(masked, own, event)

    def _independent(self, code: ast.expr, own: int, event: tuple[Size, ...]) -> ast.expr:
        lead = len(event) - own
        return py.call(py.attribute(code, "to_event"), py.number(lead)) if lead else code

    def _law(
        self, spec: DistributionSpec, distribution: ir.Distribution, event: tuple[Size, ...]
    ) -> ast.expr:
        args = dict(distribution.args)
        form = _form(spec, args)
        lead = event[: len(event) - spec.event_dim]
        values = {n: self._parameter(spec, n, a, event, lead) for n, a in args.items()}
        carried = any(
            len(a.type.event) > spec.parameter(n).event_dim for n, a in args.items()
        )
        if lead and not carried:
            first = next((n for n, a in args.items() if self.emitter.needs_axes(a)), None)
            if first is None:
                code = py.fill(form.pyro, values)
                shape = ast.List([self.emitter.size(s) for s in lead], ast.Load())
                return py.call(py.attribute(code, "expand"), shape)
            own = spec.parameter(first).event_dim
            zeros = py.call(
                "torch.zeros", *(self.emitter.size(s) for s in lead), *[py.number(1)] * own
            )
            values[first] = ast.BinOp(values[first], ast.Add(), zeros)
        return py.fill(form.pyro, values)

    def _parameter(
        self,
        spec: DistributionSpec,
        name: str,
        arg: ir.Expr,
        event: tuple[Size, ...],
        lead: tuple[Size, ...],
    ) -> ast.expr:
        """A parameter with the value's leading event axes, or with axes of size 1 for them."""
        own, rank = spec.parameter(name).event_dim, len(arg.type.event)
        if own and rank == 0:
            return self._filled(arg, own, event, lead)
        code = self.emitter.expr(arg)
        if isinstance(arg, (ir.Constant, ir.SizeNumber)):
            return _as_float(arg, code)
        if rank == own + len(lead) or not self.emitter.needs_axes(arg):
            return code
        return self.emitter.lifted(code, len(lead), own)

    def _filled(
        self, arg: ir.Expr, own: int, event: tuple[Size, ...], lead: tuple[Size, ...]
    ) -> ast.expr:
        """A scalar in the place of a whole vector, as in ``Dirichlet(1)``."""
        size = self.emitter.size(event[-1])
        code = self.emitter.expr(arg)
        if self.emitter.is_number(arg):
            return py.call("torch.full", py.tuple_of([size]), py.call("float", code)
                           if not isinstance(arg, ir.Constant) else py.number(float(arg.value)))
        lifted = self.emitter.lifted(code, len(lead) + own)
        return ast.BinOp(lifted, ast.Mult(), py.call("torch.ones", size))

    def _entry(
        self,
        code: ast.expr,
        variable: ir.Variable,
        distribution: ir.Distribution,
        kind: Narrowing,
    ) -> ast.expr:
        """The distribution of one entry, conditioned on an interval."""
        support = variable.type.support
        if kind.entry == "half":
            loc = dict(distribution.args)["loc"]
            centred = isinstance(loc, ir.Constant) and loc.value == 0
            if centred and _lower(support) == 0:
                return py.call("dist.FoldedDistribution", code)
        if kind.entry in ("half", "cdf", "constant") and not (
            kind.entry == "constant" and isinstance(support, Structured)
        ):
            low = variable.lower
            high = variable.upper
            exact = {"half": "half", "cdf": "cdf", "constant": "unnormalised"}[kind.entry]
            return py.call(
                "runtime.Truncated",
                code,
                self.emitter.expr(low) if low is not None else py.number(_lower(support)),
                self.emitter.expr(high) if high is not None else py.number(_upper(support)),
                py.text(exact),
            )
        return code

    def _ordered(self, code: ast.expr, variable: ir.Variable, kind: Narrowing) -> ast.expr:
        """Entries jointly in increasing order."""
        support = variable.type.support
        assert isinstance(support, Structured)
        law = py.call(
            "runtime.Ordered",
            code,
            py.number(support.lower) if support.lower != -inf else ast.Constant(None),
            ast.Constant(kind.ordered),
        )
        return self._independent(law, 1, variable.type.event)


def _lower(support: Support) -> float:
    return support.lower if isinstance(support, (Interval, Structured)) else -inf


def _upper(support: Support) -> float:
    return support.upper if isinstance(support, (Interval, Structured)) else inf


def _as_float(arg: ir.Constant | ir.SizeNumber, code: ast.expr) -> ast.expr:
    if isinstance(arg, ir.Constant):
        return py.number(float(arg.value))
    return py.call("float", code)


def _form(spec: DistributionSpec, args: dict[str, ir.Expr]) -> Form:
    return next(f for f in spec.forms if set(f.params) == set(args))


def constraint(support: Support) -> ast.expr:
    """The `pyro.distributions.constraints` object of a support."""
    path = "constraints"
    match support:
        case Interval(integer=True):
            raise ValueError("a param is continuous")
        case Interval(lower=lower, upper=upper):
            if lower == -inf and upper == inf:
                return py.attribute(path, "real")
            if lower == 0 and upper == inf:
                return py.attribute(path, "positive")
            if lower == 0 and upper == 1:
                return py.attribute(path, "unit_interval")
            if upper == inf:
                return py.call(f"{path}.greater_than", py.number(lower))
            if lower == -inf:
                return py.call(f"{path}.less_than", py.number(upper))
            return py.call(f"{path}.interval", py.number(lower), py.number(upper))
        case Structured(kind="ordered", lower=lower):
            word = "ordered_vector" if lower == -inf else "positive_ordered_vector"
            return py.attribute(path, word)
        case Structured(kind="covariance"):
            return py.attribute(path, "positive_definite")
        case Structured(kind="cholesky"):
            return py.attribute(path, "lower_cholesky")
        case Structured(kind=kind):
            words = {"simplex": "simplex", "unit_vector": "sphere", "correlation": "corr_matrix",
                     "angle": "circular"}
            return py.attribute(path, words.get(kind, "real"))
        case Index():
            raise ValueError("a param is continuous")


def flat_base(emitter: Emitter, variable: ir.Variable) -> tuple[ast.expr, int]:
    """A proper distribution on the support of `variable`, and how many event axes it has."""
    support = variable.type.support
    one = py.number(1.0)
    match support:
        case Index(size=size):
            return py.call("dist.Categorical", py.call("torch.ones", emitter.size(size))), 0
        case Interval(integer=True):
            return py.call("dist.Bernoulli", py.number(0.5)), 0
        case Interval(lower=lower, upper=upper):
            if lower > -inf and upper < inf:
                return py.call("dist.Uniform", py.number(lower), py.number(upper)), 0
            if lower == 0:
                return py.call("dist.LogNormal", py.number(0.0), one), 0
            if lower == -inf and upper == inf:
                return py.call("dist.Normal", py.number(0.0), one), 0
            return py.call("runtime.OneSided", py.number(lower), py.number(upper)), 0
        case Structured(kind="simplex"):
            ones = py.call("torch.ones", emitter.size(variable.type.event[-1]))
            return py.call("dist.Dirichlet", ones), 1
        case Structured(kind="ordered", lower=lower):
            shape = ast.List([emitter.size(variable.type.event[-1])], ast.Load())
            normal = "dist.Normal" if lower == -inf else "dist.LogNormal"
            base = py.call(py.attribute(py.call(normal, py.number(0.0), one), "expand"), shape)
            low = py.number(lower) if lower != -inf else ast.Constant(None)
            return py.call("runtime.Ordered", base, low, ast.Constant(True)), 1
        case Structured():
            return py.call("dist.Normal", py.number(0.0), one), 0


