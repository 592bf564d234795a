"""Which statements share a loop, and in which order the loops run.

Statements are taken in their order; each joins the first loop over its index space that runs after
everything it needs, or in which what it needs is computed at the very index that it reads.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from gendsl.runtime.native.accesses import Access, may_overlap
from gendsl.runtime.native.kernels import is_slow
from gendsl.runtime.native.statements import Item, Raw, Statement, Touch

__all__ = ["Kernel", "arranged", "live"]

MOST = 300
"""Statements of a loop at most."""


@dataclass
class Kernel:
    """Statements that share a loop.

    Attributes:
        place: when it runs.
        shape: of the loop; None for raw C.
        items: the statements, in order.
    """

    place: int
    shape: tuple[int, ...] | None
    items: list[Item] = field(default_factory=list)


@dataclass
class _History:
    """Who has touched a buffer: single entries by place, and longer accesses."""

    single: dict[int, int] = field(default_factory=dict)
    wide: list[tuple[Access, tuple[int, ...], bool, int]] = field(default_factory=list)
    latest: dict[tuple[Access, tuple[int, ...]], int] = field(default_factory=dict)

    def note(self, touch: Touch, place: int) -> None:
        """One more, by the kernel at `place`."""
        access, shape, exact = touch
        if not shape and exact:
            self.single[access.offset] = max(place, self.single.get(access.offset, 0))
            return
        key = (access, shape)
        if exact and self.latest.get(key) == place:
            return
        self.latest[key] = place
        self.wide.append((access, shape, exact, place))

    def after(self, touch: Touch) -> int:
        """The first place at which a kernel may touch this, all earlier ones being done."""
        access, shape, exact = touch
        found = 0
        if not shape and exact:
            found = self.single.get(access.offset, -1)
            found = max(found, 0)
        elif self.single:
            for offset, place in self.single.items():
                if place >= found and may_overlap(
                    access, shape, Access(access.buffer, offset, ()), ()
                ):
                    found = place + 1
        for other, theirs, pointwise, place in self.wide:
            if place < found:
                continue
            same = exact and pointwise and shape == theirs and access == other
            if same:
                found = max(found, place)
            elif may_overlap(access, shape, other, theirs):
                found = place + 1
        return found


def live(items: Sequence[Item], outputs: set[str]) -> list[Item]:
    """The statements that the outputs need."""
    needed, kept = set(outputs), []
    for item in reversed(items):
        if isinstance(item, Raw) or any(a.buffer in needed for a, _, _ in item.writes()):
            kept.append(item)
            needed.update(a.buffer for a, _, _ in item.reads())
    return kept[::-1]


def arranged(items: Sequence[Item]) -> list[Kernel]:
    """Loops in the order in which they run."""
    kernels: list[Kernel] = []
    by_space: dict[object, list[int]] = {}
    written: dict[str, _History] = {}
    read: dict[str, _History] = {}
    for item in items:
        reads, writes = list(item.reads()), list(item.writes())
        first = 0
        for touch in reads:
            if touch[0].buffer in written:
                first = max(first, written[touch[0].buffer].after(touch))
        for touch in writes:
            for history in (written, read):
                if touch[0].buffer in history:
                    first = max(first, history[touch[0].buffer].after(touch))
        place = _joined(item, first, kernels, by_space)
        for touch in reads:
            if touch[0].buffer[0] not in "cnk":
                read.setdefault(touch[0].buffer, _History()).note(touch, place)
        for touch in writes:
            written.setdefault(touch[0].buffer, _History()).note(touch, place)
    return kernels


def _joined(
    item: Item, first: int, kernels: list[Kernel], by_space: dict[object, list[int]]
) -> int:
    """Put a statement into a kernel from `first` on; the place of the kernel."""
    space = item.space
    if space is not None:
        key = (space, isinstance(item, Statement) and is_slow(item))
        places = by_space.setdefault(key, [])
        for k in range(bisect_left(places, first), len(places)):
            if len(kernels[places[k]].items) < MOST:
                kernels[places[k]].items.append(item)
                return places[k]
        places.append(len(kernels))
    kernels.append(Kernel(len(kernels), space, [item]))
    return len(kernels) - 1
