"""Exact inference where every unknown has finitely many values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pyro import poutine

from gendsl.ir import nodes as ir
from gendsl.runtime.density import Density, is_latent
from gendsl.runtime.draws import Batch, chunks
from gendsl.runtime.elimination import marginals_of
from gendsl.runtime.enumerated import countable, every_value, values_of
from gendsl.runtime.plates import is_empty
from gendsl.runtime.posterior import merged, site_values
from gendsl.runtime.program import Executable

__all__ = ["ExactResult", "enumerate_exactly"]

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class ExactResult:
    """The exact posterior.

    Attributes:
        log_evidence: log p(data), in nats; exact.
        probabilities: for each latent (*axes, value), the probability of each value.
        values: for each latent, its values.
        draws: independent joint draws of latents and lets, (draw, ...).
    """

    log_evidence: float
    probabilities: Arrays
    values: Arrays
    draws: Arrays


def enumerate_exactly(executable: Executable, draws: int, seed: int) -> ExactResult:
    """Sum over every joint configuration, by variable elimination."""
    model = executable.model
    with torch.no_grad():
        density = Density(executable)
        evidence = float(density.log_prob({}))
    torch.manual_seed(seed)
    probabilities, values = _marginals(executable)
    batch = Batch(executable)
    names = [v.name for v in model.of_role("latent", "let")]
    parts = []
    for piece in chunks(draws, 2 * batch.width()):
        count = piece.stop - piece.start
        parts.append(site_values(batch, batch.recover(count, {}, {}), names, count))
    return ExactResult(evidence, probabilities, values, merged(parts))


def _marginals(executable: Executable) -> tuple[Arrays, Arrays]:
    """The probabilities of the values of each latent, and these."""
    every = every_value(executable)
    with torch.no_grad(), every:
        trace = poutine.trace(executable.run).get_trace()
    batch = Batch(executable)
    probabilities: Arrays = {}
    values: Arrays = {}
    for name, (own, table) in marginals_of(trace, every).items():
        dims = set(own.dims.values())
        for dim in range(-1, min(dims, default=0) - 1, -1):
            if dim not in dims:
                table = table.unsqueeze(table.dim() + dim)
        entries = own.values
        if entries.dim() > 1:  # of each entry by itself
            entries = torch.unique(own.values)
            each = (own.values.unsqueeze(-1) == entries).to(table.dtype)
            table = torch.tensordot(table, each, 1)
        _note(batch, name, table, entries, probabilities, values)
    for name, site in trace.nodes.items():
        message: Any = site
        if is_latent(message) and is_empty(message) and countable(message["fn"]):
            entries = values_of(name, message["fn"])
            table = torch.zeros((*message["fn"].batch_shape, len(entries)))
            _note(batch, name, table, entries, probabilities, values)
    return probabilities, values


def _note(
    batch: Batch,
    name: str,
    table: torch.Tensor,
    entries: torch.Tensor,
    probabilities: Arrays,
    values: Arrays,
) -> None:
    variable = next((v for v in batch.executable.model.variables if v.name == name), None)
    if variable is not None:
        probabilities[name] = _natural(batch, variable, table)
        values[name] = entries.long().cpu().numpy()


def _natural(batch: Batch, variable: ir.Variable, table: torch.Tensor) -> np.ndarray:
    """(batch dimensions, value) to (*axes, value)."""
    columns = [
        batch.natural(variable, table[..., k].unsqueeze(0), 1)[0] for k in range(table.shape[-1])
    ]
    return np.asarray(torch.stack(columns, -1).detach().cpu().numpy())
