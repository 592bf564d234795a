"""The exact posterior, by quadrature in five dimensions."""

from pathlib import Path

import numpy as np
import pandas as pd
from quadrature import moments_by_quadrature
from scipy import stats

NAMES = ("level", "slope", "curve", "smoking", "interaction")


def answer(nodes=9):
    data = pd.read_csv(Path(__file__).with_name("data.csv"))
    a = data.age.to_numpy(float)
    smoker = data.smoker.to_numpy()
    X = np.column_stack([np.ones(len(a)), a, a**2, smoker, smoker * a])
    deaths, exposure = data.deaths.to_numpy(), data.person_years.to_numpy()

    def log_density(b):
        log_mean = b @ X.T + np.log(exposure)
        likelihood = (deaths * log_mean - np.exp(log_mean)).sum(1)
        prior = stats.norm.logpdf(b, [-5, 0, 0, 0, 0], [5, 2, 2, 2, 2]).sum(1)
        return likelihood + prior

    start = np.array([-6.0, 1, 0, 0, 0])
    return moments_by_quadrature(
        log_density, start, lambda b: dict(zip(NAMES, b.T, strict=True)), nodes
    )
