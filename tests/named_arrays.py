"""Arrays whose leading axes are plates, aligned by name; the rest are event axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Named", "aligned", "each_member", "union"]


@dataclass(frozen=True, eq=False)
class Named:
    """`data` has one axis per name in `plates`, then the event axes."""

    plates: tuple[str, ...]
    data: np.ndarray

    @property
    def event_rank(self) -> int:
        return self.data.ndim - len(self.plates)

    @property
    def event(self) -> tuple[int, ...]:
        return self.data.shape[len(self.plates) :]

    def size(self, plate: str) -> int:
        return self.data.shape[self.plates.index(plate)]

    def with_plates(self, plates: Sequence[str]) -> np.ndarray:
        """The data with exactly `plates` in front, size 1 where it does not vary."""
        assert set(self.plates) <= set(plates), (self.plates, plates)
        order = [self.plates.index(p) for p in plates if p in self.plates]
        rest = range(len(self.plates), self.data.ndim)
        data = self.data.transpose((*order, *rest))
        shape = iter(data.shape)
        lead = [next(shape) if p in self.plates else 1 for p in plates]
        return data.reshape((*lead, *self.event))

    def plate_first(self, plate: str) -> Named:
        """The plate turned into the first event axis."""
        position = self.plates.index(plate)
        plates = tuple(p for p in self.plates if p != plate)
        return Named(plates, np.moveaxis(self.data, position, len(plates)))


def union(arrays: Iterable[Named]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(p for a in arrays for p in a.plates))


def aligned(arrays: Sequence[Named]) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """Plates by name, events exactly or scalar: arrays that numpy broadcasts rightly."""
    plates = union(arrays)
    rank = max(a.event_rank for a in arrays)
    assert len({a.event for a in arrays if a.event_rank}) <= 1, [a.event for a in arrays]
    out = []
    for a in arrays:
        data = a.with_plates(plates)
        out.append(data.reshape((*data.shape, *[1] * (rank - a.event_rank))))
    return plates, out


def each_member(
    function: Callable[..., np.ndarray], arrays: Sequence[Named], plates: Sequence[str] = ()
) -> Named:
    """`function` of the event arrays, one combination of plate members at a time."""
    plates = tuple(plates) or union(arrays)
    sizes: Mapping[str, int] = {p: a.size(p) for a in arrays for p in a.plates}
    shape = tuple(sizes[p] for p in plates)
    full = [np.broadcast_to(a.with_plates(plates), (*shape, *a.event)) for a in arrays]
    results = [np.asarray(function(*(f[i] for f in full))) for i in np.ndindex(*shape)]
    return Named(plates, np.array(results).reshape((*shape, *results[0].shape)))
