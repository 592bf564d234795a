"""From one run with every value of the discrete latents to tables: a factor for each site."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from pyro.poutine.trace_struct import Trace
from pyro.poutine.util import site_is_subsample
from torch import Tensor
from torch.distributions import Distribution

from gendsl.diagnostics import InternalCompilerError
from gendsl.runtime.enumerated import EveryValue
from gendsl.runtime.plates import DRAWS, is_empty
from gendsl.runtime.tables import Table

__all__ = ["factors_of", "narrowed", "table_of"]

NARROWED = ("torch.distributions.", "pyro.distributions.")
"""Where laws come from whose attributes are tensors of their batch."""


def factors_of(trace: Trace, every: EveryValue) -> tuple[list[Table], Tensor, dict[str, int]]:
    """Tables that depend on what was listed, the sum of all other factors, sizes of plates."""
    tables: list[Table] = []
    rest = torch.zeros(())
    sizes: dict[str, int] = {}
    for name, node in trace.nodes.items():
        site: Any = node
        if site["type"] != "sample" or site_is_subsample(site) or is_empty(site):
            continue
        if site["infer"].get("_deterministic"):
            continue
        sizes |= {f.name: f.size for f in site["cond_indep_stack"] if f.vectorized}
        found = table_of(name, site, every)
        if found is None:
            rest = rest + _log_prob(site, site["fn"]).sum()
        elif found.value.numel() and every.members is not None:
            tables += every.members.split(name, found, every.steps.get(name))
        elif found.value.numel():
            tables.append(found)
    return tables, rest, {**every.lengths, **sizes}


def _log_prob(site: Any, law: Any) -> Tensor:  # noqa: ANN401
    value: Tensor = law.log_prob(site["value"])
    return value if site["mask"] is None else torch.where(site["mask"], value, 0.0)


def table_of(name: str, site: Any, every: EveryValue) -> Table | None:  # noqa: ANN401
    """The table of a site; None if it depends on nothing that was listed."""
    law = narrowed(site["fn"])
    frames = {f.dim: f.name for f in site["cond_indep_stack"] if f.vectorized}
    mask, base = _apart(law, frames)
    value = _log_prob(site, base)
    if not any(d in every.axes for d in _varying(value)):
        return None
    if value.numel() == 0:
        return Table(value, (), frozenset())
    along = ""
    if mask is not None:
        place = _varying(mask)[0]
        if place in _varying(value):
            value, mask = _log_prob(site, law), None
        else:
            mask, along = mask.reshape(-1), frames[place]
    plates = frozenset(frames.values()) - {DRAWS}
    table = Table(*_named(name, value, frames, every), plates, mask, along)
    return _at_step(table, every, *every.steps[name]) if name in every.steps else table


def _apart(law: Any, frames: Mapping[int, str]) -> tuple[Tensor | None, Any]:  # noqa: ANN401
    """A law and the mask on it, where that differs along one plate alone."""
    mask = getattr(law, "_mask", None)
    if not isinstance(mask, Tensor) or not hasattr(law, "base_dist"):
        return None, law
    for axis in range(mask.dim()):
        if mask.stride(axis) == 0 and mask.shape[axis] > 1:
            mask = mask.narrow(axis, 0, 1)
    if len(_varying(mask)) != 1 or _varying(mask)[0] not in frames:
        return None, law
    return mask, narrowed(law.base_dist)


def narrowed(law: Any) -> Any:  # noqa: ANN401  a distribution
    """A law with size 1 along the dimensions of its batch along which it is merely repeated.

    A plate repeats what stands in it; a table of it would repeat all work.
    """
    shape = law.batch_shape
    repeated = [k for k, size in enumerate(shape) if size > 1 and _repeats(law, k, len(shape))]
    for axis in repeated:
        law = _cut(law, axis, len(shape))
    return law


def _repeats(law: Any, axis: int, rank: int) -> bool:  # noqa: ANN401
    """Whether nothing in a law differs along a dimension of its batch."""
    if not type(law).__module__.startswith(NARROWED) or len(law.batch_shape) != rank:
        return False
    for value in vars(law).values():
        if isinstance(value, Distribution):
            if not _repeats(value, axis, rank):
                return False
        elif isinstance(value, Tensor) and value.dim():
            if value.dim() < rank or (value.shape[axis] != 1 and value.stride(axis) != 0):
                return False
        elif not isinstance(value, (int, float, Tensor, torch.Size, type(None))):
            return False
    return True


def _cut(law: Any, axis: int, rank: int) -> Any:  # noqa: ANN401
    """The law at the first member along a dimension."""
    found = copy.copy(law)
    for name, value in vars(law).items():
        if isinstance(value, Distribution):
            vars(found)[name] = _cut(value, axis, rank)
        elif isinstance(value, Tensor) and value.dim():
            vars(found)[name] = value.narrow(axis, 0, 1)
    shape = [*law.batch_shape]
    shape[axis] = 1
    found._batch_shape = torch.Size(shape)
    return found


def _varying(value: Tensor) -> list[int]:
    return [d for d in range(-value.dim(), 0) if value.shape[d] != 1]


def _named(
    name: str, value: Tensor, frames: Mapping[int, str], every: EveryValue
) -> tuple[Tensor, tuple[str, ...]]:
    names = {**every.axes, **frames}
    varying = _varying(value)
    strange = [d for d in varying if d not in names]
    if strange:
        raise InternalCompilerError(f"the density of {name} varies along dimension {strange[0]}")
    return value.reshape([value.shape[d] for d in varying]), tuple(names[d] for d in varying)


def _at_step(table: Table, every: EveryValue, step: int, sequence: str) -> Table:
    """The table of a literal step, as one that counts at that step of its sequence alone."""
    own = [every.listed[a] for a in table.axes if a in every.listed]
    own += [v for v in every.listed.values() if v.before in table.axes]
    if not any(sequence in v.plates for v in own):
        return table
    mask = torch.arange(every.lengths[sequence]) == step
    return Table(table.value, table.axes, table.plates | {sequence}, mask, sequence)
