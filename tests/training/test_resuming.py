"""A run that ended on the way goes on to the same numbers, bit for bit."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from training.killed_training import equal, small_training

from gendsl.diagnostics import DataError
from gendsl.runtime.training import checkpoints
from gendsl.runtime.training.checkpoints import newest, read_checkpoint, write_checkpoint
from gendsl.runtime.training.settings import Watch

STEPS = 6 * 8


class CrashError(Exception):
    pass


def crashing_at(number):
    def check(state):
        if state.step == number:
            raise CrashError

    return check


@pytest.fixture(scope="module")
def whole():
    return small_training()


def test_writing_checkpoints_changes_nothing(whole, tmp_path):
    assert equal(small_training(folder=tmp_path)[0], whole[0])
    assert newest(tmp_path) == STEPS
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names[1:] == [f"step-{STEPS:010d}.json"]
    assert re.fullmatch(rf"step-{STEPS:010d}-[0-9a-f]{{12}}.npz", names[0])


@pytest.mark.parametrize("number", [0, 1, 7, 8, 25, STEPS - 1])
@pytest.mark.parametrize("every", [1, 3])
def test_a_crash_loses_nothing(whole, tmp_path, number, every):
    with pytest.raises(CrashError):
        small_training(crashing_at(number), folder=tmp_path, checkpoint_every=every)
    assert newest(tmp_path) == number - number % every
    found, result = small_training(first_weights=6, folder=tmp_path, resume=True)
    assert equal(found, whole[0])
    assert (result.steps, result.best_epoch) == (STEPS, whole[1].best_epoch)


def test_several_crashes_and_an_interrupt(whole, tmp_path):
    def interrupting(state):
        if state.step == 30:
            signal.raise_signal(signal.SIGINT)

    for crash in (4, 11, 20):
        with pytest.raises(CrashError):
            small_training(crashing_at(crash), folder=tmp_path, resume=True)
    stopped = small_training(interrupting, folder=tmp_path, resume=True)[1]
    assert (stopped.stopped, stopped.steps) == ("interrupted", 31)
    assert newest(tmp_path) == 31
    assert equal(small_training(folder=tmp_path, resume=True)[0], whole[0])


def test_a_killed_process_loses_nothing(whole, tmp_path):
    program = Path(__file__).with_name("killed_training.py")
    moment = random.Random(1).randrange(5, 40)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    for line in process.stdout:
        if int(line) == moment:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert 0 < newest(tmp_path) < STEPS
    (tmp_path / ".draft-0123456789ab").write_bytes(b"half")
    assert equal(small_training(folder=tmp_path, resume=True)[0], whole[0])
    assert not list(tmp_path.glob(".draft*"))


def test_a_finished_run_gives_its_result_again(whole, tmp_path):
    small_training(folder=tmp_path)
    found, result = small_training(crashing_at(0), folder=tmp_path, resume=True)
    assert equal(found, whole[0])
    assert (result.stopped, result.weights) == ("epochs", "best")


def test_more_epochs_go_on_where_the_schedule_allows(tmp_path):
    options = {"schedule": "constant", "folder": tmp_path}
    longer = small_training(schedule="constant", epochs=9)
    small_training(**options, epochs=4)
    assert equal(small_training(**options, epochs=9, resume=True)[0], longer[0])


def test_patience_at_its_end_stays_so(tmp_path):
    options = {"folder": tmp_path, "schedule": "constant", "watch": Watch("error", "max", 1)}
    first = small_training(**options)[1]
    assert first.stopped == "patience"
    again = small_training(crashing_at(first.steps), **options, epochs=50, resume=True)[1]
    assert (again.stopped, again.steps) == ("patience", first.steps)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"watch": None}, "watch"),
        ({"batch_size": 9}, "batch_size"),
        ({"ema": 0.8}, "ema"),
        ({"epochs": 7}, "epochs"),
        ({"optimiser": "sgd"}, "optimiser"),
        ({"identity": "another model"}, "the model or what is trained"),
    ],
)
def test_another_training_is_refused(tmp_path, change, told):
    small_training(folder=tmp_path)
    with pytest.raises(DataError, match=rf"GD854.* differs in {told}\n"):
        small_training(folder=tmp_path, resume=True, **change)


@pytest.mark.parametrize("step", [1, 2])
def test_there_is_a_whole_checkpoint_at_any_moment(tmp_path, monkeypatch, step):
    """Whichever operation on the disk is the last one, the one before or the new one is there."""
    counted = [0, 0]

    def failing(function):
        def called(*arguments, **more):
            counted[0] += 1
            if counted[0] > counted[1]:
                raise CrashError
            return function(*arguments, **more)

        return called

    write_checkpoint(tmp_path, 1, {"a": torch.zeros(3), "old": True}, {})
    for name in ("write_arrays", "check_sum", "_settle", "encode_facts", "_clear"):
        monkeypatch.setattr(checkpoints, name, failing(getattr(checkpoints, name)))
    for name in ("replace", "unlink", "write_bytes"):
        monkeypatch.setattr(Path, name, failing(getattr(Path, name)))
    seen = []
    for last in range(30):
        counted[:] = [0, last]
        try:
            write_checkpoint(tmp_path, step, {"a": torch.ones(3), "old": False}, {})
            break
        except CrashError:
            counted[1] = 1000
            there = newest(tmp_path)
            found, _ = read_checkpoint(tmp_path, there, torch.device("cpu"))
            assert found["a"].tolist() == [0.0 if found["old"] else 1.0] * 3
            seen.append(found["old"])
    assert seen[0]
    assert not seen[-1]
    assert sorted(seen, reverse=True) == seen
    assert len(list(tmp_path.iterdir())) == 2


def test_every_type_of_tensor_comes_back(tmp_path):
    state = {
        "a": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
        "b": [torch.tensor(3, dtype=torch.uint8), torch.zeros(0, 2), None, True, "text"],
        "c": {1: torch.tensor([True]), "nan": float("nan")},
    }
    write_checkpoint(tmp_path, 1, state, {"x": 1})
    found, identity = read_checkpoint(tmp_path, 1, torch.device("cpu"))
    assert identity == {"x": 1}
    assert found["a"].dtype == torch.bfloat16
    assert found["a"].tolist() == [1.5, -2.0]
    assert found["b"][0].dtype == torch.uint8
    assert found["b"][1].shape == (0, 2)
    assert found["b"][2:] == [None, True, "text"]
    assert found["c"][1].tolist() == [True]
    assert found["c"]["nan"] != found["c"]["nan"]


def test_damage_is_told(tmp_path):
    small_training(folder=tmp_path)
    (tensors,) = tmp_path.glob("*.npz")
    (facts,) = tmp_path.glob("*.json")
    content, about = tensors.read_bytes(), facts.read_text()
    tensors.write_bytes(content[:-1] + b"x")
    with pytest.raises(DataError, match="GD804"):
        small_training(folder=tmp_path, resume=True)
    tensors.write_bytes(content)
    for broken, code in [
        ("{", "GD803"),
        ("[]", "GD803"),
        (json.dumps({**json.loads(about), "state": {"dict": []}}), "GD803"),
        (json.dumps({**json.loads(about), "state": 3}), "GD803"),
        (json.dumps({**json.loads(about), "tensors": "../x.npz"}), "GD803"),
        (json.dumps({**json.loads(about), "format_version": 99}), "GD805"),
    ]:
        facts.write_text(broken)
        with pytest.raises(DataError, match=code):
            small_training(folder=tmp_path, resume=True)


def test_a_folder_that_cannot_be_written_is_told_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="GD809"):
        small_training(crashing_at(0), folder=tmp_path / "file" / "folder")
