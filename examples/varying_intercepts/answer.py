"""The exact posterior: everything but tau and sigma is normal given those two, which run over
a fine grid.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats


def answer(points=61):
    data = pd.read_csv(Path(__file__).with_name("data.csv"))
    firms, member = np.unique(data.company, return_inverse=True)
    y, n, k = np.log(data.invest.to_numpy()), len(data), len(firms)
    slopes = np.column_stack([np.log(data.value / 500), np.log(data.capital / 200)])
    X = np.column_stack([np.eye(k)[member], slopes])  # coefficients: alpha, then the slopes
    gram, moment, square = X.T @ X, X.T @ y, y @ y

    def given(tau, sigma):
        """Log weight, mean and covariance of mu, alpha and the slopes."""
        prior = np.zeros((k + 3, k + 3))
        prior[0, 0] = 1 / 2**2 + k / tau**2
        prior[0, 1 : k + 1] = prior[1 : k + 1, 0] = -1 / tau**2
        prior[range(1, k + 1), range(1, k + 1)] = 1 / tau**2
        prior[k + 1, k + 1] = prior[k + 2, k + 2] = 1
        pull = np.zeros(k + 3)
        pull[0] = 4 / 2**2
        precision = prior.copy()
        precision[1:, 1:] += gram / sigma**2
        pull[1:] += moment / sigma**2
        covariance = np.linalg.inv(precision)
        mean = covariance @ pull
        log_weight = (
            stats.halfnorm.logpdf(tau)
            + stats.halfnorm.logpdf(sigma)
            + np.log(tau * sigma)
            - k * np.log(tau)
            - n * np.log(sigma)
            - square / sigma**2 / 2
            + pull @ mean / 2
            + np.linalg.slogdet(covariance)[1] / 2
        )
        return log_weight, mean, np.diag(covariance)

    grid = [
        (tau, sigma)
        for tau in np.exp(np.linspace(-2.5, 2, points))
        for sigma in np.exp(np.linspace(-1.4, -0.4, points))
    ]
    log_weight, means, variances = map(
        np.array, zip(*(given(*pair) for pair in grid), strict=True)
    )
    w = np.exp(log_weight - log_weight.max())
    w /= w.sum()
    total = w @ means
    sd = np.sqrt(w @ (variances + (means - total) ** 2))
    names = ("mu", *(f"alpha[{firm}]" for firm in firms), "b_value", "b_capital")
    found = {name: (float(m), float(s)) for name, m, s in zip(names, total, sd, strict=True)}
    for name, values in zip(("tau", "sigma"), np.array(grid).T, strict=True):
        mean = w @ values
        found[name] = (float(mean), float(np.sqrt(w @ (values - mean) ** 2)))
    return found
