"""The command as a process: what it imports, how it ends, what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_models import QUICK

import gendsl.commands.check as check_command
from gendsl.diagnostics import InternalCompilerError

ROOT = Path(__file__).resolve().parent.parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
COMMAND = [sys.executable, "-m", "gendsl"]
HEAVY = {"torch", "pyro", "numpy", "pandas", "xarray", "networkx", "rich", "matplotlib", "scipy"}
LIGHT_COMMANDS = [
    ["check", "model.gen"],
    ["check", "wrong.gen", "--format=json"],
    ["fmt", "--check", "model.gen"],
    ["explain"],
    ["explain", "Normal"],
    ["show", "model.gen", "--stage=ir"],
    ["show", "model.gen", "--stage=ast"],
    ["fit", "--help"],
    ["fit", "wrong.gen"],
    ["fit", "model.gen", "--chains", "no"],
    ["--help"],
    ["chek"],
]
LOADED = """\
import sys
from gendsl.cli import main
main(sys.argv[1:])
print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", LIGHT_COMMANDS, ids=" ".join)
def test_what_is_imported(folder, arguments):
    (folder / "wrong.gen").write_text("model W\nlatent a ~ Nromal(0, 1)\n")
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], env=ENVIRONMENT, capture_output=True, text=True
    )
    modules = set(done.stderr.splitlines()[-1].split())
    assert "gendsl.cli" in modules
    assert not modules & HEAVY


def test_the_plan_and_the_program_need_no_tensors(folder):
    for stage in ("graph", "plan", "program"):
        done = subprocess.run(
            [sys.executable, "-c", LOADED, "show", "model.gen", f"--stage={stage}"],
            env=ENVIRONMENT, capture_output=True, text=True,
        )  # fmt: skip
        assert not set(done.stderr.split()) & {"torch", "pyro", "pandas", "xarray"}


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["check", "model.gen"], 0), (["check", "none.gen"], 1), (["check"], 2), ([], 2)],
)
def test_status(folder, arguments, status):
    done = subprocess.run([*COMMAND, *arguments], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == status
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_gone(folder):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, "show", "model.gen"], env=ENVIRONMENT, stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    assert done.returncode == 141
    assert done.stderr == b""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_full_disk(folder):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "show", "model.gen"], env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 1
    assert done.stderr == b"gendsl: the system refused: No space left on device\n"


def test_a_terminal_that_shows_ascii_only(folder):
    environment = {**ENVIRONMENT, "PYTHONIOENCODING": "ascii"}
    (folder / "m.gen").write_text("model M  # ü\n" + "latent ü ~ Normal(0, 1)\n")
    done = subprocess.run([*COMMAND, "check", "m.gen"], env=environment, capture_output=True)
    assert done.returncode == 1
    assert b"\\xfc" in done.stderr


def test_closed_streams(folder):
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m gendsl show model.gen >&- 2>&- <&-"], env=ENVIRONMENT
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_interrupted(folder, number, status, word):
    process = subprocess.Popen(
        [*COMMAND, "fit", "model.gen", "--data", "data.csv", "--draws", "1000000", "--cores", "1",
         "--out", "run"],
        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("data:"):  # the plan is printed, and sampling begins
            break
    process.send_signal(number)
    try:
        _, err = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    assert process.returncode == status
    assert err == f"gendsl: {word}; nothing was written\n"
    names = {p.name for p in folder.iterdir()}
    assert names == {"model.gen", "data.csv", "line.gen", "line.csv"}


def test_a_mistake_of_ours_is_one_line(cli, monkeypatch):
    def broken(source):
        raise InternalCompilerError("something\nlong")

    monkeypatch.setattr(check_command, "check", broken)
    outcome = cli("check", "model.gen")
    assert outcome.status == 70
    assert outcome.err.startswith("gendsl: internal error, InternalCompilerError: something. ")
    assert "please report it" in outcome.err
    assert outcome.err.count("\n") == 1
    monkeypatch.setenv("GENDSL_DEBUG", "1")
    with pytest.raises(InternalCompilerError):
        cli("check", "model.gen")


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (MemoryError(), 1, "there is not enough memory"),
        (PermissionError(13, "Permission denied", "x"), 1, "Permission denied: x"),
        (ModuleNotFoundError("no torch", name="torch"), 1, "the package torch is missing"),
        (RecursionError("deep"), 70, "please report it"),
    ],
)
def test_what_no_command_expects(cli, monkeypatch, error, status, message):
    def broken(source):
        raise error

    monkeypatch.setattr(check_command, "check", broken)
    outcome = cli("check", "model.gen")
    assert outcome.status == status
    assert message in outcome.err


@pytest.mark.slow
def test_the_same_bytes_in_give_the_same_out(folder):
    arguments = ["fit", "model.gen", "--data", "data.csv", *QUICK, "--out"]
    runs = [
        subprocess.run([*COMMAND, *arguments, name], env=ENVIRONMENT, capture_output=True)
        for name in ("run1", "run2")
    ]
    assert runs[0].stdout.replace(b"run1", b"run2") == runs[1].stdout
    assert (folder / "run1" / "data.npz").read_bytes() == (
        folder / "run2" / "data.npz"
    ).read_bytes()
