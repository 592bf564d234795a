"""Every GD7xx message that binding gives, word for word."""

# ruff: noqa: E501

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from runtime.models import complaint

NAN = float("nan")
INF = float("inf")
SIGMA = {"sigma": [1.0, 2.0, 3.0]}
SCHOOLS = {**SIGMA, "y": [1, 2, 3]}
HOUSES = {"floor": [0, 0, 1], "log_radon": [1, 2, 3]}
ROWS = {"y": [1, 2, 3], "county_of": ["a", "b", "c"]}
LEGAL = {
    "s": [[0.6, 0.4]],
    "o": [[1, 2, 3]],
    "z": [[1, -1, 0]],
    "v": [[1, 0]],
    "a": [3],
    "S": [np.eye(2)],
    "R": np.eye(2),
    "y": [1],
}


def school(values, labels=None, dim="school"):
    coords = {} if labels is None else {dim: labels}
    return xr.DataArray(np.array(values, dtype=float), dims=dim, coords=coords)


CASES = {
    "absent": ("schools", {"y": [1, 2, 3]}, {}),
    "absent, spelt otherwise": ("schools", {**SIGMA, "Y": [1, 2, 3]}, {}),
    "absent, all": ("schools", {}, {}),
    "absent where mapped": ("schools", {**SIGMA, "q": [1]}, {"columns": {"y": "w"}}),
    "given in another case to predict": (
        "schools",
        {**SIGMA, "Y": [1, 2, 3]},
        {"purpose": "predict"},
    ),
    "unknown key": ("schools", {**SCHOOLS, "zzz": 1}, {}),
    "misspelt key": ("schools", {**SCHOOLS, "scool": 3}, {}),
    "key of a latent": ("schools", {**SCHOOLS, "mu": 1}, {}),
    "column of a latent": ("schools", pd.DataFrame({**SCHOOLS, "mu": 1}), {}),
    "key of a let": (
        "regression",
        {"X": np.ones((2, 2)), "y": [1, 2], "eta": [1, 2], "w": [1, 2]},
        {},
    ),
    "columns of nothing": ("schools", SCHOOLS, {"columns": {"yy": "y"}}),
    "a column too many axes": ("schools", {"sigma": np.ones((3, 1)), "y": [1, 2, 3]}, {}),
    "a scalar": ("schools", {"sigma": 2, "y": [1, 2, 3]}, {}),
    "a list for a scalar": ("image", {"row": [[1, 2, 3]], "x": np.zeros((3, 1, 2))}, {}),
    "lengths": ("schools", {"sigma": [1, 2], "y": [1, 2, 3]}, {}),
    "size by name": ("schools", {**SCHOOLS, "school": 4}, {}),
    "size 2.5": ("schools", {**SCHOOLS, "school": 2.5}, {}),
    "size -3": ("schools", {**SCHOOLS, "school": -3}, {}),
    "size of the wrong shape": ("schools", {**SCHOOLS, "school": [[3]]}, {}),
    "sizes misspelt and contradicted": ("schools", SCHOOLS, {"sizes": {"schol": 3, "school": 7}}),
    "size 10^12": ("poisson", {}, {"purpose": "simulate", "sizes": {"n": 10**12}}),
    "too many numbers": ("grid", {}, {"purpose": "simulate", "sizes": {"trial": 10**9 * 4}}),
    "much too many numbers": (
        "wide",
        {},
        {"purpose": "simulate", "sizes": {"a": 10**6, "b": 10**6}},
    ),
    "size unknown": ("poisson", {}, {"purpose": "simulate"}),
    "not positive": ("schools", {"sigma": [1, 0, -2], "y": [1, 2, 3]}, {}),
    "missing": ("schools", {"sigma": [1, NAN, 2], "y": [None, 2, 3]}, {}),
    "infinite": ("schools", {"sigma": [1, 2, INF], "y": [1, 2, 3]}, {}),
    "text": ("schools", {"sigma": [1, "2,5", "x"], "y": ["1", "2", "3"]}, {}),
    "negative count": ("poisson", {"k": [1, -1, 2.5, 3]}, {}),
    "seven wrong": ("poisson", {"k": [0, *[-1] * 7]}, {}),
    "whole number too large": ("poisson", {"k": [1e300]}, {}),
    "not binary": ("grid", {"y": [[0, 1], [1, 2], [0, 0]]}, {}),
    "transposed": ("grid", {"y": np.zeros((7, 3))}, {}),
    "two axes in a table": ("grid", pd.DataFrame({"y": [0, 1]}), {}),
    "two plates in a table": (
        "two_plates",
        pd.DataFrame({"x": [1.0], "z": [1.0], "y": [1.0], "w": [1.0]}),
        {},
    ),
    "column of another plate": (
        "two_plates",
        {"a": {"x": [1], "z": [1], "y": [1]}, "b": {"w": [1]}},
        {},
    ),
    "table for no plate": ("schools", {"schools": pd.DataFrame(SCHOOLS)}, {}),
    "given twice": ("schools", {**SCHOOLS, "school": {"y": [1, 2, 3]}}, {}),
    "plates of two sizes": (
        "two_plates",
        {"x": [1, 2], "z": [1], "y": [1, 2, 3], "w": [1, 2]},
        {},
    ),
    "index from 1": ("radon", {**HOUSES, "county_of": [1, 2, 3]}, {}),
    "index from 1, size known": ("radon", {**HOUSES, "county_of": [1, 2, 2], "county": 2}, {}),
    "index of categories from 1": ("colours", {"colour": [1, 2, 3], "y": [1, 2, 3]}, {}),
    "index base": ("schools", SCHOOLS, {"index_base": 2}),
    "index with gaps": ("radon", {**HOUSES, "county_of": [101, 205, 205]}, {}),
    "index out of range": ("radon", {**HOUSES, "county_of": [0, 2, -1], "county": 2}, {}),
    "index below the base": ("radon", {**HOUSES, "county_of": [0, 1, 2]}, {"index_base": 1}),
    "index not whole": ("radon", {**HOUSES, "county_of": [0, 0.5, 1]}, {}),
    "index missing": ("radon", {**HOUSES, "county_of": ["a", None, "b"]}, {}),
    "labels in no order": ("uranium", {**ROWS, "u": [1, 2]}, {}),
    "label misspelt": (
        "uranium",
        {**ROWS, "u": [1, 2], "county": ["ANOKA", "B"], "county_of": ["ANOCA", "B", "Z"]},
        {},
    ),
    "labels repeated": ("uranium", {**ROWS, "u": [1, 2], "county": ["a", "a"]}, {}),
    "label missing": ("uranium", {**ROWS, "u": [1, 2], "county": ["a", None]}, {}),
    "labels and values differ": ("uranium", {**ROWS, "u": [1, 2], "county": ["a", "b", "c"]}, {}),
    "too many categories": ("colours", {"colour": ["r", "g", "b", "x"], "y": [1, 2, 3, 4]}, {}),
    "labels in two orders": (
        "schools",
        {"sigma": school([1, 2], ["a", "b"]), "y": school([1, 2], ["b", "a"])},
        {},
    ),
    "other labels": (
        "schools",
        {"sigma": school([1, 2], ["a", "b"]), "y": school([1, 2], ["b", "c"])},
        {},
    ),
    "dims": ("schools", {"sigma": school([1, 2], dim="skool"), "y": [1, 2]}, {}),
    "numbered with gaps": (
        "regression",
        pd.DataFrame({"X1": [1, 2], "X3": [1, 2], "y": [1, 2]}),
        {},
    ),
    "numbered in two ways": (
        "regression",
        pd.DataFrame({"X1": [1, 2], "X_1": [1, 2], "y": [1, 2]}),
        {},
    ),
    "not a simplex": ("structured", {**LEGAL, "s": [[0.5, 0.4]]}, {}),
    "negative in a simplex": ("structured", {**LEGAL, "s": [[1.5, -0.5]]}, {}),
    "not ordered": ("structured", {**LEGAL, "o": [[1, 2, 2]]}, {}),
    "not zero_sum": ("structured", {**LEGAL, "z": [[1, 2, 3]]}, {}),
    "not a unit_vector": ("structured", {**LEGAL, "v": [[1, 1]]}, {}),
    "degrees": ("structured", {**LEGAL, "a": [180]}, {}),
    "not positive definite": ("structured", {**LEGAL, "S": [[[1, 2], [2, 1]]]}, {}),
    "not symmetric": ("structured", {**LEGAL, "S": [[[1, 0.5], [0.4, 1]]]}, {}),
    "not a correlation": ("structured", {**LEGAL, "R": [[2, 0.5], [0.5, 1]]}, {}),
    "infinite in a matrix": ("structured", {**LEGAL, "S": [[[1, INF], [2, 1]]]}, {}),
    "missing in part": ("pairs", {"y": [[1, NAN], [NAN, NAN]]}, {}),
    "size of arithmetic": ("image", {"row": [1, 2, 3, 4], "x": np.zeros((3, 2, 2))}, {}),
    "size of arithmetic, known": (
        "image",
        {"row": [1, 2, 3, 4, 5], "x": np.zeros((3, 3, 2))},
        {},
    ),
    "constant size": ("image", {"row": [1, 2, 3], "x": np.zeros((3, 1, 3))}, {}),
    "several at once": ("schools", {"sigma": [[1, 2]], "y": ["a"], "q": 1}, {}),
    "lists of different lengths": ("grid", {"y": [[1, 2], [1]]}, {}),
    "numbers and lists": ("grid", {"y": [[1, 2], 1]}, {}),
    "columns of two lengths": (
        "regression",
        {"a": [1, 2], "b": [1, 2, 3], "y": [1, 2]},
        {"columns": {"X": ["a", "b"]}},
    ),
    "not data": ("schools", {"sigma": {1, 2}, "y": [1j], 3: 4}, {}),
    "no names": ("schools", np.ones(3), {}),
    "column twice": ("schools", pd.DataFrame([[1, 2, 3]], columns=["y", "y", "sigma"]), {}),
    "columns of different lengths": ("schools", {"school": {"y": [1, 2], "sigma": [1]}}, {}),
    "number too wide": ("poisson", {"k": [2**70]}, {}),
}

