"""The exact posterior: the coefficients are normal given sigma, which runs over a fine grid."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats


def answer():
    data = pd.read_csv(Path(__file__).with_name("data.csv"))
    X, y = data[["airflow", "water", "acid"]].to_numpy(float), data.loss.to_numpy(float)
    Z = np.column_stack([np.ones(len(y)), X - [60, 21, 86]])
    prior_mean, prior = np.array([20.0, 0, 0, 0]), np.diag([1 / 10**2, *[1 / 2**2] * 3])
    log_sigma = np.linspace(-2, 4, 3001)
    log_weight, means, variances = [], [], []
    for u in log_sigma:
        covariance = np.linalg.inv(prior + Z.T @ Z / np.exp(2 * u))
        mean = covariance @ (prior @ prior_mean + Z.T @ y / np.exp(2 * u))
        rest, off = y - Z @ mean, mean - prior_mean
        log_weight.append(
            stats.halfnorm.logpdf(np.exp(u), scale=10)
            + u
            - len(y) * u
            - rest @ rest / np.exp(2 * u) / 2
            - off @ prior @ off / 2
            + np.linalg.slogdet(covariance)[1] / 2
        )
        means.append(mean)
        variances.append(np.diag(covariance))
    w = np.exp(np.array(log_weight) - max(log_weight))
    w /= w.sum()
    means, variances = np.array(means), np.array(variances)
    total = w @ means
    sd = np.sqrt(w @ (variances + (means - total) ** 2))
    names = ("alpha", "beta[0]", "beta[1]", "beta[2]")
    found = {n: (float(m), float(s)) for n, m, s in zip(names, total, sd, strict=True)}
    sigma = np.exp(log_sigma)
    found["sigma"] = (float(w @ sigma), float(np.sqrt(w @ (sigma - w @ sigma) ** 2)))
    return found
