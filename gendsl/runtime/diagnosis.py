r"""What the draws say about each entry of each variable, and how far to believe it.

References:
    Rank-normalization, folding, and localization: an improved R-hat for assessing convergence
    of MCMC (Vehtari, Gelman, Simpson, Carpenter, Bürkner, 2021).
    A conceptual introduction to Hamiltonian Monte Carlo (Betancourt, 2017), for E-BFMI.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats.base.array import array_stats as untyped_stats
from numpy.typing import NDArray

from gendsl.runtime.results import SAMPLE_DIMS

__all__ = [
    "MAX_EXAMINED",
    "Diagnosis",
    "SamplerFacts",
    "diagnose",
    "entry_labels",
    "is_discrete",
    "is_nominal",
    "sampler_facts",
]

array_stats: Any = untyped_stats

MAX_EXAMINED = 5000
"""R-hat and ESS are computed for at most this many entries (about 3 ms each)."""

MAX_CATEGORIES = 8
"""A nominal entry has a row for each of its categories up to this many, else for its mode."""

State = Literal["varies", "constant", "certain", "structural", "non-finite"]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Diagnosis:
    """All entries of all variables.

    Attributes:
        table: a row an entry: ``label``, ``variable``, ``state``, the estimates and their
            diagnostics (NaN where undefined or not examined).
        chains: how many chains there are.
        draws: how many draws each has.
        stuck: for each chain that never moved, one continuous entry that did elsewhere.
        examined: how many entries of those that vary have R-hat and ESS.
    """

    table: pd.DataFrame
    chains: int
    draws: int
    stuck: dict[int, str]
    examined: int


def is_discrete(array: xr.DataArray) -> bool:
    """Whether the values are whole numbers, by their type."""
    return array.dtype.kind in "biu"


def is_nominal(array: xr.DataArray) -> bool:
    """Whether the values are categories without an order, which have no mean."""
    return is_discrete(array) and str(array.attrs.get("support", "")).startswith("index")


def entry_labels(name: str, array: xr.DataArray) -> list[str]:
    """``theta[Choate]``, ``a[x, y]``: one label an entry, in row-major order."""
    axes = [d for d in array.dims if d not in SAMPLE_DIMS]
    if not axes:
        return [name]
    members = [
        [_printable(str(m)) for m in array.coords[d].to_numpy()]
        if d in array.coords
        else [str(i) for i in range(array.sizes[d])]
        for d in axes
    ]
    return [f"{name}[{', '.join(entry)}]" for entry in itertools.product(*members)]


def _printable(label: str) -> str:
    """A label that cannot steer a terminal: what is no visible character is escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in label)


