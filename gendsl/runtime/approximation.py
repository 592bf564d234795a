"""Normal approximations with the curvature that a quasi-Newton descent has seen."""

from __future__ import annotations

from math import log, pi

import numpy as np

from gendsl.runtime.trajectory import Point

__all__ = ["Approximation", "Curvature"]

HISTORY = 6
"""So many steps are remembered."""

CURVED = 1e-12
"""A step across which the gradient turns less than this, relatively, teaches nothing."""


class Curvature:
    """What the steps of a descent tell of the inverse of the Hessian matrix.

    Attributes:
        diagonal: an estimate of the diagonal of the inverse, positive.
        moves: the last steps, (step, size).
        bends: the changes of the gradient across them, (step, size).
    """

    def __init__(self, size: int) -> None:
        """Nothing is known."""
        self.size = size
        self.forget()

    @property
    def known(self) -> bool:
        """Whether any step has taught something."""
        return len(self.moves) > 0

    def forget(self) -> None:
        """Begin anew, from the identity."""
        self.diagonal = np.ones(self.size)
        self.moves = self.bends = np.empty((0, self.size))

    def learn(self, move: np.ndarray, bend: np.ndarray) -> None:
        """Take one more step into account, unless the density is not log-concave along it.

        The diagonal is that of Gilbert & Lemarechal (1989), as in Pathfinder, algorithm 3.
        """
        b = float(move @ bend)
        if not b > CURVED * float(bend @ bend):
            return
        d = self.diagonal
        a, c = float(bend @ (d * bend)), float(move @ (move / d))
        diagonal = 1 / (a / (b * d) + bend**2 / b - a * move**2 / (b * c * d**2))
        if np.isfinite(diagonal).all() and (diagonal > 0).all():
            self.diagonal = diagonal
        self.moves = np.vstack([self.moves, move])[-HISTORY:]
        self.bends = np.vstack([self.bends, bend])[-HISTORY:]


class Approximation:
    """The normal distribution of a point's Newton step and inverse curvature.

    The inverse curvature is diagonal plus low rank (Byrd, Nocedal & Schnabel 1994, theorem 2.2);
    with D its diagonal it is D^(1/2) (1 + Q (L L^T - 1) Q^T) D^(1/2), where Q has orthonormal
    columns and L is triangular, as in Pathfinder, algorithm 4.

    Attributes:
        point: where it was made.
        step: from there to the mean.
    """

    def __init__(self, point: Point, curvature: Curvature) -> None:
        """Factorise the inverse curvature.

        Raises:
            LinAlgError: it is singular, up to rounding.
        """
        self.point, self.scale = point, np.sqrt(curvature.diagonal)
        moves = curvature.moves.T / self.scale[:, None]
        bends = curvature.bends.T * self.scale[:, None]
        inverse = np.linalg.inv(np.triu(moves.T @ bends))
        corner = inverse.T @ (np.diag((moves * bends).sum(0)) + bends.T @ bends) @ inverse
        core = np.block([[np.zeros_like(inverse), -inverse], [-inverse.T, corner]])
        self.basis, triangle = np.linalg.qr(np.hstack([bends, moves]))
        within = np.eye(len(triangle)) + triangle @ core @ triangle.T
        self.root = np.linalg.cholesky((within + within.T) / 2)
        log_scale = float(np.log(self.scale).sum() + np.log(np.diag(self.root)).sum())
        self._log_top = -0.5 * len(self.scale) * log(2 * pi) - log_scale
        slope = self.scale * point.gradient
        inside = self.basis.T @ slope
        turned = slope + self.basis @ (self.root @ (self.root.T @ inside) - inside)
        self.step: np.ndarray = -self.scale * turned

    def variances(self) -> np.ndarray:
        """Of the coordinates."""
        shares = ((self.basis @ self.root) ** 2).sum(1) - (self.basis**2).sum(1)
        found: np.ndarray = self.scale**2 * (1 + shares)
        return found

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, float]:
        """A position and its log density."""
        z = rng.standard_normal(len(self.scale))
        inside = self.basis.T @ z
        moved = self.scale * (z + self.basis @ (self.root @ inside - inside))
        return self.point.position + self.step + moved, self._log_top - 0.5 * float(z @ z)
