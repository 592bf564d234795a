"""The order in which variables of a sparse system are eliminated, and what fills in.

References:
    Direct Methods for Sparse Linear Systems (Davis, 2006), chapters 4 and 7
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

import numpy as np

__all__ = ["filled", "minimum_degree", "order_of"]


def minimum_degree(neighbours: Sequence[set[int]]) -> list[int]:
    """The order that eliminates next what has the fewest neighbours left."""
    graph = [set(n) for n in neighbours]
    heap = [(len(n), v) for v, n in enumerate(graph)]
    heapq.heapify(heap)
    done = [False] * len(graph)
    order = []
    while heap:
        degree, v = heapq.heappop(heap)
        if done[v] or degree != len(graph[v]):
            continue
        done[v] = True
        order.append(v)
        around = graph[v]
        for w in around:
            graph[w] |= around
            graph[w] -= {v, w}
            heapq.heappush(heap, (len(graph[w]), w))
    return order


def filled(
    neighbours: Sequence[set[int]], order: Sequence[int], most: float = math.inf
) -> list[np.ndarray] | None:
    """The rows below the diagonal of each column of the factor, in increasing order.

    None where these are more than `most` entries.
    """
    count = 0
    place = {v: k for k, v in enumerate(order)}
    children: list[list[int]] = [[] for _ in order]
    columns: list[np.ndarray] = []
    for k, v in enumerate(order):
        rows = {place[w] for w in neighbours[v] if place[w] > k}
        for child in children[k]:
            rows.update(columns[child][1:].tolist())
        found = np.array(sorted(rows), dtype=np.int64)
        count += len(found)
        if count > most:
            return None
        if len(found):
            children[found[0]].append(k)
        columns.append(found)
    return columns


def order_of(neighbours: Sequence[set[int]]) -> tuple[list[int], list[np.ndarray]]:
    """An order with little fill, and the columns of its factor; as it is where that is as good."""
    size = len(neighbours)
    natural, entries = list(range(size)), sum(map(len, neighbours)) // 2
    dense = 4 * entries > size * size
    plain = filled(neighbours, natural, math.inf if dense else entries)
    if plain is not None:
        return natural, plain
    order = minimum_degree(neighbours)
    columns = filled(neighbours, order)
    assert columns is not None
    plain = filled(neighbours, natural, sum(map(len, columns)))
    return (order, columns) if plain is None else (natural, plain)
