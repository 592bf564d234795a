"""Models for the tests of data binding, and what binding says about bad data."""

from __future__ import annotations

from gendsl.diagnostics import DataError
from gendsl.frontend import check
from gendsl.ir.nodes import Model
from gendsl.runtime.data import BoundData, bind, raw_data
from gendsl.source import Source

MODELS = {
    "schools": """\
model Schools
plate school
input sigma[school]: positive
latent mu ~ Normal(0, 5)
observe y[school] ~ Normal(mu, sigma)
""",
    "radon": """\
model Radon
plate county  plate house
input floor[house]: real
input county_of[house]: index(county)
latent alpha[county] ~ Normal(0, 1)
observe log_radon[house] ~ Normal(alpha[county_of] + floor, 1)
""",
    "uranium": """\
model Uranium
plate county  plate house
input u[county]: real
input county_of[house]: index(county)
latent b ~ Normal(0, 1)
observe y[house] ~ Normal(b * u[county_of], 1)
""",
    "regression": """\
model Regression
plate n  dim D
input X[n]: real[D]
param w: real[D]
let eta[n] = X @ w
observe y[n] ~ Normal(eta, 1)
""",
    "counts": """\
model Counts
plate n
latent rate: positive ~ Gamma(1, 1)
observe k[n]: count? ~ Poisson(rate)
""",
    "poisson": """\
model Counts
plate n
latent rate: positive ~ Gamma(1, 1)
observe k[n] ~ Poisson(rate)
""",
    "grid": """\
model Grid
plate dog = 3  plate trial
latent p: unit ~ Beta(1, 1)
observe y[dog, trial] ~ Bernoulli(p)
""",
    "two_plates": """\
model TwoPlates
plate a  plate b
input x[a]: real  input z[b]: real
observe y[a] ~ Normal(x, 1)
observe w[b] ~ Normal(z, 1)
""",
    "colours": """\
model Colours
plate n
input colour[n]: index(3)
latent m: real[3] ~ Normal(0, 1)
observe y[n] ~ Normal(m[colour], 1)
""",
    "structured": """\
model Structured
plate n  dim K
input s[n]: simplex[K]
input o[n]: ordered[3]
input z[n]: zero_sum[3]
input v[n]: unit_vector[2]
input a[n]: angle
input S[n]: covariance[2]
input R: correlation[2]
observe y[n] ~ Normal(0, 1)
""",
    "pairs": """\
model Pairs
plate n  dim D
latent mu: real[D] ~ Normal(0, 1)
observe y[n]: real[D]? ~ MultivariateNormal(mu, covariance_matrix = diag(ones(D)))
""",
    "edges": """\
model Edges
plate area  plate edge
input from_[edge]: index(area)  input to[edge]: index(area)
latent phi[area] ~ Normal(0, 1)
observe y[edge] ~ Normal(phi[from_] - phi[to], 1)
""",
    "wide": """\
model Wide
plate a  plate b
latent z[a, b] ~ Normal(0, 1)
observe y ~ Normal(0, 1)
""",
    "image": """\
model Image
plate image  dim D
input row: real[2 * D + 1]
latent z ~ Normal(0, 1)
observe x[image]: real[D, 2] ~ Normal(z, 1)
""",
}


def gen(name: str) -> Model:
    """A model of the table."""
    return check(Source(f"{name}.gen", MODELS[name])).ir


def bound(name: str, data: object, **options: object) -> BoundData:
    """The data, bound."""
    return bind(gen(name), raw_data(data), **options)


def complaint(name: str, data: object, **options: object) -> str:
    """What is said about data that do not fit."""
    try:
        bound(name, data, **options)
    except DataError as error:
        return str(error)
    return "nothing"
