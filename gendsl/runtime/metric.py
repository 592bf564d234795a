"""The geometry in which a trajectory moves: an estimate of the covariance of the posterior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

__all__ = ["Dense", "Diagonal", "Factor", "LowRank", "Metric"]


@dataclass(frozen=True, slots=True)
class Factor:
    """A square root A of a covariance A A', as the compiled sampler takes it.

    Attributes:
        kind: 0 if A is diag(scale); -1 if it is diag(scale) root, with a lower triangular root;
            else the rank r: A is diag(scale) (1 + root' diag(stretch - 1) root).
        scale: positive, (size).
        root: (size, size), or (r, size) with orthonormal rows.
        stretch: positive, (r).
    """

    kind: int
    scale: np.ndarray
    root: np.ndarray
    stretch: np.ndarray


NONE = np.empty(0)


class Metric(Protocol):
    """Kinetic energy is half the product of a momentum with its velocity."""

    @property
    def factor(self) -> Factor:
        """A square root of the covariance."""

    def velocity(self, momentum: np.ndarray) -> np.ndarray:
        """The covariance times a momentum."""

    def momentum(self, rng: np.random.Generator) -> np.ndarray:
        """A momentum drawn from its normal distribution: A'^-1 times standard normal numbers."""


class Diagonal:
    """Coordinates with variances of their own."""

    def __init__(self, variances: np.ndarray) -> None:
        """Take the variances."""
        self.variances = variances
        self._scale = 1 / np.sqrt(variances)

    @property
    def factor(self) -> Factor:
        """The standard deviations."""
        return Factor(0, np.sqrt(self.variances), NONE, NONE)

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
        """Take the covariance matrix.

        Raises:
            LinAlgError: it is not positive definite.
        """
        self.covariance = covariance
        self._lower = np.linalg.cholesky(covariance)
        self._root = np.linalg.inv(self._lower).T

    @property
    def factor(self) -> Factor:
        """The Cholesky factor."""
        return Factor(-1, np.ones(len(self._lower)), self._lower, NONE)

    def velocity(self, momentum: np.ndarray) -> np.ndarray:
        """A matrix product."""
        moved: np.ndarray = self.covariance @ momentum
        return moved

    def momentum(self, rng: np.random.Generator) -> np.ndarray:
        """The inverse of the transposed Cholesky factor times standard normal numbers."""
        drawn: np.ndarray = self._root @ rng.standard_normal(len(self._root))
        return drawn


class LowRank:
    """Coordinates with scales of their own, and a few directions that are longer or shorter."""

    def __init__(self, scale: np.ndarray, directions: np.ndarray, stretch: np.ndarray) -> None:
        """Take the factor's parts.

        Args:
            scale: standard deviations but for the directions, (size).
            directions: orthonormal rows, in scaled coordinates, (rank, size).
            stretch: standard deviations along them, (rank).
        """
        self._factor = Factor(len(stretch), scale, directions, stretch)

    @property
    def factor(self) -> Factor:
        """As it was given."""
        return self._factor

    def _stretched(self, vector: np.ndarray, by: np.ndarray) -> np.ndarray:
        along = self._factor.root @ vector
        moved: np.ndarray = vector + ((by - 1) * along) @ self._factor.root
        return moved

    def velocity(self, momentum: np.ndarray) -> np.ndarray:
        """Two thin products."""
        scale = self._factor.scale
        moved: np.ndarray = scale * self._stretched(scale * momentum, self._factor.stretch**2)
        return moved

    def momentum(self, rng: np.random.Generator) -> np.ndarray:
        """Two thin products with standard normal numbers."""
        scale = self._factor.scale
        drawn = self._stretched(rng.standard_normal(len(scale)), 1 / self._factor.stretch)
        unscaled: np.ndarray = drawn / scale
        return unscaled
