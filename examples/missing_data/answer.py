"""The exact posterior: a missing radiation is integrated in closed form, the rest by quadrature.

Where the radiation is missing, log ozone is normal with the mean at radiation m and with
b_solar's share of the radiation's variance added to its own.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from quadrature import moments_by_quadrature
from scipy import stats


def answer(nodes=7):
    data = pd.read_csv(Path(__file__).with_name("data.csv"))
    warmth = (data.temperature.to_numpy() - 78) / 10
    log_ozone = np.log(data.ozone.to_numpy())
    solar = data.solar.to_numpy() - 2
    seen, measured = ~np.isnan(log_ozone), ~np.isnan(solar)
    both, alone = seen & measured, seen & ~measured

    def log_density(x):
        """Of a, b_solar, b_warmth, log sigma, m - 2 and log v."""
        a, b, c, log_sigma, m, log_v = x.T[..., None]
        sigma, v = np.exp(log_sigma), np.exp(log_v)
        mean = a + c * warmth
        total = stats.norm.logpdf(solar[measured], m, v).sum(1)
        total += stats.norm.logpdf(log_ozone[both], mean[:, both] + b * solar[both], sigma).sum(1)
        total += stats.norm.logpdf(
            log_ozone[alone], mean[:, alone] + b * m, np.hypot(sigma, b * v)
        ).sum(1)
        prior = stats.norm.logpdf(a, 3, 2) + stats.norm.logpdf(b, 0, 1)
        prior += stats.norm.logpdf(c, 0, 1) + stats.halfnorm.logpdf(sigma) + log_sigma
        prior += stats.norm.logpdf(m, 0, 1) + stats.halfnorm.logpdf(v) + log_v
        return total + prior[:, 0]

    def quantities(x):
        return {
            "a": x[:, 0],
            "b_solar": x[:, 1],
            "b_warmth": x[:, 2],
            "sigma": np.exp(x[:, 3]),
            "m": 2 + x[:, 4],
            "v": np.exp(x[:, 5]),
        }

    start = np.array([3.0, 0, 0.5, -0.5, 0, 0])
    return moments_by_quadrature(log_density, start, quantities, nodes)
