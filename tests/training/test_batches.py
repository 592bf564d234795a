"""Batches: every row once an epoch, orders that a seed determines, and files that stay on disk."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

from gendsl.runtime.training import blocks
from gendsl.runtime.training.batches import ArraySource, Batching
from gendsl.runtime.training.blocks import NpySource
from gendsl.runtime.training.loaders import DatasetSource, LoaderSource
from gendsl.runtime.training.parquet import ParquetSource

ROWS = 103
X = np.arange(ROWS, dtype=np.float64)
IMAGE = np.stack([X, X + 0.5], axis=1)
LABEL = np.arange(ROWS, dtype=np.int32) % 7


class Items(torch.utils.data.Dataset):
    def __len__(self):
        return ROWS

    def __getitem__(self, i):
        return {"image": IMAGE[i], "label": int(LABEL[i])}


def npy(folder):
    np.save(folder / "image.npy", IMAGE)
    np.save(folder / "label.npy", LABEL)
    return NpySource({name: folder / f"{name}.npy" for name in ("image", "label")})


def parquet(folder):
    table = pa.table(
        {"image": [list(row) for row in IMAGE], "label": LABEL, "other": ["a"] * ROWS}
    )
    pq.write_table(table, folder / "rows.parquet", row_group_size=8)
    return ParquetSource(folder / "rows.parquet", ["image", "label"])


def loader(batching):
    tensors = TensorDataset(torch.from_numpy(IMAGE), torch.from_numpy(LABEL))
    return LoaderSource(
        DataLoader(
            tensors, batching.size, shuffle=batching.shuffled, drop_last=batching.drop_partial
        ),
        ["image", "label"],
    )


SOURCES = {
    "arrays": lambda folder, batching: ArraySource({"image": IMAGE, "label": LABEL}),
    "npy": lambda folder, batching: npy(folder),
    "parquet": lambda folder, batching: parquet(folder),
    "dataset": lambda folder, batching: DatasetSource(Items()),
    "loader": lambda folder, batching: loader(batching),
}


@pytest.fixture(params=SOURCES)
def make(request, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 8 * 20)  # several blocks, several windows
    monkeypatch.setattr(blocks, "WINDOW_BYTES", 30 * 20)
    return lambda batching: SOURCES[request.param](tmp_path, batching)


def labels(batches):
    return [batch["image"][:, 0].tolist() for batch in batches]


@pytest.mark.parametrize("size", [1, 10, 64, ROWS])
def test_every_row_comes_once_an_epoch(make, size):
    batching = Batching(size)
    source = make(batching)
    for epoch in range(2):
        found = list(source.batches(batching, epoch))
        assert [len(b["image"]) for b in found[:-1]] == [size] * (source.count(batching) - 1)
        assert sorted(x for batch in labels(found) for x in batch) == X.tolist()
        for batch in found:
            assert batch["image"].dtype == torch.float32
            assert batch["label"].dtype == torch.int64
            assert (batch["image"][:, 1] == batch["image"][:, 0] + 0.5).all()
            assert (batch["label"] == batch["image"][:, 0].long() % 7).all()


def test_a_partial_batch_is_left_out_on_demand(make):
    batching = Batching(10, drop_partial=True)
    source = make(batching)
    found = list(source.batches(batching, 0))
    assert [len(b["image"]) for b in found] == [10] * 10
    assert source.count(batching) == 10
    assert source.total == ROWS


def test_order_of_the_data_on_demand(make):
    batching = Batching(10, shuffled=False)
    flat = [x for batch in labels(make(batching).batches(batching, 3)) for x in batch]
    assert flat == X.tolist()


def test_order_follows_from_seed_and_epoch(make):
    batching = Batching(10, seed=4)
    source = make(batching)
    first = labels(source.batches(batching, 0))
    torch.rand(3)
    assert labels(make(batching).batches(batching, 0)) == first
    assert labels(source.batches(batching, 1)) != first
    assert labels(source.batches(Batching(10, seed=5), 0)) != first
    assert [x for batch in first for x in batch] != X.tolist()


@pytest.mark.parametrize("drop", [False, True])
def test_an_epoch_is_taken_up_at_any_batch(make, drop):
    batching = Batching(10, seed=4, drop_partial=drop)
    source = make(batching)
    whole = labels(source.batches(batching, 2))
    for start in range(len(whole) + 1):
        assert labels(source.batches(batching, 2, start)) == whole[start:]


def test_random_numbers_of_steps_are_left_alone(make):
    batching = Batching(10)
    source = make(batching)
    torch.manual_seed(1)
    expected = torch.rand(11)
    torch.manual_seed(1)
    found = [torch.rand(()) for _ in source.batches(batching, 0)]
    assert torch.stack(found).tolist() == expected.tolist()


def test_all_rows_are_one_batch_in_the_order_of_the_data():
    (batch,) = ArraySource({"x": X}, dtype=torch.float64).batches(Batching(None), 0)
    assert batch["x"].tolist() == X.tolist()


def test_types_of_entries():
    source = ArraySource({"a": X > 3, "b": X.astype(">f4"), "c": X.astype(np.uint16)})
    (batch,) = source.batches(Batching(None), 0)
    assert [t.dtype for t in batch.values()] == [torch.bool, torch.float32, torch.int64]
    assert batch["b"].tolist() == X.tolist()


def test_blocks_say_how_they_shuffle(make):
    source = make(Batching(10))
    if isinstance(source, blocks.BlockSource):
        assert source.order.startswith("blocks of about")
    assert NpySource is not ParquetSource


def test_a_file_that_fits_is_permuted_as_a_whole(tmp_path):
    source = npy(tmp_path)
    assert source.order == "a random permutation of all rows"
    (first, *_), (again, *_) = (list(source.batches(Batching(50), epoch)) for epoch in range(2))
    assert first["image"].tolist() != again["image"].tolist()
    assert first["image"][:, 0].max() - first["image"][:, 0].min() > 60


def test_sums_of_contents_tell_data_apart():
    facts = [ArraySource({"x": x}).facts() for x in (X, X + 1, X.copy())]
    assert facts[0] != facts[1]
    assert facts[0] == facts[2]


def anonymous_bytes():
    """Memory of this process that is no cached part of a file."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("RssAnon:")[1].split()[0])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_mapped_file_is_never_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "WINDOW_BYTES", 1 << 22)
    rows, width = 16_000, 1000
    path = tmp_path / "x.npy"
    mapped = np.lib.format.open_memmap(path, "w+", np.float32, (rows, width))
    mapped[:, 0] = np.arange(rows)
    del mapped
    before = anonymous_bytes()
    source = NpySource({"x": path})
    first, peak = [], 0
    for batch in source.batches(Batching(64), 0):
        first += batch["x"][:, 0].tolist()
        peak = max(peak, anonymous_bytes())
    assert sorted(first) == list(range(rows))
    assert peak - before < path.stat().st_size / 2


def test_items_that_draw_do_so_from_the_training(tmp_path):
    class Noisy(Items):
        def __getitem__(self, i):
            return {"image": torch.rand(2)}

    def drawn(seed):
        torch.manual_seed(seed)
        return next(DatasetSource(Noisy()).batches(Batching(4), 0))["image"].tolist()

    assert drawn(1) == drawn(1) != drawn(2)


def test_a_loader_with_a_generator_of_its_own_is_seeded():
    data = TensorDataset(torch.arange(20.0).reshape(20, 1))
    own = torch.Generator()
    source = LoaderSource(DataLoader(data, 5, shuffle=True, generator=own), ["x"])
    first = [b["x"].tolist() for b in source.batches(Batching(5), 0)]
    again = [b["x"].tolist() for b in source.batches(Batching(5), 0)]
    assert first == again


def test_rows_of_a_sampler_are_counted():
    data = TensorDataset(torch.arange(20.0))
    sampler = WeightedRandomSampler([1.0] * 20, num_samples=12)
    source = LoaderSource(DataLoader(data, 5, sampler=sampler), ["x"])
    assert (source.total, source.count(Batching())) == (12, 3)
