"""The exact posterior on a grid over both coefficients."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special, stats


def answer():
    data = pd.read_csv(Path(__file__).with_name("data.csv"))
    alpha = np.linspace(-9, 9, 901)[:, None]
    beta = np.linspace(-2.5, 1.5, 1201)[None]
    log_weight = stats.norm.logpdf(alpha, 0, 5) + stats.norm.logpdf(beta, 0, 1)
    for temperature, damaged in zip(data.temperature, data.distress, strict=True):
        eta = alpha + beta * (temperature - 70)
        log_weight = log_weight + damaged * eta - np.logaddexp(0, eta)
    w = np.exp(log_weight - log_weight.max())
    w /= w.sum()
    cold = special.expit(alpha + beta * (31 - 70))
    found = {"alpha": w * alpha, "beta": w * beta, "P(distress at 31 F)": w * cold}
    means = {name: value.sum() for name, value in found.items()}
    squares = {"alpha": alpha**2, "beta": beta**2, "P(distress at 31 F)": cold**2}
    return {
        name: (float(m), float(np.sqrt((w * squares[name]).sum() - m**2)))
        for name, m in means.items()
    }
