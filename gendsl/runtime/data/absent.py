"""Variables that the data leave out altogether, as data of which every value is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from gendsl.ir import nodes as ir
from gendsl.ir.laws import tied_axes
from gendsl.runtime.data.binding import BoundData
from gendsl.runtime.data.checking import placeholder
from gendsl.types import Index, Interval

__all__ = ["with_absent"]


def with_absent(bound: BoundData, variables: Iterable[ir.Variable]) -> BoundData:
    """The same data, all values of those of `variables` missing that it does not have."""
    values, missing = dict(bound.values), dict(bound.missing)
    for variable in variables:
        if variable.name in values:
            continue
        event = tuple(s.evaluate(dict(bound.sizes)) for s in variable.type.event)
        lead = len(event) - tied_axes(variable)
        shape = (*(bound.sizes[a] for a in variable.axes), *event)
        support = variable.type.support
        whole = isinstance(support, Index) or (isinstance(support, Interval) and support.integer)
        stand_in = np.broadcast_to(placeholder(support, event[lead:]), shape).copy()
        values[variable.name] = stand_in.astype(np.int64) if whole else stand_in
        missing[variable.name] = np.ones(shape[: len(shape) - len(event) + lead], dtype=bool)
    return replace(bound, values=values, missing=missing)
