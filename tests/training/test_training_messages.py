"""Every message about training, word for word."""

from __future__ import annotations

# ruff: noqa: E501
import json
import math
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from gendsl.diagnostics import GenError
from gendsl.explanations.training import CODES
from gendsl.runtime.training.batches import ArraySource, Batching
from gendsl.runtime.training.blocks import NpySource
from gendsl.runtime.training.checkpoints import write_checkpoint
from gendsl.runtime.training.loaders import DatasetSource, LoaderSource
from gendsl.runtime.training.loop import train
from gendsl.runtime.training.parquet import ParquetSource
from gendsl.runtime.training.settings import Losses, Options, Watch
from gendsl.runtime.training.trainable import Trainable


def run(loss=lambda w, state: (w**2).sum(), evaluate=None, **options):
    weights = torch.ones(2, requires_grad=True)

    def step(batch, state):
        total = loss(weights, state)
        return Losses(total, {"kl z": total})

    return train(
        step,
        Trainable(parameters={"w": weights}),
        ArraySource({"x": np.ones(3)}),
        Options(**{"progress": False, "epochs": 20, **options}),
        evaluate=evaluate,
    )


def from_step(number, value):
    return lambda w, state: w.sum() * (value if state.step >= number else 1.0)


def other(folder):
    run(folder=folder / "run")
    run(folder=folder / "run", resume=True, seed=1, optimiser="sgd")


def again(folder):
    run(folder=folder / "run")
    run(folder=folder / "run")


def tensors(folder):
    (path,) = (folder / "run").glob("*.npz")
    return path


def damaged(folder):
    run(folder=folder / "run")
    (folder / "run" / "step-0000000020.json").write_text("{}")
    run(folder=folder / "run", resume=True)


def changed(folder):
    run(folder=folder / "run")
    with tensors(folder).open("ab") as file:
        file.write(b"0")
    run(folder=folder / "run", resume=True)


def newer(folder):
    run(folder=folder / "run")
    path = folder / "run" / "step-0000000020.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 2}))
    run(folder=folder / "run", resume=True)


def missing(folder):
    run(folder=folder / "run")
    tensors(folder).unlink()
    run(folder=folder / "run", resume=True)


def unwritable(folder):
    (folder / "file").write_text("")
    run(folder=folder / "file" / "run")


def npy(folder, **arrays):
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return NpySource({name: folder / f"{name}.npy" for name in arrays})


def text_as_npy(folder):
    (folder / "x.npy").write_text("hello")
    NpySource({"x": folder / "x.npy"})


def several(folder):
    np.savez(folder / "x.npz", a=np.ones(1))
    NpySource({"x": folder / "x.npz"})


def parquet(folder, column, columns=None):
    pq.write_table(pa.table({"x": column}), folder / "x.parquet", row_group_size=3)
    next(ParquetSource(folder / "x.parquet", columns).batches(Batching(), 0))


def text_as_parquet(folder):
    (folder / "x.parquet").write_text("hello")
    ParquetSource(folder / "x.parquet")


class Endless(IterableDataset):
    def __iter__(self):
        return iter(())


class Empty(Dataset):
    def __len__(self):
        return 0


PAIRS = TensorDataset(torch.ones(4, 2), torch.ones(4))


def items(dataset, names=None):
    next(DatasetSource(dataset, names).batches(Batching(2), 0))


