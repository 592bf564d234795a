"""Models for the tests of data binding, and what binding says about bad data."""

from __future__ import annotations

import re

from gendsl.diagnostics import DataError
from gendsl.ir import nodes as ir
from gendsl.runtime.data import BoundData, bind, raw_data
from gendsl.source import Source, Span
from gendsl.types import (
    BINARY,
    COUNT,
    POSITIVE,
    REAL,
    UNIT,
    Index,
    Size,
    Structured,
    Support,
    ValueType,
)

TEXTS = {
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


COUNTY, AREA, D = Index(Size.named("county")), Index(Size.named("area")), Size.named("D")
TWO, THREE = Size.of(2), Size.of(3)

Declared = tuple[str, str, Support, tuple[Size, ...]]
"""Name, axes, support and event shape."""

# What the front end makes of these texts. The tests of binding do not wait for it.
DECLARED: dict[str, list[Declared]] = {
    "schools": [
        ("sigma", "school", POSITIVE, ()),
        ("mu", "", REAL, ()),
        ("y", "school", REAL, ()),
    ],
    "radon": [
        ("floor", "house", REAL, ()),
        ("county_of", "house", COUNTY, ()),
        ("alpha", "county", REAL, ()),
        ("log_radon", "house", REAL, ()),
    ],
    "uranium": [
        ("u", "county", REAL, ()),
        ("county_of", "house", COUNTY, ()),
        ("b", "", REAL, ()),
        ("y", "house", REAL, ()),
    ],
    "regression": [
        ("X", "n", REAL, (D,)),
        ("w", "", REAL, (D,)),
        ("eta", "n", REAL, ()),
        ("y", "n", REAL, ()),
    ],
    "counts": [("rate", "", POSITIVE, ()), ("k", "n", COUNT, ())],
    "poisson": [("rate", "", POSITIVE, ()), ("k", "n", COUNT, ())],
    "grid": [("p", "", UNIT, ()), ("y", "dog trial", BINARY, ())],
    "two_plates": [
        ("x", "a", REAL, ()),
        ("z", "b", REAL, ()),
        ("y", "a", REAL, ()),
        ("w", "b", REAL, ()),
    ],
    "colours": [
        ("colour", "n", Index(THREE), ()),
        ("m", "", REAL, (THREE,)),
        ("y", "n", REAL, ()),
    ],
    "structured": [
        ("s", "n", Structured("simplex"), (Size.named("K"),)),
        ("o", "n", Structured("ordered"), (THREE,)),
        ("z", "n", Structured("zero_sum"), (THREE,)),
        ("v", "n", Structured("unit_vector"), (TWO,)),
        ("a", "n", Structured("angle"), ()),
        ("S", "n", Structured("covariance"), (TWO, TWO)),
        ("R", "", Structured("correlation"), (TWO, TWO)),
        ("y", "n", REAL, ()),
    ],
    "pairs": [("mu", "", REAL, (D,)), ("y", "n", REAL, (D,))],
    "edges": [
        ("from_", "edge", AREA, ()),
        ("to", "edge", AREA, ()),
        ("phi", "area", REAL, ()),
        ("y", "edge", REAL, ()),
    ],
    "wide": [("z", "a b", REAL, ()), ("y", "", REAL, ())],
    "image": [
        ("row", "", REAL, (TWO * D + Size.of(1),)),
        ("z", "", REAL, ()),
        ("x", "image", REAL, (D, TWO)),
    ],
}

ROLES: dict[str, ir.Role] = {
    "input": "input",
    "param": "param",
    "latent": "latent",
    "let": "let",
    "observe": "observed",
}


def gen(name: str) -> ir.Model:
    """A model of the table."""
    text = TEXTS[name]
    axes = tuple(
        ir.Axis(m[2], m[1], Size.of(int(m[3])) if m[3] else None, span=Span(m.start(2), m.end(2)))
        for m in re.finditer(r"\b(plate|dim) (\w+)(?: = (\d+))?", text)
    )
    variables = tuple(_variable(text, *declared) for declared in DECLARED[name])
    return ir.Model(name, "", axes, variables, (), (), None, Source(f"{name}.gen", text))


def _variable(
    text: str, name: str, axes: str, support: Support, event: tuple[Size, ...]
) -> ir.Variable:
    match = re.search(rf"\b({'|'.join(ROLES)}) ({name})\b([^~\n]*)(~ \w+)?", text)
    assert match is not None
    kind = ValueType(frozenset(axes.split()), event, support)
    law = None if match[4] is None else ir.Distribution(match[4][2:], (), kind)
    return ir.Variable(
        name,
        ROLES[match[1]],
        tuple(axes.split()),
        kind,
        () if law is None else (ir.Equation(law),),
        optional="?" in match[3],
        span=Span(match.start(2), match.end(2)),
    )


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
