"""Every example of every distribution of the table, in torch and in the reference."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyro.distributions as dist
import torch
from reference_distributions import REFERENCES

import gendsl.runtime.distributions as runtime
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.library.distributions.spec import DistributionSpec, Form
from gendsl.types import Index, Interval, Size, Structured, Support

__all__ = ["CASES", "Case", "in_support", "nodes"]


@dataclass(frozen=True)
class Case:
    """One example: a distribution with parameter values."""

    spec: DistributionSpec
    example: Mapping[str, object]

    @property
    def form(self) -> Form:
        """The parameterisation that the example uses."""
        for form in self.spec.forms:
            optional = {p.name for p in self.spec.params if p.default is not None}
            if set(form.params) - optional <= set(self.example) <= set(form.params):
                return form
        raise ValueError(f"no form of {self.spec.name} takes {set(self.example)}")

    @property
    def params(self) -> dict[str, np.ndarray]:
        """The parameters as arrays, defaults included."""
        defaults = {name: self.spec.parameter(name).default for name in self.form.params}
        values = {**defaults, **self.example}
        members = {p.name for p in self.spec.params if isinstance(p.support, Index)}
        types = {k: int if k in members else float for k in defaults}
        return {k: np.asarray(values[k], dtype=types[k]) for k in defaults}

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        return {name: torch.tensor(value) for name, value in self.params.items()}

    def build(self, params: Mapping[str, object] | None = None) -> dist.TorchDistribution:
        """The distribution that the form's expression builds."""
        scope = {"dist": dist, "runtime": runtime, "torch": torch, **self.spec.lengths}
        return eval(self.form.pyro, scope, dict(self.tensors if params is None else params))

    def reference(
        self, value: np.ndarray, params: Mapping[str, object] | None = None
    ) -> np.ndarray:
        """The log density by scipy."""
        log_density = REFERENCES[self.spec.name].log_density
        return np.asarray(log_density(value, **(self.params if params is None else params)))

    @property
    def support(self) -> Support:
        """Of a value, for just these parameters."""
        hulls = {
            k: Interval(lower=float(v), upper=float(v))
            for k, v in self.params.items()
            if not v.ndim
        }
        sizes = {k: tuple(map(Size.of, v.shape)) for k, v in self.params.items() if v.ndim}
        return self.spec.support_given(hulls, sizes)

    def draw(self, *shape: int, seed: int = 0) -> torch.Tensor:
        """Values in the support: draws, or anything where there are none."""
        torch.manual_seed(seed)
        if self.spec.improper:
            return torch.randn(shape)
        return self.build().sample(shape)

    def __str__(self) -> str:
        return f"{self.spec.name}({', '.join(self.example)})"


CASES = [
    Case(spec, example)
    for spec in DISTRIBUTIONS.values()
    for example in (spec.example, *spec.examples)
]


def in_support(value: np.ndarray, support: Support, event_dim: int) -> np.ndarray:
    """Whether each value is legal; event axes are reduced."""
    match support:
        case Interval(integer=integer, lower=lower, upper=upper):
            legal = (value >= lower) & (value <= upper)
            if integer:
                legal &= value == np.round(value)
        case Index(size=size):
            assert size.value is not None
            legal = (value >= 0) & (value < size.value) & (value == np.round(value))
        case Structured(kind="angle"):
            legal = np.abs(value) <= np.pi
        case Structured(kind="simplex"):
            return (value >= 0).all(-1) & (np.abs(value.sum(-1) - 1) < 1e-12)
        case Structured(kind="zero_sum"):
            return np.abs(value.sum(-1)) < 1e-12
        case Structured(kind="covariance"):
            return _is_covariance(value)
        case Structured(kind="correlation"):
            ones = np.diagonal(value, axis1=-2, axis2=-1) == 1
            return ones.all(-1) & _is_covariance(value)
        case Structured(kind="cholesky_correlation"):
            lengths = np.linalg.norm(value, axis=-1)
            lower = (np.triu(value, 1) == 0).all((-2, -1)) & (np.abs(lengths - 1) < 1e-12).all(-1)
            return lower & (np.diagonal(value, axis1=-2, axis2=-1) > 0).all(-1)
        case other:
            raise AssertionError(f"no test of membership for {other}")
    return legal.all(axis=tuple(range(-event_dim, 0))) if event_dim else legal


def _is_covariance(value: np.ndarray) -> np.ndarray:
    symmetric = np.abs(value - np.swapaxes(value, -1, -2)).max((-2, -1)) < 1e-12
    return symmetric & (np.linalg.eigvalsh(value) > 0).all(-1)