ACTIONS = {
    "GD802": missing,
    "GD803": damaged,
    "GD804": changed,
    "GD805": newer,
    "GD809": unwritable,
    "GD810": lambda folder: write_checkpoint(folder, 1, {"a": {1, 2}}, {}),
    "GD850": lambda _: run(from_step(4, math.nan), bad_steps=2),
    "GD850, first": lambda _: run(from_step(0, math.inf)),
    "GD850, gradient": lambda _: run(lambda w, state: (w - 1).abs().sqrt().sum(), bad_steps=0),
    "GD851, optimiser": lambda _: run(optimiser="admaw"),
    "GD851, unlike": lambda _: run(optimiser="newton"),
    "GD851, option": lambda _: run(optimiser_options={"learning_rat": 0.1}),
    "GD851, no option": lambda _: run(schedule_options={"end": 0.1}),
    "GD851, value": lambda _: run(optimiser_options={"learning_rate": -1}),
    "GD851, together": lambda _: run(optimiser="sgd", optimiser_options={"nesterov": True}),
    "GD851, schedule": lambda _: run(schedule="cosin"),
    "GD851, epochs": lambda _: run(epochs=0),
    "GD851, ema": lambda _: run(ema=1.0),
    "GD851, clip": lambda _: run(clip_norm=0),
    "GD851, goal": lambda _: Watch("s", "up"),
    "GD851, precision": lambda _: run(precision="fp8"),
    "GD851, gpu": lambda _: run(precision="bf16"),
    "GD851, resume": lambda _: run(resume=True),
    "GD851, no scores": lambda _: run(watch=Watch("elbo")),
    "GD851, score": lambda _: run(watch=Watch("elbo"), evaluate=lambda state: {"bound": 1.0}),
    "GD852, none": lambda _: ArraySource({}),
    "GD852, text": lambda _: ArraySource({"x": ["a", "b"]}),
    "GD852, scalar": lambda _: ArraySource({"x": 1.0}),
    "GD852, rows": lambda _: ArraySource({"x": np.ones(2), "y": np.ones(3)}),
    "GD852, empty": lambda _: ArraySource({"x": np.ones((0, 2))}),
    "GD852, no files": lambda _: NpySource({}),
    "GD852, no file": lambda folder: NpySource({"x": folder / "x.npy"}),
    "GD852, no npy": text_as_npy,
    "GD852, npz": several,
    "GD852, npy rows": lambda folder: npy(folder, x=np.ones(2), y=np.ones(3)),
    "GD852, npy empty": lambda folder: npy(folder, x=np.ones(0)),
    "GD852, npy text": lambda folder: npy(folder, x=np.array(["a"])),
    "GD852, no parquet": text_as_parquet,
    "GD852, no parquet file": lambda folder: ParquetSource(folder / "x.parquet"),
    "GD852, column": lambda folder: parquet(folder, [1.0], ["y"]),
    "GD852, parquet empty": lambda folder: parquet(folder, pa.array([], pa.float64())),
    "GD852, parquet text": lambda folder: parquet(folder, ["a"]),
    "GD852, null": lambda folder: parquet(folder, [1.0, None]),
    "GD852, lengths": lambda folder: parquet(folder, [[1.0], [1.0, 2.0], []]),
    "GD852, groups": lambda folder: parquet(folder, [[1.0]] * 3 + [[1.0, 2.0]] * 3),
    "GD852, inner null": lambda folder: parquet(folder, [[1.0], [None]]),
    "GD852, endless": lambda _: LoaderSource(DataLoader(Endless())),
    "GD852, no rows": lambda _: DatasetSource(Empty()),
    "GD852, names": lambda _: items(PAIRS),
    "GD852, parts": lambda _: items(PAIRS, ["x"]),
    "GD852, part": lambda _: items([{"x": "text"}, {"x": "more"}]),
    "GD853": again,
    "GD854": other,
    "GD855": lambda _: run(lambda w, state: torch.zeros(())),
    "GD855, none": lambda _: train(
        lambda b, s: Losses(b["x"]), Trainable(), ArraySource({"x": [1]})
    ),
}
EXPECTED = {
    "GD802": """\
error[GD802]: cannot read <tmp>/run/step-0000000020-<tag>.npz: No such file or directory
help: copy the whole folder again, or fit again
""",
    "GD803": """\
error[GD803]: <tmp>/run/step-0000000020.json does not describe a checkpoint of a training
help: copy the whole folder again, or train again
""",
    "GD804": """\
error[GD804]: <tmp>/run/step-0000000020-<tag>.npz was changed since it was written
help: copy the whole folder again, or train again
""",
    "GD805": """\
error[GD805]: <tmp>/run/step-0000000020.json has format 2; this gendsl reads up to 1
help: upgrade gendsl
""",
    "GD809": """\
error[GD809]: cannot write a checkpoint in <tmp>/file/run: Not a directory
""",
    "GD810": """\
error[GD810]: a checkpoint cannot hold a set
""",
    "GD850": """\
error[GD850]: training stopped at step 7: `kl z` (nan) was not finite in the last 3 steps; the weights are those of the last good step
help: a lower learning rate or `clip_norm` keeps steps from going too far
""",
    "GD850, first": """\
error[GD850]: training stopped at step 11: `kl z` (inf) was not finite in any step so far; no weight was changed
help: look for a logarithm, a square root, a division or a scale that reaches 0
""",
    "GD850, gradient": """\
error[GD850]: training stopped at step 1: the gradient of `w` was not finite in any step so far; no weight was changed
help: look for a logarithm, a square root, a division or a scale that reaches 0
""",
    "GD851, optimiser": """\
error[GD851]: there is no optimiser 'admaw'
help: did you mean 'adamw'?
""",
    "GD851, unlike": """\
error[GD851]: there is no optimiser 'newton'
help: there are adam, adamax, adamw, lion, rmsprop, sgd
""",
    "GD851, option": """\
error[GD851]: adam has no option 'learning_rat'
help: did you mean 'learning_rate'?
""",
    "GD851, no option": """\
error[GD851]: constant has no option 'end'
help: it has none
""",
    "GD851, value": """\
error[GD851]: `learning_rate` of adam is a positive number, not -1
""",
    "GD851, together": """\
error[GD851]: `nesterov` of sgd needs `momentum`
help: set it to 0.9, for one
""",
    "GD851, schedule": """\
error[GD851]: there is no schedule 'cosin'
help: did you mean 'cosine'?
""",
    "GD851, epochs": """\
error[GD851]: `epochs` is a whole number from 1, not 0
""",
    "GD851, ema": """\
error[GD851]: `ema` is a number from 0 up to but not including 1, not 1.0
""",
    "GD851, clip": """\
error[GD851]: `clip_norm` is a positive number, not 0
""",
    "GD851, goal": """\
error[GD851]: `goal` is 'max' or 'min', not 'up'
""",
    "GD851, precision": """\
error[GD851]: `precision` is 'full' or 'bf16', not 'fp8'
""",
    "GD851, gpu": """\
error[GD851]: `precision` 'bf16' is for GPUs
help: leave it out to compute in full precision
""",
    "GD851, resume": """\
error[GD851]: `resume` needs the `folder` in which the checkpoints are
""",
    "GD851, no scores": """\
error[GD851]: no score is called 'elbo'
help: there are no scores
""",
    "GD851, score": """\
error[GD851]: no score is called 'elbo'
help: the scores are: bound
""",
    "GD852, none": """\
error[GD852]: there are no arrays to train on
""",
    "GD852, text": """\
error[GD852]: 'x' has entries of type <U1, which are not numbers
help: turn them into numbers first
""",
    "GD852, scalar": """\
error[GD852]: 'x' is a single number; the first axis must be the rows
""",
    "GD852, rows": """\
error[GD852]: the arrays differ in their number of rows: 'x' has 2, 'y' has 3
""",
    "GD852, empty": """\
error[GD852]: the arrays have no rows
""",
    "GD852, no files": """\
error[GD852]: there are no files to train on
""",
    "GD852, no file": """\
error[GD852]: cannot read <tmp>/x.npy: No such file or directory
""",
    "GD852, no npy": """\
error[GD852]: <tmp>/x.npy is no array of numbers in NumPy's format
""",
    "GD852, npz": """\
error[GD852]: <tmp>/x.npz holds several arrays
help: save each in a .npy file of its own
""",
    "GD852, npy rows": """\
error[GD852]: the files differ in their number of rows: 'x' has 2, 'y' has 3
""",
    "GD852, npy empty": """\
error[GD852]: <tmp>/x.npy has no rows
""",
    "GD852, npy text": """\
error[GD852]: 'x' has entries of type <U1, which are not numbers
help: turn them into numbers first
""",
    "GD852, no parquet": """\
error[GD852]: <tmp>/x.parquet is no Parquet file: Parquet file size is 5 bytes, smaller than the minimum file footer (8 bytes)
""",
    "GD852, no parquet file": """\
error[GD852]: cannot read <tmp>/x.parquet: [Errno 2] Failed to open local file '<tmp>/x.parquet'. Detail: [errno 2] No such file or directory
""",
    "GD852, column": """\
error[GD852]: <tmp>/x.parquet has no column 'y'
help: it has x
""",
    "GD852, parquet empty": """\
error[GD852]: <tmp>/x.parquet has no rows or no columns
""",
    "GD852, parquet text": """\
error[GD852]: column 'x' of <tmp>/x.parquet has entries of type string, not numbers
help: turn them into numbers first
""",
    "GD852, null": """\
error[GD852]: column 'x' of <tmp>/x.parquet has missing entries
help: fill them, or leave the rows out
""",
    "GD852, lengths": """\
error[GD852]: column 'x' of <tmp>/x.parquet has lists of different lengths
help: cut or fill them to one length
""",
    "GD852, groups": """\
error[GD852]: column 'x' of <tmp>/x.parquet has lists of different lengths
help: cut or fill them to one length
""",
    "GD852, inner null": """\
error[GD852]: column 'x' of <tmp>/x.parquet has missing entries
help: fill them, or leave the rows out
""",
    "GD852, endless": """\
error[GD852]: the data set does not say how many rows it has
help: give it `__len__`
""",
    "GD852, no rows": """\
error[GD852]: the data set has no rows
""",
    "GD852, names": """\
error[GD852]: the parts of items have no names
help: give `names`, one for each part
""",
    "GD852, parts": """\
error[GD852]: items have 2 parts, but `names` are 1
""",
    "GD852, part": """\
error[GD852]: 'x' of an item is neither a number nor an array of them
""",
    "GD853": """\
error[GD853]: <tmp>/run holds a checkpoint already, of step 20
help: `resume=True` goes on from it; or choose another folder
""",
    "GD854": """\
error[GD854]: the checkpoint in <tmp>/run is of another training: it differs in optimiser, seed
help: give the same model, data and options, or choose another folder
""",
    "GD855": """\
error[GD855]: the loss does not depend on any parameter
""",
    "GD855, none": """\
error[GD855]: there are no parameters to train
""",
}


@pytest.mark.parametrize("name", ACTIONS)
def test_messages(name, tmp_path):
    folder = tmp_path.resolve()
    with pytest.raises(GenError) as caught:
        ACTIONS[name](folder)

    told = re.sub(r"-[0-9a-f]{12}(?=\.npz)", "-<tag>", str(caught.value))
    assert told.replace(str(folder), "<tmp>") + "\n" == EXPECTED[name]


def test_every_code_is_shown():
    assert {name[:5] for name in EXPECTED} >= CODES.keys()
    assert EXPECTED.keys() == ACTIONS.keys()
