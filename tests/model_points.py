"""Random data and values for a model, and its log density in two ways.

`random_point` draws sizes and a value for every variable but lets, within their supports;
`emitted` evaluates the emitted program there, and `expected` the independent reference.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from named_arrays import Named
from pyro import poutine
from pyro.poutine.util import site_is_subsample
from reference import Scope, _let_value, evaluate, log_density, with_lets
from reference_nets import fixed_nets
from reference_wrappers import legal_values
from scipy import special

from gendsl.compiler import Compiled
from gendsl.ir import nodes as ir
from gendsl.ir.laws import traits_of
from gendsl.ir.traversal import equation_expressions, walk
from gendsl.runtime.backend import tensors
from gendsl.runtime.data import bind, raw_data
from gendsl.runtime.density import Density, WithParams
from gendsl.runtime.draws import Batch
from gendsl.runtime.posterior import site_values as site_values_of
from gendsl.runtime.program import Executable, executable
from gendsl.semantics.supports import is_discrete
from gendsl.types import BINARY, Index, Interval, Structured, Support

__all__ = [
    "Point",
    "batch_terms",
    "configurations",
    "emitted",
    "expected",
    "let_values",
    "random_point",
    "ready",
    "site_values",
    "standalone",
    "tolerance",
]

FLOAT64, CPU = torch.float64, torch.device("cpu")
MISSING_RATE = 0.35


@dataclass(frozen=True)
class Point:
    """Sizes and values of a model; observed values hold NaN where they are missing.

    Attributes:
        model: the model.
        sizes: of every axis.
        values: of every variable but lets, in natural layout.
        imputed: for optional variables with missing entries that something depends on, the
            whole array with legal values in their place.
    """

    model: ir.Model
    sizes: Mapping[str, int]
    values: Mapping[str, np.ndarray]
    imputed: Mapping[str, np.ndarray]

    @property
    def data(self) -> dict[str, np.ndarray]:
        """What a user would pass to `fit`."""
        return {v.name: self.values[v.name] for v in self.model.of_role("input", "observed")}

    def redrawn(self, rng: np.random.Generator) -> Point:
        """The same data and params, other values of the latents and of missing entries."""
        fixed = {v.name: self.values[v.name] for v in self.model.of_role("param")} | self.data
        other = random_point(self.model, rng, sizes=self.sizes, fixed=fixed)
        return replace(other, imputed={n: other.imputed[n] for n in self.imputed})

    def filled(self) -> Point:
        """The same with the missing entries of covariates as if they were known."""
        model = _complete(self.model, self.imputed)
        return Point(model, self.sizes, {**self.values, **self.imputed}, {})


# --- drawing a point ------------------------------------------------------------------------


def random_point(
    model: ir.Model,
    rng: np.random.Generator,
    largest: int = 4,
    sizes: Mapping[str, int] | None = None,
    fixed: Mapping[str, np.ndarray] | None = None,
) -> Point:
    """Sizes from 2 to `largest` (sequences longer than their lags) and values that are legal.

    Args:
        model: the model.
        rng: of all that is drawn.
        largest: size of an axis, about.
        sizes: those that are not to be drawn.
        fixed: values that are not to be drawn; NaN where they are missing.
    """
    fixed = fixed or {}
    known_sizes = _random_sizes(model, rng, largest, dict(sizes or {}))
    known = {  # what is referred to by a lag is not there yet
        v.name: Named(v.axes, np.full(_shape(v, known_sizes), np.nan)) for v in model.variables
    }
    scope = Scope(model, known_sizes, known)
    values: dict[str, np.ndarray] = {}
    imputed: dict[str, np.ndarray] = {}
    for variable in model.variables:
        shape = _shape(variable, known_sizes)
        if variable.role == "let":
            known[variable.name] = _let_value(variable, scope)
            continue
        along = next((a.name for a in model.axes if a.lengths == variable.name), None)
        with np.errstate(all="ignore"):
            if along is None:
                value = _draw(variable, scope, shape, rng)
            else:
                value = _lengths(known_sizes[along], shape, rng)
        gone = _missing(variable, value, rng)
        if variable.name in fixed:
            gone = np.isnan(fixed[variable.name])
            value = np.where(gone, value, fixed[variable.name])
        known[variable.name] = Named(variable.axes, value)
        values[variable.name] = np.where(gone, np.nan, value) if gone.any() else value
        if gone.any() and _has_children(model, variable.name):
            imputed[variable.name] = value
    return Point(model, known_sizes, values, imputed)


def _random_sizes(
    model: ir.Model, rng: np.random.Generator, largest: int, sizes: dict[str, int]
) -> dict[str, int]:
    lags = [e.steps for e in _expressions(model) if isinstance(e, ir.Lag)]
    literal = [e.step for v in model.variables for e in v.equations if e.step is not None]
    longest = max([*lags, *literal], default=0)
    waiting = [a for a in model.axes if a.name not in sizes]
    for axis in [a for a in waiting if a.size is None]:
        least = longest + 1 if axis.kind == "sequence" and longest else 2
        sizes[axis.name] = int(rng.integers(least, least + largest - 1))
    while any(a.name not in sizes for a in waiting):
        for axis in waiting:
            if axis.size is not None and axis.size.names <= set(sizes):
                sizes[axis.name] = axis.size.evaluate(sizes)
    return sizes


def _expressions(model: ir.Model) -> list[ir.Expr]:
    found = [x for v in model.variables for e in v.equations for x in equation_expressions(e)]
    return list(walk(*found, *(e.value for e in model.energies)))


def _shape(variable: ir.Variable, sizes: Mapping[str, int]) -> tuple[int, ...]:
    event = (s.evaluate(sizes) for s in variable.type.event)
    return (*(sizes[a] for a in variable.axes), *event)


def _lengths(longest: int, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Lengths of sequences, of which one is the longest."""
    value = rng.integers(1, longest + 1, shape).astype(float)
    value.flat[rng.integers(value.size)] = longest
    return value


