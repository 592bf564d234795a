"""Exact inference where every unknown has finitely many values."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pyro.infer import TraceEnum_ELBO, config_enumerate

from gendsl.ir import nodes as ir
from gendsl.runtime.density import Density
from gendsl.runtime.draws import Batch, chunks
from gendsl.runtime.plates import EmptyAside
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
    probabilities, values = _marginals(executable, summed=density.sums)
    batch = Batch(executable)
    names = [v.name for v in model.of_role("latent", "let")]
    parts = []
    for piece in chunks(draws, 2 * batch.width()):
        count = piece.stop - piece.start
        parts.append(site_values(batch, batch.recover(count, {}, {}), names, count))
    return ExactResult(evidence, probabilities, values, merged(parts))


def _marginals(executable: Executable, *, summed: bool) -> tuple[Arrays, Arrays]:
    """Pyro's differentiation of log Z gives every marginal in one backward pass."""
    elbo = TraceEnum_ELBO(max_plate_nesting=executable.nesting)
    empty = EmptyAside()
    function = empty(config_enumerate(executable.run))
    laws: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if summed:
            laws |= elbo.compute_marginals(function, lambda: None)
        else:
            function()
    laws |= {n: site["fn"] for n, site in empty.seen.items() if not site["is_observed"]}
    batch = Batch(executable)
    probabilities: Arrays = {}
    values: Arrays = {}
    for name, law in laws.items():
        variable = next((v for v in executable.model.variables if v.name == name), None)
        if variable is None:
            continue
        support = law.enumerate_support(expand=False).reshape(-1)
        table = torch.stack([law.log_prob(x.expand(law.batch_shape)).exp() for x in support], -1)
        probabilities[name] = _natural(batch, variable, table)
        values[name] = support.cpu().numpy()
    return probabilities, values


def _natural(batch: Batch, variable: ir.Variable, table: torch.Tensor) -> np.ndarray:
    """(batch dimensions, value) to (*axes, value)."""
    columns = [
        batch.natural(variable, table[..., k].unsqueeze(0), 1)[0] for k in range(table.shape[-1])
    ]
    return np.asarray(torch.stack(columns, -1).detach().cpu().numpy())
