"""Interrupts that wait until a step is whole."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Self

__all__ = ["DeferredInterrupt"]


class DeferredInterrupt:
    """Within it, a first interrupt from the keyboard is noted, and a second one is raised.

    Outside the main thread, or where interrupts are ignored, nothing changes.

    Attributes:
        noted: whether there was one.
    """

    def __init__(self) -> None:
        """Not yet interrupted."""
        self.noted = False
        self._active = False
        self._before: object = None

    def __enter__(self) -> Self:
        """Take interrupts over."""
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if callable(before):
                self._before = signal.signal(signal.SIGINT, self._note)
                self._active = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give interrupts back."""
        if self._active:
            signal.signal(signal.SIGINT, self._before)  # type: ignore[arg-type]
            self._active = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.noted:
            raise KeyboardInterrupt
        self.noted = True
