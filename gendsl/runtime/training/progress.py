"""Progress of a training on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

__all__ = ["TrainingProgress"]

REDRAW = 0.1
"""Seconds between two updates of the bar."""

LINE_SECONDS = 30.0
LINE_SHARE = 0.1
"""Where bars cannot be drawn: a line no sooner than after this much time and progress."""

SHOWN = 4
"""At most so many values are shown."""


def _told(values: Mapping[str, float]) -> str:
    shown = [(n, v) for n, v in values.items() if n != "gradient norm"][:SHOWN]
    return "  ".join(f"{name} {value:.5g}" for name, value in shown)


class TrainingProgress:
    """A bar on a terminal; elsewhere a line now and then, and none on short runs.

    Example:
        >>> with TrainingProgress(epochs=2, enabled=False) as progress:
        ...     progress.update(0.5, 100, lambda: {"loss": 1.0})
    """

    def __init__(self, epochs: int, *, enabled: bool = True, stream: TextIO | None = None) -> None:
        """Show a training.

        Args:
            epochs: how many there will be.
            enabled: False to print nothing at all.
            stream: where to print; standard error by default.
        """
        self._stream = stream if stream is not None else sys.stderr
        self._enabled, self._epochs = enabled, epochs
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._drawn = self._line_at = self._counted_at = 0.0
        self._line_share, self._rows, self._rate = 0.0, 0, 0.0

    def __enter__(self) -> Self:
        """Draw the bar."""
        self._line_at = self._counted_at = time.monotonic()
        if self._enabled and self._stream.isatty():
            self._bar = Progress(
                TextColumn("epoch {task.fields[epoch]}"),
                BarColumn(bar_width=None),
                TextColumn("{task.fields[told]}"),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(compact=True, elapsed_when_finished=True),
                console=Console(file=self._stream),
                expand=True,
                redirect_stdout=False,
            )
            self._task = self._bar.add_task("", total=self._epochs, epoch="", told="", rate="")
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last state on the screen and restore the terminal."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def update(self, epoch: float, rows: int, values: Callable[[], Mapping[str, float]]) -> None:
        """Tell how far the training is.

        Args:
            epoch: epochs done, as a real number.
            rows: rows gone through since the last update.
            values: gives what is shown; called only when something is.
        """
        if not self._enabled:
            return
        self._rows += rows
        now = time.monotonic()
        done = epoch >= self._epochs
        if self._bar is None:
            self._write_line(epoch, now, values)
        elif done or now - self._drawn >= REDRAW:
            self._drawn = now
            self._bar.update(
                self._task,
                completed=epoch,
                epoch=f"{min(int(epoch) + 1, self._epochs)}/{self._epochs}",
                told=_told(values()),
                rate=f"{self._rows_per_second(now):,.0f} rows/s",
            )

    def _rows_per_second(self, now: float) -> float:
        """Over the last second or more."""
        passed = now - self._counted_at
        if passed >= 1.0 or not self._rate:
            self._rate = self._rows / max(passed, 1e-9)
        if passed >= 1.0:
            self._counted_at, self._rows = now, 0
        return self._rate

    def _write_line(
        self, epoch: float, now: float, values: Callable[[], Mapping[str, float]]
    ) -> None:
        share = epoch / self._epochs
        if now - self._line_at < LINE_SECONDS or share - self._line_share < LINE_SHARE:
            return
        self._line_at, self._line_share = now, share
        rate = self._rows_per_second(now)
        self.say(f"{100 * share:.0f} % done, {_told(values())}, {rate:,.0f} rows/s")

    def say(self, line: str) -> None:
        """Print a line, unless nothing is printed."""
        if self._enabled:
            if self._bar is not None:
                self._bar.stop()
                self._bar = None
            print(f"gendsl: {line}", file=self._stream, flush=True)
