"""Examples that learn networks: a fit to their data reaches the bound that is on file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import gendsl
from gendsl.energy_fit import EnergyFit

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))

import catalogue  # noqa: E402  it lies beside the examples
import write_data  # noqa: E402

NAMES = catalogue.learned()


@pytest.mark.parametrize("make", write_data.MADE)
def test_the_data_on_file_are_what_is_made(make):
    made = make().to_numpy(dtype=float, na_value=np.nan)
    np.testing.assert_allclose(table(make.__name__), made, atol=1e-12)


@pytest.mark.parametrize("make", write_data.LISTS)
def test_the_lists_on_file_are_what_is_made(make):
    on_file = json.loads(catalogue.files_of(make.__name__).read_text(encoding="utf-8"))
    made = make()
    assert on_file.keys() == made.keys()
    for name, arrays in made.items():
        for a, b in zip(on_file[name], arrays, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_fit_reaches_its_bound(name):
    entry = catalogue.entries()[name]
    fit = gendsl.load(EXAMPLES / name / "model.gen").fit(
        catalogue.data_of(name),
        columns=entry.get("columns"),
        seed=entry["seed"],
        progress=False,
    )
    assert fit.summary().verdict.status != "do not trust"
    if isinstance(fit, EnergyFit):
        assert float(fit.log_prob().mean()) > entry["reaches"]
        return
    assert fit.score(particles=50).elbo.mean > entry["reaches"]
    if name == "gaussian_mixture_vae":
        verify_clusters(fit.encode().k.to_numpy().astype(int), table(name))
    if name == "few_labels":
        x = table(name)
        assert (fit.encode({"x": x[:, :4]}).label.to_numpy() == thirds(x)).mean() > 0.95
    if name == "two_modalities":
        assert float(fit.estimate.noise) == pytest.approx(0.15, abs=0.03)
        both = table(name)[200:]
        found = fit.decode(fit.encode({"b": both[:, 2:]})).a.to_numpy()
        assert np.sqrt(((found - both[:, :2]) ** 2).mean()) < 0.25
    if name == "deep_markov":
        assert float(fit.estimate.noise) == pytest.approx(0.1, abs=0.03)


def table(name: str) -> np.ndarray:
    return np.genfromtxt(catalogue.files_of(name), delimiter=",", skip_header=1)


def verify_clusters(found: np.ndarray, x: np.ndarray) -> None:
    """Each third of the ring is one cluster, but for what lies near its borders."""
    third = thirds(x)
    best = [np.bincount(found[third == part], minlength=3).argmax() for part in range(3)]
    assert sorted(best) == [0, 1, 2]
    assert (np.asarray(best)[third] == found).mean() > 0.9


def thirds(x: np.ndarray) -> np.ndarray:
    """Which part of the ring points are on."""
    return np.round(np.arctan2(x[:, 1], x[:, 0]) / (2 * np.pi / 3)).astype(int) % 3
