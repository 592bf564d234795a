"""Progress of a calibration on standard error."""

from __future__ import annotations

from typing import TextIO

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from gendsl.runtime.bars import Bars

__all__ = ["ReplicationProgress"]


class ReplicationProgress(Bars):
    """One bar on a terminal; elsewhere a line now and then, and none on short runs."""

    def __init__(
        self, total: int, done: int, *, enabled: bool = True, stream: TextIO | None = None
    ) -> None:
        """Show `total` replications, `done` of them from an earlier run."""
        super().__init__(
            TextColumn("replications"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[failed]}"),
            enabled=enabled,
            stream=stream,
        )
        self._total, self._done = total, done
        self._failed = 0
        self._task = TaskID(0)

    def begin(self, bars: Progress) -> None:
        """Add the bar."""
        self._task = bars.add_task("", total=self._total, completed=self._done, failed="")

    def advance(self, *, failed: bool) -> None:
        """One more replication is done."""
        self._done += 1
        self._failed += failed
        told = f"{self._failed} failed" if self._failed else ""
        if self.bars is not None:
            self.bars.update(self._task, completed=self._done, failed=told)
        elif self.enabled and self.line_due(self._done / max(1, self._total)):
            rest = f", {told}" if told else ""
            self.say(f"{self._done} of {self._total} replications done{rest}")
