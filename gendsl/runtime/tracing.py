"""The potential as a short list of tensor operations, recorded once and simplified.

Pyro's handlers cost milliseconds a gradient. `record` runs them once under torch's tracer, value
and gradient together, and keeps the operations on tensors; `simplified` computes beforehand what
does not depend on the unknowns, shares equal terms and drops what changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.node import map_arg

__all__ = ["Ref", "Step", "Tape", "Untraceable", "map_refs", "record"]

aten = torch.ops.aten

IDENTITIES = frozenset(
    {
        aten.detach.default,
        aten.alias.default,
        aten.clone.default,
        aten.lift_fresh_copy.default,
        aten.lift_fresh.default,
    }
)
RESHAPES = frozenset(
    {
        aten.view.default,
        aten._unsafe_view.default,
        aten.reshape.default,
        aten.expand.default,
        aten._to_copy.default,
    }
)
PRODUCTS = frozenset({aten.mul.Tensor, aten.mul.Scalar})
SUMS = frozenset({aten.add.Tensor, aten.add.Scalar, aten.sub.Tensor, aten.sub.Scalar})
CONSTANTS = frozenset(
    {
        aten.zeros_like.default,
        aten.ones_like.default,
        aten.full_like.default,
        aten.new_zeros.default,
        aten.new_ones.default,
        aten.new_full.default,
    }
)
"""Their first argument gives a shape alone."""
QUOTIENTS = frozenset({aten.div.Tensor, aten.div.Scalar})
RANDOM = ("rand", "normal", "bernoulli", "multinomial", "dropout", "uniform", "exponential")


class Untraceable(Exception):
    """The potential cannot be recorded; the message says why, for the plan."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation: results of earlier steps are `Ref`s among its arguments."""

    op: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ref:
    """The result of an earlier step, by its number; 0 is the input vector."""

    number: int


@dataclass(frozen=True)
class Tape:
    """Operations in order, the constants among their arguments held as tensors.

    Attributes:
        steps: the operations; the input has number 0, the first of them 1.
        value: where the potential is: a `Ref`, or a tensor that does not depend on the input.
        gradient: where its gradient is.
        samples: the result of every number at one point, for shapes and types.
    """

    steps: tuple[Step, ...]
    value: Ref | Tensor
    gradient: Ref | Tensor
    samples: tuple[Tensor, ...]


