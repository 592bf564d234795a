"""Models of posteriordb: their log densities differ between points as Stan's do.

The differences are those of the densities on the constrained scale, without Jacobians.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import gendsl
from gendsl.commands.fmt import formatted
from gendsl.syntax.reading import read_source

MODELS = Path(__file__).parent / "models"

# For each posterior: the model, the data set, and how many lines Stan takes, where there are some.
POSTERIORS = {
    "eight_schools-eight_schools_noncentered": ("eight_schools_noncentered", "eight_schools", 20),
    "eight_schools-eight_schools_centered": ("eight_schools_centered", "eight_schools", 16),
    "kidiq-kidscore_momhsiq": ("kidscore_momhsiq", "kidiq", 14),
    "earnings-logearn_interaction_z": ("logearn_interaction_z", "earnings", 22),
    "arK-arK": ("arK", "arK", 23),
    "hmm_example-hmm_example": ("hmm_example", "hmm_example", 70),
    "low_dim_gauss_mix-low_dim_gauss_mix": ("low_dim_gauss_mix", "low_dim_gauss_mix", 18),
    "gp_pois_regr-gp_regr": ("gp_regr", "gp_pois_regr", 19),
    "dogs-dogs_nonhierarchical": ("dogs_nonhierarchical", "dogs", 65),
    "seeds_data-seeds_stanified_model": ("seeds_stanified_model", "seeds_data", 29),
    "M0_data-M0_model": ("M0_model", "M0_data", 36),
    "ovarian_cols1_30-rhs": ("rhs", "ovarian_cols1_30", 44),
    "earnings-logearn_height": ("logearn_height", "earnings", 16),
    "kidiq-kidscore_interaction": ("kidscore_interaction", "kidiq", 19),
    "nes1980-nes": ("nes", "nes1980", 31),
    "mesquite-logmesquite_logvash": ("logmesquite_logvash", "mesquite", 30),
    "sblrc-blr": ("blr", "sblrc", 15),
    "hudson_lynx_hare-lotka_volterra": ("lotka_volterra", "hudson_lynx_hare", 53),
    "ig:brownian_motion_missing_middle_observations": (
        "brownian_motion",
        "brownian_motion_missing_middle_observations",
        None,
    ),
}

# The points of this one were computed with wide tolerances of the integrator.
ERRORS = {"hudson_lynx_hare-lotka_volterra": 2e-4}


def data_of(folder: Path, name: str, model: gendsl.Model) -> dict[str, np.ndarray]:
    """What the model declares; the files also hold the sizes that Stan needs."""
    raw = json.loads((folder / "posteriordb" / "data" / f"{name}.json").read_text("utf-8"))
    data = {key: np.array(value, dtype=float) for key, value in raw.items()}
    if name == "dogs":
        data["shocks"] = np.cumsum(data["y"], 1) - data["y"]
    declared = {v.name for v in model.compiled.checked.ir.of_role("input", "observed")}
    return {key: value for key, value in data.items() if key in declared}


def values_of(point: dict[str, object]) -> dict[str, np.ndarray]:
    values = {name: np.array(value) for name, value in point.items()}
    if "L_logit_ab" in values:
        factor = values.pop("L_logit_ab")
        values["Omega"] = factor @ factor.T
    if "theta2" in values:
        values["move"] = np.stack([values.pop("theta1"), values.pop("theta2")])
    return values


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("posterior", POSTERIORS)
def test_differences_of_log_density_are_stans(posterior, shared_data):
    known = json.loads((shared_data / "posteriordb" / "logdensity.json").read_text("utf-8"))
    if posterior not in known:
        pytest.skip("no points are given for this posterior")
    name, data_name, _ = POSTERIORS[posterior]
    model = gendsl.load(MODELS / f"{name}.gen")
    data = data_of(shared_data, data_name, model)
    wanted = np.array(known[posterior]["log_density_minus_first"])
    points = known[posterior]["points"]
    log = np.array([model.log_density(values_of(p), data) for p in points])
    error = ERRORS.get(posterior, 1e-7)
    np.testing.assert_allclose(log - log[0], wanted, rtol=1e-8, atol=error)


@pytest.mark.parametrize("posterior", POSTERIORS)
def test_data_fit_the_model(posterior, shared_data):
    name, data_name, _ = POSTERIORS[posterior]
    model = gendsl.load(MODELS / f"{name}.gen")
    assert model.bind(data_of(shared_data, data_name, model)).values


@pytest.mark.parametrize("posterior", [n for n, case in POSTERIORS.items() if case[2]])
def test_a_model_takes_at_most_half_the_lines_of_stan(posterior):
    name, _, stan = POSTERIORS[posterior]
    source = read_source(MODELS / f"{name}.gen")
    assert source.text == formatted(source)
    lines = source.text.splitlines()
    written = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert len(written) <= stan / 2
