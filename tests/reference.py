"""An independent evaluator of the intermediate representation, in numpy and scipy.

It knows no torch, no rewriting and no emission: `log_density` follows the language charter
one construct at a time, slowly. Values are arrays in natural layout: a variable's axes in
declared order, then its event axes. What lies beyond the end of a ragged sequence is NaN: it has
no density, and nothing may depend on it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from named_arrays import Named, aligned, each_member, union
from reference_distributions import REFERENCES, log_probability
from reference_functions import ELEMENTWISE, REDUCTIONS, numpy_function
from reference_nets import net_values
from reference_wrappers import log_interval, wrapped
from scipy import integrate, special

from gendsl.ir import nodes as ir
from gendsl.ir.traversal import equation_expressions, walk
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.library.functions import FUNCTIONS
from gendsl.library.functions.spec import Kind
from gendsl.types import Index, Interval, Structured

__all__ = ["log_density", "log_density_by_variable", "log_density_marginal", "with_lets"]

Values = Mapping[str, np.ndarray]
_CONSTRUCTORS = ("zeros", "ones", "full", "eye")


@dataclass(frozen=True)
class Scope:
    """What an expression may see."""

    model: ir.Model
    sizes: Mapping[str, int]
    values: Mapping[str, Named]


def log_density(model: ir.Model, sizes: Mapping[str, int], values: Values) -> float:
    """The log joint density of the random variables given inputs and params.

    Args:
        model: the model; energies count as given, without their log Z.
        sizes: the size of every axis.
        values: the value of every input, param, latent and observed variable. An entry of an
            optional variable that is NaN contributes nothing.
    """
    terms = log_density_by_variable(model, sizes, values)
    return float(sum(terms.values()))


def log_density_by_variable(
    model: ir.Model, sizes: Mapping[str, int], values: Values
) -> dict[str, float]:
    """The contribution of each random variable; ``energy 0``, ... for the energies."""
    with np.errstate(all="ignore"):
        scope = _scope(model, sizes, values)
        terms = {
            v.name: float(np.sum(_variable_log_density(v, scope)))
            for v in model.variables
            if v.random and v.equations
        }
        for number, energy in enumerate(model.energies):
            terms[f"energy {number}"] = -float(np.sum(evaluate(energy.value, scope).data))
        return terms


def log_density_marginal(
    model: ir.Model, sizes: Mapping[str, int], values: Values, sum_over: Sequence[str]
) -> float:
    """`log_density` with the discrete latents `sum_over` summed out, by brute force."""
    shapes = {name: _shape(model.variable(name), model, sizes) for name in sum_over}
    choices = [
        _support_values(model.variable(name), sizes)
        for name in sum_over
        for _ in range(int(np.prod(shapes[name])))
    ]
    totals = []
    for configuration in itertools.product(*choices):
        rest = iter(configuration)
        assigned = {
            name: np.array([next(rest) for _ in range(int(np.prod(shape)))]).reshape(shape)
            for name, shape in shapes.items()
        }
        totals.append(log_density(model, sizes, {**values, **assigned}))
    return float(special.logsumexp(totals))


def with_lets(model: ir.Model, sizes: Mapping[str, int], values: Values) -> dict[str, np.ndarray]:
    """The values together with those of every `let`."""
    with np.errstate(all="ignore"):
        return {name: v.data for name, v in _scope(model, sizes, values).values.items()}


def _support_values(variable: ir.Variable, sizes: Mapping[str, int]) -> list[int]:
    match variable.type.support:
        case Index(size=size):
            return list(range(size.evaluate(sizes)))
        case Interval(integer=True, lower=lower, upper=upper) if np.isfinite(upper - lower):
            return list(range(int(lower), int(upper) + 1))
        case other:
            raise NotImplementedError(f"{variable.name}: {other} cannot be enumerated")


def _shape(variable: ir.Variable, model: ir.Model, sizes: Mapping[str, int]) -> tuple[int, ...]:
    event = (size.evaluate(sizes) for size in variable.type.event)
    return (*(sizes[a] for a in variable.axes), *event)


def _scope(model: ir.Model, sizes: Mapping[str, int], values: Values) -> Scope:
    known: dict[str, Named] = {}
    for v in model.variables:
        shape = _shape(v, model, sizes)
        if v.role == "let":
            known[v.name] = Named(v.axes, np.full(shape, np.nan))
        else:
            data = np.asarray(values[v.name], dtype=float)
            assert data.shape == shape, f"{v.name} has shape {data.shape}, declared {shape}"
            known[v.name] = Named(v.axes, data)
    scope = Scope(model, sizes, known)
    for v in model.variables:
        there = _there(v, scope)
        known[v.name] = Named(v.axes, np.where(there, known[v.name].data, np.nan))
    lets = model.of_role("let")
    while True:  # each round reaches one step further along the recursions
        before = [known[v.name].data for v in lets]
        for v in lets:
            known[v.name] = _let_value(v, scope)
        after = [known[v.name].data for v in lets]
        if all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, after, strict=True)):
            return scope


def _there(variable: ir.Variable, scope: Scope) -> np.ndarray:
    """Which steps of ragged sequences there are; size 1 along all other axes, events included."""
    there = np.ones([1] * (len(variable.axes) + len(variable.type.event)), bool)
    for position, name in enumerate(variable.axes):
        axis = scope.model.axis(name)
        if axis.lengths is None:
            continue
        lengths = scope.values[axis.lengths].with_plates(variable.axes)
        steps = np.arange(scope.sizes[name]).reshape([-1] + [1] * (lengths.ndim - position - 1))
        until = steps < lengths
        there = there & until.reshape((*until.shape, *[1] * len(variable.type.event)))
    return there


def _let_value(variable: ir.Variable, scope: Scope) -> Named:
    result = np.full(scope.values[variable.name].data.shape, np.nan)
    for equation, steps in _equations(variable, scope):
        assert equation.value is not None
        value = evaluate(equation.value, scope)
        data = value.with_plates(variable.axes)
        if value.event_rank == 0:
            data = data.reshape((*data.shape, *[1] * (result.ndim - len(variable.axes))))
        full = np.broadcast_to(data, result.shape)
        result[steps] = full[steps]
    return Named(variable.axes, result)


def _equations(
    variable: ir.Variable, scope: Scope
) -> list[tuple[ir.Equation, tuple[slice | np.ndarray, ...]]]:
    """Each equation with the index of the members of the variable's axes at which it holds."""
    literal = {e.step for e in variable.equations if e.step is not None}
    found = []
    for equation in variable.equations:
        if not literal and equation.first == 0:
            found.append((equation, ()))
            continue
        sequence = _sequence(variable, scope.model)
        position = variable.axes.index(sequence)
        size = scope.sizes[sequence]
        if equation.step is not None:
            steps = np.array([s for s in range(size) if s == equation.step], int)
        else:
            steps = np.array([s for s in range(equation.first, size) if s not in literal], int)
        found.append((equation, (*[slice(None)] * position, steps)))
    return found


