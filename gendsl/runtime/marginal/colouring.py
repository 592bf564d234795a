"""How few products with a sparse symmetric matrix tell all of its entries.

A star colouring gives neighbours different colours, and no path of four vertices two colours
alone. The products with the sums of each colour's unit vectors then hold every entry by itself
(Coleman and Moré, Estimation of sparse Hessian matrices and graph coloring problems, 1984;
Gebremedhin, Manne and Pothen, What color is your Jacobian?, 2005, section 4). A diagonal needs
one product, a chain three, a mean with its groups two, a full matrix as many as it has columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gendsl.runtime.marginal.ordering import minimum_degree

__all__ = ["Probes", "probes", "star_colours"]


@dataclass(frozen=True)
class Probes:
    """Directions to multiply a matrix with, and where in the products its entries are.

    Attributes:
        directions: of 0 and 1, (colour, size).
        colour: of the product that holds each entry.
        row: of the entry in that product.
        column: of the direction that it comes from.
    """

    directions: np.ndarray
    colour: np.ndarray
    row: np.ndarray
    column: np.ndarray


class _Colouring:
    """A star colouring of a graph, as far as its vertices have been coloured.

    Attributes:
        colours: of the vertices, -1 where there is none yet.
        around: the coloured neighbours of each vertex, by colour.
        closed: for each coloured vertex, the colours of neighbours that have a second neighbour
            of its own colour: they would make a path of four in two colours.
    """

    def __init__(self, neighbours: Sequence[set[int]]) -> None:
        """Colour nothing yet."""
        self.neighbours = neighbours
        self.colours = [-1] * len(neighbours)
        self.around: list[dict[int, list[int]]] = [{} for _ in neighbours]
        self.closed: list[set[int]] = [set() for _ in neighbours]

    def colour(self, v: int) -> None:
        """Give a vertex the first colour that it may have."""
        taken: set[int] = set()
        for w in self.neighbours[v]:
            if self.colours[w] >= 0:
                taken.add(self.colours[w])
                taken |= self.closed[w]
            else:
                taken.update(self.around[w])
        own = 0
        while own in taken:
            own += 1
        self.colours[v] = own
        for x in self.neighbours[v]:
            alike = self.around[x].setdefault(own, [])
            alike.append(v)
            if self.colours[x] >= 0 and len(alike) > 1:
                for w in alike if len(alike) == 2 else alike[-1:]:
                    self.closed[w].add(self.colours[x])
        for alike in self.around[v].values():
            if len(alike) > 1:
                for w in alike:
                    self.closed[w].add(own)


def _coloured(neighbours: Sequence[set[int]], order: Sequence[int], most: int) -> list[int] | None:
    """A colouring with at most `most` colours; None if it takes more."""
    found = _Colouring(neighbours)
    for v in order:
        found.colour(v)
        if found.colours[v] >= most:
            return None
    return found.colours


def star_colours(neighbours: Sequence[set[int]], order: Sequence[int]) -> list[int]:
    """A star colouring of a graph, greedily in this order."""
    found = _coloured(neighbours, order, len(neighbours))
    assert found is not None
    return found


def _few(neighbours: Sequence[set[int]]) -> list[int]:
    """The best of some orders: from many neighbours to few, from the root of a tree, as it is."""
    size = len(neighbours)
    best = star_colours(neighbours, sorted(range(size), key=lambda v: (-len(neighbours[v]), v)))
    for order in (minimum_degree(neighbours)[::-1], range(size)):
        best = _coloured(neighbours, order, max(best)) or best
    return best


def probes(size: int, rows: np.ndarray, columns: np.ndarray) -> Probes:
    """The directions for a symmetric matrix with entries at (rows, columns), its lower half."""
    neighbours: list[set[int]] = [set() for _ in range(size)]
    for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
        if i != j:
            neighbours[i].add(j)
            neighbours[j].add(i)
    dense = 2 * len(rows) >= size * size
    colours = list(range(size)) if dense else _few(neighbours)
    directions = np.zeros((max(colours, default=-1) + 1, size))
    directions[colours, np.arange(size)] = 1.0
    count: list[dict[int, int]] = [{} for _ in range(size)]
    for i in range(size):
        for j in neighbours[i]:
            count[i][colours[j]] = count[i].get(colours[j], 0) + 1
    places = []
    for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
        alone = i == j or count[i][colours[j]] == 1
        places.append((colours[j], i, j) if alone else (colours[i], j, i))
    return Probes(directions, *np.array(places, dtype=np.int64).reshape(-1, 3).T)
