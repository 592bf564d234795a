"""``gendsl compile``: programs that run where gendsl cannot be imported."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

NAMES = """\
model Names
plate file
plate group
input lambda[file]: real
input member[file]: index(group)
latent self[group] ~ Normal(0, 1)
latent torch ~ HalfNormal(1)
observe k[file]: count ~ Poisson(exp(self[member] + lambda))
observe y[file]: real? ~ Normal(self[member], torch)
"""

NAMES_DATA = "lambda,member,k,y\n0.1,a,1,0.5\n0.2,b,0,NA\n0.3,a,2,0.1\n0.4,c,1,-0.3\n"


def test_prints_the_program(cli, unchanged):
    outcome = cli("compile", "model.gen")
    assert outcome.status == 0
    assert outcome.out == cli("show", "model.gen", "--stage=program").out
    assert unchanged()


@pytest.fixture
def names(folder):
    (folder / "names.gen").write_text(NAMES)
    (folder / "names.csv").write_text(NAMES_DATA)
    return folder


def test_data_under_the_names_of_the_arguments(cli, names):
    outcome = cli(
        "compile", "names.gen", "-o", "names.py", "--data", "names.csv", "--save-data", "names.npz"
    )
    assert outcome.status == 0, outcome.err
    assert "run it with: python names.py names.npz" in outcome.err
    with np.load(names / "names.npz", allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    text = (names / "names.py").read_text()
    arguments = text.split("def model(*, ")[1].split("):")[0]
    assert set(found) == {a.split("=")[0] for a in arguments.split(", ")}
    assert {a.dtype.kind for a in found.values()} == {"f", "i", "b"}


ISOLATED = """\
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "gendsl":
            raise ModuleNotFoundError("no gendsl here")
sys.meta_path.insert(0, Absent())
sys.argv = ["program.py", "data.npz"]
source = open("program.py").read().replace("=1000", "=5")
exec(compile(source, "program.py", "exec"), {"__name__": "__main__"})
"""


@pytest.mark.parametrize("name", ["model", "names"])
def test_runs_without_gendsl(cli, names, name):
    (names / "model.csv").write_text((names / "data.csv").read_text())
    arguments = ["--data", f"{name}.csv", "--save-data", "data.npz"]
    assert cli("compile", f"{name}.gen", "-o", "program.py", *arguments).status == 0
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", ISOLATED], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Number of divergences" in done.stdout


NETWORK = """\
model Network
plate n
plate kind
input k[n]: index(kind)
net f: (real, index(kind)) -> real = mlp(hidden=[4])
param s: positive
latent z[n] ~ Normal(0, 1)
observe y[n] ~ Normal(f(z, k), s)
infer svi(epochs = 3)
"""


def test_networks_are_trained_by_the_program(cli, folder):
    (folder / "net.gen").write_text(NETWORK)
    (folder / "net.csv").write_text("k,y\na,1.5\nb,0.3\na,2\nc,-1\n")
    arguments = ["--data", "net.csv", "--save-data", "data.npz"]
    outcome = cli("compile", "net.gen", "-o", "program.py", *arguments)
    assert outcome.status == 0, outcome.err
    assert "this program needs gendsl installed" in outcome.err
    with np.load(folder / "data.npz", allow_pickle=False) as arrays:
        assert set(arrays.files) == {"n_n", "n_kind", "k", "y"}
    done = subprocess.run(
        [sys.executable, "program.py", "data.npz"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    *epochs, params = done.stdout.splitlines()
    assert [line.split()[0] for line in epochs] == ["0", "1", "2"]
    assert params.startswith("s tensor(")
    with np.load(folder / "data_learned.npz", allow_pickle=False) as learned:
        assert "s" in learned.files


def test_wrong_data_write_nothing(cli, folder, unchanged):
    (folder / "data.csv").write_text("y,sigma\n1,-2\n")
    bad = (folder / "data.csv").read_bytes()
    outcome = cli(
        "compile", "model.gen", "-o", "m.py", "--data", "data.csv", "--save-data", "d.npz"
    )
    assert outcome.status == 1
    assert "error[GD730]" in outcome.err
    assert (folder / "data.csv").read_bytes() == bad
    assert not (folder / "m.py").exists()
    assert not (folder / "d.npz").exists()


def test_nothing_is_replaced_unasked(cli, folder):
    (folder / "m.py").write_text("mine")
    (folder / "d.npz").write_text("mine")
    for arguments in (["-o", "m.py"], ["--data", "data.csv", "--save-data", "d.npz"]):
        outcome = cli("compile", "model.gen", *arguments)
        assert outcome.status == 1
        assert "error[GD830]" in outcome.err
    assert cli("compile", "model.gen", "-o", "data.csv", "--overwrite", "--data", "data.csv",
               "--save-data", "e.npz").status == 1  # fmt: skip
    assert (folder / "m.py").read_text() == (folder / "d.npz").read_text() == "mine"
