"""``gendsl show``: every stage in every format, for every model that this version compiles."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gendsl.commands.show import FORMATS
from gendsl.diagnostics import CompileError
from gendsl.frontend import check
from gendsl.inference.selection import make_plan
from gendsl.syntax.reading import read_source

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "valid"


def compiles(path: Path) -> bool:
    try:
        make_plan(check(read_source(path)).ir)
    except CompileError:
        return False
    return True


FILES = sorted(GOLDEN.glob("*.gen"))
NETWORKS = [GOLDEN / "models" / "networks.gen", GOLDEN / "models" / "guides.gen"]
CHECKED = [path for path in (*FILES, *NETWORKS) if compiles(path)]
NAMED = {"ids": lambda path: path.stem}


def test_there_are_models():
    assert len(CHECKED) >= 4


@pytest.mark.parametrize("path", FILES, **NAMED)
def test_syntax_tree(cli, path):
    text = cli("show", path, "--stage", "ast")
    data = cli("show", path, "--stage", "ast", "--format", "json")
    assert (text.status, data.status) == (0, 0)
    assert text.out.startswith("ModelDecl ")
    assert json.loads(data.out)["kind"] == "Program"


@pytest.mark.parametrize("stage", ["ir", "graph", "plan", "program"])
@pytest.mark.parametrize("path", CHECKED, **NAMED)
def test_later_stages(cli, path, stage):
    for form in FORMATS[stage]:
        outcome = cli("show", path, f"--stage={stage}", f"--format={form}")
        assert outcome.status == 0, outcome.err
        assert outcome == cli("show", path, f"--stage={stage}", f"--format={form}")
        if form == "json":
            json.loads(outcome.out)
        elif form == "svg":
            assert ElementTree.fromstring(outcome.out).tag.endswith("svg")
        elif (stage, form) == ("program", "text"):
            compile(outcome.out, "model.py", "exec")


IR = """\
model Radon

plate county : size from data
plate house : size from data
input floor[house] : real over house
input county_of[house] : index(county) over house
latent mu : real
  ~ Normal(loc=0, scale=10) : real
latent tau : positive
  ~ HalfNormal(scale=5) : positive
latent alpha[county] : real over county
  ~ Normal(loc=mu, scale=tau) : real
latent beta : real
  ~ Normal(loc=0, scale=10) : real
latent sigma : positive
  ~ HalfNormal(scale=5) : positive
observed log_radon[house] : real over house
  ~ Normal(loc=alpha[county = county_of] + beta * floor, scale=sigma) : real over house
"""


def test_typed_model(cli):
    assert cli("show", GOLDEN / "radon.gen", "--stage=ir").out == IR


OPERATORS = """\
model M
plate n
input x[n]: real
input b[n]: binary
latent a ~ Normal(0, 1)
let u[n] = a - (x - 2) * -a / (1 + x ** 2) ** -a
let v[n] = (a if b == 1 and not (x > 0 or a < 1) else -a) + 1
let w = sum(u, n) - mean(x * v, n)
observe y[n] ~ Normal(w + log(abs(x) + 1), exp(a))
"""


def test_expressions_read_as_they_were_written(cli, folder):
    (folder / "m.gen").write_text(OPERATORS)
    out = cli("show", "m.gen", "--stage=ir").out
    for text in (
        "= a - (x - 2) * -a / (1 + x ** 2) ** -a : ",
        "= (a if b == 1 and not (x > 0 or a < 1) else -a) + 1 : ",
        "= sum(u, n) - mean(x * v, n) : ",
        "~ Normal(loc=w + log(abs(x) + 1), scale=exp(a)) : ",
    ):
        assert text in out


GRAPH = """\
graph of Schools

plate school: size from data
input sigma: positive over school
latent mu: real, Normal
latent tau: positive, HalfNormal
latent theta: real over school, Normal
  depends on mu, tau
observed y: real over school, Normal
  depends on theta, sigma
"""


def test_graph_listing(cli):
    outcome = cli("show", "model.gen", "--stage", "graph")
    assert outcome.out == GRAPH


def test_the_plan_is_the_default(cli):
    out = cli("show", "model.gen").out
    assert out == cli("show", "model.gen", "--stage", "plan").out
    assert out.startswith("inference: nuts")


def test_to_a_file_once(cli, folder):
    assert cli("show", "model.gen", "-o", "plan.txt").err == "wrote plan.txt\n"
    written = (folder / "plan.txt").read_text()
    assert written == cli("show", "model.gen").out
    again = cli("show", "line.gen", "-o", "plan.txt")
    assert again.status == 1
    assert "error[GD830]: plan.txt exists already" in again.err
    assert (folder / "plan.txt").read_text() == written
    assert cli("show", "line.gen", "-o", "plan.txt", "--overwrite").status == 0
    assert (folder / "plan.txt").read_text() != written


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("model.gen", "error[GD831]: model.gen is read by this command"),
        ("none/plan.txt", "there is no folder none"),
        (".", "error[GD809]: cannot write .: it is a folder"),
        ("data.csv/plan.txt", "error[GD809]"),
    ],
)
def test_where_nothing_is_written(cli, unchanged, target, message):
    outcome = cli("show", "model.gen", "-o", target, "--overwrite")
    assert outcome.status == 1
    assert message in outcome.err
    assert unchanged()


def test_a_wrong_model_writes_nothing(cli, folder, unchanged):
    outcome = cli("show", "data.csv", "--stage=graph", "--format=svg", "-o", "x.svg")
    assert outcome.status == 1
    assert unchanged()