def record(function: Callable[[Tensor], Tensor], point: Tensor) -> Tape:
    """Record value and gradient of `function` near `point`.

    Raises:
        Untraceable: an operation depends on the values of the unknowns, or changes its input.
    """

    def both(x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            leaf = x.detach().requires_grad_(requires_grad=True)
            value = function(leaf)
            (gradient,) = torch.autograd.grad(value, leaf)
        return value.detach(), gradient.detach()

    try:
        module = make_fx(both)(point)
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise Untraceable(f"{type(error).__name__}: {reason[:200]}") from error
    with torch.no_grad():
        return _Simplifier(module, point).tape()


class _Simplifier:
    """Walks the recorded graph once, computing constants and emitting the other steps."""

    def __init__(self, module: GraphModule, point: Tensor) -> None:
        self.module = module
        self.samples: list[Tensor] = [point]
        self.steps: list[Step] = []
        self.found: dict[Hashable, Ref] = {}
        self.values: dict[Node, Any] = {}

    def tape(self) -> Tape:
        outputs: tuple[Node, Node] | None = None
        for node in self.module.graph.nodes:
            match node.op:
                case "placeholder":
                    self.values[node] = Ref(0)
                case "get_attr":
                    self.values[node] = _attribute(self.module, node.target)
                case "call_function":
                    self.values[node] = self._call(node)
                case "output":
                    outputs = node.args[0]
                case _:
                    raise Untraceable(f"the record holds a {node.op}")
        assert outputs is not None
        value, gradient = (self.values[n] for n in outputs)
        return _pruned(tuple(self.steps), value, gradient, tuple(self.samples))

    def _call(self, node: Node) -> Any:
        op = node.target
        if getattr(op, "__name__", "") == "getitem":
            return self._take(node)
        schema = getattr(op, "_schema", None)
        if schema is None:
            raise Untraceable(f"the record holds {op}")
        if any(word in op.__name__ for word in RANDOM):
            raise Untraceable(f"{op.__name__} draws random numbers")
        args = map_arg(node.args, self.values.__getitem__)
        kwargs = dict(map_arg(node.kwargs, self.values.__getitem__))
        if schema.is_mutable:
            return self._mutation(node, op, args, kwargs)
        return self._apply(op, args, kwargs)

    def _mutation(self, node: Node, op: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """In place to out of place: later uses of the first argument see the result."""
        packet = str(op._schema.name).removeprefix("aten::")
        name = "index_put" if packet == "_index_put_impl_" else packet.removesuffix("_")
        overload = getattr(getattr(aten, name, None), op._overloadname, None)
        if overload is None or not packet.endswith("_") or overload._schema.is_mutable:
            raise Untraceable(f"{op} changes its argument")
        if name == "copy":
            result = self._apply(aten.expand_as.default, (args[1], args[0]), {})
        else:
            result = self._apply(overload, args[:4] if name == "index_put" else args, kwargs)
        target = node.args[0]
        assert isinstance(target, Node)
        self.values[target] = result
        return result

    def _take(self, node: Node) -> Any:
        """One of several results: the operation as a function of that one."""
        source, position = node.args
        several = self.values[source]  # type: ignore[index]
        if isinstance(several, (tuple, list)):
            return several[position]  # type: ignore[index]
        raise Untraceable("an operation has several results")

    def _apply(self, op: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        concrete = map_refs(args, self._sample), map_refs(kwargs, self._sample)
        result = op(*concrete[0], **concrete[1])
        if not _refs((args, kwargs)):
            return result
        if isinstance(result, (tuple, list)):
            return tuple(
                self._emit(_Part(op, k), args, kwargs, r) for k, r in enumerate(result)
            )
        simpler = _simpler(op, args, self._sample, result)
        return simpler if simpler is not None else self._emit(op, args, kwargs, result)

    def _emit(self, op: Any, args: Any, kwargs: dict[str, Any], result: Tensor) -> Ref:
        key = (op, _key(args), _key(tuple(sorted(kwargs.items()))))
        if key not in self.found:
            self.steps.append(Step(op, tuple(args), kwargs))
            self.samples.append(result)
            self.found[key] = Ref(len(self.steps))
        return self.found[key]

    def _sample(self, ref: Ref) -> Tensor:
        return self.samples[ref.number]


@dataclass(frozen=True)
class _Part:
    """One result of an operation with several."""

    op: Any
    position: int

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.op(*args, **kwargs)[self.position]


def _attribute(module: GraphModule, target: Any) -> Any:
    found: Any = module
    for part in str(target).split("."):
        found = getattr(found, part)
    return found.detach() if isinstance(found, Tensor) else found


def _simpler(op: Any, args: Any, sample: Callable[[Ref], Tensor], result: Tensor) -> Any:
    """A value equal to the result of an operation that changes nothing; None if it does."""
    first = args[0]
    if op in IDENTITIES:
        return first
    if op in RESHAPES and isinstance(first, Ref) and _alike(sample(first), result):
        return first
    if op in CONSTANTS and not _refs(args[1:]):
        return result
    if op is aten.sum.default and isinstance(first, Ref) and _alike(sample(first), result):
        return first
    if op is aten.pow.Tensor_Scalar and not isinstance(args[1], Ref) and args[1] in (0, 1):
        return first if args[1] == 1 else torch.ones_like(result)
    if len(args) < 2:
        return None
    second = args[1]
    kept = isinstance(first, Ref) and _alike(sample(first), result)
    kept_second = isinstance(second, Ref) and _alike(sample(second), result)
    if op in PRODUCTS:
        if _is(first, 0.0) or _is(second, 0.0):
            return torch.zeros_like(result)
        if kept and _is(second, 1.0):
            return first
        return second if kept_second and _is(first, 1.0) else None
    if op in SUMS and kept and _is(second, 0.0):
        return first
    if op is aten.add.Tensor and kept_second and _is(first, 0.0):
        return second
    if op in QUOTIENTS and kept and _is(second, 1.0):
        return first
    return None


def _alike(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype


def _is(value: Any, number: float) -> bool:
    """Whether a constant is `number` everywhere."""
    if isinstance(value, Tensor):
        return value.numel() > 0 and bool((value == number).all())
    return isinstance(value, (int, float)) and value == number


def _key(value: Any) -> Hashable:
    match value:
        case tuple() | list():
            return (type(value).__name__, *(_key(v) for v in value))
        case Tensor():
            return ("tensor", value.dtype, tuple(value.shape), value.numpy(force=True).tobytes())
        case slice():
            return ("slice", value.start, value.stop, value.step)
        case bool() | int() | float():
            return (type(value).__name__, value)
        case _:
            return value  # type: ignore[no-any-return]


def map_refs(value: Any, replace: Callable[[Ref], Any]) -> Any:
    """`value` with each `Ref` in it replaced."""
    match value:
        case Ref():
            return replace(value)
        case tuple():
            return tuple(map_refs(v, replace) for v in value)
        case list():
            return [map_refs(v, replace) for v in value]
        case dict():
            return {k: map_refs(v, replace) for k, v in value.items()}
        case _:
            return value


def _refs(value: Any) -> list[Ref]:
    found: list[Ref] = []
    map_refs(value, found.append)
    return found


def _pruned(
    steps: tuple[Step, ...],
    value: Ref | Tensor,
    gradient: Ref | Tensor,
    samples: tuple[Tensor, ...],
) -> Tape:
    """Without the steps that neither result needs."""
    needed = {r.number for r in (value, gradient) if isinstance(r, Ref)}
    for number in range(len(steps), 0, -1):
        if number in needed:
            step = steps[number - 1]
            needed |= {r.number for r in _refs((step.args, step.kwargs))}
    order = sorted(needed - {0})
    renamed = {0: Ref(0)} | {old: Ref(new) for new, old in enumerate(order, start=1)}

    def rename(ref: Ref) -> Ref:
        return renamed[ref.number]

    kept = tuple(
        Step(s.op, map_refs(s.args, rename), map_refs(s.kwargs, rename))
        for s in (steps[n - 1] for n in order)
    )
    return Tape(
        kept,
        map_refs(value, rename),
        map_refs(gradient, rename),
        (samples[0], *(samples[n] for n in order)),
    )
