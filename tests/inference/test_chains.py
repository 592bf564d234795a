"""Chains: the same draws wherever they run, and processes that leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyro
import pytest
import torch

import gendsl
from gendsl.runtime.chains import chain_seeds

SCHOOLS = Path(__file__).parents[1] / "golden" / "valid" / "eight_schools.gen"
DATA = {"y": [28, 8, -3, 7, -1, 1, 18, 12], "sigma": [15, 10, 16, 11, 9, 11, 10, 18]}
SHORT = {"draws": 30, "warmup": 30, "chains": 3, "progress": False}


@pytest.mark.parametrize("native", ["0", "1"])
def test_draws_do_not_depend_on_the_number_of_processes_or_threads(native, monkeypatch):
    monkeypatch.setenv("GENDSL_NATIVE", native)
    model = gendsl.load(SCHOOLS)
    one = model.fit(DATA, cores=1, seed=5, **SHORT)
    two = model.fit(DATA, cores=2, seed=5, **SHORT)
    for name in one.posterior.data_vars:
        assert np.array_equal(one.posterior[name], two.posterior[name])
    assert one.tree["sample_stats"].equals(two.tree["sample_stats"])


def test_the_seed_decides():
    model = gendsl.load(SCHOOLS)
    a, b, c = (model.fit(DATA, cores=1, seed=s, **SHORT).posterior["mu"] for s in (5, 5, 6))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    assert len(np.unique(a.to_numpy()[:, -1])) == 3


def test_seeds_of_chains_do_not_depend_on_their_number():
    assert chain_seeds(3, 4)[:2] == chain_seeds(3, 2)
    assert len(set(chain_seeds(3, 50))) == 50


def test_nothing_global_changes():
    pyro.get_param_store().clear()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    gendsl.load(SCHOOLS).fit(DATA, cores=1, **SHORT)
    text = "model M\nplate n\nparam m: real\nobserve y[n] ~ Normal(m, 1)\n"
    gendsl.compile(text).fit({"y": [1.0, 2.0]}, progress=False)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_default_dtype() == torch.float32
    assert not pyro.get_param_store().keys()


def test_a_refusal_in_a_worker_is_the_same_refusal(monkeypatch):
    monkeypatch.setattr("gendsl.runtime.chains.starting_point", lambda *_: None)
    text = (
        "model M\nplate n\nlatent m ~ Normal(0, 1)\nobserve y[n]: positive ~ Normal(m, 1e-200)\n"
    )
    with pytest.raises(gendsl.DataError) as caught:
        gendsl.compile(text).fit({"y": [1.0]}, cores=2, **SHORT)
    (found,) = caught.value.diagnostics
    assert found.code == "GD821"
    assert "Traceback" not in str(caught.value)
    assert ":4:9:" in str(caught.value)


LONG = """
import gendsl
model = gendsl.load({path!r})
print("ready", flush=True)
model.fit({data!r}, cores=2, draws=10**6, warmup=1000, progress=False)
"""


def processes_of(group: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getpgid(int(entry.name)) == group:
                    found.append(int(entry.name))
            except ProcessLookupError:
                continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_its_parent(how, tmp_path):
    script = LONG.format(path=str(SCHOOLS), data=DATA)
    environment = {**os.environ, "TMPDIR": str(tmp_path), "GENDSL_NATIVE": "0"}
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=environment,
    )
    try:
        assert parent.stdout is not None
        parent.stdout.readline()
        deadline = time.monotonic() + 60
        while len(processes_of(parent.pid)) < 3 and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(3)
        assert len(processes_of(parent.pid)) == 3
        parent.send_signal(how)
        parent.wait(20)
        deadline = time.monotonic() + 20
        while processes_of(parent.pid) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert not processes_of(parent.pid)
        if how is signal.SIGINT:
            assert not list(tmp_path.glob("gendsl-*"))
    finally:
        if parent.poll() is None:
            parent.kill()
        parent.stdout.close()


@pytest.mark.slow
def test_an_interrupt_ends_threads_of_machine_code(tmp_path):
    script = LONG.format(path=str(SCHOOLS), data=DATA).replace("10**6", "10**7")
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        time.sleep(10)  # compiled by then, and far from done
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.wait(10)
        assert "KeyboardInterrupt" in process.stderr.read()
    finally:
        if process.poll() is None:
            process.kill()
        process.stdout.close()
        process.stderr.close()
