"""Progress of a calibration on standard error."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

__all__ = ["ReplicationProgress"]

LINE_SECONDS = 30.0


class ReplicationProgress:
    """One bar on a terminal; elsewhere a line now and then, and none on short runs."""

    def __init__(
        self, total: int, done: int, *, enabled: bool = True, stream: TextIO | None = None
    ) -> None:
        """Show `total` replications, `done` of them from an earlier run."""
        self._stream = stream if stream is not None else sys.stderr
        self._enabled, self._total, self._done = enabled, total, done
        self._failed = 0
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._line_at = time.monotonic()

    def __enter__(self) -> Self:
        """Draw the bar."""
        if self._enabled and self._stream.isatty():
            self._bars = Progress(
                TextColumn("replications"),
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                TextColumn("{task.fields[failed]}"),
                TimeRemainingColumn(compact=True, elapsed_when_finished=True),
                console=Console(file=self._stream),
                expand=True,
                redirect_stdout=False,
            )
            self._task = self._bars.add_task(
                "", total=self._total, completed=self._done, failed=""
            )
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last state on the screen and restore the terminal."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def advance(self, *, failed: bool) -> None:
        """One more replication is done."""
        self._done += 1
        self._failed += failed
        told = f"{self._failed} failed" if self._failed else ""
        now = time.monotonic()
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=self._done, failed=told)
        elif self._enabled and now - self._line_at >= LINE_SECONDS:
            self._line_at = now
            rest = f", {told}" if told else ""
            print(
                f"gendsl: {self._done} of {self._total} replications done{rest}",
                file=self._stream,
                flush=True,
            )
