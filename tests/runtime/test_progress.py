"""Progress of chains: bars on a terminal, few lines elsewhere, nothing left behind."""

from __future__ import annotations

import io
import sys

import pytest

from gendsl.runtime import bars
from gendsl.runtime import progress as module
from gendsl.runtime.progress import ChainProgress


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


def run(progress, clock, seconds, total=100):
    for i in range(1, total + 1):
        clock.now += seconds / total
        for chain in range(2):
            phase = "warmup" if i <= total // 2 else "sampling"
            progress.update(chain, i, total, phase, 0.25, 3 if chain else 0)


def test_bars_show_chains_phase_step_and_divergences(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with ChainProgress(2, stream=stream) as progress:
        for chain in range(2):
            progress.update(chain, 200, 200, "sampling", 0.25, 3 * chain)
    text = stream.getvalue()
    for part in ("chain 0", "chain 1", "200/200", "sampling", "step 0.25", "3 divergent"):
        assert part in text


def test_disabled_prints_nothing():
    stream = Terminal()
    with ChainProgress(2, enabled=False, stream=stream) as progress:
        progress.update(0, 1, 2, "warmup", 0.1, 0)
    assert stream.getvalue() == ""


def test_short_runs_print_no_lines_where_there_is_no_terminal(clock):
    stream = io.StringIO()
    with ChainProgress(2, stream=stream) as progress:
        run(progress, clock, seconds=20)
    assert stream.getvalue() == ""


def test_long_runs_print_few_lines_where_there_is_no_terminal(clock):
    stream = io.StringIO()
    with ChainProgress(2, stream=stream) as progress:
        run(progress, clock, seconds=3600)
    lines = stream.getvalue().splitlines()
    assert 8 <= len(lines) <= 10
    assert "2 of 2 chains in warm-up" in lines[0]
    assert lines[-1].endswith("3 divergent transitions")


def test_lines_are_half_a_minute_apart(clock):
    stream = io.StringIO()
    with ChainProgress(2, stream=stream) as progress:
        run(progress, clock, seconds=100)
    assert len(stream.getvalue().splitlines()) <= 3


def test_errors_are_printed_to_standard_error_only(capsys, clock):
    with ChainProgress(2) as progress:
        run(progress, clock, seconds=100)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "% done" in captured.err


def fail(stream, error):
    with ChainProgress(1, stream=stream) as progress:
        progress.update(0, 1, 100, "warmup", 0.1, 0)
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_terminal_is_restored_after_errors(monkeypatch, error):
    monkeypatch.setenv("TERM", "xterm")
    stream, before = Terminal(), (sys.stdout, sys.stderr)
    with pytest.raises(error):
        fail(stream, error)
    assert (sys.stdout, sys.stderr) == before
    assert "\x1b[?25h" in stream.getvalue()  # the cursor is shown again


def test_updates_are_cheap(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    drawn = []
    monkeypatch.setattr(ChainProgress, "_draw", lambda *_: drawn.append(1))
    with ChainProgress(1, stream=Terminal()) as progress:
        for i in range(5000):
            progress.update(0, i, 10_000, "warmup", 0.1, 0)
    assert len(drawn) < 500