def diagnose(posterior: xr.Dataset, ci_prob: float, *, independent: bool = False) -> Diagnosis:
    """Estimates and diagnostics of every entry.

    Args:
        posterior: variables with the axes ``(chain, draw, ...)``.
        ci_prob: the probability of the equal-tailed interval.
        independent: the draws are independent by construction, so that there is no R-hat and
            every draw counts.
    """
    chains, draws = posterior.sizes["chain"], posterior.sizes["draw"]
    rows = [
        row
        for name, array in posterior.data_vars.items()
        for row in _rows(str(name), array, _category_names(array, posterior))
    ]
    stuck: dict[int, str] = {}
    varying = [r for r in rows if r.state == "varies"]
    step = max(1, -(-len(varying) // MAX_EXAMINED))
    for row in varying:
        if not row.discrete and chains > 1:
            still = np.ptp(row.values, axis=1) == 0
            for chain in np.flatnonzero(still):
                stuck.setdefault(int(chain), row.label)
    records = []
    for row in rows:
        record = _estimates(row, ci_prob)
        if row.state == "varies" and independent:
            n = row.values.size
            record |= {"mcse_mean": record["sd"] / n**0.5, "mcse_sd": _independent_error(row)}
        records.append(record)
    examined = [] if independent else varying[::step]
    found = {row.label: _convergence(row.values, ci_prob) for row in examined}
    table = pd.DataFrame([r | found.get(r["label"], {}) for r in records], columns=COLUMNS)
    return Diagnosis(table, chains, draws, stuck, len(examined))


COLUMNS = [
    *("label", "variable", "state", "nominal", "mean", "sd", "low", "high"),
    *("mcse_mean", "mcse_sd", "ess_bulk", "ess_tail", "r_hat"),
]


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    label: str
    variable: str
    values: Floats
    discrete: bool
    state: State
    nominal: bool = False


def _category_names(array: xr.DataArray, dataset: xr.Dataset) -> list[str]:
    """The labels of the plate that a nominal variable names members of, if it does."""
    owner = str(array.attrs.get("support", "")).removeprefix("index(").removesuffix(")")
    return [str(v) for v in dataset.coords[owner].to_numpy()] if owner in dataset.coords else []


def _rows(name: str, array: xr.DataArray, named: list[str]) -> Iterator[_Row]:
    """One row an entry; for nominal ones, one a category."""
    ordered = array.transpose(..., *SAMPLE_DIMS)
    discrete = is_discrete(array)
    values = ordered.to_numpy()
    flat = values.reshape(-1, *values.shape[-2:]).astype(np.float64)
    states = _states(flat, discrete=discrete, matrix=flat.shape[0] > 1 and array.ndim >= 4)
    if array.attrs.get("derived"):  # what a let is made of may be constant, or not exist yet
        states = [
            "structural" if s == "constant" or bool(np.isnan(entry).all()) else s
            for s, entry in zip(states, flat, strict=True)
        ]
    for label, entry, state in zip(entry_labels(name, ordered), flat, states, strict=True):
        if not is_nominal(array):
            yield _Row(label, name, entry, discrete, state)
            continue
        categories, counts = np.unique(entry, return_counts=True)
        if len(categories) > MAX_CATEGORIES:
            categories = categories[[np.argmax(counts)]]
        for category in categories:  # the probability of each
            chosen = (entry == category).astype(np.float64)
            known = named and 0 <= category < len(named)
            value = named[int(category)] if known else f"{category:g}"
            yield _Row(f"P({label} = {value})", name, chosen, discrete, state, nominal=True)


def _states(flat: Floats, *, discrete: bool, matrix: bool) -> list[State]:
    finite = np.asarray(np.isfinite(flat).all(axis=(1, 2)))
    still = np.zeros(len(flat), dtype=bool)
    still[finite] = np.ptp(flat[finite], axis=(1, 2)) == 0
    # The diagonal of a correlation matrix and the upper half of a Cholesky factor never vary.
    by_definition = still & np.isin(flat[:, 0, 0], (0.0, 1.0)) & (matrix and not still.all())
    constant: State = "certain" if discrete else "constant"
    return [
        "non-finite" if not f else "structural" if d else constant if s else "varies"
        for f, s, d in zip(finite, still, by_definition, strict=True)
    ]


def _estimates(row: _Row, ci_prob: float) -> dict[str, Any]:
    record: dict[str, Any] = {
        "label": row.label,
        "variable": row.variable,
        "state": row.state,
        "nominal": row.nominal,
    }
    if row.state == "non-finite":
        return record
    tail = (1 - ci_prob) / 2
    method: Any = "inverted_cdf" if row.discrete else "linear"
    low, high = np.quantile(row.values, [tail, 1 - tail], method=method)
    sd = float(np.std(row.values, ddof=1)) if row.values.size > 1 else float("nan")
    still = row.state != "varies"
    return record | {
        "mean": float(row.values.flat[0]) if still else float(np.mean(row.values)),
        "sd": 0.0 if still else sd,
        "low": float(low),
        "high": float(high),
    }


def _independent_error(row: _Row) -> float:
    """The standard error of a standard deviation of independent draws."""
    squares = (row.values - row.values.mean()) ** 2
    return float(np.sqrt(squares.var() / squares.mean() / 4 / squares.size))


def _convergence(values: Floats, ci_prob: float) -> dict[str, float]:
    """R-hat, ESS and Monte Carlo errors; a lone chain is compared in four parts."""
    if values.shape[1] < 8:
        return {}
    tail = (1 - ci_prob) / 2
    parts = values
    if values.shape[0] == 1:
        half = values.shape[1] // 2
        parts = values[:, -2 * half :].reshape(2, half)
    squares = (values - values.mean()) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        of_mean = float(array_stats.ess(values, method="mean"))
        # ArviZ takes the ESS of the mean here too, which is too large for antithetic chains.
        of_sd = float(array_stats.ess(values, method="sd"))
        return {
            "r_hat": float(array_stats.rhat(parts)),
            "ess_bulk": float(array_stats.ess(values, method="bulk")),
            "ess_tail": float(array_stats.ess(values, method="tail", prob=(tail, 1 - tail))),
            "mcse_mean": float(values.std(ddof=1) / np.sqrt(of_mean)),
            "mcse_sd": float(np.sqrt(squares.var() / squares.mean() / 4 / of_sd)),
        }


@dataclass(frozen=True, slots=True)
class SamplerFacts:
    """What the sampler says about itself; None where it says nothing.

    Attributes:
        transitions: how many steps the counts are of.
        divergences: steps whose trajectory left the level set of the energy.
        max_depth_hits: steps that were cut at the largest tree.
        bfmi: the energy Bayesian fraction of missing information of each chain.
    """

    transitions: int
    divergences: int | None
    max_depth_hits: int | None
    bfmi: tuple[float, ...] | None


def sampler_facts(tree: xr.DataTree) -> SamplerFacts:
    """Read the group ``sample_stats``, under the names of the ArviZ schema."""
    if "sample_stats" not in tree.children:
        return SamplerFacts(0, None, None, None)
    stats = tree["sample_stats"].to_dataset()
    count = stats.sizes.get("chain", 0) * stats.sizes.get("draw", 0)
    hits = None
    if "reached_max_treedepth" in stats:
        hits = int(stats["reached_max_treedepth"].sum())
    elif "tree_depth" in stats and "max_tree_depth" in tree.attrs:
        hits = int((stats["tree_depth"] >= tree.attrs["max_tree_depth"]).sum())
    bfmi = None
    if "energy" in stats and stats.sizes["draw"] > 3:
        energy = stats["energy"].transpose(*SAMPLE_DIMS).to_numpy().astype(np.float64)
        spread = energy.var(axis=1, ddof=1)
        moves = np.square(np.diff(energy, axis=1)).mean(axis=1)
        ratio = np.divide(moves, spread, out=np.full_like(moves, np.nan), where=spread > 0)
        bfmi = tuple(float(r) for r in ratio)
    diverging = int(stats["diverging"].sum()) if "diverging" in stats else None
    return SamplerFacts(count, diverging, hits, bfmi)
