"""Chains in machine code: one thread each, and no Python between two leapfrog steps.

`sampler.c` and `approach.c` do what `gendsl.runtime.trajectory`, `adaptation`, `starting` and
`approach` do. Python is asked between the windows of warm-up, for the metric, so that there is
one rule for both. The draws of a chain depend on its seed alone, not on the number of threads.
"""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from math import exp
from pathlib import Path
from typing import Protocol

import numpy as np

from gendsl.interrupts import raise_again
from gendsl.runtime.adaptation import Gathered, opening, windows
from gendsl.runtime.metric import Diagonal, Metric
from gendsl.runtime.native.build import loaded
from gendsl.runtime.progress import Phase
from gendsl.runtime.trails import FACTS, NutsOptions, Trail
from gendsl.runtime.whitening import step_time

__all__ = ["Chain", "Target", "library", "sample"]

FLAGS = (
    "-O2",
    "-ftree-vectorize",
    "-march=native",
    "-fopenmp-simd",
    "-fno-math-errno",
    "-std=gnu11",
    "-fPIC",
    "-shared",
    "-w",
)
"""Numbers that are not finite must be seen: nothing of -ffast-math."""

AFFORDABLE, MOST_THINNED = 3e7, 10
"""The time that all transitions of a chain may take for more than one to lead to each draw, in
that of a number that is read or written (about 15 milliseconds); and so many do at most."""

POLL = 0.05
"""Seconds between two looks at the chains."""

MOST_GATHERED = 20_000_000
"""Numbers that a window keeps at once."""


class Target(Protocol):
    """A compiled potential, as `gendsl.runtime.native.build.Native` is one."""

    function_address: int
    constants_pointer: int
    room: int
    size: int
    work: int


Report = Callable[[int, int, int, Phase, float, int], None]
"""(chain, iteration, total, phase, step size, divergences)."""

POINTER, INTEGER, NUMBER = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double


class _Struct(ctypes.Structure):
    """`chain` in `sampler.c`."""

    _fields_ = [
        *((n, POINTER) for n in ("function", "constants", "workspace")),
        ("size", INTEGER),
        *((n, POINTER) for n in ("position", "gradient")),
        ("potential", NUMBER),
        ("kind", INTEGER),
        *((n, POINTER) for n in ("scale", "root", "stretch")),
        *((n, NUMBER) for n in ("step", "target", "mean_error", "log_average", "centre")),
        ("learned", INTEGER),
        ("random", ctypes.c_uint64 * 4),
        ("spare", NUMBER),
        ("has_spare", INTEGER),
        *((n, INTEGER) for n in ("iteration", "divergences", "stop", "max_depth")),
        ("room", POINTER),
    ]


@cache
def library() -> ctypes.CDLL:
    """The compiled sampler.

    Raises:
        NotNative: there is no compiler.
    """
    folder = Path(__file__).parent
    source = "".join((folder / n).read_text(encoding="utf-8") for n in ("sampler.c", "approach.c"))
    found = loaded(source, FLAGS)
    for name, result, arguments in (
        ("seed", None, [POINTER, ctypes.c_uint64]),
        ("uniform", NUMBER, [POINTER]),
        ("normals", None, [POINTER, INTEGER, POINTER]),
        ("room", INTEGER, [INTEGER, INTEGER]),
        ("start_room", INTEGER, [INTEGER]),
        ("start", INTEGER, [POINTER, INTEGER, POINTER]),
        ("restart_step", None, [POINTER]),
        ("run", INTEGER, [POINTER, INTEGER, INTEGER, POINTER, POINTER, POINTER]),
    ):
        function = getattr(found, f"gendsl_{name}")
        function.restype, function.argtypes = result, arguments
    return found


def _aligned(count: int) -> np.ndarray:
    """Zeros that begin at a multiple of 64 bytes, as compiled potentials want their workspace."""
    memory = np.zeros(8 * count + 64, dtype=np.uint8)
    start = -memory.ctypes.data % 64
    found: np.ndarray = memory[start : start + 8 * count].view(np.float64)
    return found


