"""`score`, `encode`, `generate` and pictures of learned models, with rows from files."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
import xarray as xr

MODEL = """\
model Images
plate image
dim L = 2
net decode: real[L] -> real[9] = mlp(hidden=[4])
latent z[image]: real[L] ~ Normal(0, 1)
observe x[image]: binary[9] ~ Bernoulli(logits=decode(z))
"""
TRAINING = ("--epochs", 4, "--batch-size", 20, "--seed", 1, "--quiet", "--draws", 5)


@pytest.fixture
def run(cli, folder):
    """A fit of rows in a file, in the folder `run`."""
    (folder / "images.gen").write_text(MODEL)
    rows = np.random.default_rng(0).integers(0, 2, (60, 9)).astype(np.uint8)
    np.save(folder / "images.npy", rows)
    done = cli("fit", "images.gen", "--data", "x=images.npy", "--out", "run", *TRAINING)
    assert done.status in (0, 3), done.err
    return folder / "run"


def test_scores_codes_and_new_rows(run, cli, folder):
    assert "are not kept with the fit" in cli("score", "run").err
    done = cli("score", "run", "--data", "x=images.npy", "--particles", 3)
    assert "3 particles, 60 rows" in done.out
    assert "bits/dim" in done.out
    for kind in ("npz", "csv", "nc"):
        done = cli("encode", "run", "--data", "x=images.npy", "-o", f"codes.{kind}")
        assert done.out == f"wrote codes.{kind}: z, z_sd\n", done.err
    codes = np.load(folder / "codes.npz")["z"]
    table = pd.read_csv(io.StringIO((folder / "codes.csv").read_text()))
    assert list(table.columns) == ["image", "z[0]", "z[1]", "z_sd[0]", "z_sd[1]"]
    np.testing.assert_allclose(table[["z[0]", "z[1]"]], codes, rtol=1e-6)
    with xr.open_datatree(folder / "codes.nc", engine="h5netcdf") as tree:
        np.testing.assert_array_equal(tree["found"]["z"], codes)
    done = cli("generate", "run", "--rows", 7, "--seed", 3, "-o", "new.npz")
    assert np.load(folder / "new.npz")["x"].shape == (7, 9)
    done = cli("encode", "run", "--data", "x=images.npy", "--reconstruct", "-o", "again.npz")
    assert np.load(folder / "again.npz")["x"].shape == (60, 9)
    assert "exists already" in cli("generate", "run", "-o", "new.npz").err
    assert cli("generate", "run", "-o", "new.txt").status == 2
    assert cli("generate", "run", "-o", "run/new.npz").status == 2


def test_pictures(run, cli):
    done = cli("plot", "run")
    assert done.status == 0, done.err
    written = {path.name for path in (run / "plots").iterdir()}
    assert written >= {"training.png", "samples.png", "graph.svg"}
    done = cli("plot", "run", "--kind", "samples", "--height", 2)
    assert "9 numbers, not 2 by 4" in done.err


def test_a_training_goes_on_from_its_checkpoint(run, cli, folder):
    whole = cli("fit", "images.gen", "--data", "x=images.npy", "--out", "whole", *TRAINING)
    some = ("--epochs", 2, *TRAINING[2:], "--checkpoint", "kept")
    cli("fit", "images.gen", "--data", "x=images.npy", *some)
    again = cli("fit", "images.gen", "--data", "x=images.npy", *some)
    assert "holds a checkpoint already" in again.err
    more = (*TRAINING, "--checkpoint", "kept", "--resume", "--out", "more")
    assert cli("fit", "images.gen", "--data", "x=images.npy", *more).out == whole.out
    one, two = (np.load(folder / name / "learned.npz") for name in ("whole", "more"))
    assert all(one[n].tobytes() == two[n].tobytes() for n in one.files)


def test_other_fits_are_scored_by_rows_that_they_have_not_seen(cli, folder):
    cli("fit", "line.gen", "--data", "line.csv", "--infer", "map", "--out", "point", "--quiet")
    assert cli("score", "point").status == 2
    assert "log predictive density" in cli("score", "point", "--data", "line.csv").out
    assert "was not learned by steps" in cli("encode", "point", "-o", "codes.npz").err


def test_what_comes_next_and_what_has_no_picture(run, cli):
    done = cli("fit", "images.gen", "--data", "x=images.npy", "--out", "two", "--epochs", 1)
    assert "next: gendsl plot two\n      gendsl encode two --data NEW -o codes.npz\n" in done.out
    assert "predict" not in done.out
    assert "no latents.png: the rows of `x` were read in batches" in cli("plot", "run").err
    assert "did you mean `--learning-rate`?" in cli("fit", "images.gen", "--lr", 1).err