def _sequence(variable: ir.Variable, model: ir.Model) -> str:
    """The sequence along which the equations of a variable differ."""
    along = [a for a in variable.axes if model.axis(a).kind == "sequence"]
    named = next((e.sequence for e in variable.equations if e.sequence is not None), None)
    if named is not None:
        return named
    lagged = {
        expr.sequence
        for equation in variable.equations
        for expr in walk(*equation_expressions(equation))
        if isinstance(expr, ir.Lag)
    }
    return next((a for a in along if a in lagged), along[-1])


# --- expressions ---------------------------------------------------------------------------


def evaluate(expr: ir.Expr, scope: Scope) -> Named:  # noqa: C901  one case a node
    """The value of an expression; NaN where a lag reaches before the first member."""
    match expr:
        case ir.Constant(value=value):
            return Named((), np.array(float(value)))
        case ir.Reference(name=name):
            return scope.values[name]
        case ir.MemberNumber(plate=plate):
            return Named((plate,), np.arange(scope.sizes[plate], dtype=float))
        case ir.SizeNumber(size=size):
            return Named((), np.array(float(size.evaluate(scope.sizes))))
        case ir.Apply():
            return _apply(expr, scope)
        case ir.Reduce(function=function, value=value, axis=axis):
            return _reduce(function, evaluate(value, scope), axis, scope)
        case ir.Gather(value=value, axis=axis, index=index):
            return _gather(evaluate(value, scope), axis, evaluate(index, scope))
        case ir.Select(value=value, axis=axis, at=at):
            return _select(evaluate(value, scope), axis, at)
        case ir.Lag(value=value, sequence=sequence, steps=steps):
            return _lag(evaluate(value, scope), sequence, steps)
        case ir.Spread(value=value, axis=axis, plate=plate):
            inner = evaluate(value, scope)
            moved = np.moveaxis(inner.data, len(inner.plates) + axis, 0)
            return Named((plate, *inner.plates), moved)
        case ir.Collect(value=value, plate=plate):
            inner = evaluate(value, scope)
            return _spread_out(inner, plate, scope).plate_first(plate)
        case ir.Stack(items=items):
            plates, arrays = aligned([evaluate(item, scope) for item in items])
            arrays = np.broadcast_arrays(*arrays)
            return Named(plates, np.stack(arrays, len(plates)))
        case ir.LogProb(distribution=distribution, value=value):
            return _log_prob(distribution, evaluate(value, scope), expr.type.event, scope)
        case ir.OdeInt():
            return _odeint(expr, scope)
        case ir.NetCall():
            return _net(expr, scope)
        case _:
            assert_never(expr)


