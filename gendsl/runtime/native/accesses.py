"""Where a statement reads and writes: entries of buffers along the axes of a loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd

from gendsl.runtime.native.loops import View

__all__ = ["Access", "access_of", "may_overlap"]


@dataclass(frozen=True, slots=True)
class Access:
    """One entry of a buffer for every turn of a loop.

    Attributes:
        buffer: the name of the buffer.
        offset: the first entry.
        strides: how far it moves along each axis of the loop.
        terms: further moves: whole numbers read from elsewhere, each times a stride.
    """

    buffer: str
    offset: int
    strides: tuple[int, ...]
    terms: tuple[tuple[Access, int], ...] = ()

    @property
    def fixed(self) -> bool:
        """Whether it is the same entry in every turn."""
        return not any(self.strides) and all(index.fixed for index, _ in self.terms)

    def along(self, axes: Sequence[int]) -> Access:
        """The same on some of the axes, at the first place of the others."""
        terms = tuple((index.along(axes), stride) for index, stride in self.terms)
        return replace(self, strides=tuple(self.strides[a] for a in axes), terms=terms)

    def at(self, axis: int, place: int) -> Access:
        """The same at one place of an axis, which is gone."""
        terms = tuple((index.at(axis, place), stride) for index, stride in self.terms)
        return Access(
            self.buffer,
            self.offset + place * self.strides[axis],
            self.strides[:axis] + self.strides[axis + 1 :],
            terms,
        )

    def moved(self, strides: tuple[int, ...], terms: tuple[tuple[Access, int], ...]) -> Access:
        """The same along other axes."""
        return Access(self.buffer, self.offset, strides, terms)

    def parts(self) -> list[Access]:
        """It and every index in it."""
        return [self, *(p for index, _ in self.terms for p in index.parts())]

    def entry(self, names: Sequence[str]) -> str:
        """The entry in C, given the counters of the loops."""
        terms = [str(self.offset)] if self.offset else []
        for name, stride in zip(names, self.strides, strict=True):
            if stride:
                terms.append(name if stride == 1 else f"{stride} * {name}")
        for index, stride in self.terms:
            terms.append(f"(long){index.entry(names)} * {stride}")
        return f"{self.buffer}[{' + '.join(terms) or '0'}]"


def access_of(view: View) -> Access:
    """A view along its own axes."""
    strides = (0 if n == 1 else s for n, s in zip(view.shape, view.strides, strict=True))
    return Access(view.buffer, view.offset, tuple(strides))


def may_overlap(
    one: Access, shape: tuple[int, ...], other: Access, others: tuple[int, ...]
) -> bool:
    """Whether two accesses may meet in an entry; False only where they cannot."""
    if one.buffer != other.buffer:
        return False
    if one.terms or other.terms:
        return True
    low, high = _range(one, shape)
    from_, to = _range(other, others)
    if high < from_ or to < low:
        return False
    step = 0
    for stride in (*one.strides, *other.strides):
        step = gcd(step, stride)
    return (one.offset - other.offset) % step == 0 if step else one.offset == other.offset


def _range(access: Access, shape: tuple[int, ...]) -> tuple[int, int]:
    moves = [(n - 1) * s for n, s in zip(shape, access.strides, strict=True)]
    low = access.offset + sum(m for m in moves if m < 0)
    return low, access.offset + sum(m for m in moves if m > 0)
