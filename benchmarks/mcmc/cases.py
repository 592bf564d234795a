"""The cases of the benchmark: a model, data drawn from a seed, and what is compared."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MODELS = Path(__file__).parent / "models"
SEED = 20240501
"""Of all data."""


@dataclass(frozen=True)
class Case:
    """A model with data.

    Attributes:
        model: the folder of the model, in `models`.
        data: makes the data, from a generator.
        sizes: of the axes, which Stan asks for; the other systems read them off the data.
        quantities: the unknowns that every system reports; all their entries are compared.
        title: in words, for the table.
    """

    model: str
    data: Callable[[np.random.Generator], dict[str, np.ndarray]]
    sizes: dict[str, int]
    quantities: tuple[str, ...]
    title: str

    @property
    def folder(self):
        return MODELS / self.model


def schools(_):
    return {
        "y": np.array([28.0, 8, -3, 7, -1, 1, 18, 12]),
        "sigma": np.array([15.0, 10, 16, 11, 9, 11, 10, 18]),
    }


def regression(rows, columns):
    """Predictors in an order, the neighbours with a correlation of 0.8, as real ones are."""

    def data(rng):
        steps = rng.normal(size=(rows, columns))
        X = np.empty_like(steps)
        X[:, 0] = steps[:, 0]
        for k in range(1, columns):
            X[:, k] = 0.8 * X[:, k - 1] + 0.6 * steps[:, k]
        logits = 0.3 + X @ (0.5 * rng.normal(size=columns))
        y = rng.random(rows) < 1 / (1 + np.exp(-logits))
        return {"X": X, "y": y.astype(np.int64)}

    return data


def grouped(rng, rows, groups, *, binary):
    """Groups of unequal size, none empty, and a covariate."""
    weights = rng.dirichlet(np.full(groups, 2.0))
    drawn = rng.choice(groups, rows - groups, p=weights)
    group_of = rng.permutation(np.concatenate([np.arange(groups), drawn]))
    x = rng.integers(0, 2, rows).astype(float) if binary else rng.normal(size=rows)
    return group_of, x


def counts(*, binary):
    def data(rng):
        group_of, x = grouped(rng, 1000, 85, binary=binary)
        alpha = 1 + 0.5 * rng.normal(size=85)
        y = rng.poisson(np.exp(alpha[group_of] + 0.4 * x))
        return {"group_of": group_of, "x": x, "y": y}

    return data


def levels(rng):
    group_of, x = grouped(rng, 1200, 90, binary=False)
    alpha = 1.5 + 0.5 * rng.normal(size=90)
    y = alpha[group_of] - 0.7 * x + 0.8 * rng.normal(size=1200)
    return {"group_of": group_of, "x": x, "y": y}


def points(rng):
    mu, s = np.array([-3.0, 0, 3]), np.array([1, 0.6, 0.8])
    kind = rng.choice(3, 1000, p=[0.5, 0.3, 0.2])
    return {"x": rng.normal(mu[kind], s[kind])}


def chain(rng):
    mu, s = np.array([-3.0, -1, 1, 3]), np.array([0.6, 0.5, 0.5, 0.6])
    move = 0.06 * np.ones((4, 4)) + 0.76 * np.eye(4)
    state, x = 0, np.empty(2000)
    for t in range(2000):
        state = rng.choice(4, p=move[state])
        x[t] = rng.normal(mu[state], s[state])
    return {"x": x}


GROUPED = ("mu", "tau", "alpha", "beta")

CASES = {
    "eight_schools": Case(
        "eight_schools", schools, {"J": 8}, ("mu", "tau", "theta"), "eight schools"
    ),
    "logistic": Case(
        "logistic",
        regression(1000, 25),
        {"N": 1000, "D": 25},
        ("a", "b"),
        "logistic regression, 1000 x 25",
    ),
    "logistic_large": Case(
        "logistic",
        regression(50_000, 50),
        {"N": 50_000, "D": 50},
        ("a", "b"),
        "logistic regression, 50 000 x 50",
    ),
    "poisson": Case(
        "poisson",
        counts(binary=False),
        {"N": 1000, "G": 85},
        GROUPED,
        "Poisson, 85 groups, 1000 rows",
    ),
    "poisson_repeated": Case(
        "poisson",
        counts(binary=True),
        {"N": 1000, "G": 85},
        GROUPED,
        "the same with a binary covariate: rows repeat",
    ),
    "mixture": Case(
        "mixture",
        points,
        {"N": 1000, "K": 3},
        ("w", "mu", "s"),
        "mixture of 3 normals, 1000 points",
    ),
    "hierarchical": Case(
        "hierarchical",
        levels,
        {"N": 1200, "G": 90},
        (*GROUPED, "sigma"),
        "normal, 90 groups, 1200 rows",
    ),
    "hmm": Case(
        "hmm",
        chain,
        {"N": 2000, "K": 4},
        ("start", "move", "mu", "s"),
        "hidden Markov model, 4 states, 2000 steps",
    ),
}


def data_of(name):
    """The data of a case, the same at every call."""
    place = list(CASES).index(name)
    return CASES[name].data(np.random.default_rng([SEED, place]))
