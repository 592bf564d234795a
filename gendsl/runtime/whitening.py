"""Which metric the draws of a window suggest.

A metric is judged by the *Fisher divergence*, as in nutpie (Seyboldt, Carlson & Carpenter,
"Preconditioning Hamiltonian Monte Carlo by minimizing Fisher divergence"): for a normal
distribution of covariance S the gradients of the potential at draws x are g = S^-1 (x - m), so
that cov(x) = S cov(g) S. The S that solves this, the geometric mean of cov(x) and of the inverse
of cov(g), is exact for a normal posterior from as many draws as there are coordinates, where
cov(x) itself still has the error of a sample. For a diagonal S it says S^2 = var(x) / var(g).

The rule: with D the diagonal solution, the eigenvalues of S in the coordinates scaled by D say
what correlations cost. Steps are as short as the narrowest direction and trajectories as long as
the widest, so the gradients a draw needs grow with the *spread*, the square root of the ratio of
the largest eigenvalue to the least. A metric of rank k takes the k eigenvalues furthest from the
median out of that ratio and costs 4 k size multiplications a step; a dense one takes out all and
costs size^2. The choice has the least spread times time of a step. Times are counted, not
measured: the same seed must give the same draws however busy a machine is.
"""

from __future__ import annotations

from math import inf

import numpy as np

from gendsl.runtime.metric import Dense, Diagonal, LowRank, Metric

__all__ = ["fitted", "step_time"]

FEWEST = 10
"""From fewer draws no correlations are learned."""

LARGE = 400
"""In more coordinates not all correlations are learned, but those of a few directions."""

DIRECTIONS = 24
"""Of the longest and of the shortest directions so many are looked for."""

ROUNDS = 3
"""Iterations for these."""

PLAIN = 2.0
"""Eigenvalues within this factor of the median may be chance, and are not taken out one by one."""

LEAST = 1.3
"""A spread below this costs nothing, as far as can be told."""

STEP, ENTRY, PRODUCT = 100.0, 3.0, 0.25
"""The time of a step, for each coordinate, and for each multiplication of a metric, in the time
that a potential takes for each number that it reads or writes."""

LEARNING, DECOMPOSITION, SEARCH = 1.5e5, 1.5, 2.0
"""The time to learn correlations: whatever their number; all of them, for each size^3; those of
a few directions, for each draw, coordinate and direction. It must be less than what the window
took."""

TINY = 1e-9
"""What is added to the eigenvalues of covariance matrices, relatively."""

Spectrum = tuple[np.ndarray, np.ndarray]
"""Eigenvalues, (number), and eigenvectors, (size, number); further eigenvalues are as most are."""


@np.errstate(all="ignore")
def fitted(
    positions: np.ndarray, gradients: np.ndarray, work: float, steps: float = inf
) -> Metric:
    """The metric that draws suggest.

    Args:
        positions: the draws, (number, size).
        gradients: those of the potential there.
        work: numbers that an evaluation of the potential reads and writes, roughly.
        steps: how many steps were made for these draws.
    """
    count, size = positions.shape
    spent = steps * step_time(work, size) - LEARNING
    x = positions - positions.mean(axis=0)
    g = gradients - gradients.mean(axis=0)
    whole = size <= min(LARGE, count - 1) and DECOMPOSITION * size**3 <= spent
    if whole:
        covariances = x.T @ x / count, g.T @ g / count
        scale = _scales(covariances[0].diagonal(), covariances[1].diagonal(), count)
    else:
        scale = _scales((x * x).mean(axis=0), (g * g).mean(axis=0), count)
    dear = not whole and SEARCH * count * size * DIRECTIONS > spent
    if size == 1 or count < FEWEST or dear:
        return Diagonal(scale**2)
    try:
        if whole:
            square = scale[:, None] * scale
            spectrum = _spectrum(covariances[0] / square, covariances[1] * square)
            return _chosen(scale, spectrum, work, whole=True)
        basis = _outstanding(x / scale, g * scale)
        x, g = (x / scale) @ basis, (g * scale) @ basis
        values, within = _spectrum(x.T @ x / count, g.T @ g / count)
        return _chosen(scale, (values, basis @ within), work, whole=False)
    except np.linalg.LinAlgError:
        return Diagonal(scale**2)


