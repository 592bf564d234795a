"""Exact constants: sums over all states of binary variables, and those of normal laws.

Where visible binary variables do not interact with one another, given the units, and neither do
the units, the states of the smaller side are summed over and the other side is summed in closed
form, as that of a restricted Boltzmann machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import torch
from torch import Tensor

from gendsl.runtime.energies.constants import binary_states
from gendsl.runtime.energies.task import Task

__all__ = ["log_constant", "of_one", "precision", "summed_bits"]


def log_constant(task: Task, arguments: Mapping[str, Any], *, normal: bool) -> Tensor:
    """Exact log Z, (1, rows or 1): one for each row only where rows have inputs of their own.

    That of a normal law is NaN where its precision is not positive definite.
    """
    given = of_one(task, arguments)
    return _normal_constant(task, given) if normal else _summed_constant(task, given)


def precision(task: Task, arguments: Mapping[str, Any]) -> Tensor:
    """The precision of a block whose energy is quadratic, (1, rows or 1, entries, entries)."""
    return _normal_form(task, of_one(task, arguments))[2]


def summed_bits(task: Task, arguments: Mapping[str, Any]) -> int:
    """Over the states of how many bits the constant is a sum."""
    return sum(_side(task, of_one(task, arguments)).values())


def of_one(task: Task, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments of one row, where rows have no inputs of their own."""
    if task.rows.plate is not None and not task.conditional:
        return task.sized(1)
    return arguments


def _bits(task: Task, given: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, int]:
    """How many bits of a row each variable has."""
    plate = task.rows.plate
    rows = 1 if plate is None else task.weigher.sizes(given)[plate]
    return {n: prod(task.shape(n, given)) // rows for n in names}


def _side(task: Task, given: Mapping[str, Any]) -> dict[str, int]:
    """The variables whose states are summed over, with their bits."""
    visible = _bits(task, given, task.visible)
    if not task.facts.bipartite:
        return visible
    units = _bits(task, given, task.facts.units)
    return units if sum(units.values()) < sum(visible.values()) else visible


def _summed_constant(task: Task, given: Mapping[str, Any]) -> Tensor:
    bits = _side(task, given)
    other = tuple(n for n in (*task.visible, *task.facts.units) if n not in bits)
    shapes = {n: task.shape(n, given) for n in bits}
    pieces = []
    for states in binary_states(sum(bits.values())):
        values, begin = {}, 0
        for name, count in bits.items():
            part = states[:, begin : begin + count]
            begin += count
            values[name] = _state(task, part, shapes[name], name)
        found = task.summed(values, given, other, len(states))
        pieces.append(torch.logsumexp(found, 0, keepdim=True))
    return torch.logsumexp(torch.cat(pieces), 0, keepdim=True)


def _state(task: Task, part: Tensor, shape: tuple[int, ...], name: str) -> Tensor:
    """States, (states, bits), as values of one variable that all rows share."""
    row = task.weigher.layout.row
    if row is None:
        return part.reshape(-1, *shape)
    at = len(shape) - task.event(name) + row
    single = (*shape[:at], 1, *shape[at + 1 :])
    return part.reshape(-1, *single).expand(-1, *shape)


def _normal_form(task: Task, given: Mapping[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    """The value, the gradient and the precision of a quadratic log density at 0."""
    (name,) = task.visible
    shape = task.shape(name, given)
    event, row = task.event(name), task.weigher.layout.row
    with torch.enable_grad():
        at = torch.zeros(shape, requires_grad=True)
        value = task.log_density({name: at}, given)
        (slope,) = torch.autograd.grad(value.sum(), at, create_graph=True)
        flat = task.weigher.layout.entries(slope, event, local=row is not None)[0]
        columns = []
        for i in range(flat.shape[-1]):
            if not flat.requires_grad:  # the energy is linear
                columns.append(torch.zeros_like(flat))
                continue
            (column,) = torch.autograd.grad(
                flat[..., i].sum(), at, create_graph=True, materialize_grads=True
            )
            columns.append(task.weigher.layout.entries(column, event, local=row is not None)[0])
    return value, flat, -torch.stack(columns, -1)


def _normal_constant(task: Task, given: Mapping[str, Any]) -> Tensor:
    """Log Z of exp of a quadratic form, from its value, gradient and Hessian at 0."""
    value, flat, matrix = _normal_form(task, given)
    factor, info = torch.linalg.cholesky_ex(matrix)
    bad = (info > 0).reshape(*info.shape, 1, 1)
    factor = torch.where(bad, torch.full_like(factor, torch.nan), factor)
    half = torch.linalg.solve_triangular(factor, flat[..., None], upper=False)[..., 0]
    log_det = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    constant = 0.5 * flat.shape[-1] * torch.log(torch.tensor(2 * torch.pi))
    found: Tensor = value + 0.5 * (half**2).sum(-1) - 0.5 * log_det + constant
    return found
