"""The potential energy of a density as a function of one flat vector, with its gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import pyro
import torch
from torch import Tensor

from gendsl.runtime.density import Density
from gendsl.runtime.native import Native, NotNative, build
from gendsl.runtime.tracing import Argument, Ref, Tape, Untraceable, map_refs, record

__all__ = ["Potential", "objective_of", "potential_of", "recorded", "runner", "unflatten"]

Both = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Value and gradient at a point."""

POINTS = 3
"""How many points the recorded potential must agree at with Pyro's."""

RTOL = {torch.float64: 1e-10, torch.float32: 1e-4}


@dataclass(frozen=True)
class Potential:
    """Minus the log density of unconstrained coordinates, Jacobian included.

    Attributes:
        size: the number of coordinates.
        function: value and gradient at a tensor of that size.
        native: the same as machine code, where that can be had.
        dtype: the type of that tensor.
        device: where it lives.
        note: why Pyro's handlers run at each step; None where they do not.
    """

    size: int
    function: Both
    native: Native | None
    dtype: torch.dtype
    device: torch.device
    note: str | None

    @property
    def way(self) -> str:
        """How it is evaluated."""
        if self.native is not None:
            return "machine code"
        return "recorded operations" if self.note is None else "handlers"

    def __call__(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient; infinite where a distribution refuses its parameters."""
        if self.native is not None:
            return self.native(point)
        with torch.no_grad():
            x = torch.as_tensor(point, dtype=self.dtype, device=self.device)
            value, gradient = self.function(x)
            return float(value), gradient.cpu().numpy().astype(np.float64)


def unflatten(density: Density, point: Tensor) -> dict[str, Tensor]:
    """One flat vector, or a batch of them, as the unconstrained coordinates of each unknown."""
    found, start = {}, 0
    for u in density.unknowns:
        own = point[..., start : start + u.size]
        found[u.name] = own.reshape(point.shape[:-1] + u.unconstrained_shape)
        start += u.size
    return found


def _eager(function: Callable[[Tensor], Tensor]) -> Both:
    def both(point: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad(), pyro.validation_enabled(is_validate=False):
            leaf = point.detach().clone().requires_grad_()
            try:
                value = function(leaf)
                (gradient,) = torch.autograd.grad(value, leaf)
            except ValueError:  # a distribution refused its parameters
                return torch.tensor(float("inf")), torch.full_like(point, float("nan"))
        return value.detach(), gradient

    return both


def potential_of(density: Density) -> Potential:
    """Minus the log density of unconstrained coordinates, Jacobian included, for sampling."""
    return recorded(lambda point: density.potential(unflatten(density, point)), density.size)


def objective_of(density: Density) -> Potential:
    """The same without the Jacobian, so that its minimum is a mode on the constrained scale."""

    def loss(point: Tensor) -> Tensor:
        values = density.constrain(unflatten(density, point))
        return -density.log_prob(values) + 0.0 * point.sum()

    return recorded(loss, density.size)


def recorded(function: Callable[[Tensor], Tensor], size: int) -> Potential:
    """A function and its gradient, recorded where that is possible and proved to agree.

    Must run under `gendsl.runtime.backend.tensors`. The torch random state is left as it was.
    """
    dtype = torch.get_default_dtype()
    device = torch.zeros(()).device
    eager = _eager(function)
    with torch.random.fork_rng(devices=[]), pyro.validation_enabled(is_validate=False):
        try:
            tape = record(function, torch.randn(size) * 0.1)
            fast: Both = runner(tape)
            _verify(eager, fast, size, RTOL[dtype])
        except Untraceable as error:
            note = f"the density is evaluated by Pyro's handlers, which is slow: {error}"
            return Potential(size, eager, None, dtype, device, note)
        try:
            native: Native | None = build(tape)
            assert native is not None
            _verify(eager, _as_tensors(native), size, RTOL[dtype])
        except (NotNative, Untraceable):
            native = None
    return Potential(size, fast, native, dtype, device, None)


def _as_tensors(native: Native) -> Both:
    def both(point: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = native(point.numpy())
        return torch.tensor(value), torch.as_tensor(gradient)

    return both


def _verify(eager: Both, fast: Both, size: int, rtol: float) -> None:
    """Compare at random points.

    Raises:
        Untraceable: value or gradient differ.
    """
    compared = 0
    for attempt in range(20):
        point = torch.randn(size) * 0.5 ** (attempt % 5)
        value, gradient = eager(point)
        if not bool(torch.isfinite(value)):
            continue
        try:
            with torch.no_grad():
                other, slope = fast(point)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise Untraceable(f"its operations cannot be run again: {error}") from error
        same = torch.allclose(value, other, rtol=rtol, atol=rtol)
        scale = max(1.0, float(gradient.abs().max()) if size else 1.0)
        same = same and torch.allclose(gradient / scale, slope / scale, rtol=rtol, atol=rtol)
        if not same:
            raise Untraceable("the recorded density differs from Pyro's at another point")
        compared += 1
        if compared == POINTS:
            return
    if compared == 0:
        raise Untraceable("no point with a finite density was found to compare at")


def runner(tape: Tape) -> Both:
    """A function that runs the steps of a tape, one tensor operation after the other."""
    table: list[Any] = [None] * (len(tape.steps) + 1)
    program: list[tuple[int, Any, Any, Any]] = []
    for number, step in enumerate(tape.steps, start=1):
        nested = any(isinstance(a, (list, tuple)) and _holds_ref(a) for a in step.args)
        if nested or _holds_ref(step.kwargs):
            program.append((number, step.op, None, (step.args, step.kwargs)))
            continue
        slots = []
        for argument in step.args:
            if isinstance(argument, Ref):
                slots.append(argument.number)
            else:
                slots.append(len(table))
                table.append(argument)
        program.append((number, step.op, _getter(slots), step.kwargs))

    def both(point: Tensor) -> tuple[Tensor, Tensor]:
        values = table.copy()
        values[0] = point

        def at(ref: Ref) -> Argument:
            return values[ref.number]

        for number, op, getter, rest in program:
            if getter is not None:
                values[number] = op(*getter(values), **rest)
            else:
                values[number] = op(*map_refs(rest[0], at), **map_refs(rest[1], at))
        value: Tensor = map_refs(tape.value, at)
        gradient: Tensor = map_refs(tape.gradient, at)
        return value, gradient

    return both


def _holds_ref(value: Argument) -> bool:
    found: list[Ref] = []
    map_refs(value, found.append)
    return bool(found)


def _getter(slots: list[int]) -> Callable[[list[Any]], tuple[Any, ...]]:
    if len(slots) == 1:
        only = slots[0]
        return lambda values: (values[only],)
    return itemgetter(*slots)
