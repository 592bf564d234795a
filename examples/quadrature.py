"""Exact posterior means and standard deviations of small models, by Gauss–Hermite quadrature.

Independent of gendsl: numpy and scipy alone. The rule is centred at the mode and scaled by the
curvature there, so a few nodes a dimension give many digits where the posterior is smooth.
"""

from itertools import product

import numpy as np
from scipy.optimize import minimize

__all__ = ["moments", "moments_by_quadrature"]


def moments(weights, values):
    """Mean and sd of `values` under normalised `weights`."""
    mean = float(np.sum(weights * values))
    return mean, float(np.sqrt(np.sum(weights * (values - mean) ** 2)))


def curvature(function, at, step=1e-3):
    """The matrix of second derivatives, by central differences."""
    size = len(at)
    steps = np.eye(size) * step
    matrix = np.empty((size, size))
    for i, j in product(range(size), repeat=2):
        signs = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
        points = np.array([at + a * steps[i] + b * steps[j] for a, b in signs])
        matrix[i, j] = function(points) @ np.array([1, -1, -1, 1]) / (4 * step**2)
    return (matrix + matrix.T) / 2


def moments_by_quadrature(log_density, start, quantities, nodes):
    """Posterior mean and sd of each quantity.

    Args:
        log_density: of unconstrained points, an array (point, dimension), Jacobians included.
        start: where to look for the mode.
        quantities: from an array of points to a dict of arrays, one value a point.
        nodes: of the rule, in each dimension.
    """
    found = minimize(lambda x: -log_density(x[None])[0], start, method="BFGS")
    found = minimize(
        lambda x: -log_density(x[None])[0],
        found.x,
        method="Nelder-Mead",
        options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 20_000},
    )
    mode = found.x
    scale = np.linalg.cholesky(np.linalg.inv(-curvature(log_density, mode)))
    x, w = np.polynomial.hermite_e.hermegauss(nodes)
    grid = np.array(list(product(x, repeat=len(mode))))
    log_rule = np.array(list(product(np.log(w), repeat=len(mode)))).sum(1)
    points = mode + grid @ scale.T
    blocks = np.array_split(points, max(1, len(points) // 20_000))
    values = np.concatenate([log_density(block) for block in blocks])
    log_weights = values + log_rule + (grid**2).sum(1) / 2
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    return {name: moments(weights, value) for name, value in quantities(points).items()}
