"""Models of posteriordb: their posteriors are the reference posteriors.

For every parameter that a reference lists, the means differ by less than four combined Monte
Carlo standard errors and 0.5 % of the standard deviation, and the standard deviations by less
than 10 %, from at least 2000 effective draws of each. `make test-posteriors` runs this, and prints
a line for each posterior.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from arviz_stats.base import array_stats

import gendsl

MODELS = Path(__file__).parent / "models"
CHAINS = 4
LEAST_ESS = 2000
DOUBLINGS = 3


@dataclass(frozen=True)
class Case:
    """How a posterior is sampled.

    Attributes:
        model: the file of the model.
        data: the data set.
        draws: of each chain at first; they are doubled while they are worth too few.
        options: further options of NUTS.
        names: the variable and the index in front of the reference's own, where a name differs.
    """

    model: str
    data: str
    draws: int = 2000
    options: Mapping[str, float] = field(default_factory=dict)
    names: Mapping[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)


CASES = {
    "eight_schools-eight_schools_noncentered": Case("eight_schools_noncentered", "eight_schools"),
    "eight_schools-eight_schools_centered": Case("eight_schools_centered", "eight_schools"),
    "kidiq-kidscore_momhsiq": Case("kidscore_momhsiq", "kidiq"),
    "earnings-logearn_interaction_z": Case("logearn_interaction_z", "earnings"),
    "arK-arK": Case("arK", "arK"),
    "hmm_example-hmm_example": Case(
        "hmm_example",
        "hmm_example",
        1500,
        names={"theta1": ("move", (0,)), "theta2": ("move", (1,))},
    ),
    "low_dim_gauss_mix-low_dim_gauss_mix": Case("low_dim_gauss_mix", "low_dim_gauss_mix", 1000),
    "gp_pois_regr-gp_regr": Case("gp_regr", "gp_pois_regr", 1500),
    "seeds_data-seeds_stanified_model": Case("seeds_stanified_model", "seeds_data", 3000),
    "M0_data-M0_model": Case("M0_model", "M0_data", 1500),
    "ig:brownian_motion_missing_middle_observations": Case(
        "brownian_motion", "brownian_motion_missing_middle_observations"
    ),
    "earnings-logearn_height": Case("logearn_height", "earnings"),
    "kidiq-kidscore_interaction": Case("kidscore_interaction", "kidiq"),
    "nes1980-nes": Case("nes", "nes1980"),
    "mesquite-logmesquite_logvash": Case("logmesquite_logvash", "mesquite"),
    "sblrc-blr": Case("blr", "sblrc", 4000),
}


def data_of(folder: Path, name: str, model: gendsl.Model) -> dict[str, np.ndarray]:
    """What the model declares; the files also hold the sizes that Stan needs."""
    raw = json.loads((folder / "data" / f"{name}.json").read_text("utf-8"))
    declared = {v.name for v in model.compiled.checked.ir.of_role("input", "observed")}
    return {key: np.array(value, dtype=float) for key, value in raw.items() if key in declared}


def draws_of(case: Case, posterior: xr.DataTree, name: str) -> np.ndarray:
    """Draws (chain, draw) of a quantity as the references name it: entries count from 1."""
    stem, _, inside = name.partition("[")
    variable, lead = case.names.get(stem, (stem, ()))
    own = tuple(int(number) - 1 for number in re.findall(r"\d+", inside))
    return posterior[variable].to_numpy()[(..., *lead, *own)]


def sampled(case: Case, folder: Path, names: list[str]) -> dict[str, np.ndarray]:
    """Draws (chain, draw) of every quantity, worth enough independent ones."""
    model = gendsl.load(MODELS / f"{case.model}.gen")
    data = data_of(folder, case.data, model)
    draws = case.draws
    for _ in range(DOUBLINGS + 1):
        options = {"chains": CHAINS, "draws": draws, **case.options}
        fit = model.fit(data, seed=1, infer="nuts", cores=1, progress=False, **options)
        found = {name: draws_of(case, fit.posterior, name) for name in names}
        if min(effective(values) for values in found.values()) >= LEAST_ESS:
            break
        draws *= 2
    return found


def effective(values: np.ndarray, method: str = "bulk") -> float:
    return float(array_stats.ess(values, method=method))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("posterior", CASES)
def test_posterior_is_the_reference(posterior, shared_data, capsys):
    folder = shared_data / "posteriordb"
    known = json.loads((folder / "references.json").read_text("utf-8"))[posterior]
    started = sum(os.times()[:4])
    found = sampled(CASES[posterior], folder, list(known))
    seconds = sum(os.times()[:4]) - started  # of this process, and of compilers it started
    least = min(effective(values) for values in found.values())
    wrong, off_mean, off_sd = [], 0.0, 0.0
    for name, (mean, sd, error) in known.items():
        values = found[name]
        own = values.std(ddof=1) / np.sqrt(effective(values, "mean"))
        allowed = 4 * np.hypot(own, error) + 0.005 * sd
        apart, ratio = abs(values.mean() - mean) / allowed, values.std(ddof=1) / sd
        off_mean, off_sd = max(off_mean, apart), max(off_sd, abs(ratio - 1))
        if apart >= 1 or abs(ratio - 1) >= 0.1:
            wrong.append(f"{name}: {values.mean():.5g} for {mean:.5g}, sd {ratio:.3f} of {sd:.4g}")
    with capsys.disabled():
        print(
            f"\n{posterior}: {seconds:.0f} s CPU, {found[name].size} draws, "
            f"least ESS {least:.0f}, means within {off_mean:.2f} of what is allowed, "
            f"sds within {100 * off_sd:.1f} %",
            end=" ",
        )
    assert least >= LEAST_ESS
    assert not wrong, "; ".join(wrong)
