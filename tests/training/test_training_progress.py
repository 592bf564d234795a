"""Progress of a training: a bar on a terminal, few lines elsewhere, nothing when disabled."""

from __future__ import annotations

import io

import pytest

from gendsl.runtime import bars
from gendsl.runtime.training import progress as module
from gendsl.runtime.training.progress import TrainingProgress


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(bars, "time", clock)
    return clock


VALUES = {"loss": 98.7654321, "kl z": 12.5, "gradient norm": 3.25}


def run(progress, clock, seconds, steps=200, asked=None):
    for i in range(1, steps + 1):
        clock.now += seconds / steps
        progress.update(
            10 * i / steps, 50, lambda: (asked.append(1) if asked is not None else None) or VALUES
        )


def test_the_bar_shows_epoch_terms_and_rate(monkeypatch, clock):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with TrainingProgress(10, stream=stream) as progress:
        run(progress, clock, 10.0)
    text = stream.getvalue()
    for part in ("epoch 10/10", "loss 98.765", "kl z 12.5", "1,000 rows/s"):
        assert part in text
    assert "gradient norm" not in text


def test_values_are_asked_for_only_when_they_are_shown(monkeypatch, clock):
    monkeypatch.setenv("TERM", "xterm")
    asked = []
    with TrainingProgress(10, stream=Terminal()) as progress:
        run(progress, clock, 1.0, steps=1000, asked=asked)
    assert 5 <= len(asked) <= 15


def test_elsewhere_there_are_lines_now_and_then(clock):
    stream = io.StringIO()
    with TrainingProgress(10, stream=stream) as progress:
        run(progress, clock, 100.0)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0] == "gendsl: 30 % done, loss 98.765  kl z 12.5, 100 rows/s"


def test_short_runs_are_silent(clock):
    stream = io.StringIO()
    with TrainingProgress(10, stream=stream) as progress:
        run(progress, clock, 5.0)
    assert stream.getvalue() == ""


def test_disabled_prints_nothing(clock):
    stream, asked = Terminal(), []
    with TrainingProgress(10, enabled=False, stream=stream) as progress:
        run(progress, clock, 500.0, asked=asked)
        progress.say("something")
    assert stream.getvalue() == ""
    assert not asked
