"""The exact posterior: given the year of the change, both rates have Gamma posteriors."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import gammaln


def answer():
    data = pd.read_csv(Path(__file__).with_name("data.csv"))
    counts = data.disasters.to_numpy()
    years_before = np.arange(len(counts))
    before = np.concatenate([[0], np.cumsum(counts)[:-1]])
    shapes = np.array([before, counts.sum() - before]) + 1
    rates = np.array([years_before, len(counts) - years_before]) + 1
    log_weight = (gammaln(shapes) - shapes * np.log(rates)).sum(0)
    w = np.exp(log_weight - log_weight.max())
    w /= w.sum()
    found = {}
    for name, shape, rate in zip(("early", "late"), shapes, rates, strict=True):
        mean = w @ (shape / rate)
        found[name] = (mean, np.sqrt(w @ (shape / rate**2 + (shape / rate - mean) ** 2)))
    dates = data.date.to_numpy()
    found["start"] = (w @ dates, np.sqrt(w @ (dates - w @ dates) ** 2))
    likeliest = w[dates == 1892].item()
    found["P(start = 1892)"] = (likeliest, np.sqrt(likeliest * (1 - likeliest)))
    return {name: (float(mean), float(sd)) for name, (mean, sd) in found.items()}
