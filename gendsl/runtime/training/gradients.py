"""From a loss to a step: gradients, their norm, clipping, and steps that are left out.

A step whose loss, terms or gradient are not finite changes nothing. On a GPU whether it was left
out is not asked at every step, which would wait for the GPU, but told to the fused optimiser.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.runtime.training.settings import Losses
from gendsl.runtime.training.trainable import Trainable

__all__ = ["Bad", "Descent", "DivergedError", "Values", "gradient_norm"]

Values = list[float] | Tensor
"""Numbers here, or on a GPU that they are not waited for."""

LOOK_EVERY = 20
"""Steps between two looks at the GPU's counters."""


class DivergedError(DataError):
    """Training stopped because too many steps in a row were not finite.

    Attributes:
        term: the first term that was not finite; None where only the gradient was not.
        parameters: parameters whose gradient was not finite, where every term was.
        step: the number of the step, from 0, at which it was noticed.
    """

    def __init__(
        self, diagnostic: Diagnostic, term: str | None, parameters: tuple[str, ...], step: int
    ) -> None:
        """Keep what was found."""
        super().__init__([diagnostic])
        self.term, self.parameters, self.step = term, parameters, step


@dataclass(frozen=True, slots=True)
class Bad:
    """Steps in a row that were left out, and the values of the last one.

    Attributes:
        steps: how many.
        values: loss, terms and norm of the gradient, by name.
    """

    steps: int
    values: Mapping[str, float]


def gradient_norm(gradients: list[Tensor]) -> Tensor:
    """The Euclidean norm of all gradients together."""
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    return norm


def _defers(device: torch.device, optimiser: Optimizer) -> bool:
    """Whether the optimiser itself leaves steps out, so that nothing waits for the device."""
    return device.type == "cuda" and bool(optimiser.defaults.get("fused"))


class Descent:
    """Makes steps of an optimiser, and leaves out those that are not finite."""

    def __init__(
        self,
        trainable: Trainable,
        optimiser: Optimizer,
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        """Prepare.

        Args:
            trainable: what the optimiser moves.
            optimiser: over the parameters of `trainable`.
            clip_norm: longer gradients are shortened to this norm.
            clip_value: entries of gradients are cut to this absolute value, before the norm is.
        """
        self._trainable, self._optimiser = trainable, optimiser
        self._parameters = list(trainable.parameters.values())
        self._buffers = list(trainable.buffers.values())
        self._clip_norm, self._clip_value = clip_norm, clip_value
        self._deferred = _defers(trainable.device, optimiser)
        self._run: int | Tensor = 0
        self._skipped: int | Tensor = 0
        self._last: Values | None = None

    @property
    def skipped(self) -> int:
        """How many steps were left out."""
        return int(self._skipped)

    def before(self) -> list[Tensor]:
        """Copies of the buffers, which a step that is left out must not change."""
        return [buffer.clone() for buffer in self._buffers]

    def step(self, losses: Losses, buffers: list[Tensor]) -> tuple[Values, bool | Tensor]:
        """Move the parameters, unless something is not finite.

        Args:
            losses: what to minimise, and terms that must be finite too.
            buffers: what `before` gave before the loss was computed.

        Returns:
            The loss, the terms and the norm of the gradient, and whether all are finite.
        """
        given = losses.gradients or [None] * len(self._parameters)
        for parameter, gradient in zip(self._parameters, given, strict=True):
            parameter.grad = gradient
        if losses.gradients is None:
            losses.total.backward()
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        with torch.no_grad():
            told = (losses.total, *losses.terms.values(), self._clipped(gradients))
            if self._deferred:
                return self._step_deferred(told, buffers)
            values = [value.item() for value in told]
            if all(map(math.isfinite, values)):
                self._optimiser.step()
                self._run = 0
                return values, True
            for buffer, kept in zip(self._buffers, buffers, strict=True):
                buffer.copy_(kept)
            self._run, self._skipped, self._last = self._run + 1, self._skipped + 1, values
            return values, False

    def _clipped(self, gradients: list[Tensor]) -> Tensor:
        """The norm of the gradient, which is clipped in place."""
        if self._clip_value is not None:
            for gradient in gradients:
                gradient.clamp_(-self._clip_value, self._clip_value)
        norm = gradient_norm(gradients)
        if self._clip_norm is not None:
            scale = (self._clip_norm / (norm + 1e-6)).clamp(max=1.0)
            # One entry that is not finite must not spoil the others: a diagnosis reads them.
            torch._foreach_mul_(gradients, torch.where(norm.isfinite(), scale, 1.0))
        return norm

    def _step_deferred(
        self, told: Sequence[Tensor], buffers: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        device = self._parameters[0].device
        values = torch.stack([v.detach().to(device=device, dtype=torch.float64) for v in told])
        finite = values.isfinite().all()
        bad = ~finite
        self._optimiser.found_inf = bad.to(torch.float32)  # type: ignore[attr-defined]
        self._optimiser.step()
        for buffer, kept in zip(self._buffers, buffers, strict=True):
            torch.where(finite, buffer, kept, out=buffer)
        self._run, self._skipped = (self._run + 1) * bad, self._skipped + bad
        last = self._last if isinstance(self._last, Tensor) else values
        self._last = torch.where(bad, values, last)
        return values, finite

    def state(self) -> dict[str, Any]:
        """The counters, for a checkpoint."""
        return {"run": self._run, "skipped": self._skipped, "last": self._last}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self._run, self._skipped, self._last = state["run"], state["skipped"], state["last"]

    def look(self, step: int, names: tuple[str, ...], tolerated: int) -> None:
        """Stop if the last steps were all left out, and say why.

        Args:
            step: the number of the step just made, from 0.
            names: of the values that `step` gives.
            tolerated: how many steps in a row may be left out.

        Raises:
            DivergedError: GD850.
        """
        if self._deferred and step % LOOK_EVERY:
            return
        run = int(self._run)
        if run <= tolerated or self._last is None:
            return
        last = self._last.tolist() if isinstance(self._last, Tensor) else self._last
        raise self._diverged(step, Bad(run, dict(zip(names, last, strict=True))))

    def _diverged(self, step: int, bad: Bad) -> DivergedError:
        terms = [name for name, value in bad.values.items() if not math.isfinite(value)]
        term = next((t for t in terms if t not in ("loss", "gradient norm")), None)
        if term is None and "loss" in terms:
            term = "loss"
        names: tuple[str, ...] = ()
        if term is None:
            names = self._spoilt()
            what = f"the gradient of {', '.join(f'`{n}`' for n in names[:3]) or 'the loss'}"
        else:
            what = f"`{term}` ({bad.values[term]:g})"
        message = f"training stopped at step {step + 1}: {what} was not finite in "
        if bad.steps == step + 1:
            message += "any step so far; no weight was changed"
            remedy = "look for a logarithm, a square root, a division or a scale that reaches 0"
        else:
            message += f"the last {bad.steps} steps" if bad.steps > 1 else "this step"
            message += "; the weights are those of the last good step"
            remedy = "a lower learning rate or `clip_norm` keeps steps from going too far"
        return DivergedError(Diagnostic("GD850", message, help=remedy), term, names, step)

    def _spoilt(self) -> tuple[str, ...]:
        """The parameters whose gradient is not finite."""
        return tuple(
            name
            for name, parameter in self._trainable.parameters.items()
            if parameter.grad is not None and not bool(parameter.grad.isfinite().all())
        )
