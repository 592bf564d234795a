"""Maximum likelihood and posterior modes, with the observed information at the optimum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gendsl.runtime.density import Density
from gendsl.runtime.nuts import initial_point

__all__ = ["Optimum", "maximise"]

CURVATURE_LIMIT = 400
"""Above this many coordinates the observed information is not computed."""

GRADIENT_SMALL = 1e-4
"""Relative to the size of the objective, a gradient below this counts as zero."""


@dataclass(frozen=True)
class Optimum:
    """A maximum of the log density on the constrained scale.

    Attributes:
        values: of every unknown, in the shape of its site.
        errors: standard errors from the observed information; None where unknown.
        log_prob: the log density there, in nats.
        converged: whether the gradient vanishes.
        gradient_norm: of the objective in unconstrained coordinates.
        iterations: how many the optimiser took.
        positive_definite: whether the observed information is; None if not computed.
    """

    values: dict[str, np.ndarray]
    errors: dict[str, np.ndarray] | None
    log_prob: float
    converged: bool
    gradient_norm: float
    iterations: int
    positive_definite: bool | None


def maximise(
    density: Density, steps: int, report: Callable[[int, float], None] | None = None
) -> Optimum:
    """Maximise the log density, in unconstrained coordinates but without their Jacobian.

    Args:
        density: what is maximised, over all of its unknowns.
        steps: iterations at most.
        report: called with the iteration and the objective.
    """
    start = _start(density)
    point = start.clone().requires_grad_(requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [point],
        max_iter=20,
        tolerance_grad=1e-10,
        tolerance_change=1e-14,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = _loss(density, point)
        loss.backward()
        return loss

    done, previous = 0, float("inf")
    while done < steps:
        loss = float(optimizer.step(closure))
        done += 20
        if report is not None:
            report(done, -loss)
        if not np.isfinite(loss) or abs(previous - loss) <= 1e-12 * max(1.0, abs(loss)):
            break
        previous = loss
    return _report(density, point.detach(), done)


def _start(density: Density) -> Tensor:
    """Declared initial values of params, and a plain point for the rest, if finite there."""
    parts = []
    for u in density.unknowns:
        if u.param:
            parts.append(u.transform.inv(density.params[u.name]).reshape(-1))
        else:
            parts.append(torch.zeros(u.size))
    point = torch.cat(parts) if parts else torch.zeros(0)
    with torch.no_grad():
        try:
            if bool(torch.isfinite(_loss(density, point))):
                return point
        except ValueError:
            pass
    found = initial_point(density)
    return torch.cat([found[u.name].reshape(-1) for u in density.unknowns])


def _values(density: Density, point: Tensor) -> dict[str, Tensor]:
    values, start = {}, 0
    for u in density.unknowns:
        own = point[start : start + u.size].reshape(u.unconstrained_shape)
        values[u.name] = u.transform(own)
        start += u.size
    return values


def _loss(density: Density, point: Tensor) -> Tensor:
    return -density.log_prob(_values(density, point))


def _report(density: Density, point: Tensor, iterations: int) -> Optimum:
    leaf = point.clone().requires_grad_(requires_grad=True)
    loss = _loss(density, leaf)
    (gradient,) = torch.autograd.grad(loss, leaf)
    norm = float(gradient.norm())
    scale = max(1.0, abs(float(loss)))
    converged = bool(np.isfinite(norm)) and norm <= GRADIENT_SMALL * scale
    values = _values(density, point)
    errors, definite = _errors(density, point)
    return Optimum(
        {n: v.detach().cpu().numpy() for n, v in values.items()},
        errors,
        -float(loss),
        converged,
        norm,
        iterations,
        definite,
    )


def _errors(
    density: Density, point: Tensor
) -> tuple[dict[str, np.ndarray] | None, bool | None]:
    """Standard errors by the delta method, from the Hessian in unconstrained coordinates."""
    if not 0 < point.numel() <= CURVATURE_LIMIT:
        return None, None
    hessian = torch.autograd.functional.hessian(lambda p: _loss(density, p), point)
    hessian = (hessian + hessian.mT) / 2
    if not bool(torch.isfinite(hessian).all()):
        return None, False
    eigenvalues = torch.linalg.eigvalsh(hessian)
    if float(eigenvalues[0]) <= 1e-9 * max(1.0, float(eigenvalues[-1])):
        return None, False
    covariance = torch.linalg.inv(hessian)
    errors: dict[str, np.ndarray] = {}
    for u in density.unknowns:
        slope = torch.autograd.functional.jacobian(
            lambda p, name=u.name: _values(density, p)[name].reshape(-1), point
        )
        variance = (slope @ covariance * slope).sum(-1)
        errors[u.name] = variance.clamp(min=0).sqrt().reshape(u.shape).cpu().numpy()
    return errors, True