def _net(expr: ir.NetCall, scope: Scope) -> Named:
    """One member at a time, by the weights that go with the name."""
    net = scope.model.net(expr.net)
    args = [evaluate(a, scope) for a in expr.args]
    return each_member(lambda *a: net_values(net, scope.sizes, a)[expr.part], args)


def _odeint(expr: ir.OdeInt, scope: Scope) -> Named:
    """One member at a time, by scipy, to tolerances far below those of the default."""
    given = [evaluate(e, scope) for e in (expr.state, expr.start, expr.times, *expr.args)]
    names = [p.name for p in expr.function.params]

    def member(*values: np.ndarray) -> np.ndarray:
        z0, t0, times, *args = (np.asarray(v, dtype=float) for v in values)
        if not all(np.isfinite(v).all() for v in (z0, t0, times, *args)):
            return np.full(times.shape + z0.shape, np.nan)

        def slope(t: float, flat: np.ndarray) -> np.ndarray:
            seen = [np.array(t), flat.reshape(z0.shape), *args]
            known = {n: Named((), v) for n, v in zip(names, seen, strict=True)}
            body = evaluate(expr.function.body, Scope(scope.model, scope.sizes, known)).data
            return np.broadcast_to(body, z0.shape).ravel()

        asked, place = np.unique(times, return_inverse=True)
        if asked.size == 0 or asked[-1] == t0:
            return np.broadcast_to(z0, times.shape + z0.shape)
        ends = (float(t0), float(asked[-1]))
        found = integrate.solve_ivp(
            slope, ends, z0.ravel(), method="DOP853", t_eval=asked, rtol=1e-12, atol=1e-13
        )
        return found.y.T[place].reshape(times.shape + z0.shape)

    return each_member(member, given)


def _spread_out(value: Named, plate: str, scope: Scope) -> Named:
    """The same value, repeated over `plate` if it does not vary there."""
    if plate in value.plates:
        return value
    shape = (scope.sizes[plate], *value.data.shape)
    return Named((plate, *value.plates), np.broadcast_to(value.data, shape))


def _apply(expr: ir.Apply, scope: Scope) -> Named:
    args = [evaluate(a, scope) for a in expr.args]
    if expr.function in _CONSTRUCTORS:
        shape = tuple(s.evaluate(scope.sizes) for s in expr.type.event)
        if expr.function == "full":
            return each_member(lambda x: np.full(shape, x), args[-1:])
        data = {"zeros": np.zeros, "ones": np.ones}.get(expr.function, lambda s: np.eye(s[0]))
        return Named((), data(shape))
    if FUNCTIONS[expr.function].kind is Kind.SHAPED:
        return each_member(numpy_function(expr.function), args)
    plates, arrays = aligned(args)
    data = ELEMENTWISE[expr.function](*arrays)
    return Named(plates, np.asarray(data, dtype=float))


def _reduce(function: str, value: Named, axis: str | int | None, scope: Scope) -> Named:
    count = len(value.plates)
    if isinstance(axis, int):
        axes = (count + axis % value.event_rank,)
    elif axis is None:
        axes = tuple(range(count, value.data.ndim))
        if not axes:
            value, axes = Named(value.plates, value.data[..., None]), (count,)
    else:
        value = _spread_out(value, axis, scope).plate_first(axis)
        axes = (len(value.plates),)
    return Named(value.plates, np.asarray(REDUCTIONS[function](value.data, axes), dtype=float))


def _gather(value: Named, axis: str | int, index: Named) -> Named:
    if isinstance(axis, str):
        value, position = value.plate_first(axis), 0
    else:
        position = axis % value.event_rank

    def take(entries: np.ndarray, at: np.ndarray) -> np.ndarray:
        unknown = np.isnan(at)  # before the first step of a sequence
        taken = np.take(entries, np.where(unknown, 0, at).astype(int), axis=position)
        shape = [1] * position + list(at.shape) + [1] * (entries.ndim - position - 1)
        return np.where(unknown.reshape(shape), np.nan, taken)

    return each_member(take, [value, index])


