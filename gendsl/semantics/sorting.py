"""Sorting names by what they need, and finding the circles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["Sorted", "sorted_by_need"]


@dataclass(frozen=True, slots=True)
class Sorted:
    """Names sorted by what they need.

    Attributes:
        order: each name after those it needs; otherwise as given.
        circles: circles that share no name; each name in one needs the next, the last the first.
        circular: every name that is on some circle.
    """

    order: list[str] = field(default_factory=list)
    circles: list[list[str]] = field(default_factory=list)
    circular: set[str] = field(default_factory=set)


def sorted_by_need(needs: Mapping[str, Iterable[str]]) -> Sorted:
    """Sort the keys of `needs` by the names that each needs."""
    found = Sorted()
    done: dict[str, bool] = {}
    for root in needs:
        path: list[tuple[str, Iterator[str]]] = []
        place: dict[str, int] = {}
        step: str | None = root
        while step is not None or path:
            if step is not None and step not in done:
                done[step] = False
                place[step] = len(path)
                path.append((step, iter(needs.get(step, ()))))
            elif step is not None and not done[step]:
                circle = [name for name, _ in path[place[step] :]]
                if found.circular.isdisjoint(circle):
                    found.circles.append(circle)
                found.circular.update(circle)
            if not path:
                break
            step = next(path[-1][1], None)
            if step is None:
                name, _ = path.pop()
                done[name] = True
                found.order.append(name)
    return found
