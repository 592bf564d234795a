"""Progress of several chains on standard error."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal, TextIO

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from gendsl.runtime.bars import REDRAW, Bars

__all__ = ["ChainProgress", "Phase"]

Phase = Literal["warmup", "sampling"]


@dataclass(slots=True)
class _Chain:
    share: float = 0.0
    phase: Phase = "warmup"
    divergences: int = 0
    drawn: float = 0.0
    task: TaskID | None = None


class ChainProgress(Bars):
    """A bar a chain on a terminal; elsewhere a line now and then, and none on short runs.

    Updates may come from several threads.

    Example:
        >>> with ChainProgress(chains=2, enabled=False) as progress:
        ...     progress.update(0, 10, 100, "warmup", step_size=0.1, divergences=0)
    """

    def __init__(self, chains: int, *, enabled: bool = True, stream: TextIO | None = None) -> None:
        """Show `chains` chains.

        Args:
            chains: how many there are.
            enabled: False to print nothing at all.
            stream: where to print; standard error by default.
        """
        super().__init__(
            TextColumn("chain {task.fields[chain]}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[phase]:<8}"),
            TextColumn("step {task.fields[step]}"),
            TextColumn("{task.fields[divergent]}"),
            enabled=enabled,
            stream=stream,
        )
        self._chains = [_Chain() for _ in range(chains)]

    def update(
        self,
        chain: int,
        iteration: int,
        total: int,
        phase: Phase,
        step_size: float,
        divergences: int,
    ) -> None:
        """Tell how far a chain is.

        Args:
            chain: which one, from 0.
            iteration: how many iterations it has done, warm-up included.
            total: how many it will do.
            phase: what it is doing.
            step_size: the sampler's present step size.
            divergences: how many transitions diverged since the warm-up.
        """
        if not self.enabled:
            return
        state, now = self._chains[chain], time.monotonic()
        done = iteration >= total
        state.share = iteration / max(1, total)
        state.divergences = divergences
        changed = phase != state.phase
        state.phase = phase
        if self.bars is None:
            self._write_line()
        elif done or changed or now - state.drawn >= REDRAW:
            state.drawn = now
            self._draw(self.bars, chain, iteration, total, step_size)

    def _draw(
        self, bars: Progress, chain: int, iteration: int, total: int, step_size: float
    ) -> None:
        state = self._chains[chain]
        divergent = f"{state.divergences} divergent" if state.divergences else ""
        if state.task is None:
            state.task = bars.add_task(
                "", total=total, chain=chain, phase=state.phase, step="", divergent=""
            )
        bars.update(
            state.task,
            completed=iteration,
            total=total,
            phase=state.phase,
            step=f"{step_size:.2g}",
            divergent=divergent,
        )

    def _write_line(self) -> None:
        share = sum(c.share for c in self._chains) / max(1, len(self._chains))
        if not self.line_due(share):
            return
        divergent = sum(c.divergences for c in self._chains)
        warming = sum(c.phase == "warmup" for c in self._chains)
        about = f", {warming} of {len(self._chains)} chains in warm-up" if warming else ""
        about += f", {divergent} divergent transitions" if divergent else ""
        self.say(f"{100 * share:.0f} % done{about}")
