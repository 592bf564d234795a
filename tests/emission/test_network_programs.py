"""Programs with networks and guides: their text, and that it trains when it is run by itself.

To write the texts again: ``for f in tests/emission/programs/*.gen; do gendsl compile $f
-o ${f%.gen}.txt --overwrite; done``.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyro
import pytest
import torch
from scipy import integrate, stats

from gendsl.compiler import Compiled, compile_source
from gendsl.inference.selection import METHODS
from gendsl.runtime.backend import tensors
from gendsl.runtime.distributions import net
from gendsl.syntax.reading import read_source, source_from_text

PROGRAMS = Path(__file__).parent / "programs"
NAMES = sorted(p.stem for p in PROGRAMS.glob("*.gen"))


def compiled(name: str) -> Compiled:
    return compile_source(read_source(PROGRAMS / f"{name}.gen"))


@pytest.mark.parametrize("name", NAMES)
def test_the_text_is_golden(name):
    assert compiled(name).program.source == (PROGRAMS / f"{name}.txt").read_text()


@pytest.fixture
def trained(tmp_path, monkeypatch, capsys):
    """What the main part of a program prints: its losses, and its params."""

    def run(name: str, data: dict[str, object], steps: int) -> tuple[list[float], str]:
        np.savez(tmp_path / "data.npz", **data)
        monkeypatch.setattr("sys.argv", ["program.py", str(tmp_path / "data.npz")])
        text = compiled(name).program.source
        short = text.replace("range(5000)", f"range({steps})").replace("% 100", "% 1")
        short = short.replace("range(100)", f"range({steps})")
        assert short != text
        pyro.clear_param_store()
        with tensors(torch.float64, torch.device("cpu"), 0):
            exec(compile(short, "program.py", "exec"), {"__name__": "__main__"})
        pyro.clear_param_store()
        lines = capsys.readouterr().out.splitlines()
        losses = [float(line.split()[1]) for line in lines[:steps]]
        return losses, "\n".join(lines[steps:])

    return run


def test_an_autoencoder_is_trained(trained):
    rng = np.random.default_rng(0)
    x = (rng.random((40, 1)) < 0.5) ^ (rng.random((40, 6)) < 0.05)  # all on, or all off
    losses, params = trained("vae", {"n_image": 40, "x": x.astype(float)}, 200)
    independent = 40 * 6 * np.log(2)
    assert losses[0] > 0.95 * independent
    assert np.mean(losses[-30:]) < 0.7 * independent
    assert params == ""


def test_rows_are_taken_in_batches_and_what_is_learned_is_kept(trained, tmp_path):
    x = np.random.default_rng(2).random((300, 6)) < 0.2
    losses, _ = trained("vae", {"n_image": 300, "x": x.astype(float)}, 12)  # of 3 steps each
    entropy = -300 * 6 * (0.2 * np.log(0.2) + 0.8 * np.log(0.8))
    assert losses[0] > 1.1 * losses[-1] > 0.9 * entropy  # of all rows, not of a batch
    with np.load(tmp_path / "data_learned.npz") as learned:
        assert learned["decode.trunk.0.weight"].shape == (16, 2)
        assert {name.split(".")[0] for name in learned.files} == {"decode", "encode_z"}


def test_a_deep_markov_model_of_ragged_sequences_is_trained(trained):
    rng = np.random.default_rng(3)
    lengths = rng.integers(1, 5, 40)
    x = np.repeat(rng.random((40, 1, 6)) < 0.5, 4, 1).astype(float)  # each step like the first
    data = {"n_song": 40, "n_t": 4, "D": 6, "t_lengths": lengths, "x": x}
    losses, _ = trained("deep_markov", data, 30)
    independent = lengths.sum() * 6 * np.log(2)  # absent steps have no part in it
    assert 0.95 * independent < losses[0] < 1.3 * independent < 40 * 4 * 6 * np.log(2)
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def test_a_flow_begins_at_the_data_and_is_trained(trained, tmp_path):
    rng = np.random.default_rng(2)
    k = rng.integers(0, 2, 60)  # one batch
    x = 50.0 + 10.0 * k[:, None] + rng.normal(size=(60, 2))
    losses, _ = trained("flow", {"n_point": 60, "k": k, "x": x}, 200)
    # Standardised at first, which is a normal law with these moments; then a law for each class.
    first = -stats.norm.logpdf(x, x.mean(0), x.std(0)).sum()
    apart = sum(-stats.norm.logpdf(x[k == c], x[k == c].mean(0)).sum() for c in (0, 1))
    assert losses[0] == pytest.approx(first, rel=1e-6)
    assert apart - 20 < losses[-1] < 0.5 * (first + apart)
    with np.load(tmp_path / "data_learned.npz") as learned:  # constants too, without which
        assert learned["x_standardise.layers.0.loc"] == pytest.approx(x.mean(0))  # no density is
        assert learned["x_standardise.layers.0.scale"] == pytest.approx(x.std(0))


def test_a_conditional_autoencoder_is_trained(trained):
    rng = np.random.default_rng(1)
    label = rng.integers(0, 3, 60)
    x = rng.normal(size=(3, 6))[label] + rng.normal(scale=0.3, size=(60, 6))
    data = {"n_image": 60, "n_digit": 3, "label": label, "x": x}
    losses, params = trained("conditional_vae", data, 200)
    unconditional = -stats.norm.logpdf(x, x.mean(0), x.std(0)).sum()
    assert losses[0] > unconditional
    assert np.mean(losses[-30:]) < unconditional - 60
    noise = float(re.fullmatch(r"noise tensor\((.*)\)", params).group(1))
    assert 0.2 < noise < 0.6


Y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
SIGMA = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])


def test_a_written_guide_bounds_the_evidence(trained):
    data = {"n_school": 8, "sigma": SIGMA, "y": Y}
    losses, _ = trained("guided_schools", data, 600)

    def density(mu: float, tau: float) -> float:
        likelihood = stats.norm.logpdf(Y, mu, np.hypot(SIGMA, tau)).sum()
        return np.exp(likelihood + stats.norm.logpdf(mu, 0, 5) + stats.halfnorm.logpdf(tau, 0, 5))

    evidence = np.log(integrate.dblquad(density, 0, 40, -30, 30)[0])
    bound = -np.mean(losses[-200:])
    assert evidence - 0.5 < bound < evidence + 0.1


def test_networks_only_guides_use_are_built_too():
    text = compile_source(
        source_from_text(
            "model M\nplate n\nlatent z[n] ~ Normal(0, 1)\nobserve y[n] ~ Normal(z, 1)\n"
            "net back: real -> (loc: real, scale: positive) = mlp()\nguide z ~ Normal(back(y))\n",
            "m.gen",
        )
    ).program
    model, guide = text.source.split("def guide(")
    assert "nets['back']" not in model
    assert "pyro.module('back', nets['back'])" in guide
    assert "'back': runtime.net('real -> (loc: real, scale: positive)', 'mlp()', {})" in guide


def test_sizes_in_the_main_part_are_those_of_the_data():
    text = compile_source(
        source_from_text(
            "model M\nplate n\ndim A\ndim B = 2 * A + 1\ndim lambda = 3\n"
            "net f: real[B] -> real[lambda] = mlp()\ninput x[n]: real[B]\n"
            "observe y[n]: real[lambda] ~ Normal(f(x), 1)\n",
            "m.gen",
        )
    ).program.source
    main = text.split("__main__")[1]
    assert "'B': 1 + 2 * data['A']" in main
    assert "'lambda': lambda_" in main
    assert "lambda_ = 3" in text.split("def model")[0]
    compile(text, "program.py", "exec")


@pytest.mark.parametrize("optimiser", METHODS["svi"].option("optimiser").words)
def test_every_optimiser_is_one_of_pyro(optimiser):
    text = (PROGRAMS / "vae.gen").read_text()
    text = text.replace("svi(", f"svi(optimiser = {optimiser}, particles = 3, ")
    source = compile_source(source_from_text(text, "m.gen")).program.source
    (name,) = re.findall(r"from pyro.optim import (\w+)", source)
    assert hasattr(pyro.optim, name)
    assert f'SVI(model, guide, {name}({{"lr": 0.02}}), Trace_ELBO(num_particles=3))' in source


def test_a_network_from_its_text():
    torch.manual_seed(0)
    built = net(
        "(real[L], index(k)) -> (loc: real[2 * L], scale: positive)", "mlp()", {"L": 2, "k": 3}
    )
    found = built(torch.zeros(5, 1, 2), torch.zeros(4, dtype=torch.long))
    assert found["loc"].shape == (5, 4, 4)
    assert found["scale"].shape == (5, 4)
    assert bool((found["scale"] > 0).all())


def test_an_autoregressive_model_is_trained(trained):
    rng = np.random.default_rng(0)
    data = {"x": rng.normal(3.0, 0.5, (60, 3)), "c": rng.integers(0, 2, 60), "n_n": 60}
    losses, _ = trained("masked", data, 60)
    assert losses[-1] < losses[0]