def _select(value: Named, axis: str | int, at: int) -> Named:
    if isinstance(axis, str):
        first = value.plate_first(axis)
        return Named(first.plates, np.take(first.data, at, axis=len(first.plates)))
    position = len(value.plates) + axis % value.event_rank
    return Named(value.plates, np.take(value.data, at, axis=position))


def _lag(value: Named, sequence: str, steps: int) -> Named:
    position = value.plates.index(sequence)
    data = np.moveaxis(value.data.astype(float), position, 0)
    shifted = np.full_like(data, np.nan)
    shifted[steps:] = data[: max(len(data) - steps, 0)]
    return Named(value.plates, np.moveaxis(shifted, 0, position))


# --- distributions -------------------------------------------------------------------------


def _arguments(
    distribution: ir.Distribution,
    value: Named,
    plates: tuple[str, ...],
    args: Mapping[str, Named],
) -> dict[str, np.ndarray]:
    """The arguments, shaped so that numpy aligns them with the value's plates and entries."""
    spec = DISTRIBUTIONS[distribution.name]
    leading = value.event_rank - spec.event_dim
    own_value = value.event[leading:]
    shaped = {}
    for name, arg in args.items():
        own = spec.parameter(name).event_dim
        data = arg.with_plates(plates)
        if arg.event_rank < own:  # a scalar stands for a whole vector
            assert own == 1
            assert arg.event_rank == 0
            data = np.broadcast_to(data[..., None], (*data.shape, *own_value))
        front, event = data.shape[: len(plates)], data.shape[len(plates) :]
        if len(event) == own:
            event = (*[1] * leading, *event)
        assert len(event) == own + leading, (distribution.name, name, event)
        shaped[name] = data.reshape((*front, *event))
    return shaped


