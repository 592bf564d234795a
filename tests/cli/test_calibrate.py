"""``gendsl calibrate``, and the pictures of its folder."""

from __future__ import annotations

from gendsl import load_calibration
from gendsl.commands import calibrate as command
from gendsl.runtime.calibration import running

MODEL = """\
model Coin
plate n
latent fair ~ Bernoulli(0.5)
observe y[n] ~ Normal(fair, 1)
"""
QUICK = ("--replications", "4", "--size", "n=3", "--seed", "1", "--cores", "1")


def test_a_calibration_is_shown_kept_and_drawn(cli, folder):
    (folder / "coin.gen").write_text(MODEL)
    outcome = cli("calibrate", "coin.gen", *QUICK, "--out", "cal")
    assert (outcome.status, outcome.err) == (0, "")
    assert "Simulation-based calibration (enumeration): 4 data sets" in outcome.out
    assert "verdict: caution\n  - 4 replications show gross mistakes only" in outcome.out
    assert "next: gendsl plot cal" in outcome.out

    more = ("--replications", "6", *QUICK[2:], "--out", "cal")
    assert cli("calibrate", "coin.gen", *more).status == 1
    again = cli("calibrate", "coin.gen", *more, "--resume", "--quiet")
    assert (again.status, again.err) == (0, "")
    assert "6 data sets" in again.out
    assert "wrote" not in again.out
    assert len(load_calibration("cal").ranks) == 6

    drawn = cli("plot", "cal")
    assert (drawn.status, drawn.err) == (0, "")
    names = sorted(p.name for p in (folder / "cal" / "plots").iterdir())
    assert names == ["ecdf.png", "graph.svg", "histogram.png"]
    assert cli("plot", "cal", "--kind", "ecdf", "-o", "pictures").status == 0
    assert (folder / "pictures" / "ecdf.png").read_bytes().startswith(b"\x89PNG")
    refused = cli("plot", "cal", "--kind", "trace")
    assert (refused.status, "needs a run" in refused.err) == (2, True)


def test_an_interrupt_keeps_what_is_done(cli, folder, monkeypatch):
    (folder / "coin.gen").write_text(MODEL)
    replicate = running.replicate

    def stop(study, number):
        if number == 3:
            raise KeyboardInterrupt
        return replicate(study, number)

    monkeypatch.setattr(running, "replicate", stop)
    outcome = cli("calibrate", "coin.gen", *QUICK, "--out", "cal")
    assert outcome.status == command.INTERRUPTED
    told = "gendsl: interrupted; 3 of 4 replications are done; --resume goes on with cal\n"
    assert outcome.err == told
    assert "stopped after 3 of 4 replications" in outcome.out
    assert len(load_calibration("cal").records) == 3


def test_command_lines_that_are_not_understood(cli, unchanged):
    refused = {
        ("--size", "school"): "--size school: expected PLATE=N, such as patient=50",
        ("--size", "school=3", "--size", "school=4"): "--size: `school` is given twice",
        ("--size", "school=-1"): "expected PLATE=N",
        ("--resume",): "--out DIR is missing",
        ("--out", ""): "--out: expected the name of a folder",
        ("--replications", "0"): "a whole number from 1 to 1e+06, not '0'",
        ("--treat", "mu"): "expected NAME=HOW",
    }
    for arguments, said in refused.items():
        outcome = cli("calibrate", "model.gen", *arguments)
        assert outcome.status == 2, arguments
        assert said in outcome.err
    assert unchanged()


def test_sizes_that_nothing_tells_are_asked_for(cli, unchanged):
    outcome = cli("calibrate", "line.gen")
    assert outcome.status == 1
    assert "error[GD" in outcome.err
    assert unchanged()
