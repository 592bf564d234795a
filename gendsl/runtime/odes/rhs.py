"""Right-hand sides of differential equations, recorded once and known by their content."""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from math import prod
from types import CodeType, FunctionType

import pyro
import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from gendsl.runtime.native import NotNative
from gendsl.runtime.native.build import loaded
from gendsl.runtime.native.functions import function_source
from gendsl.runtime.native.preamble import PREAMBLE
from gendsl.runtime.native.solvers import SOLVERS
from gendsl.runtime.odes.source import solver_source
from gendsl.runtime.tapes import Both, runner
from gendsl.runtime.tracing import Tape, record_pair

__all__ = ["RIGHT_SIDES", "RightSide", "Slope", "right_side"]

Shape = tuple[int, ...]
Slope = Callable[..., Tensor]


@dataclass
class RightSide:
    """The right-hand side of an equation, by the shapes of its state and its arguments.

    A *point* is one row of numbers: the time, the state, the arguments, and a cotangent of
    the state.

    Attributes:
        key: names it by what it computes.
        function: of a time, a state and the arguments, any number of batch axes in front.
        state: the shape of the state.
        args: the shapes of the arguments.
        library: its solver as machine code; None where that cannot be had.
    """

    key: str
    function: Slope
    state: Shape
    args: tuple[Shape, ...]
    library: ctypes.CDLL | None
    _runners: dict[tuple[int, bool], Both] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many numbers the state has."""
        return prod(self.state)

    def prepare(self, batch: int) -> None:
        """Record what the solver in torch needs for so many members; the solver cannot."""
        for pull in (False, True):
            if (batch, pull) not in self._runners:
                tape = _recorded(self, self._any_point(batch), pull=pull)
                self._runners[batch, pull] = runner(tape)

    def slope(self, points: Tensor) -> Tensor:
        """The slopes (batch, state) at points (batch, ...)."""
        return self._runners[len(points), False](points)[1].reshape(len(points), -1)

    def pull(self, points: Tensor) -> Tensor:
        """The cotangents (batch, state and arguments) that those in `points` pull back to."""
        return self._runners[len(points), True](points)[1].reshape(len(points), -1)

    def _any_point(self, batch: int) -> Tensor:
        """Numbers between 0 and 1; a square matrix is positive definite, for Cholesky factors."""
        parts = []
        for shape in ((), self.state, *self.args, self.state):
            part = (torch.arange(float(prod(shape))) * 0.618 % 1 * 0.5 + 0.25).reshape(shape)
            if len(shape) > 1 and shape[-1] == shape[-2]:
                part = part + part.mT + shape[-1] * torch.eye(shape[-1])
            parts.append(part.reshape(-1))
        return torch.cat(parts).repeat(batch, 1)


RIGHT_SIDES: dict[str, RightSide] = {}
"""Those that have come up in this process, by key: an operation on tensors takes no functions."""

_FOUND: dict[Hashable, str] = {}


def right_side(function: Slope, state: Shape, args: tuple[Shape, ...]) -> RightSide:
    """The right-hand side that `function` computes for these shapes.

    Raises:
        Untraceable: it cannot be recorded.
    """
    seen = _identity(function, state, args)
    if seen is not None and seen in _FOUND:
        return RIGHT_SIDES[_FOUND[seen]]
    blank = RightSide("", function, state, args, None)
    with _apart():
        tapes = [_recorded(blank, blank._any_point(1), pull=p) for p in (False, True)]
        key, library = _built(blank, *tapes)
    if key not in RIGHT_SIDES:
        RIGHT_SIDES[key] = RightSide(key, function, state, args, library)
    if seen is not None:
        _FOUND[seen] = key
    return RIGHT_SIDES[key]


@contextmanager
def _apart() -> Iterator[None]:
    """In float64 on the CPU, unseen by a recording that is going on."""
    before = torch.get_default_dtype()
    with _disable_current_modes(), torch.device("cpu"), pyro.validation_enabled(is_validate=False):
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(before)


def _recorded(side: RightSide, points: Tensor, *, pull: bool) -> Tape:
    """The tape whose second result is the slope, or its product with the cotangents."""
    batch, size = points.shape[0], side.size
    sizes = [1, size, *map(prod, side.args), size]

    def both(leaf: Tensor) -> tuple[Tensor, Tensor]:
        *parts, cotangent = (
            leaf[:, end - own : end] for own, end in zip(sizes, accumulate(sizes), strict=True)
        )
        shapes = [(), side.state, *side.args]
        own = [p.reshape((batch, *s)) for p, s in zip(parts, shapes, strict=True)]
        slope = side.function(*own) + torch.zeros((batch, *side.state))
        slope = slope.reshape(batch, size)
        total = (slope * cotangent).sum() + 0.0 * leaf.sum()
        if not pull:
            return total, slope.reshape(-1)
        (gradient,) = torch.autograd.grad(total, leaf)
        return total, gradient[:, 1 : gradient.shape[-1] - size].reshape(-1)

    with _apart():
        return record_pair(both, points)


def _built(side: RightSide, slope: Tape, pull: Tape) -> tuple[str, ctypes.CDLL | None]:
    """The key, and the solver as machine code if that can be had."""
    try:
        if os.environ.get("GENDSL_NATIVE", "1") == "0":
            raise NotNative("GENDSL_NATIVE is 0")
        texts = function_source("NAME_slope", slope), function_source("NAME_pull", pull)
        source = solver_source("NAME", *texts, side.size, sum(map(prod, side.args)))
        key = "ode_" + hashlib.sha256(source.encode()).hexdigest()[:20]
        text = source.replace("NAME", key)
        library = loaded(f"{PREAMBLE}\n{text}")
    except NotNative:
        return f"ode_{len(RIGHT_SIDES)}", None
    SOLVERS[key] = text
    return key, library


def _identity(function: Slope, state: Shape, args: tuple[Shape, ...]) -> Hashable:
    """What a function computes, as far as its code and the numbers it refers to tell."""
    if not isinstance(function, FunctionType):
        return None
    cells = [c.cell_contents for c in function.__closure__ or ()]
    if not all(isinstance(c, (int, float)) for c in cells):
        return None
    outer = [(n, function.__globals__.get(n)) for n in sorted(_names(function.__code__))]
    numbers = tuple((n, v) for n, v in outer if isinstance(v, (int, float)))
    return function.__code__, tuple(cells), numbers, state, args, os.environ.get("GENDSL_NATIVE")


def _names(code: CodeType) -> set[str]:
    """The names that a piece of code refers to, also in functions inside it."""
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    return set(code.co_names).union(*map(_names, inner))