EXPECTED = {
    "absent": """\
schools.gen:3:7: error[GD710]: the data have no `sigma`, which is an input; they have `y`
  3 | input sigma[school]: positive
    |       ^^^^^
""",
    "absent, spelt otherwise": """\
schools.gen:5:9: error[GD710]: the data have no `y`, which is observed; they have `sigma`, `Y`
  5 | observe y[school] ~ Normal(mu, sigma)
    |         ^
help: did you mean key 'Y'? rename it, or pass columns={"y": "Y"}
""",
    "absent, all": """\
schools.gen:3:7: error[GD710]: the data have no `sigma`, which is an input; they are empty
  3 | input sigma[school]: positive
    |       ^^^^^

schools.gen:5:9: error[GD710]: the data have no `y`, which is observed; they are empty
  5 | observe y[school] ~ Normal(mu, sigma)
    |         ^
help: what is unknown is declared `latent`; `?` allows single values to be missing
""",
    "absent where mapped": """\
schools.gen: error[GD711]: key 'q' is not a name of the model
help: the model has `mu`, `school`, `sigma`, `y`

schools.gen:5:9: error[GD710]: the data have no `y` (mapped to 'w' by `columns`), which is observed; they have `sigma`, `q`
  5 | observe y[school] ~ Normal(mu, sigma)
    |         ^
help: what is unknown is declared `latent`; `?` allows single values to be missing
""",
    "given in another case to predict": """\
schools.gen:5:9: error[GD710]: the data have no `y`, which is observed; they have `sigma`, `Y`
  5 | observe y[school] ~ Normal(mu, sigma)
    |         ^
help: did you mean key 'Y'? rename it, or pass columns={"y": "Y"}
""",
    "unknown key": """\
schools.gen: error[GD711]: key 'zzz' is not a name of the model
help: the model has `mu`, `school`, `sigma`, `y`
""",
    "misspelt key": """\
schools.gen: error[GD711]: key 'scool' is not a name of the model
help: did you mean `school`?
""",
    "key of a latent": """\
schools.gen:4:8: error[GD712]: key 'mu' has the name of `mu`, which is latent: it is inferred, not given
  4 | latent mu ~ Normal(0, 5)
    |        ^^
help: rename it or leave it out, or declare it `observe` or `input`
""",
    "column of a latent": """\
schools.gen:4:8: error[GD712]: column `mu` of the DataFrame has the name of `mu`, which is latent: it is inferred, not given
  4 | latent mu ~ Normal(0, 5)
    |        ^^
help: rename it or leave it out, or declare it `observe` or `input`
""",
    "key of a let": """\
regression.gen:4:7: error[GD712]: key 'w' has the name of `w`, which is a param: it is learned, not given
  4 | param w: real[D]
    |       ^
help: rename it or leave it out, or declare it `observe` or `input`

regression.gen:5:5: error[GD712]: key 'eta' has the name of `eta`, which is a let: it is computed, not given
  5 | let eta[n] = X @ w
    |     ^^^
help: rename it or leave it out, or declare it `observe` or `input`
""",
    "columns of nothing": """\
schools.gen: error[GD711]: `columns` maps `yy`, which is no input or observed variable
help: did you mean `y`?
""",
    "a column too many axes": """\
schools.gen:3:7: error[GD720]: `sigma` (key 'sigma') has the shape (3, 1), expected (school)
  3 | input sigma[school]: positive
    |       ^^^^^
help: an axis of length 1 is never dropped: pass sigma[:, 0]
""",
    "a scalar": """\
schools.gen:3:7: error[GD720]: `sigma` (key 'sigma') has no axes, expected (school)
  3 | input sigma[school]: positive
    |       ^^^^^
help: a single number is never repeated: give one for each member
""",
    "a list for a scalar": """\
image.gen:3:7: error[GD720]: `row` (key 'row') has the shape (1, 3), expected (2 * D + 1)
  3 | input row: real[2 * D + 1]
    |       ^^^
help: an axis of length 1 is never dropped: pass row[0, :]
""",
    "lengths": """\
schools.gen:5:9: error[GD721]: `y` (key 'y') has the shape (3,), expected (school=2); `school` is 2 by `sigma` (key 'sigma')
  5 | observe y[school] ~ Normal(mu, sigma)
    |         ^
""",
    "size by name": """\
schools.gen:3:7: error[GD721]: `sigma` (key 'sigma') has the shape (3,), expected (school=4); `school` is 4 by key 'school'
  3 | input sigma[school]: positive
    |       ^^^^^

schools.gen:5:9: error[GD721]: `y` (key 'y') has the shape (3,), expected (school=4); `school` is 4 by key 'school'
  5 | observe y[school] ~ Normal(mu, sigma)
    |         ^
""",
    "size 2.5": """\
schools.gen:2:7: error[GD723]: the size of `school` is 2.5 (key 'school'), expected a whole number, 0 or more
  2 | plate school
    |       ^^^^^^
""",
    "size -3": """\
schools.gen:2:7: error[GD723]: the size of `school` is -3 (key 'school'), expected a whole number, 0 or more
  2 | plate school
    |       ^^^^^^
""",
    "size of the wrong shape": """\
schools.gen:2:7: error[GD720]: key 'school' has shape (1, 1), expected the size of `school` or a list of the labels of its members
  2 | plate school
    |       ^^^^^^
""",
    "sizes misspelt and contradicted": """\
schools.gen: error[GD711]: `schol` (the argument `sizes`) is no axis
help: did you mean `school`?

schools.gen:3:7: error[GD721]: `sigma` (key 'sigma') has the shape (3,), expected (school=7); `school` is 7 by the argument `sizes`
  3 | input sigma[school]: positive
    |       ^^^^^

schools.gen:5:9: error[GD721]: `y` (key 'y') has the shape (3,), expected (school=7); `school` is 7 by the argument `sizes`
  5 | observe y[school] ~ Normal(mu, sigma)
    |         ^
""",
    "size 10^12": """\
poisson.gen:2:7: error[GD724]: `n` has 1,000,000,000,000 members (the argument `sizes`): one number for each takes 7.3 TiB, and more than 1,000,000,000 are refused
  2 | plate n
    |       ^
""",
    "too many numbers": """\
grid.gen:2:22: error[GD724]: `trial` has 4,000,000,000 members (the argument `sizes`): one number for each takes 29.8 GiB, and more than 1,000,000,000 are refused
  2 | plate dog = 3  plate trial
    |                      ^^^^^
""",
    "much too many numbers": """\
wide.gen:3:8: error[GD724]: `z` has the shape (a=1000000, b=1000000): 1,000,000,000,000 numbers take 7.3 TiB
  3 | latent z[a, b] ~ Normal(0, 1)
    |        ^
""",
    "size unknown": """\
poisson.gen:2:7: error[GD722]: the size of `n` is not known: no data have this axis
  2 | plate n
    |       ^
help: state it, `plate n = 10`, or give an integer `n` in the data
""",
    "not positive": """\
schools.gen:3:7: error[GD730]: `sigma` (key 'sigma') must be positive (greater than 0), but 2 of 3 values are not: sigma[1] is 0, sigma[2] is -2 (counted from 0)
  3 | input sigma[school]: positive
    |       ^^^^^
""",
    "missing": """\
schools.gen:3:7: error[GD732]: `sigma` (key 'sigma') lacks 1 of 3 values: sigma[1] (counted from 0)
  3 | input sigma[school]: positive
    |       ^^^^^
help: leave those rows out, or fill them in: an input must be known

schools.gen:5:9: error[GD732]: `y` (key 'y') lacks 1 of 3 values: y[0] (counted from 0)
  5 | observe y[school] ~ Normal(mu, sigma)
    |         ^
help: leave those rows out, or declare that values may be missing: `observe y...: real?`
""",
    "infinite": """\
schools.gen:3:7: error[GD733]: `sigma` (key 'sigma') must be finite, but 1 of 3 values are not: sigma[2] is inf (counted from 0)
  3 | input sigma[school]: positive
    |       ^^^^^
help: if it stands for a value that is unknown, make it NaN and declare `?`
""",
    "text": """\
schools.gen:3:7: error[GD715]: `sigma` (key 'sigma') is positive, but there is text in it: sigma[1] is '2,5', sigma[2] is 'x' (counted from 0)
  3 | input sigma[school]: positive
    |       ^^^^^
help: decimal numbers are written with a point

schools.gen:5:9: error[GD715]: `y` (key 'y') is real, but there is text in it: y[0] is '1', y[1] is '2', y[2] is '3' (counted from 0)
  5 | observe y[school] ~ Normal(mu, sigma)
    |         ^
help: give numbers, with None or NaN where one is missing
""",
    "negative count": """\
poisson.gen:4:9: error[GD730]: `k` (key 'k') must be a count (0, 1, 2, ...), but 2 of 4 values are not: k[1] is -1, k[2] is 2.5 (counted from 0)
  4 | observe k[n] ~ Poisson(rate)
    |         ^
""",
    "seven wrong": """\
poisson.gen:4:9: error[GD730]: `k` (key 'k') must be a count (0, 1, 2, ...), but 7 of 8 values are not: k[1] is -1, k[2] is -1, k[3] is -1, k[4] is -1, k[5] is -1 and 2 more (counted from 0)
  4 | observe k[n] ~ Poisson(rate)
    |         ^
""",
    "whole number too large": """\
poisson.gen:4:9: error[GD731]: `k` (key 'k') must be less than 2^53 to be exact, but it is not: k[0] is 1e+300 (counted from 0)
  4 | observe k[n] ~ Poisson(rate)
    |         ^
""",
    "not binary": """\
grid.gen:4:9: error[GD730]: `y` (key 'y') must be binary (0 or 1), but 1 of 6 values are not: y[1, 1] is 2 (counted from 0)
  4 | observe y[dog, trial] ~ Bernoulli(p)
    |         ^
""",
    "transposed": """\
grid.gen:4:9: error[GD721]: `y` (key 'y') has the shape (7, 3), expected (dog=3, trial); `dog` is 3 by the model text
  4 | observe y[dog, trial] ~ Bernoulli(p)
    |         ^
help: it looks transposed: give y.T
""",
    "two axes in a table": """\
grid.gen:4:9: error[GD713]: `y` cannot be a column of the DataFrame: it has the axes `dog`, `trial`, but the rows of a table are one axis
  4 | observe y[dog, trial] ~ Bernoulli(p)
    |         ^
help: give it as an array: `y` in a dict, a JSON or an NPZ file
""",
    "two plates in a table": """\
two_plates.gen:3:7: error[GD713]: the rows of the DataFrame cannot be members of several plates: it has `x`, `y` over `a` and `z`, `w` over `b`
  3 | input x[a]: real  input z[b]: real
    |       ^
help: give a table for each plate: --data a=FILE --data b=FILE (in Python: {"a": frame, "b": frame})
""",
    "column of another plate": """\
two_plates.gen:3:25: error[GD713]: column `z` of key 'a' has one value for each `a`, but `z` is declared over `b`
  3 | input x[a]: real  input z[b]: real
    |                         ^
""",
    "table for no plate": """\
schools.gen: error[GD711]: key 'schools' is a table for `schools`, which is no plate of the model
help: did you mean `school`?
""",
    "given twice": """\
schools.gen:5:9: error[GD705]: `y` is given twice: key 'y' and column `y` of key 'school'
  5 | observe y[school] ~ Normal(mu, sigma)
    |         ^
""",
    "plates of two sizes": """\
two_plates.gen:4:9: error[GD721]: `y` (key 'y') has the shape (3,), expected (a=2); `a` is 2 by `x` (key 'x')
  4 | observe y[a] ~ Normal(x, 1)
    |         ^

two_plates.gen:5:9: error[GD721]: `w` (key 'w') has the shape (2,), expected (b=1); `b` is 1 by `z` (key 'z')
  5 | observe w[b] ~ Normal(z, 1)
    |         ^
""",
    "index from 1": """\
radon.gen:4:7: error[GD741]: the numbers in `county_of` go from 1 to 3, but `county` has the members 0 to 2
  4 | input county_of[house]: index(county)
    |       ^^^^^^^^^
help: pass index_base=1 (--index-base 1)
""",
    "index from 1, size known": """\
radon.gen:4:7: error[GD741]: the numbers in `county_of` go from 1 to 2, but `county` has the members 0 to 1
  4 | input county_of[house]: index(county)
    |       ^^^^^^^^^
help: pass index_base=1 (--index-base 1)
""",
    "index of categories from 1": """\
colours.gen:3:7: error[GD741]: the numbers in `colour` go from 1 to 3, but index(3) has the members 0 to 2
  3 | input colour[n]: index(3)
    |       ^^^^^^
help: pass index_base=1 (--index-base 1)
""",
    "index base": """\
schools.gen: error[GD746]: index_base is 2, expected 0 or 1
""",
    "index with gaps": """\
radon.gen:4:7: error[GD745]: `county_of` has numbers up to 205, but 0, 1, 2, 3, 4 and 199 more never occur, so the size of `county` is uncertain
  4 | input county_of[house]: index(county)
    |       ^^^^^^^^^
help: state it, `plate county = 206`; or, if the numbers are names, give them as text, or list them as `county` in the data
""",
    "index out of range": """\
radon.gen:4:7: error[GD740]: `county_of` must be index(county), here 0 to 1, but 2 of 3 values are not: county_of[1] is 2, county_of[2] is -1 (counted from 0)
  4 | input county_of[house]: index(county)
    |       ^^^^^^^^^
help: numbers that are names are given as text, or listed as `county` in the data
""",
    "index below the base": """\
radon.gen:4:7: error[GD740]: `county_of` must be index(county), here 1 to 2, but 1 of 3 values are not: county_of[0] is 0 (counted from 0)
  4 | input county_of[house]: index(county)
    |       ^^^^^^^^^
help: numbers that are names are given as text, or listed as `county` in the data
""",
    "index not whole": """\
radon.gen:4:7: error[GD740]: `county_of` must be index(county), here 0 to 1, but 1 of 3 values are not: county_of[1] is 0.5 (counted from 0)
  4 | input county_of[house]: index(county)
    |       ^^^^^^^^^
help: numbers that are names are given as text, or listed as `county` in the data
""",
    "index missing": """\
radon.gen:4:7: error[GD732]: `county_of` (key 'county_of') lacks 1 of 3 values: county_of[1] (counted from 0)
  4 | input county_of[house]: index(county)
    |       ^^^^^^^^^
help: leave those rows out, or fill them in: an input must be known
""",
    "labels in no order": """\
uranium.gen:4:7: error[GD744]: `county_of` names the members of `county`, but nothing says which of them the values of `u` belong to
  4 | input county_of[house]: index(county)
    |       ^^^^^^^^^
help: list the labels in the order of `u`: a column or a key `county`
""",
    "label misspelt": """\
uranium.gen:4:7: error[GD742]: 'ANOCA', 'Z' in `county_of` (key 'county_of'; first at county_of[0]) are no labels of `county` in key 'county'
  4 | input county_of[house]: index(county)
    |       ^^^^^^^^^
help: did you mean 'ANOKA'?
""",
    "labels repeated": """\
uranium.gen:2:7: error[GD743]: key 'county' should list each `county` once, but repeats 'a'
  2 | plate county  plate house
    |       ^^^^^^
help: is it an index? declare `input ...: index(county)` and map the column to it
""",
    "label missing": """\
uranium.gen:2:7: error[GD743]: a label of `county` is missing in key 'county'
  2 | plate county  plate house
    |       ^^^^^^
""",
    "labels and values differ": """\
uranium.gen:3:7: error[GD721]: `u` (key 'u') has the shape (2,), expected (county=3); `county` is 3 by key 'county'
  3 | input u[county]: real
    |       ^
""",
    "too many categories": """\
colours.gen:3:7: error[GD744]: `colour` has 4 different labels ('b', 'g', 'r', 'x'), but index(3) has 3 members
  3 | input colour[n]: index(3)
    |       ^^^^^^
help: declare a plate, `plate p = 3`, and list its labels: `p` in the data
""",
    "labels in two orders": """\
schools.gen:2:7: error[GD744]: `school` has its labels in the coordinate `school` of key 'y' in another order than in the coordinate `school` of key 'sigma'
  2 | plate school
    |       ^^^^^^
""",
    "other labels": """\
schools.gen:2:7: error[GD744]: `school` has other labels in the coordinate `school` of key 'y' than in the coordinate `school` of key 'sigma'
  2 | plate school
    |       ^^^^^^
""",
    "dims": """\
schools.gen:3:7: error[GD725]: `sigma` (key 'sigma') has the dims (skool), expected (school) in any order
  3 | input sigma[school]: positive
    |       ^^^^^
help: rename its dims to the names of the model
""",
    "numbered with gaps": """\
regression.gen:3:7: error[GD714]: `X` could be several columns of the DataFrame (X1, X3), but they are not numbered in one way, from 0 or 1 and without gaps
  3 | input X[n]: real[D]
    |       ^
help: name them: columns={"X": ["X1", ...]}
""",
    "numbered in two ways": """\
regression.gen:3:7: error[GD714]: `X` could be several columns of the DataFrame (X_1, X1), but they are not numbered in one way, from 0 or 1 and without gaps
  3 | input X[n]: real[D]
    |       ^
help: name them: columns={"X": ["X_1", ...]}
""",
    "not a simplex": """\
structured.gen:3:7: error[GD734]: `s` (key 's') must be a simplex, adding up to 1, but it is not: s[0] adds up to 0.9 (counted from 0)
  3 | input s[n]: simplex[K]
    |       ^
""",
    "negative in a simplex": """\
structured.gen:3:7: error[GD734]: `s` (key 's') must be a simplex, 0 or more in each entry, but it is not: s[0] is [ 1.5, -0.5] (counted from 0)
  3 | input s[n]: simplex[K]
    |       ^
""",
    "not ordered": """\
structured.gen:4:7: error[GD734]: `o` (key 'o') must be ordered, increasing, but it is not: o[0] is [1., 2., 2.] (counted from 0)
  4 | input o[n]: ordered[3]
    |       ^
""",
    "not zero_sum": """\
structured.gen:5:7: error[GD734]: `z` (key 'z') must be zero_sum, adding up to 0, but it is not: z[0] adds up to 6 (counted from 0)
  5 | input z[n]: zero_sum[3]
    |       ^
""",
    "not a unit_vector": """\
structured.gen:6:7: error[GD734]: `v` (key 'v') must be a unit_vector, of length 1, but it is not: v[0] has the length 1.41421 (counted from 0)
  6 | input v[n]: unit_vector[2]
    |       ^
""",
    "degrees": """\
structured.gen:7:7: error[GD734]: `a` (key 'a') must be an angle in radians, from -2π to 2π, but it is not: a[0] is 180 (counted from 0)
  7 | input a[n]: angle
    |       ^
""",
    "not positive definite": """\
structured.gen:8:7: error[GD734]: `S` (key 'S') must be a covariance, positive definite, but it is not: S[0] has the eigenvalue -1 (counted from 0)
  8 | input S[n]: covariance[2]
    |       ^
""",
    "not symmetric": """\
structured.gen:8:7: error[GD734]: `S` (key 'S') must be a covariance, symmetric, but it is not: S[0] is [[1. , 0.5], [0.4, 1. ]] (counted from 0)
  8 | input S[n]: covariance[2]
    |       ^
""",
    "not a correlation": """\
structured.gen:9:7: error[GD734]: `R` (key 'R') must be a correlation, with ones on the diagonal, but it is not: R is [[2. , 0.5], [0.5, 1. ]]
  9 | input R: correlation[2]
    |       ^
""",
    "infinite in a matrix": """\
structured.gen:8:7: error[GD733]: `S` (key 'S') must be finite, but it is not: S[0] is [[ 1., inf], [ 2.,  1.]] (counted from 0)
  8 | input S[n]: covariance[2]
    |       ^
help: if it stands for a value that is unknown, make it NaN and declare `?`
""",
    "missing in part": """\
pairs.gen:4:9: error[GD735]: `y` (key 'y') is given in part in 1 of 2 values: y[0] (counted from 0)
  4 | observe y[n]: real[D]? ~ MultivariateNormal(mu, covariance_matrix = diag(ones(D)))
    |         ^
help: its entries are tied together: all or none of them may be missing
""",
    "size of arithmetic": """\
image.gen:3:7: error[GD721]: `row` (key 'row') has the shape (4,), expected (2 * D + 1)
  3 | input row: real[2 * D + 1]
    |       ^^^
""",
    "size of arithmetic, known": """\
image.gen:5:9: error[GD721]: `x` (key 'x') has the shape (3, 3, 2), expected (image, D=2, 2); `D` is 2 by `row` (key 'row')
  5 | observe x[image]: real[D, 2] ~ Normal(z, 1)
    |         ^
""",
    "constant size": """\
image.gen:5:9: error[GD721]: `x` (key 'x') has the shape (3, 1, 3), expected (image, D=1, 2)
  5 | observe x[image]: real[D, 2] ~ Normal(z, 1)
    |         ^
""",
    "several at once": """\
schools.gen: error[GD711]: key 'q' is not a name of the model
help: the model has `mu`, `school`, `sigma`, `y`

schools.gen:3:7: error[GD720]: `sigma` (key 'sigma') has the shape (1, 2), expected (school)
  3 | input sigma[school]: positive
    |       ^^^^^
help: an axis of length 1 is never dropped: pass sigma[0, :]

schools.gen:5:9: error[GD715]: `y` (key 'y') is real, but there is text in it: y[0] is 'a' (counted from 0)
  5 | observe y[school] ~ Normal(mu, sigma)
    |         ^
help: give numbers, with None or NaN where one is missing
""",
    "lists of different lengths": """\
grid.gen: error[GD704]: the lists in key 'y' differ in length: [0] has 2, [1] has 1
help: give one long list, and beside it, for each value, the number of the list it is in
""",
    "numbers and lists": """\
error[GD704]: key 'y' mixes single values and lists
""",
    "columns of two lengths": """\
regression.gen:3:7: error[GD704]: `X` should be columns of one length of the data, but `a` has the shape (2,), `b` has the shape (3,)
  3 | input X[n]: real[D]
    |       ^
""",
    "not data": """\
error[GD707]: key 'sigma' is a set, which cannot be data
help: give a number, a (nested) list, an array, a tensor, a Series or a DataFrame

error[GD707]: key 'y' has values of type complex128, not numbers

error[GD707]: the key 3 is not a name
""",
    "no names": """\
error[GD707]: data of type ndarray have no names to match with the model
help: give a dict such as {'y': values}, a DataFrame, a Dataset, or the path of a file
""",
    "column twice": """\
error[GD705]: `y` occurs more than once among the columns of the DataFrame
help: give every column a name of its own
""",
    "columns of different lengths": """\
error[GD704]: the columns of key 'school' differ in length: `y` has 2, `sigma` has 1
""",
    "number too wide": """\
error[GD707]: key 'k' holds whole numbers of more than 63 bits
help: give them as decimal numbers, or as text if they are labels
""",
}


@pytest.mark.parametrize("case", CASES)
def test_message(case):
    model, data, options = CASES[case]
    assert complaint(model, data, **options) + "\n" == EXPECTED[case]


def test_every_case_has_a_message():
    assert CASES.keys() == EXPECTED.keys()
