"""Rows that are read in batches: the same fits as from memory, checked as they come."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

import gendsl
from gendsl.diagnostics import DataError
from gendsl.runtime.data import files, raw_data
from gendsl.runtime.training import blocks
from gendsl.runtime.variational import learning

QUICK = {"epochs": 6, "batch_size": 32, "seed": 2, "progress": False}
TEXT = """\
model Labelled
plate image
plate digit = 3
dim L = 2
net decode: (real[L], index(digit)) -> real[6] = mlp(hidden=[8])
input label[image]: index(digit)
latent z[image]: real[L] ~ Normal(0, 1)
observe x[image]: binary[6] ~ Bernoulli(logits=decode(z, label))
observe y[image]: real? ~ Normal(sum(z), 1)
"""
RNG = np.random.default_rng(0)
ROWS = 150
X = RNG.integers(0, 2, (ROWS, 6)).astype(np.uint8)
LABEL = RNG.integers(0, 3, ROWS)
Y = np.where(RNG.random(ROWS) < 0.3, np.nan, RNG.normal(size=ROWS))
DATA = {"x": X, "label": LABEL, "y": Y}


class Items(Dataset):
    def __len__(self):
        return ROWS

    def __getitem__(self, i):
        return {name: array[i] for name, array in DATA.items()}


def npy(folder):
    for name, array in DATA.items():
        np.save(folder / f"{name}.npy", array)
    return {name: folder / f"{name}.npy" for name in DATA}


def parquet(folder):
    table = pa.table({"x": X.tolist(), "label": LABEL, "y": Y, "name": ["a"] * ROWS})
    (folder / "rows").mkdir()
    pq.write_table(table.slice(0, 70), folder / "rows" / "a.parquet", row_group_size=20)
    pq.write_table(table.slice(70), folder / "rows" / "b.parquet", row_group_size=20)
    return folder / "rows"


SOURCES = {
    "npy": npy,
    "mapped": lambda folder: {n: np.load(p, mmap_mode="r") for n, p in npy(folder).items()},
    "mixed": lambda folder: {**npy(folder), "y": Y, "label": LABEL},
    "parquet": parquet,
    "dataset": lambda folder: Items(),
    "tuples": lambda folder: gendsl.Streamed(
        TensorDataset(torch.tensor(X), torch.tensor(LABEL), torch.tensor(Y)),
        names=["x", "label", "y"],
    ),
}


@cache
def from_memory():
    return gendsl.compile(TEXT).fit(DATA, **QUICK)


@pytest.mark.parametrize("source", SOURCES)
def test_a_fit_is_that_of_data_in_memory(source, tmp_path):
    given = SOURCES[source](tmp_path)
    found, expected = gendsl.compile(TEXT).fit(given, **QUICK), from_memory()
    arrays = expected.learned.arrays()
    if source != "parquet":  # whose blocks are shuffled, not all rows
        assert all(np.array_equal(v, arrays[n]) for n, v in found.learned.arrays().items())
    assert found.data.sizes["image"] == found.tree.attrs["elbo_rows"] == ROWS
    for mine, theirs in (
        (expected.encode(given), expected.encode(DATA)),
        (expected.reconstruct(given), expected.reconstruct(DATA)),
    ):
        for name in theirs:
            np.testing.assert_allclose(mine[name], theirs[name], atol=1e-6)
    assert expected.score(given, particles=3) == expected.score(DATA, particles=3)
    assert expected.evaluate(given, draws=3).rows == ROWS


def test_order_says_how_rows_are_shuffled_and_small_windows_train(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 300)
    monkeypatch.setattr(blocks, "WINDOW_BYTES", 900)
    found = gendsl.compile(TEXT).fit(npy(tmp_path), held_out=0.2, **QUICK)
    assert found.tree.attrs["best_epoch"] >= 1
    assert "neighbouring rows" in found.tree.attrs["row_order"]


@pytest.mark.parametrize("step", [3, 11])
def test_a_resumed_training_ends_with_the_same_weights(step, tmp_path, monkeypatch):
    given = npy(tmp_path)
    call = learning._Step.__call__

    class Killed(BaseException):
        pass

    def killed(self, batch, state):
        if state.step == step:
            raise Killed
        return call(self, batch, state)

    options = {"checkpoint": tmp_path / "kept", "epochs": 3}
    with monkeypatch.context() as patch:
        patch.setattr("gendsl.runtime.training.resuming.SECONDS", 0.0)
        patch.setattr(learning._Step, "__call__", killed)
        with pytest.raises(Killed):
            gendsl.compile(TEXT).fit(given, **{**QUICK, **options})
    found = gendsl.compile(TEXT).fit(given, resume=True, **{**QUICK, **options})
    whole = gendsl.compile(TEXT).fit(given, **{**QUICK, "epochs": 3})
    assert {n: v.tobytes() for n, v in found.learned.arrays().items()} == {
        n: v.tobytes() for n, v in whole.learned.arrays().items()
    }


def test_a_loader_has_batches_and_an_order_of_its_own(tmp_path):
    loader = DataLoader(Items(), batch_size=20, shuffle=True)
    found = gendsl.compile(TEXT).fit(loader, **{**QUICK, "batch_size": 20})
    assert found.tree.attrs["batch_size"] == 20
    assert found.score(loader, particles=2).elbo.rows == ROWS
    ordered = DataLoader(Items(), batch_size=7)
    np.testing.assert_allclose(found.encode(ordered).z, found.encode(DATA).z, atol=1e-6)


def test_rows_are_no_part_of_a_saved_fit(tmp_path):
    found = gendsl.compile(TEXT).fit(npy(tmp_path), **QUICK)
    assert found.score(particles=2).elbo.rows == ROWS
    assert "`z`: draws are not kept of rows that are read in batches" in str(found.summary())
    with pytest.raises(DataError, match="replications of the data need all rows"):
        found.posterior_predictive()
    found.save(tmp_path / "run")
    again = gendsl.load_fit(tmp_path / "run")
    with pytest.raises(DataError, match="not kept with the fit"):
        again.score()
    np.testing.assert_array_equal(again.encode(DATA).z, found.encode().z)


SHARED = """\
model Shared
plate row
dim K = 2
input x[row]: real[K]
latent w: real[K] ~ Normal(0, 1)
latent s ~ HalfNormal(1)
observe y[row] ~ Normal(x @ w, s)
"""


def test_other_methods_read_files_whole(tmp_path, monkeypatch):
    x = RNG.normal(size=(60, 2))
    y = x @ [1.0, -1.0] + 0.1 * RNG.normal(size=60)
    for name, array in (("x", x), ("y", y)):
        np.save(tmp_path / f"{name}.npy", array)
    given = {n: str(tmp_path / f"{n}.npy") for n in ("x", "y")}
    model = gendsl.compile(SHARED)
    options = {"infer": "map", "progress": False}
    a, b = model.fit(given, **options), model.fit({"x": x, "y": y}, **options)
    np.testing.assert_array_equal(a.estimate["w"], b.estimate["w"])
    assert set(a.data.values) == {"x", "y"}
    monkeypatch.setattr("gendsl.runtime.data.streams.MAX_BYTES", 100)
    with pytest.raises(DataError, match="GD706"):
        model.fit(given, **options)
    found = model.fit(given, infer="svi", epochs=150, learning_rate=0.05, seed=0, progress=False)
    assert found.tree.attrs["batch_size"] == 128
    np.testing.assert_allclose(found.posterior["w"].mean(("chain", "draw")), [1, -1], atol=0.15)


def test_other_methods_read_data_sets_whole():
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    y = x @ torch.tensor([1.0, -1.0])
    given = gendsl.Streamed(TensorDataset(x, y), names=["x", "y"])
    bound = gendsl.compile(SHARED).bind(given)
    np.testing.assert_array_equal(bound.values["x"], x.double().numpy())


def test_large_parquet_files_are_read_in_batches(tmp_path, monkeypatch):
    table = pa.table({"x": X.tolist(), "label": LABEL, "y": Y})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=40)
    assert raw_data(tmp_path / "rows.parquet").reader is None
    monkeypatch.setattr(files, "STREAMED_BYTES", 10)
    assert raw_data(tmp_path / "rows.parquet").reader is not None
    bound = gendsl.compile(TEXT).bind(tmp_path / "rows.parquet")
    np.testing.assert_array_equal(bound.values["x"], X)


BIG = """
import re, sys, threading, time
import gendsl
TEXT = '''
model Big
plate image
net decode: real[2] -> real[2000] = linear()
net encode: real[2000] -> (loc: real[2], scale: positive[2]) = linear()
latent z[image]: real[2] ~ Normal(0, 1)
observe x[image]: real[2000] ~ Normal(decode(z), 1)
guide z ~ Normal(encode(x))
'''
peak = [0]

