"""Arrays in C by buffer, offset and strides, and loops over several of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, isnan, prod

__all__ = ["Lazy", "View", "contiguous", "literal", "loops", "merged"]


@dataclass(frozen=True, slots=True)
class View:
    """Numbers in a buffer."""

    buffer: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def expanded(self, shape: Sequence[int]) -> View:
        """Repeated along new axes on the left and along axes of size 1."""
        lead = len(shape) - len(self.shape)
        strides = [0] * lead + [
            0 if own == 1 else stride for own, stride in zip(self.shape, self.strides, strict=True)
        ]
        return replace(self, shape=tuple(shape), strides=tuple(strides))

    @property
    def packed(self) -> bool:
        """Whether the numbers lie one after the other, in order."""
        wanted = contiguous(self.shape)
        return all(
            size == 1 or a == b
            for size, a, b in zip(self.shape, self.strides, wanted, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Lazy:
    """An expression over entries of arrays, not computed yet; ``{0}`` is the first's entry."""

    code: str
    views: tuple[View | str, ...]
    shape: tuple[int, ...]


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of numbers that lie one after the other."""
    return tuple(prod(shape[k + 1 :]) for k in range(len(shape)))


def literal(number: float) -> str:
    """A number in C."""
    value = float(number)
    if isnan(value):
        return "NAN"
    if value in (inf, -inf):
        return "INFINITY" if value > 0 else "(-INFINITY)"
    return f"({value!r})"


def merged(
    shape: Sequence[int], strides: Sequence[Sequence[int]]
) -> tuple[list[int], list[list[int]]]:
    """Fewer, longer axes that visit the same entries in the same order."""
    sizes: list[int] = []
    kept: list[list[int]] = [[] for _ in strides]
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        joins = bool(sizes) and all(
            k[-1] == s[axis] * size for k, s in zip(kept, strides, strict=True)
        )
        if joins:
            sizes[-1] *= size
            for k, s in zip(kept, strides, strict=True):
                k[-1] = s[axis]
        else:
            sizes.append(size)
            for k, s in zip(kept, strides, strict=True):
                k.append(s[axis])
    return sizes, kept


def loops(
    shape: Sequence[int],
    views: Sequence[View],
    prefix: str = "i",
    pragma: str = "#pragma omp simd",
) -> tuple[str, list[str], str]:
    """Loops over `shape`: their opening, the entry of each view inside, and their end."""
    sizes, strides = merged(shape, [v.strides for v in views])
    names = [f"{prefix}{k}" for k in range(len(sizes))]
    head = ""
    for k, (name, size) in enumerate(zip(names, sizes, strict=True)):
        if k == len(sizes) - 1 and pragma:
            head += f"\n{pragma}\n"
        head += f"for (long {name} = 0; {name} < {size}; ++{name}) {{ "
    entries = []
    for view, own in zip(views, strides, strict=True):
        terms = [str(view.offset)] if view.offset else []
        terms += [
            name if stride == 1 else f"{stride} * {name}"
            for name, stride in zip(names, own, strict=True)
            if stride
        ]
        entries.append(f"{view.buffer}[{' + '.join(terms) or '0'}]")
    return head, entries, "}" * len(sizes)
