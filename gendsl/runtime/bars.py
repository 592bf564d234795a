"""What all showing of progress shares: bars on a terminal, lines now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import Progress, ProgressColumn, TimeRemainingColumn

__all__ = ["LINE_SECONDS", "LINE_SHARE", "REDRAW", "Bars"]

REDRAW = 0.1
"""Seconds between two updates of a bar."""

LINE_SECONDS = 30.0
LINE_SHARE = 0.1
"""Where bars cannot be drawn: a line no sooner than after this much time and progress."""


class Bars:
    """Bars on a terminal; elsewhere a line now and then, and none on short runs.

    Leaving the context, by an exception or an interrupt too, restores the terminal.

    Attributes:
        enabled: whether anything is shown.
        bars: what is drawn; None where no bars are.
    """

    def __init__(
        self, *columns: ProgressColumn, enabled: bool = True, stream: TextIO | None = None
    ) -> None:
        """Keep the columns, to which the time that is left is added.

        Args:
            *columns: of a bar.
            enabled: False to print nothing at all.
            stream: where to print; standard error by default.
        """
        self._stream = stream if stream is not None else sys.stderr
        self._columns = columns
        self.enabled = enabled
        self.bars: Progress | None = None
        self._line_at, self._line_share = time.monotonic(), 0.0

    def __enter__(self) -> Self:
        """Draw the bars."""
        self._line_at = time.monotonic()
        if self.enabled and self._stream.isatty():
            self.bars = Progress(
                *self._columns,
                TimeRemainingColumn(compact=True, elapsed_when_finished=True),
                console=Console(file=self._stream),
                expand=True,
                redirect_stdout=False,
            )
            self.begin(self.bars)
            self.bars.start()
        return self

    def begin(self, bars: Progress) -> None:
        """Add the bars that are there from the beginning."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last state on the screen and restore the terminal."""
        if self.bars is not None:
            self.bars.stop()
            self.bars = None

    def line_due(self, share: float) -> bool:
        """Whether it is time for a line, where this share of all is done."""
        now = time.monotonic()
        if now - self._line_at < LINE_SECONDS or share - self._line_share < LINE_SHARE:
            return False
        self._line_at, self._line_share = now, share
        return True

    def say(self, line: str) -> None:
        """Print a line below the bars, which end with it, unless nothing is shown."""
        if self.enabled:
            self.__exit__(None, None, None)
            print(f"gendsl: {line}", file=self._stream, flush=True)