def _whole_numbers(case: Case, highest: int) -> Iterator[tuple[int, ...]]:
    sizes = case.build().event_shape
    return itertools.product(range(highest + 1), repeat=sum(sizes))


def nodes(case: Case, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of a quadrature (a sum, if discrete) over the support.

    For all but scalar continuous distributions, which have adaptive quadrature.
    """
    support = case.support
    match support, case.spec.event_dim:
        case Index(size=size), 0:
            assert size.value is not None
            return np.arange(size.value), np.ones(size.value)
        case Interval(integer=True, lower=lower, upper=upper), 0:
            points = np.arange(lower, min(upper, 2000) + 1)
            return points, np.ones(len(points))
        case Interval(integer=True, upper=upper), 1:
            total = case.params["total_count"]
            points = np.array([p for p in _whole_numbers(case, int(upper)) if sum(p) == total])
            return points.astype(float), np.ones(len(points))
        case Structured(kind="simplex"), 1:
            return _simplex_nodes(case, count)
        case Interval(integer=False), 1 | 2:
            center = case.build().mean.numpy()
            grid, weights = _plane_nodes(count)
            return grid.reshape(-1, *center.shape) + center, weights
        case Structured(kind="zero_sum"), 1:
            grid, weights = _plane_nodes(count)
            axes = np.array([[1.0, -1.0, 0.0], [1.0, 1.0, -2.0]]) / np.sqrt([[2.0], [6.0]])
            return grid @ axes, weights
        case Structured(kind="covariance"), 2:
            return _covariance_nodes(inverted=case.spec.name == "InverseWishart")
        case Structured(kind="correlation" | "cholesky_correlation" as kind), 2:
            return _correlation_nodes(factor=kind == "cholesky_correlation")
        case _:
            raise AssertionError(f"no quadrature for {case}")


def _plane_nodes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """A grid of the plane that is fine at the origin and reaches far out."""
    at = np.linspace(-6.5, 6.5, count)
    step, weight = np.sinh(at), np.cosh(at) * (at[1] - at[0])
    grid = np.stack(np.meshgrid(step, step, indexing="ij"), -1).reshape(-1, 2)
    return grid, np.outer(weight, weight).ravel()


def _cube(low: float, high: float, count: int = 72) -> tuple[list[np.ndarray], float]:
    at = np.linspace(low, high, count)
    axes = [a.ravel() for a in np.meshgrid(at, at, at, indexing="ij")]
    return axes, (at[1] - at[0]) ** 3


def _covariance_nodes(*, inverted: bool) -> tuple[np.ndarray, np.ndarray]:
    """Matrices of two rows, by the logarithms of the diagonal of the Cholesky factor.

    Where they are `inverted`, by those of the inverse.
    """
    (u, v, t), weight = _cube(-7.0, 7.0)
    factor = np.zeros((len(u), 2, 2))
    factor[:, 0, 0], factor[:, 1, 1], factor[:, 1, 0] = np.exp(u), np.exp(v), np.sinh(t)
    points = factor @ np.swapaxes(factor, -1, -2)
    weights = weight * 4 * np.exp(3 * u + 2 * v) * np.cosh(t)
    if inverted:
        return np.linalg.inv(points), weights * np.linalg.det(points) ** -3
    return points, weights


def _correlation_nodes(*, factor: bool) -> tuple[np.ndarray, np.ndarray]:
    """Matrices of three rows, by two correlations and a partial one."""
    at, weight = _cube(-5.0, 5.0)
    r, s, partial = np.tanh(at)
    lower = np.zeros((len(r), 3, 3))
    lower[:, 0, 0] = 1.0
    lower[:, 1, 0], lower[:, 1, 1] = r, np.sqrt(1 - r**2)
    rest = np.sqrt(1 - s**2)
    lower[:, 2, 0], lower[:, 2, 1] = s, rest * partial
    lower[:, 2, 2] = rest * np.sqrt(1 - partial**2)
    weights = weight * (1 - r**2) * (1 - s**2) * (1 - partial**2) * rest
    if factor:
        return lower, weights
    return lower @ np.swapaxes(lower, -1, -2), weights * np.sqrt(1 - r**2)


def _simplex_nodes(case: Case, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The triangle of three probabilities, unfolded to a square."""
    assert tuple(case.build().event_shape) == (3,)
    at, weight = np.polynomial.legendre.leggauss(count)
    at, weight = (at + 1) / 2, weight / 2
    u, v = np.meshgrid(at, at, indexing="ij")
    points = np.stack([u, (1 - u) * v, (1 - u) * (1 - v)], -1).reshape(-1, 3)
    return points, (np.outer(weight, weight) * (1 - u)).ravel()
