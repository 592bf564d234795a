"""``gendsl fit``, and what reads its result: ``summary``, ``predict``, ``plot``."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
import xarray as xr
from cli_models import LINE, LINE_DATA, QUICK, SCHOOLS, SCHOOLS_DATA

from gendsl.cli import main


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a run by NUTS and one by maximum likelihood."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "model.gen").write_text(SCHOOLS)
    (folder / "data.csv").write_text(SCHOOLS_DATA)
    (folder / "line.gen").write_text(LINE)
    (folder / "line.csv").write_text(LINE_DATA)
    for name, data, options in (("model", "data", QUICK), ("line", "line", ())):
        files = [str(folder / f"{name}.gen"), "--data", str(folder / f"{data}.csv")]
        status = main(["fit", *files, *options, "--quiet", "--out", str(folder / name)])
        assert status in (0, 3)
    return folder


def table(text):
    """The rows of a CSV text."""
    return list(csv.DictReader(io.StringIO(text)))


def test_says_what_it_does(cli, folder):
    outcome = cli("fit", "model.gen", "--data", "data.csv", *QUICK, "--seed", "3", "--out", "run")
    assert outcome.status in (0, 3)
    order = [
        "inference: nuts (the No-U-Turn sampler), chosen: 3 continuous latents",
        "  integrated out exactly, and recovered afterwards: mu, theta\n",
        "  sampled: tau\n",
        "  with chains=2, draws=100, warmup=100, target_accept_prob=0.8, ",
        "data: school 8\n",
        "theta[A]",
        "verdict: ",
        "wrote run: ",
        "next: gendsl plot run\n",
        "gendsl predict run --data NEW.csv\n",
    ]
    places = [outcome.out.index(part) for part in order]
    assert places == sorted(places)
    names = {p.name for p in (folder / "run").iterdir()}
    assert names == {"model.gen", "data.npz", "posterior.nc", "meta.json"}
    assert cli("summary", "run").out.strip() in outcome.out


def test_same_seed_same_output(cli):
    arguments = ["fit", "model.gen", "--data", "data.csv", *QUICK, "--seed", "5"]
    assert cli(*arguments) == cli(*arguments)


def test_quiet_prints_the_summary_only(cli, folder):
    (folder / "more.csv").write_text(SCHOOLS_DATA.replace("school,", "extra,"))
    loud = cli("fit", "model.gen", "--data", "more.csv", *QUICK)
    quiet = cli("fit", "model.gen", "--data", "more.csv", *QUICK, "--quiet")
    assert "info[GD790]" in loud.err
    assert "`extra`" in loud.err
    assert "not kept: with --out DIR" in loud.out
    assert quiet.err == ""
    assert quiet.out.startswith("Posterior, estimated from 2 chains of 100 draws")
    assert quiet.out in loud.out


def test_the_seed_of_the_file_holds(cli, folder):
    (folder / "seeded.gen").write_text(SCHOOLS + "infer nuts(seed=9)\n")
    outcome = cli("fit", "seeded.gen", "--data", "data.csv", *QUICK)
    assert "as asked for" in outcome.out
    assert "seed=9\n" in outcome.out


def test_a_result_not_to_be_trusted(cli):
    few = ["--chains", "2", "--draws", "4", "--warmup", "4"]
    outcome = cli("fit", "model.gen", "--data", "data.csv", *few, "--out", "run")
    assert outcome.status == 3
    assert "verdict: do not trust" in outcome.out
    assert cli("summary", "run").status == 3
    assert json.loads(cli("summary", "run", "--format=json").out)["verdict"]["status"] == (
        "do not trust"
    )


WRONG = {
    ("none.gen", "--data", "data.csv"): "no model found in none.gen",
    ("model.gen",): "no data are given; the model needs sigma, y",
    ("model.gen", "--data", "none.csv", "--data", "x.foo"): "found 2 errors",
    ("model.gen", "--data", "model.gen"): "error[GD702]",
    ("model.gen", "--data", "data.csv", "--column", "y=yy"): "error[GD710]",
    ("model.gen", "--data", "data.csv", "--steps", "5"): "`nuts` has no option called `steps`",
    ("model.gen", "--data", "data.csv", "--infer", "nust"): "did you mean `nuts`?",
    ("model.gen", "--data", "data.csv", "--infer", "laplace"): "error[GD909]",
    ("model.gen", "--data", "data.csv", "--infer", "mle"): "there is no param to learn",
    ("model.gen", "--data", "data.csv", "--device", "tpu"): "`device` is cpu or cuda, not 'tpu'",
    ("model.gen", "--data", "data.csv", "--out", "data.csv"): "is a file, not a folder",
    ("model.gen", "--data", "data.csv", "--out", "."): "is not empty and not a run",
    ("model.gen", "--data", "data.csv", "--out", "data.csv/run"): "is not a folder",
    ("model.gen", "--data", "school=data.csv", "--data", "school=data.csv"): "error[GD705]",
    ("model.gen", "--data", "pupil=data.csv"): "error[GD711]",
    ("warned.gen", "--data", "data.csv", "--strict"): "error[GD509]",
}


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_refused_before_anything_is_written(cli, folder, arguments):
    (folder / "warned.gen").write_text(SCHOOLS + "latent unused ~ Normal(0, 1)\n")
    before = sorted(folder.iterdir())
    out = [] if "--out" in arguments else ["--out", "run"]
    outcome = cli("fit", *arguments, *out)
    assert outcome.status == 1
    assert outcome.out == ""
    assert WRONG[arguments] in outcome.err
    assert sorted(folder.iterdir()) == before


def test_warnings_are_told_and_counted(cli, folder):
    (folder / "warned.gen").write_text(SCHOOLS + "latent unused ~ Normal(0, 1)\n")
    outcome = cli("fit", "warned.gen", "--data", "data.csv", *QUICK, "--quiet")
    assert outcome.status in (0, 3)
    assert "warned.gen:9:8: warning[GD509]" in outcome.err
    assert "checked warned.gen: no errors and 1 warning" in outcome.err


def test_an_earlier_run_is_replaced_only_when_asked(cli, folder):
    arguments = ["fit", "line.gen", "--data", "line.csv", "--out", "run", "--quiet"]
    assert cli(*arguments).status == 0
    refused = cli(*arguments)
    assert refused.status == 1
    assert "error[GD807]" in refused.err
    assert "--overwrite" in refused.err
    assert cli(*arguments, "--overwrite").status == 0


def test_columns_and_index_base(cli, folder):
    (folder / "m.gen").write_text(
        "model M\nplate g\nplate n\ndim D = 2\ninput of[n]: index(g)\ninput X[n]: real[D]\n"
        "param w: real[D]\nparam a[g]: real\nobserve y[n] ~ Normal(a[of] + X @ w, 1)\n"
    )
    (folder / "m.csv").write_text(
        "group,first one,second,my y\n1,0.5,1,2\n2,0.1,3,4\n1,2,0,1\n2,4,1,2\n1,1,1,1\n"
    )
    columns = ["--column", "y=my y", "--column", "of=group", "--column", "X=first one,second"]
    arguments = ["fit", "m.gen", "--data", "m.csv", *columns, "--quiet"]
    assert "error[GD741]" in cli(*arguments).err
    outcome = cli(*arguments, "--index-base", "1")
    assert outcome.status == 0, outcome.err
    assert "a[1]" in outcome.out


def test_summary_formats(cli, runs):
    run = runs / "model"
    rows = table(cli("summary", run, "--format=csv").out)
    assert [row["quantity"] for row in rows][:3] == ["mu", "tau", "theta[A]"]
    found = json.loads(cli("summary", run, "--format=json", "--var=mu", "--ci=0.5").out)
    assert [row["quantity"] for row in found["rows"]] == ["mu"]
    assert {"25%", "75%"} <= set(found["rows"][0])
    unknown = cli("summary", run, "--var", "muu")
    assert (unknown.status, unknown.out) == (1, "")
    assert "did you mean 'mu'?" in unknown.err


@pytest.mark.parametrize("command", ["summary", "plot", "predict"])
def test_what_is_no_run(cli, folder, runs, command):
    data = ["--data", "data.csv"] if command == "predict" else []
    assert "error[GD801]" in cli(command, "none", *data).err
    (folder / "other").mkdir()
    assert "error[GD801]" in cli(command, "other", *data).err
    damaged = folder / "damaged"
    damaged.mkdir()
    for file in (runs / "model").iterdir():
        if file.is_file():
            (damaged / file.name).write_bytes(file.read_bytes())
    (damaged / "model.gen").write_text(SCHOOLS.replace("5", "6"))
    outcome = cli(command, damaged, *data)
    assert outcome.status == 1
    assert "error[GD804]" in outcome.err


def test_predict(cli, folder, runs):
    (folder / "new.csv").write_text("school,sigma\nA,5\nNew,5\n")
    arguments = ["predict", runs / "model", "--data", "new.csv"]
    outcome = cli(*arguments, "-o", "p.csv", "--seed", "2")
    assert outcome.status == 0, outcome.err
    assert outcome.out.splitlines()[0].split() == ["mean", "sd", "5%", "95%"]
    assert outcome.out.splitlines()[-1] == "wrote p.csv: every row"
    rows = table((folder / "p.csv").read_text())
    assert [row["school"] for row in rows] == ["A", "New"]
    assert float(rows[0]["5%"]) < float(rows[0]["mean"]) < float(rows[0]["95%"])
    assert cli(*arguments, "--seed", "2").out in outcome.out
    assert "error[GD830]" in cli(*arguments, "-o", "p.csv").err
    assert cli(*arguments, "-o", "p.nc", "--draws", "50").status == 0
    tree = xr.open_datatree(folder / "p.nc", engine="h5netcdf")
    assert tree["predictions"]["y"].shape == (1, 50, 2)


def test_predict_from_a_point_estimate_has_noise(cli, folder, runs):
    (folder / "new.csv").write_text("x\n1\n10\n")
    assert cli("predict", runs / "line", "--data", "new.csv", "-o", "p.csv").status == 0
    rows = table((folder / "p.csv").read_text())
    assert all(float(row["sd"]) > 0.01 for row in rows)
    assert np.isclose(float(rows[1]["mean"]), 20.2, atol=0.3)


def test_predict_with_wrong_data(cli, folder, runs):
    before = sorted(folder.iterdir())
    outcome = cli("predict", runs / "model", "--data", "line.csv", "-o", "p.csv")
    assert outcome.status == 1
    assert "error[GD710]" in outcome.err
    inside = cli("predict", runs / "model", "--data", "data.csv", "-o", runs / "model" / "p.csv")
    assert inside.status == 2
    assert sorted(folder.iterdir()) == before


def test_plot_a_run(cli, folder, runs):
    outcome = cli("plot", runs / "model")
    names = ["trace.png", "rank.png", "forest.png", "predictive.png", "graph.svg"]
    assert outcome.status == 0, outcome.err
    assert outcome.out.split() == [
        w for n in names for w in ("wrote", str(runs / "model" / "plots" / n))
    ]
    assert cli("plot", runs / "model", "--kind", "forest").status == 0
    assert cli("summary", runs / "model").status in (0, 3)


def test_plot_elsewhere(cli, folder, runs):
    arguments = ["plot", runs / "line", "-o", "figures/new", "--kind"]
    assert cli(*arguments, "forest").out == "wrote figures/new/forest.png\n"
    assert "error[GD830]" in cli(*arguments, "forest").err
    assert cli(*arguments, "forest", "--overwrite").status == 0
    refused = cli(*arguments, "trace")
    assert refused.status == 1
    assert "error[GD812]: a trace plot shows chains, and this result has none" in refused.err
    assert [p.name for p in (folder / "figures" / "new").iterdir()] == ["forest.png"]


def test_plot_a_model(cli, folder):
    assert cli("plot", "model.gen", "-o", "figures").out == "wrote figures/model.svg\n"
    assert cli("plot", "model.gen").out == "wrote model.svg\n"
    assert "error[GD830]" in cli("plot", "model.gen").err
    wrong = cli("plot", "none.gen")
    assert "no model found in none.gen" in wrong.err
