"""Statements to C: loops in order, and a workspace for what lives from one to another."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from gendsl.runtime.native.accesses import Access, may_overlap
from gendsl.runtime.native.kernels import kernel_code
from gendsl.runtime.native.schedule import Kernel, arranged, live
from gendsl.runtime.native.statements import Item, Raw

__all__ = ["finished", "rooms"]

WORK = re.compile(r"\bw\d+_")

ALIGNED = 8
"""Every array of the workspace starts at a multiple of so many numbers."""


class _Readers:
    """Which kernels read a buffer, and where."""

    def __init__(self) -> None:
        self.single: dict[int, set[int]] = defaultdict(set)
        self.wide: dict[tuple[Access, tuple[int, ...]], set[int]] = defaultdict(set)

    def beside(self, place: int, access: Access, shape: tuple[int, ...]) -> bool:
        """Whether another kernel than that at `place` may read what an access shows."""
        if not shape and not access.terms:
            if self.single.get(access.offset, set()) - {place}:
                return True
        else:
            for offset, places in self.single.items():
                there = Access(access.buffer, offset, ())
                if places - {place} and may_overlap(access, shape, there, ()):
                    return True
        return any(
            places - {place} and may_overlap(access, shape, other, theirs)
            for (other, theirs), places in self.wide.items()
        )


def finished(items: Sequence[Item], outputs: Iterable[str]) -> list[str]:
    """The C of all that `outputs` need, in parts in order."""
    kept = set(outputs)
    kernels = arranged(live(items, kept))
    readers: dict[str, _Readers] = defaultdict(_Readers)
    for kernel in kernels:
        for item in kernel.items:
            for access, shape, _ in item.reads():
                own = readers[access.buffer]
                if not shape and not access.terms:
                    own.single[access.offset].add(kernel.place)
                else:
                    own.wide[access, shape].add(kernel.place)
    return [_text(k, _stored(k.place, readers, kept)) for k in kernels]


def _stored(
    place: int, readers: dict[str, _Readers], kept: set[str]
) -> Callable[[Access, tuple[int, ...]], bool]:
    def stored(access: Access, shape: tuple[int, ...]) -> bool:
        own = readers.get(access.buffer)
        return access.buffer in kept or (own is not None and own.beside(place, access, shape))

    return stored


def _text(kernel: Kernel, stored: Callable[[Access, tuple[int, ...]], bool]) -> str:
    first = kernel.items[0]
    if isinstance(first, Raw):
        return first.text
    assert kernel.shape is not None
    return kernel_code(kernel.shape, kernel.items, stored)


def rooms(texts: Iterable[str], sizes: dict[str, int]) -> tuple[dict[str, int], int]:
    """Where in the workspace each array starts that the code speaks of, and the size of it all."""
    found: dict[str, int] = {}
    room = 0
    for text in texts:
        for name in WORK.findall(text):
            if name not in found:
                found[name] = room
                room += -(-sizes[name] // ALIGNED) * ALIGNED
    return found, room
