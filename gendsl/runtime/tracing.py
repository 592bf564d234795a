"""The potential as a short list of tensor operations, recorded once and simplified.

Pyro's handlers cost milliseconds a gradient. `record` runs them once, value and gradient together,
and keeps the operations on tensors that depend on the unknowns; it shares equal terms and drops
what changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gendsl.runtime.contents import step_key
from gendsl.runtime.decompositions import DECOMPOSED

__all__ = [
    "Argument",
    "Operation",
    "Ref",
    "Step",
    "Tape",
    "Untraceable",
    "map_refs",
    "pruned",
    "record",
    "record_pair",
    "record_value",
]

aten = torch.ops.aten

Operation = Any
"""An operation of ATen; torch gives it no type of its own."""

Argument = Any
"""Anything that an operation takes or gives: tensors, references, numbers, and lists of them."""

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
VIEWS = frozenset({aten.view.default, aten._unsafe_view.default})
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

    op: Operation
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
        gradient: where its gradient is; an empty tensor where the value alone was recorded.
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

    def both(leaf: Tensor) -> tuple[Tensor, Tensor]:
        value = function(leaf)
        (gradient,) = torch.autograd.grad(value, leaf)
        return value, gradient

    return record_pair(both, point)


def record_pair(function: Callable[[Tensor], tuple[Tensor, Tensor]], point: Tensor) -> Tape:
    """The same for a function that gives both results itself, of a tensor with gradients."""
    return _recorded(function, point.detach().requires_grad_(), grad=True)


def record_value(function: Callable[[Tensor], Tensor], point: Tensor) -> Tape:
    """Record the value of `function` alone, a tensor of any shape, near `point`.

    The function may take derivatives itself, under `torch.enable_grad`. What it detaches is not
    told from what autograd detaches, so that derivatives of the tape go through both.

    Raises:
        Untraceable: as for `record`.
    """

    def only(leaf: Tensor) -> tuple[Tensor, Tensor]:
        return function(leaf), torch.empty(0)

    return _recorded(only, point.detach(), grad=False)


def _recorded(
    function: Callable[[Tensor], tuple[Tensor, Tensor]], leaf: Tensor, *, grad: bool
) -> Tape:
    recorder = _Recorder(leaf)
    try:
        with recorder, torch.set_grad_enabled(grad):
            value, gradient = function(recorder.follow(leaf, Ref(0)))
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise Untraceable(f"{type(error).__name__}: {reason[:200]}") from error
    outputs = [recorder.known(t) for t in (value, gradient)]
    held = [t.detach() if isinstance(t, Tensor) else t for t in outputs]
    return pruned(tuple(recorder.steps), held[0], held[1], tuple(recorder.samples))


class _Recorder(TorchDispatchMode):
    """Follows tensors that depend on the input through every operation, those of autograd too.

    Operations on other tensors just happen; their results are constants of the tape.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Whether torch guards this mode against its compiler, which takes a second to import."""
        return False

    def __init__(self, point: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.samples: list[Tensor] = [point.detach().clone()]
        self.steps: list[Step] = []
        self.found: dict[Hashable, Ref] = {}
        self.refs: dict[int, Ref] = {}
        self.alive: list[Tensor] = []
        self.plain: dict[int, Tensor] = {}

    def follow(self, tensor: Tensor, ref: Ref) -> Tensor:
        """From now on `tensor` is the result `ref`."""
        self.refs[id(tensor)] = ref
        self.alive.append(tensor)  # so that its number is not given to another
        return tensor

    def known(self, value: Argument) -> Argument:
        """Tensors that depend on the input as references."""
        match value:
            case Tensor():
                return self.refs.get(id(value)) or self._constant(value)
            case tuple():
                return tuple(self.known(v) for v in value)
            case list():
                return [self.known(v) for v in value]
            case _:
                return value

    def _constant(self, value: Tensor) -> Tensor:
        """A constant without the operations that it came from, one for each."""
        if not value.requires_grad:
            return value
        if id(value) not in self.plain:
            self.plain[id(value)] = value.detach()
            self.alive.append(value)
        return self.plain[id(value)]

    def __torch_dispatch__(
        self,
        func: Operation,
        types: Argument,
        args: Argument = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Argument:
        """Run an operation, and note it where it depends on the input."""
        kwargs = kwargs or {}
        own = self.known(args), {k: self.known(v) for k, v in kwargs.items()}
        if not _refs(own):
            return func(*args, **kwargs)
        if func is aten._local_scalar_dense.default:
            raise RuntimeError("a decision depends on the value of an unknown")
        if func in DECOMPOSED:
            with self:
                return DECOMPOSED[func](*args, **kwargs)
        if any(word in func.__name__ for word in RANDOM):
            raise RuntimeError(f"{func.__name__} draws random numbers")
        if func._schema.is_mutable:
            return self._mutation(func, args, kwargs, own)
        result = func(*args, **kwargs)
        if result is None:  # a check of an earlier result; `_Part` marks what it would refuse
            return None
        return self._result(func, own, result)

    def _result(
        self, func: Operation, own: tuple[Argument, dict[str, Any]], result: Argument
    ) -> Argument:
        """Note what an operation gave."""
        if isinstance(result, Tensor) and result.is_meta:  # torch asks for the shape of zeros
            return result
        if isinstance(result, (tuple, list)):
            for position, part in ((n, p) for n, p in enumerate(result) if p is not None):
                self.follow(part, self._noted(_Part(func, position), *own, part))
            return result
        simpler = _simpler(func, own[0], self.samples.__getitem__, result)
        simpler = simpler if simpler is not None else self._noted(func, *own, result)
        if isinstance(simpler, Ref):
            self.follow(result, simpler)
        return result

    def _mutation(
        self, func: Operation, args: Argument, kwargs: Argument, own: tuple[Argument, Argument]
    ) -> Argument:
        """In place to out of place: later uses of the first argument see the result."""
        packet = str(func._schema.name).removeprefix("aten::")
        name = "index_put" if packet == "_index_put_impl_" else packet.removesuffix("_")
        overload = getattr(getattr(aten, name, None), func._overloadname, None)
        if overload is None or not packet.endswith("_") or overload._schema.is_mutable:
            raise RuntimeError(f"{func} changes its argument")
        first = own[0][0].clone() if isinstance(own[0][0], Tensor) else own[0][0]
        rest = own[0][1:4] if name == "index_put" else own[0][1:]
        result = func(*args, **kwargs)
        sample = result.clone()
        if name == "copy":
            ref = self._noted(aten.expand_copy.default, (rest[0], list(sample.shape)), {}, sample)
        else:
            ref = self._noted(overload, (first, *rest), own[1], sample)
        self.follow(args[0], ref)
        return self.follow(result, ref)

    def _noted(self, op: Operation, args: Argument, kwargs: dict[str, Any], result: Tensor) -> Ref:
        op = aten.reshape.default if op in VIEWS else op  # copies before it may have been dropped
        key = step_key(op, args, kwargs)
        if key not in self.found:
            self.steps.append(Step(op, tuple(args), kwargs))
            self.samples.append(result.detach())
            self.found[key] = Ref(len(self.steps))
        return self.found[key]


@dataclass(frozen=True)
class _Part:
    """One result of an operation with several."""

    op: Operation
    position: int

    def __call__(self, *args: Argument, **kwargs: Argument) -> Argument:
        parts = self.op(*args, **kwargs)
        part = parts[self.position]
        if self.op is aten.linalg_cholesky_ex.default and self.position == 0:
            legal = parts[1][..., None, None] == 0  # else the matrix is not positive definite
            return torch.where(legal, part, torch.nan)
        return part


def _simpler(
    op: Operation, args: Argument, at: Callable[[int], Tensor], result: Tensor
) -> Argument:
    """A value equal to the result of an operation that changes nothing; None if it does."""

    def kept(value: Argument) -> bool:
        return isinstance(value, Ref) and _alike(at(value.number), result)

    first = args[0]
    if op in IDENTITIES or ((op in RESHAPES or op is aten.sum.default) and kept(first)):
        return first
    if op in CONSTANTS and not _refs(args[1:]):
        return result
    if len(args) < 2:
        return None
    if op is aten.pow.Tensor_Scalar and args[1] in (0, 1):
        return first if args[1] == 1 else torch.ones_like(result)
    return _neutral(op, first, args[1], kept, result)


def _neutral(
    op: Operation,
    first: Argument,
    second: Argument,
    kept: Callable[[Argument], bool],
    result: Tensor,
) -> Argument:
    """A sum with 0, a product with 0 or 1, a quotient by 1."""
    if op in PRODUCTS and (_is(first, 0.0) or _is(second, 0.0)):
        return torch.zeros_like(result)
    unit = 1.0 if op in PRODUCTS or op in QUOTIENTS else 0.0
    commutes = op in PRODUCTS or op is aten.add.Tensor
    if op not in PRODUCTS | QUOTIENTS | SUMS:
        return None
    if kept(first) and _is(second, unit):
        return first
    return second if commutes and kept(second) and _is(first, unit) else None


def _alike(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype


def _is(value: Argument, number: float) -> bool:
    """Whether a constant is `number` everywhere."""
    if isinstance(value, Tensor):
        return value.numel() > 0 and bool((value == number).all())
    return isinstance(value, (int, float)) and value == number


def map_refs(value: Argument, replace: Callable[[Ref], Argument]) -> Argument:
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


def _refs(value: Argument) -> list[Ref]:
    found: list[Ref] = []
    map_refs(value, found.append)
    return found


def pruned(
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