class Chain:
    """The state of one chain."""

    def __init__(self, target: Target, seed: int, settings: NutsOptions) -> None:
        """Nothing has been evaluated yet.

        Args:
            target: the potential.
            seed: determines every draw.
            settings: the sampler's options.
        """
        self.target, self.settings, self.code = target, settings, library()
        size, depth = max(1, target.size), settings.max_tree_depth
        self.position, self.gradient, self.scale = (np.ones(size) for _ in range(3))
        self._workspace = _aligned(max(1, target.room))
        self._room = np.empty(self.code.gendsl_room(size, depth))
        self._metric: tuple[np.ndarray, ...] = ()
        self._steps = 0.0
        self.thin = settings.thin or 1
        self.struct = _Struct(
            function=target.function_address,
            constants=target.constants_pointer,
            workspace=self._workspace.ctypes.data,
            size=target.size,
            position=self.position.ctypes.data,
            gradient=self.gradient.ctypes.data,
            scale=self.scale.ctypes.data,
            step=1.0,
            target=settings.target_accept_prob,
            max_depth=depth,
            room=self._room.ctypes.data,
        )
        self._at = ctypes.addressof(self.struct)
        self.code.gendsl_seed(self._at, seed)

    def start(self) -> bool | None:
        """Go where the posterior has probability.

        Returns:
            Whether the variances there are known, which are the metric then; None where there is
            no start.
        """
        room = np.empty(self.code.gendsl_start_room(max(1, self.target.size)))
        found = self.code.gendsl_start(self._at, self.settings.warmup, room.ctypes.data)
        if found == 2:
            self.use(Diagonal(self.scale**2))
        return found == 2 if found else None

    def use(self, metric: Metric) -> None:
        """Move in this geometry from now on."""
        factor = metric.factor
        held = [np.ascontiguousarray(a) for a in (factor.scale, factor.root, factor.stretch)]
        self._metric, self.struct.kind = tuple(held), factor.kind
        self.struct.scale, self.struct.root, self.struct.stretch = (a.ctypes.data for a in held)

    def restart_step(self) -> None:
        """Find a reasonable step size here, and adapt it from there on."""
        self.code.gendsl_restart_step(self._at)

    def run(self, count: int, *, warming: bool, gradients: np.ndarray | None = None) -> Trail:
        """So many transitions, fewer if told to stop; `gradients` (count, size) are filled."""
        size = self.target.size
        positions, facts = np.empty((count, size)), np.empty((count, len(FACTS)))
        into = None if gradients is None else gradients.ctypes.data
        made = self.code.gendsl_run(
            self._at, count, int(warming), positions.ctypes.data, into, facts.ctypes.data
        )
        return Trail(positions[:made], facts[:made], self.struct.step)

    def whole(self) -> Trail | None:
        """Start, warm up and sample; None if told to stop or where no start is found."""
        with np.errstate(all="ignore"):
            if self.start() is None:
                return None
            self._warm_up()
        self.thin = self.settings.thin or self._affordable()
        found = self.run(self.settings.draws * self.thin, warming=False)
        return None if self.struct.stop else found.thinned(self.thin)

    def _affordable(self) -> int:
        """How many transitions may lead to each draw; counted, not timed, so that draws repeat."""
        spent = self._steps * step_time(self.target.work, self.target.size)
        spent *= max(1, self.settings.draws)
        return 1 if spent <= 0 else max(1, min(MOST_THINNED, int(AFFORDABLE / spent)))

    def _warm_up(self) -> None:
        settings, done = self.settings, opening(self.settings.warmup)
        self.restart_step()
        self.run(done, warming=True)
        for end in windows(settings.warmup):
            gathered = Gathered(self.target.work)
            self._gather(gathered, end - done)
            done = end
            if self.struct.stop:
                return
            self.use(gathered.metric())
            self.restart_step()
        last = self.run(settings.warmup - done, warming=True).of("steps")
        self._steps = float(last.mean()) if len(last) else 0.0
        if self.struct.learned:
            self.struct.step = exp(self.struct.log_average)

    def _gather(self, gathered: Gathered, count: int) -> None:
        """A window, in pieces that fit into memory."""
        piece = max(1, min(count, MOST_GATHERED // (2 * max(1, self.target.size))))
        while count and not self.struct.stop:
            gradients = np.empty((min(piece, count), self.target.size))
            trail = self.run(len(gradients), warming=True, gradients=gradients)
            gathered.see(
                trail.positions, gradients[: len(trail.positions)], float(trail.of("steps").sum())
            )
            count -= len(gradients)

    def stop(self) -> None:
        """Leave at the next gradient."""
        self.struct.stop = 1


class _Team:
    """Threads that work through chains, each its own at a time."""

    def __init__(self, chains: Sequence[Chain], count: int) -> None:
        self.chains = chains
        self.found: list[Trail | None] = [None] * len(chains)
        self.failed: list[BaseException] = []
        self._waiting = deque(range(len(chains)))
        self.threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]

    def _work(self) -> None:
        while True:
            try:
                number = self._waiting.popleft()
            except IndexError:
                return
            try:
                self.found[number] = self.chains[number].whole()
            except BaseException as error:
                self.failed.append(error)
                self.stop()

    def stop(self) -> None:
        """End every chain at its next gradient."""
        self._waiting.clear()
        for chain in self.chains:
            chain.stop()

    def run(self, told: Callable[[], None]) -> None:
        """Wait for all chains, and tell of them now and then."""
        try:
            for thread in self.threads:
                thread.start()
            for thread in self.threads:
                while thread.is_alive():
                    thread.join(POLL)
                    raise_again()
                    told()
        finally:
            self.stop()
            for thread in self.threads:
                if thread.ident is not None:  # an interrupt may come before all have started
                    thread.join()
        if self.failed:
            raise self.failed[0]


def sample(
    target: Target,
    seeds: Sequence[int],
    settings: NutsOptions,
    threads: int,
    report: Report | None = None,
) -> list[Trail | None]:
    """Run a chain for each seed; None for one that found no start.

    An interrupt ends all chains at their next gradient.

    Args:
        target: the potential.
        seeds: one a chain.
        settings: the sampler's options.
        threads: at most.
        report: called now and then from this thread, and at the end of each chain.

    Raises:
        NotNative: there is no compiler.
    """
    chains = [Chain(target, seed, settings) for seed in seeds]
    total = settings.warmup + settings.draws
    last = [-1] * len(chains)

    def told() -> None:
        for number, chain in enumerate(chains):
            at = int(chain.struct.iteration)
            if report is not None and at != last[number]:
                last[number] = at
                at = min(at, settings.warmup) + max(0, at - settings.warmup) // chain.thin
                phase: Phase = "warmup" if at <= settings.warmup else "sampling"
                lost = int(chain.struct.divergences)
                report(number, at, total, phase, float(chain.struct.step), lost)

    team = _Team(chains, max(1, min(threads, len(chains))))
    team.run(told)
    return team.found