def _has_children(model: ir.Model, name: str) -> bool:
    return any(isinstance(e, ir.Reference) and e.name == name for e in _expressions(model))


def _missing(variable: ir.Variable, value: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Which entries are missing: all or none where entries are tied."""
    if not variable.optional:
        return np.zeros(value.shape, bool)
    tied = _tied(variable)
    lead = value.shape[: value.ndim - tied]
    gone = rng.uniform(size=lead) < MISSING_RATE
    return np.broadcast_to(gone.reshape(lead + (1,) * tied), value.shape)


def _tied(variable: ir.Variable) -> int:
    support = variable.type.support
    ties = [traits_of(e.distribution).event_dim for e in variable.equations if e.distribution]
    return max([support.event_dim if isinstance(support, Structured) else 0, *ties])


def _draw(
    variable: ir.Variable, scope: Scope, shape: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    support = variable.type.support
    low, high = _limits(variable, scope, shape)
    distribution = next((e.distribution for e in variable.equations if e.distribution), None)
    if distribution is not None and distribution.name in ("Multinomial", "DirichletMultinomial"):
        return _multinomial(variable, distribution, scope, shape, rng)
    if isinstance(support, Interval):
        value = _in_interval(support, low, high, shape, rng)
        if (
            variable.role == "input"
            and support == BINARY
            and len(set(shape[-2:])) == 1 < len(shape)
        ):
            return _neighbours(value)
        if distribution is None or not distribution.parts:
            return value
        spread = partial(_spread_over, variable, scope=scope, shape=shape)
        return legal_values(distribution, value, spread, rng)
    return _in_support(support, shape, scope.sizes, rng)


def _limits(
    variable: ir.Variable, scope: Scope, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the entries: of the type, of its expressions, and of the distribution."""
    support = variable.type.support
    low = np.full(shape, support.lower if isinstance(support, Interval) else -np.inf)
    high = np.full(shape, support.upper if isinstance(support, Interval) else np.inf)
    bounds = [(variable.lower, None), (None, variable.upper)]
    for equation in variable.equations:
        if equation.distribution is None:
            continue
        args = dict(equation.distribution.args)
        match equation.distribution.name:
            case "Uniform" | "DiscreteUniform" | "DiscretizedLogistic":
                bounds.append((args["low"], args["high"]))
            case "Pareto":
                bounds.append((args["scale"], None))
            case "Binomial" | "BetaBinomial":
                bounds.append((None, args["total_count"]))
            case _:
                pass
    for lower, upper in bounds:
        if lower is not None:
            low = np.maximum(low, _spread_over(variable, lower, scope, shape))
        if upper is not None:
            high = np.minimum(high, _spread_over(variable, upper, scope, shape))
    return low, high


def _spread_over(
    variable: ir.Variable, expr: ir.Expr, scope: Scope, shape: tuple[int, ...]
) -> np.ndarray:
    value = evaluate(expr, scope)
    data = value.with_plates(variable.axes)
    missing, lead = len(shape) - data.ndim, len(variable.axes)
    padded = data.reshape(data.shape[:lead] + (1,) * missing + data.shape[lead:])
    return np.broadcast_to(padded, shape)


def _in_interval(
    support: Interval,
    low: np.ndarray,
    high: np.ndarray,
    shape: tuple[int, ...],
    rng: np.random.Generator,
) -> np.ndarray:
    at = rng.uniform(0.05, 0.95, shape)
    positive = rng.gamma(2.0, 0.6, shape) + 0.05
    bounded = low + (high - low) * at
    value = np.where(np.isinf(high), low + positive, bounded)
    value = np.where(np.isinf(low), high - positive, value)
    value = np.where(np.isinf(low) & np.isinf(high), rng.normal(size=shape), value)
    if not support.integer:
        return value
    steps = np.floor(np.where(np.isinf(high), 4.0, high) - np.where(np.isinf(low), -3.0, low)) + 1
    start = np.where(np.isinf(low), np.where(np.isinf(high), -3.0, high - 4), low)
    return start + np.floor(rng.uniform(size=shape) * np.clip(steps, 1, 8))


def _in_support(
    support: Support, shape: tuple[int, ...], sizes: Mapping[str, int], rng: np.random.Generator
) -> np.ndarray:
    match support:
        case Index(size=size):
            return rng.integers(0, size.evaluate(sizes), shape).astype(float)
        case Structured(kind="simplex"):
            return rng.dirichlet(np.full(shape[-1], 2.0), shape[:-1])
        case Structured(kind="ordered", lower=lower, upper=upper):
            bounds = np.full(shape, lower), np.full(shape, upper)
            entry = Interval(lower=lower, upper=upper)
            return np.sort(_in_interval(entry, *bounds, shape, rng), -1)
        case Structured(kind="angle"):
            return rng.uniform(-3.0, 3.0, shape)
        case Structured(kind="zero_sum"):
            value = rng.normal(size=shape)
            return value - value.mean(-1, keepdims=True)
        case Structured(kind="unit_vector"):
            value = rng.normal(size=shape)
            return value / np.linalg.norm(value, axis=-1, keepdims=True)
        case _:
            half = rng.normal(size=shape)
            value = half @ np.swapaxes(half, -1, -2) + np.eye(shape[-1])
            if isinstance(support, Structured) and support.kind == "correlation":
                scale = np.sqrt(np.diagonal(value, axis1=-2, axis2=-1))
                value = value / (scale[..., None] * scale[..., None, :])
            if isinstance(support, Structured) and support.kind == "cholesky_correlation":
                value = np.linalg.cholesky(value)
                value = value / np.linalg.norm(value, axis=-1, keepdims=True)
            return value


def _neighbours(value: np.ndarray) -> np.ndarray:
    """A square of zeros and ones, made that of a connected graph; some models need one."""
    size = value.shape[-1]
    above = np.triu(np.maximum(value, np.eye(size, k=1)), 1)
    return above + np.swapaxes(above, -1, -2)


def _multinomial(
    variable: ir.Variable,
    distribution: ir.Distribution,
    scope: Scope,
    shape: tuple[int, ...],
    rng: np.random.Generator,
) -> np.ndarray:
    total = _spread_over(variable, dict(distribution.args)["total_count"], scope, shape[:-1])
    even = np.full(shape[-1], 1 / shape[-1])
    return np.array([rng.multinomial(int(n), even) for n in total.ravel()], float).reshape(shape)


# --- its log density ------------------------------------------------------------------------


def ready(compiled: Compiled, point: Point) -> Executable:
    """The program bound to the point's data; call it within `tensors`."""
    bound = bind(point.model, raw_data(point.data), sizes=dict(point.sizes))
    guide = compiled.plan.guide
    nets = guide.model.nets if guide is not None else point.model.nets
    modules = fixed_nets(nets, point.sizes)
    return executable(compiled.program, point.model, bound, FLOAT64, CPU, nets=modules)


def site_values(
    compiled: Compiled, ready: Executable, point: Point, given: frozenset[str] = frozenset()
) -> dict[str, torch.Tensor]:
    """Values of the program's sites: of params, continuous latents, and `given` discrete ones."""
    batch, layout = Batch(ready), compiled.program.layout
    found: dict[str, torch.Tensor] = {}
    for variable in point.model.of_role("latent", "param"):
        if is_discrete(variable.type.support) and variable.name not in given:
            continue
        whole = batch.batched(variable, np.asarray(point.values[variable.name])[None])[0]
        drop = ready.nesting - layout.depth(variable.type.plates)
        found[variable.name] = whole.reshape(whole.shape[drop:])
    for name, value in point.imputed.items():
        variable = point.model.variable(name)
        if is_discrete(variable.type.support):
            continue
        whole = batch.batched(variable, value[None])[0]
        gaps = batch.batched(variable, np.isnan(point.values[name])[None])[0]
        tied = _tied(variable)
        if tied:
            gaps = gaps[(..., *[0] * tied)]
        found[f"{name}_missing"] = whole[gaps]
    return found


def emitted(compiled: Compiled, point: Point, given: frozenset[str] = frozenset()) -> float:
    """The log density of the emitted program; discrete latents not in `given` summed out."""
    with tensors(FLOAT64, CPU, 0), torch.no_grad():
        program = ready(compiled, point)
        values = site_values(compiled, program, point, given)
        return float(Density(program).log_prob(values))


def expected(point: Point, given: frozenset[str] = frozenset()) -> float:
    """The same by the reference: discrete latents and entries summed out one by one."""
    model, values = point.model, dict(point.values)
    summed: list[tuple[str, tuple[int, ...], list[int]]] = []
    for variable in model.of_role("latent"):
        if is_discrete(variable.type.support) and variable.name not in given:
            choices = _choices(variable, point.sizes)
            shape = _shape(variable, point.sizes)
            values[variable.name] = np.zeros(shape)
            summed += [(variable.name, at, choices) for at in np.ndindex(*shape)]
    for name, whole in point.imputed.items():
        variable = model.variable(name)
        if is_discrete(variable.type.support):
            gaps = np.argwhere(np.isnan(values[name]))
            summed += [(name, tuple(at), _choices(variable, point.sizes)) for at in gaps]
        values[name] = np.array(whole)
    model = _complete(model, point.imputed)
    totals = []
    for choice in itertools.product(*(c for _, _, c in summed)):
        for (name, at, _), value in zip(summed, choice, strict=True):
            values[name][at] = value
        totals.append(log_density(model, point.sizes, values))
    return float(special.logsumexp(totals))


def configurations(point: Point, given: frozenset[str] = frozenset()) -> int:
    """How many terms `expected` sums."""
    total = 1
    for variable in point.model.of_role("latent"):
        if is_discrete(variable.type.support) and variable.name not in given:
            count = int(np.prod(_shape(variable, point.sizes)))
            total *= len(_choices(variable, point.sizes)) ** count
    for name in point.imputed:
        variable = point.model.variable(name)
        if is_discrete(variable.type.support):
            gaps = int(np.isnan(point.values[name]).sum())
            total *= len(_choices(variable, point.sizes)) ** gaps
    return total


def _complete(model: ir.Model, names: Mapping[str, np.ndarray]) -> ir.Model:
    variables = tuple(
        replace(v, optional=v.optional and v.name not in names) for v in model.variables
    )
    return replace(model, variables=variables)


def _choices(variable: ir.Variable, sizes: Mapping[str, int]) -> list[int]:
    support = variable.type.support
    if isinstance(support, Index):
        return list(range(support.size.evaluate(sizes)))
    assert isinstance(support, Interval)
    return list(range(int(support.lower), int(support.upper) + 1))


def tolerance(value: float, relative: float = 1e-9) -> float:
    """How far two evaluations may differ, absolutely."""
    return relative * max(1.0, abs(value))


# --- other ways to run it -------------------------------------------------------------------


def let_values(point: Point) -> dict[str, np.ndarray]:
    """The value of every let, by the reference."""
    values = with_lets(point.model, point.sizes, point.values)
    return {v.name: values[v.name] for v in point.model.of_role("let")}


def batch_terms(
    compiled: Compiled, points: list[Point]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """One batched run at points with the same data: log densities, and lets, (draw, ...)."""
    count = len(points)
    with tensors(FLOAT64, CPU, 0):
        program = ready(compiled, points[0])
        batch = Batch(program)
        values = _batched_sites(batch, points)
        params = {
            v.name: site_values(compiled, program, points[0])[v.name]
            for v in points[0].model.of_role("param")
        }
        trace = batch.trace(count, values, params)
        trace.compute_log_prob()
        total = torch.zeros(count)
        for site in trace.nodes.values():
            if site["type"] == "sample" and not site_is_subsample(site):
                total = total + site["log_prob"].expand(_wide(site["log_prob"], count)).reshape(
                    count, -1
                ).sum(-1)
        names = [v.name for v in points[0].model.of_role("let")]
        lets = site_values_of(batch, trace, names, count)
    return total.numpy(), lets


def _wide(value: torch.Tensor, count: int) -> torch.Size:
    return torch.broadcast_shapes(value.shape, (count,) + (1,) * max(0, value.dim() - 1))


def _batched_sites(batch: Batch, points: list[Point]) -> dict[str, torch.Tensor]:
    model, found = points[0].model, {}
    for variable in model.of_role("latent"):
        stacked = np.stack([p.values[variable.name] for p in points])
        found[variable.name] = batch.batched(variable, stacked)
    for name in points[0].imputed:
        variable, tied = model.variable(name), _tied(model.variable(name))
        whole = batch.batched(variable, np.stack([p.imputed[name] for p in points]))
        if is_discrete(variable.type.support):
            found[f"{name}_missing"] = whole
            continue
        gaps = batch.batched(variable, np.isnan(points[0].values[name])[None])[0]
        gaps = gaps[(..., *[0] * tied)] if tied else gaps
        entries = torch.stack([w[gaps] for w in whole])
        found[f"{name}_missing"] = batch.padded(entries, tied)
    return found


def standalone(compiled: Compiled, point: Point, given: frozenset[str]) -> float:
    """The log density of the program's text, run as a module of its own."""
    namespace: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(compiled.program.source, "<emitted>", "exec"), namespace)
    with tensors(FLOAT64, CPU, 0), torch.no_grad():
        program = ready(compiled, point)
        values = site_values(compiled, program, point, given)
        params = {v.name for v in point.model.of_role("param")}
        function = poutine.condition(
            namespace["model"], {n: v for n, v in values.items() if n not in params}
        )
        with WithParams({n: v for n, v in values.items() if n in params}):
            trace = poutine.trace(function).get_trace(**program.arguments)
        return float(trace.log_prob_sum())