def step_time(work: float, size: int) -> float:
    """The time of a leapfrog step, in that of a number that is read or written."""
    return work + STEP + ENTRY * size


def _scales(variances: np.ndarray, slopes: np.ndarray, count: int) -> np.ndarray:
    """The diagonal solution; where one of the variances is no number, that of Stan.

    Args:
        variances: those of the draws, (size).
        slopes: those of the gradients, (size).
        count: the number of draws.
    """
    squares = np.sqrt(variances / slopes)
    shrunk = (count * variances + 5e-3) / (count + 5)
    good = np.isfinite(squares) & (squares > 0)
    found: np.ndarray = np.sqrt(np.where(good, squares, np.where(shrunk < np.inf, shrunk, 1.0)))
    return found


def _spectrum(x: np.ndarray, g: np.ndarray) -> Spectrum:
    """Of the solution S of x = S g S, for two covariance matrices.

    Raises:
        LinAlgError: they do not determine it, or are no numbers.
    """
    for covariance in (x, g):
        covariance.flat[:: len(x) + 1] *= 1 + TINY
    lower = np.linalg.cholesky(g)
    values, vectors = np.linalg.eigh(lower.T @ x @ lower)
    half = np.linalg.solve(lower.T, vectors * np.maximum(values, 0.0) ** 0.25)
    solution = half @ half.T
    if not np.isfinite(solution).all():
        raise np.linalg.LinAlgError
    found, axes = np.linalg.eigh(solution)
    if not found[0] > 0:
        raise np.linalg.LinAlgError
    return found, axes


def _outstanding(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """An orthonormal basis, (size, rank), of where draws or gradients vary most.

    By subspace iteration.
    """
    count, size = x.shape
    rank = min(DIRECTIONS, count // 2, (size + 1) // 2)
    first = np.random.default_rng(0).standard_normal((size, rank))
    spans = []
    for draws in (x, g):
        span = first
        for _ in range(ROUNDS):
            span = np.linalg.qr(draws.T @ (draws @ span))[0]
        spans.append(span)
    return np.linalg.qr(np.hstack(spans))[0]


def _chosen(scale: np.ndarray, spectrum: Spectrum, work: float, *, whole: bool) -> Metric:
    """The metric of least spread times time of a step."""
    size, (values, vectors) = len(scale), spectrum
    usual = float(np.exp(np.median(np.log(values))))  # of the coordinates that are left alone
    values, scale = values / usual, scale * np.sqrt(usual)
    order = np.argsort(-np.abs(np.log(values)))
    values, vectors = values[order], vectors[:, order]
    far = int((np.abs(np.log(values)) > np.log(PLAIN)).sum())
    rest = np.append(values[: far + 1], [1.0] * (far + 1 >= len(values)))
    high = np.maximum.accumulate(np.maximum(rest, 1.0)[::-1])[::-1][: far + 1]
    low = np.minimum.accumulate(np.minimum(rest, 1.0)[::-1])[::-1][: far + 1]
    before = step_time(work, size)
    times = 1 + 4 * PRODUCT * size * np.arange(far + 1) / before
    costs = np.maximum(np.sqrt(high / low), LEAST) * times
    rank = int(np.argmin(costs))
    if whole and LEAST * (1 + PRODUCT * size**2 / before) < costs[rank]:
        return Dense((vectors * values) @ vectors.T * np.outer(scale, scale))
    if not rank:
        return Diagonal(scale**2)
    return LowRank(scale, np.ascontiguousarray(vectors[:, :rank].T), np.sqrt(values[:rank]))
