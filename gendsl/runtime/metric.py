"""The geometry in which a trajectory moves: an estimate of the covariance of the posterior."""

from __future__ import annotations

from typing import Protocol

import numpy as np

__all__ = ["Dense", "Diagonal", "Metric"]


class Metric(Protocol):
    """Kinetic energy is half the product of a momentum with its velocity."""

    def velocity(self, momentum: np.ndarray) -> np.ndarray:
        """The covariance times a momentum."""

    def momentum(self, rng: np.random.Generator) -> np.ndarray:
        """A momentum drawn from its normal distribution, of inverse covariance."""


class Diagonal:
    """Coordinates with variances of their own."""

    def __init__(self, variances: np.ndarray) -> None:
        """Take the variances."""
        self.variances = variances
        self._scale = 1 / np.sqrt(variances)

    def velocity(self, momentum: np.ndarray) -> np.ndarray:
        """Entry by entry."""
        moved: np.ndarray = self.variances * momentum
        return moved

    def momentum(self, rng: np.random.Generator) -> np.ndarray:
        """Entry by entry."""
        drawn: np.ndarray = rng.standard_normal(len(self._scale)) * self._scale
        return drawn


class Dense:
    """Correlated coordinates."""

    def __init__(self, covariance: np.ndarray) -> None:
        """Take the covariance matrix, which must be positive definite."""
        self.covariance = covariance
        self._root = np.linalg.inv(np.linalg.cholesky(covariance)).T

    def velocity(self, momentum: np.ndarray) -> np.ndarray:
        """A matrix product."""
        moved: np.ndarray = self.covariance @ momentum
        return moved

    def momentum(self, rng: np.random.Generator) -> np.ndarray:
        """The inverse of the transposed Cholesky factor times standard normal numbers."""
        drawn: np.ndarray = self._root @ rng.standard_normal(len(self._root))
        return drawn