def _entrywise(
    distribution: ir.Distribution, value: Named, scope: Scope
) -> tuple[tuple[str, ...], np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Plates, the value, the arguments, and the log density per independent entry."""
    if distribution.parts:
        plates, log = wrapped(distribution, value, scope, evaluate, _entrywise)
        known = ~np.isnan(value.with_plates(plates))
        tied = known.ndim - log.ndim
        known = known.all(axis=tuple(range(-tied, 0))) if tied else known
        return plates, value.with_plates(plates), {}, np.where(known, log, 0.0)
    spec = DISTRIBUTIONS[distribution.name]
    args = {name: evaluate(arg, scope) for name, arg in distribution.args}
    plates = union([value, *args.values()])
    shaped = _arguments(distribution, value, plates, args)
    data = value.with_plates(plates)
    log = np.asarray(REFERENCES[distribution.name].log_density(data, **shaped), dtype=float)
    known = ~np.isnan(data)
    if spec.event_dim:
        known = known.all(axis=tuple(range(-spec.event_dim, 0)))
    return plates, data, shaped, np.where(known, log, 0.0)


def _log_prob(
    distribution: ir.Distribution, value: Named, event: tuple[object, ...], scope: Scope
) -> Named:
    plates, _, _, log = _entrywise(distribution, value, scope)
    if not event:
        log = log.sum(axis=tuple(range(len(plates), log.ndim)))
    return Named(plates, log)


def _variable_log_density(variable: ir.Variable, scope: Scope) -> np.ndarray:
    """The log density of each member (and independent entry) that has an equation."""
    parts = []
    value = scope.values[variable.name]
    there = _there(variable, scope)
    if not variable.optional and (np.isnan(value.data) & there).any():
        raise ValueError(f"{variable.name} has missing values and is not optional")
    for equation, steps in _equations(variable, scope):
        assert equation.distribution is not None
        plates, _, args, log = _entrywise(equation.distribution, value, scope)
        assert plates == variable.axes, (plates, variable.axes)
        log = log + _narrowing(variable, equation.distribution, args, scope)
        present = there.reshape(there.shape[: len(plates)] + (1,) * (log.ndim - len(plates)))
        parts.append(np.where(present, log, 0.0)[steps].ravel())
    return np.concatenate(parts)


def _narrowing(
    variable: ir.Variable,
    distribution: ir.Distribution,
    args: Mapping[str, np.ndarray],
    scope: Scope,
) -> np.ndarray:
    """What conditioning on the declared type, or rounding to it, adds to the log density."""
    data = scope.values[variable.name].data
    if distribution.parts:
        return _narrowed_wrapper(variable, distribution, scope)
    spec = DISTRIBUTIONS[distribution.name]
    match variable.type.support:
        case Interval(integer=True) if not spec.discrete:
            return _rounding(variable, distribution, args, scope)
        case Interval(lower=lower, upper=upper):
            return _truncation(variable, distribution, args, scope, (lower, upper))
        case Structured() if spec.improper:
            return np.array(0.0)
        case Structured(kind="angle") if distribution.name != "VonMises":
            return _truncation(variable, distribution, args, scope, (-np.pi, np.pi))
        case Structured(kind="ordered", lower=lower, upper=upper):
            return _ordering(variable, args, data) + _truncation(
                variable, distribution, args, scope, (lower, upper)
            )
        case Structured(kind=kind) if variable.type.support != distribution.type.support:
            raise NotImplementedError(f"{variable.name}: narrowing to {kind}")
        case _:
            return np.array(0.0)


def _narrowed_wrapper(
    variable: ir.Variable, distribution: ir.Distribution, scope: Scope
) -> np.ndarray:
    declared, own = variable.type.support, distribution.type.support
    assert isinstance(declared, type(own))
    if not isinstance(declared, Interval) or not isinstance(own, Interval):
        return np.array(0.0)
    if declared.lower <= own.lower and declared.upper >= own.upper:
        return np.array(0.0)
    value = scope.values[variable.name]
    ends = [Named((), np.array(end)) for end in (declared.lower, declared.upper)]
    mass = log_interval(distribution, *ends, value, scope, evaluate, _entrywise)
    outside = _outside(value.data, np.array(declared.lower), np.array(declared.upper))
    return np.where(np.isnan(value.data), 0.0, outside - mass.with_plates(variable.axes))


def _bounds(
    variable: ir.Variable, scope: Scope, static: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """The declared bounds, aligned with the value."""
    rank = len(variable.type.event)

    def bound(expr: ir.Expr | None, otherwise: float) -> np.ndarray:
        if expr is None:
            return np.array(otherwise)
        value = evaluate(expr, scope)
        data = value.with_plates(variable.axes)
        return data.reshape((*data.shape, *[1] * (rank - value.event_rank)))

    return bound(variable.lower, static[0]), bound(variable.upper, static[1])


def _outside(data: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    return np.where((data < lower) | (data > upper), -np.inf, 0.0)


def _truncation(
    variable: ir.Variable,
    distribution: ir.Distribution,
    args: Mapping[str, np.ndarray],
    scope: Scope,
    static: tuple[float, float],
) -> np.ndarray:
    spec = DISTRIBUTIONS[distribution.name]
    own = distribution.type.support
    dynamic = variable.lower is not None or variable.upper is not None
    wide = isinstance(own, Interval) and static[0] <= own.lower and static[1] >= own.upper
    if wide and not dynamic:
        return np.array(0.0)
    lower, upper = _bounds(variable, scope, static)
    data = scope.values[variable.name].data
    outside = _outside(data, lower, upper)
    if spec.event_dim:
        raise NotImplementedError(f"{variable.name}: truncated {distribution.name}")
    if spec.improper:
        return outside
    below = lower - 1 if spec.discrete else lower
    mass = log_probability(distribution.name, below, upper, args)
    return np.where(np.isnan(data), 0.0, outside - mass)


def _rounding(
    variable: ir.Variable,
    distribution: ir.Distribution,
    args: Mapping[str, np.ndarray],
    scope: Scope,
) -> np.ndarray:
    """Replaces the density by the probability of the cell around each whole number."""
    support = variable.type.support
    assert isinstance(support, Interval)
    lower, upper = _bounds(variable, scope, (support.lower, support.upper))
    data = scope.values[variable.name].data
    left = np.where(data <= lower, -np.inf, data - 0.5)
    right = np.where(data >= upper, np.inf, data + 0.5)
    density = REFERENCES[distribution.name].log_density(data, **args)
    cell = log_probability(distribution.name, left, right, args) + _outside(data, lower, upper)
    return np.where(np.isnan(data), 0.0, cell - density)


def _ordering(
    variable: ir.Variable, args: Mapping[str, np.ndarray], data: np.ndarray
) -> np.ndarray:
    """log K! for K independent, identically distributed entries, shared out among them."""
    count = data.shape[-1]
    plates = len(variable.axes)
    for name, arg in args.items():
        if arg.ndim > plates and arg.shape[-1] != 1:
            raise NotImplementedError(f"{variable.name}: ordered, and {name} differs by entry")
    sorted_ = np.all(np.diff(data, axis=-1) > 0, axis=-1, keepdims=True)
    return np.where(sorted_, special.gammaln(count + 1) / count, -np.inf)
