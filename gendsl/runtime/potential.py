"""The potential energy of a density as a function of one flat vector, with its gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyro
import torch
from torch import Tensor

from gendsl.runtime.algebra import reduced
from gendsl.runtime.density import Density
from gendsl.runtime.marginal import log_marginal
from gendsl.runtime.native import Native, NotNative, build
from gendsl.runtime.tapes import Both, evaluator, runner
from gendsl.runtime.tracing import Tape, Untraceable, record, record_value

__all__ = ["Potential", "agree", "objective_of", "potential_of", "recorded", "runner", "unflatten"]

POINTS = 3
"""How many points the recorded potential must agree at with Pyro's."""

ROUNDINGS = 100
"""How much further apart than two nearby points the two may be, where rounding counts."""

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
        rewrites: what was done to make it cheaper, in words.
        slow: why it is no machine code; None where it is.
    """

    size: int
    function: Both
    native: Native | None
    dtype: torch.dtype
    device: torch.device
    note: str | None
    rewrites: tuple[str, ...] = ()
    slow: str | None = None

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


def potential_of(density: Density, *, reduce: bool = True) -> Potential:
    """Minus the log density of unconstrained coordinates, Jacobian included, for sampling.

    Raises:
        NotIntegrable: what the plan integrates out had better be sampled with these data.
    """
    if density.integrated:
        marginal = log_marginal(density)
        return recorded(lambda point: -marginal(point), density.size, reduce=reduce)

    def potential(point: Tensor) -> Tensor:
        return density.potential(unflatten(density, point))

    return recorded(potential, density.size, reduce=reduce)


def objective_of(density: Density) -> Potential:
    """The same without the Jacobian, so that its minimum is a mode on the constrained scale."""

    def loss(point: Tensor) -> Tensor:
        values = density.constrain(unflatten(density, point))
        return -density.log_prob(values) + 0.0 * point.sum()

    return recorded(loss, density.size)


def recorded(function: Callable[[Tensor], Tensor], size: int, *, reduce: bool = True) -> Potential:
    """A function and its gradient, recorded where that is possible and proved to agree.

    With `reduce`, the recorded value is rewritten before it is differentiated
    (`gendsl.runtime.algebra`); a rewriting that does not agree is not used.

    Must run under `gendsl.runtime.backend.tensors`. The torch random state is left as it was.
    """
    dtype = torch.get_default_dtype()
    device = torch.zeros(()).device
    eager = _eager(function)
    with torch.random.fork_rng(devices=[]), pyro.validation_enabled(is_validate=False):
        point = torch.randn(size) * 0.1
        try:
            short = _reduced(function, point, eager) if reduce else None
            tape, rewrites = short or (record(function, point), ())
            fast: Both = runner(tape)
            if short is None:
                _verify(eager, fast, size, RTOL[dtype])
        except Untraceable as error:
            note = f"the density is evaluated by Pyro's handlers, which is slow: {error}"
            return Potential(size, eager, None, dtype, device, note, slow=str(error))
        native, slow = None, None
        try:
            native = build(tape)
            _verify(eager, _as_tensors(native), size, RTOL[dtype])
        except (NotNative, Untraceable) as error:
            native, slow = None, str(error)
    return Potential(size, fast, native, dtype, device, None, rewrites, slow)


def _reduced(
    function: Callable[[Tensor], Tensor], point: Tensor, eager: Both
) -> tuple[Tape, tuple[str, ...]] | None:
    """The tape of the rewritten value, proved to agree, and what was done; None without any."""
    try:
        tape, rewrites = reduced(record_value(function, point))
        if not rewrites:
            return None
        both = record(evaluator(tape), point)
        _verify(eager, runner(both), point.numel(), RTOL[point.dtype])
    except Untraceable:
        return None
    return both, rewrites


def _as_tensors(native: Native) -> Both:
    def both(point: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = native(point.numpy())
        return torch.tensor(value), torch.as_tensor(gradient)

    return both


Result = tuple[Tensor, Tensor]
"""Value and gradient."""


def agree(here: Result, there: Result, rtol: float, nudged: Result | None = None) -> bool:
    """Whether two ways to compute value and gradient agree, up to rounding.

    `nudged` is what the first gives when the last digits of the point are changed. Where a matrix
    is nearly singular these change much more than the last digits of the result.
    """
    scale = max(1.0, float(here[1].abs().max()) if here[1].numel() else 1.0)
    for one, other, unit, moved in zip(here, there, (1.0, scale), nudged or here, strict=True):
        noise = float((moved - one).abs().max()) if one.numel() else 0.0
        absolute = rtol + ROUNDINGS * noise / unit
        if not math.isfinite(noise):
            return False
        if not torch.allclose(one / unit, other / unit, rtol=rtol, atol=absolute):
            return False
    return True


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
        if not agree((value, gradient), (other, slope), rtol):
            nudged = eager(point * (1 + 4 * torch.finfo(point.dtype).eps))
            if not agree((value, gradient), (other, slope), rtol, nudged):
                raise Untraceable("the recorded density differs from Pyro's at another point")
        compared += 1
        if compared == POINTS:
            return
    if compared == 0:
        raise Untraceable("no point with a finite density was found to compare at")
