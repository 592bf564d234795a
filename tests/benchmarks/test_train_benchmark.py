"""The benchmark of training runs, on few rows, and prints what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parents[2] / "benchmarks" / "train" / "run.py"


@pytest.mark.slow
def test_the_sides_train_the_same_model():
    command = [sys.executable, str(RUN), "--rows", "400", "--epochs", "1", "--runs", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    losses = [float(line.split()[-1]) for line in lines[:3]]
    assert [line.split()[0] for line in lines[:3]] == ["gendsl", "torch", "pyro"]
    assert max(losses) < 1.2 * min(losses)  # the same loss, but for the weights they begin with
    assert [line.partition(":")[0] for line in lines[3:]] == [
        "gendsl over torch",
        "gendsl over pyro",
        "memory over hand-written torch",
    ]
