"""Maximum likelihood and posterior modes, with the observed information at the optimum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from gendsl.runtime.density import Density
from gendsl.runtime.potential import Potential, objective_of, unflatten
from gendsl.runtime.starting import starting_point

__all__ = ["Optimum", "maximise"]

RESTARTS = 5

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
        note: why the evaluation was slow, if it was.
    """

    values: dict[str, np.ndarray]
    errors: dict[str, np.ndarray] | None
    log_prob: float
    converged: bool
    gradient_norm: float
    iterations: int
    positive_definite: bool | None
    note: str | None


def maximise(density: Density, steps: int, seed: int) -> Optimum:
    """Maximise the log density, in unconstrained coordinates but without their Jacobian.

    Args:
        density: what is maximised, over all of its unknowns.
        steps: iterations at most.
        seed: of the starting point, where the declared one has no finite density.
    """
    objective = objective_of(density)
    point = _start(density, objective, seed)
    done = 0
    for _ in range(RESTARTS):  # a fresh approximation of the curvature often goes on
        found = minimize(
            objective,
            point,
            jac=True,
            method="L-BFGS-B",
            options={
                "maxiter": max(1, steps - done),
                "maxfun": 20 * steps,
                "maxcor": 20,
                "maxls": 50,
                "ftol": 1e-15,
                "gtol": 1e-10,
            },
        )
        better = bool(np.isfinite(found.fun)) and bool(np.isfinite(found.x).all())
        gained = bool(np.abs(found.x - point).max(initial=0.0) > 0)
        point, done = found.x if better else point, done + int(found.nit)
        if not better or not gained or done >= steps:
            break
    return _report(density, torch.as_tensor(point, dtype=objective.dtype), done, objective.note)


def _start(density: Density, objective: Potential, seed: int) -> np.ndarray:
    """Declared initial values of params, and a plain point for the rest, if finite there."""
    parts = [torch.zeros(0)]
    for u in density.unknowns:
        if u.param:
            parts.append(u.transform.inv(density.params[u.name]).reshape(-1))
        else:
            parts.append(torch.zeros(u.size))
    point = torch.cat(parts).cpu().numpy().astype(np.float64)
    value, gradient = objective(point)
    if np.isfinite(value) and np.isfinite(gradient).all():
        return point
    return starting_point(density, objective, np.random.default_rng(seed)).position


def _values(density: Density, point: Tensor) -> dict[str, Tensor]:
    return density.natural(unflatten(density, point))


def _loss(density: Density, point: Tensor) -> Tensor:
    return -density.log_prob(density.constrain(unflatten(density, point)))


def _report(density: Density, point: Tensor, iterations: int, note: str | None) -> Optimum:
    leaf = point.clone().requires_grad_()
    loss = _loss(density, leaf)
    (gradient,) = torch.autograd.grad(loss, leaf)
    loss, norm = loss.detach(), float(gradient.norm())
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
        note,
    )


def _errors(density: Density, point: Tensor) -> tuple[dict[str, np.ndarray] | None, bool | None]:
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
    for name, value in _values(density, point).items():
        slope = torch.autograd.functional.jacobian(
            lambda p, name=name: _values(density, p)[name].reshape(-1), point
        )
        variance = (slope @ covariance * slope).sum(-1)
        errors[name] = variance.clamp(min=0).sqrt().reshape(value.shape).cpu().numpy()
    return errors, True