def own():  # memory of the process's own: pages of mapped files can be dropped at any time
    return int(re.search("RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

def watch():
    while True:
        peak[0] = max(peak[0], own())
        time.sleep(0.002)

threading.Thread(target=watch, daemon=True).start()
model = gendsl.compile(TEXT)
for path in sys.argv[1:]:
    peak[0] = 0
    model.fit({"x": path}, epochs=1, batch_size=256, progress=False).encode({"x": path})
    print(peak[0])
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path):
    for rows, name in ((16_000, "small"), (60_000, "large")):  # more than a window; 480 MB
        shape = (rows, 2000)
        file = np.lib.format.open_memmap(tmp_path / name, "w+", np.float32, shape)
        for start in range(0, rows, 4000):
            file[start : start + 4000] = RNG.standard_normal((4000, 2000), dtype=np.float32)
        file.flush()
        (tmp_path / name).rename(tmp_path / f"{name}.npy")
    paths = [str(tmp_path / "small.npy"), str(tmp_path / "large.npy")]
    run = [sys.executable, "-c", BIG, *paths]
    out = subprocess.run(run, capture_output=True, text=True, check=True)
    small, large = map(float, out.stdout.split())
    assert large < small + 150, "MiB, for another 350 MB of data"


def test_rows_held_out_are_those_of_the_same_data_given_again(tmp_path):
    given = npy(tmp_path)
    fit = gendsl.compile(TEXT).fit(given, held_out=0.2, **QUICK)
    fit.save(tmp_path / "run")
    again = gendsl.load_fit(tmp_path / "run")
    expected = fit.score(rows="held_out", particles=5, seed=1)
    found = again.score(given, rows="held_out", particles=5, seed=1)
    assert found.elbo.rows == 30
    assert found.elbo.mean == expected.elbo.mean
    other = {name: array[:40] for name, array in DATA.items()}
    with pytest.raises(DataError, match="GD873.*\n.*had 150 rows"):
        again.score(other, rows="held_out")
