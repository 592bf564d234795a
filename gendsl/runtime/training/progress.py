"""Progress of a training on standard error."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TextIO

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from gendsl.runtime.bars import REDRAW, Bars

__all__ = ["TrainingProgress"]

SHOWN = 4
"""At most so many values are shown."""


def _told(values: Mapping[str, float]) -> str:
    shown = [(n, v) for n, v in values.items() if n != "gradient norm"][:SHOWN]
    return "  ".join(f"{name} {value:.5g}" for name, value in shown)


class TrainingProgress(Bars):
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
        super().__init__(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[told]}"),
            TextColumn("{task.fields[rate]}"),
            enabled=enabled,
            stream=stream,
        )
        self._epochs, self._task = epochs, TaskID(0)
        self._drawn, self._counted_at = 0.0, time.monotonic()
        self._rows, self._rate = 0, 0.0

    def begin(self, bars: Progress) -> None:
        """Add the bar."""
        self._task = bars.add_task("", total=self._epochs, epoch="", told="", rate="")

    def update(self, epoch: float, rows: int, values: Callable[[], Mapping[str, float]]) -> None:
        """Tell how far the training is.

        Args:
            epoch: epochs done, as a real number.
            rows: rows gone through since the last update.
            values: gives what is shown; called only when something is.
        """
        if not self.enabled:
            return
        self._rows += rows
        now = time.monotonic()
        done = epoch >= self._epochs
        if self.bars is None:
            self._write_line(epoch, now, values)
        elif done or now - self._drawn >= REDRAW:
            self._drawn = now
            self.bars.update(
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
        if not self.line_due(share):
            return
        rate = self._rows_per_second(now)
        self.say(f"{100 * share:.0f} % done, {_told(values())}, {rate:,.0f} rows/s")
