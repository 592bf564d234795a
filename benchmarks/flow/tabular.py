"""Densities of small tables: a flow beside a Gaussian, a mixture of Gaussians, and Zuko's recipe.

``make bench-tabular``, or ``python benchmarks/flow/tabular.py [--sets NAME...] [--splits N]``. The
sets come with scikit-learn. A tenth of the rows is for testing, three times anew; columns are
standardised by the rows to learn from, those that take few values are left out, and so is the
later one of two that are nearly proportional. `masked` and `centred` are flows of gendsl, the
second on top of the affine flow that begins at the covariance. Numbers are test log likelihoods,
nats a row, their means over the splits. Nothing is asserted.
"""

import argparse
import importlib
import importlib.util
from functools import partial

import numpy as np
from sklearn import datasets
from sklearn.covariance import EmpiricalCovariance
from sklearn.mixture import GaussianMixture

MASKED = """model Table
plate row  dim D = {D}
flow f: real[D] = autoregressive(affine, layers=3, hidden=[64, 64])
observe x[row]: real[D] ~ Normal(0, 1) |> f
"""
CENTRED = """model Table
plate row  dim D = {D}
flow centre: real[D] = affine
flow f: real[D] = autoregressive(spline, layers=2, hidden=[64, 64])
observe x[row]: real[D] ~ Normal(0, 1) |> f |> centre
"""
SETS = {
    "diabetes": datasets.load_diabetes,
    "breast cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
    "digits": datasets.load_digits,
    "iris": datasets.load_iris,
}
FEWEST, ALIKE = 20, 0.98
COMPONENTS = range(1, 11)


def table(name):
    """The columns that have a density."""
    x = SETS[name]().data.astype(float)
    x = x[:, [len(np.unique(c)) >= FEWEST for c in x.T]]
    kept = []
    for column in range(x.shape[1]):
        if all(abs(np.corrcoef(x[:, column], x[:, k])[0, 1]) < ALIKE for k in kept):
            kept.append(column)
    return x[:, kept]


def split(x, seed):
    order = np.random.default_rng(seed).permutation(len(x))
    test, train = x[order[: len(x) // 10]], x[order[len(x) // 10 :]]
    loc, scale = train.mean(0), train.std(0)
    return (train - loc) / scale, (test - loc) / scale


def gaussian(train, test, seed):
    del seed
    law = EmpiricalCovariance().fit(train)
    whole = GaussianMixture(1, reg_covar=0.0).fit(train)
    assert np.allclose(whole.covariances_[0], law.covariance_)
    return whole.score(test)


def mixture(train, test, seed):
    found = [GaussianMixture(k, n_init=3, random_state=seed).fit(train) for k in COMPONENTS]
    return min(found, key=lambda m: m.bic(train)).score(test)


def gendsl(text, train, test, seed):
    package = importlib.import_module("gendsl")
    model = package.compile(text.format(D=train.shape[1]))
    fit = model.fit({"x": train}, seed=seed, progress=False)
    return float(fit.log_prob({"x": test}).mean())


def zuko(train, test, seed):
    """The loop of its tutorial with early stopping on a tenth of the rows."""
    torch, package = importlib.import_module("torch"), importlib.import_module("zuko")
    torch.manual_seed(seed)
    flow = package.flows.MAF(train.shape[1], transforms=3, hidden_features=(64, 64))
    rows = torch.as_tensor(train, dtype=torch.float32)
    held, rows = rows[: len(rows) // 10], rows[len(rows) // 10 :]
    optimiser = torch.optim.Adam(flow.parameters(), 1e-3)
    best, kept, waited = -np.inf, None, 0
    while waited < 20:
        for some in torch.randperm(len(rows)).split(64):
            loss = -flow().log_prob(rows[some]).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            score = float(flow().log_prob(held).mean())
        waited += 1
        if score > best:
            best, waited = score, 0
            kept = {n: t.clone() for n, t in flow.state_dict().items()}
    flow.load_state_dict(kept)
    with torch.no_grad():
        return float(flow().log_prob(torch.as_tensor(test, dtype=torch.float32)).mean())


SIDES = {
    "gaussian": gaussian,
    "mixture": mixture,
    "masked": partial(gendsl, MASKED),
    "centred": partial(gendsl, CENTRED),
    "zuko": zuko,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=[*SETS][:3])
    parser.add_argument("--splits", type=int, default=3)
    given = parser.parse_args()
    sides = [s for s in SIDES if s != "zuko" or importlib.util.find_spec("zuko")]
    print(f"{'':<14} {'rows':>5} {'columns':>7} " + " ".join(f"{s:>9}" for s in sides))
    for name in given.sets:
        x = table(name)
        scores = [
            [SIDES[side](*split(x, seed), seed) for side in sides] for seed in range(given.splits)
        ]
        means = " ".join(f"{m:9.2f}" for m in np.mean(scores, 0))
        print(f"{name:<14} {len(x):5d} {x.shape[1]:7d} {means}", flush=True)


if __name__ == "__main__":
    main()
