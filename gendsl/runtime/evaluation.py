"""How well a fit predicts rows that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.ir import nodes as ir
from gendsl.runtime.draws import Batch, chunks
from gendsl.runtime.posterior import Arrays, batched_knowns
from gendsl.runtime.program import Executable

__all__ = ["Evaluation", "pointwise", "scored"]


@dataclass(frozen=True)
class Evaluation:
    """The log predictive density of held-out rows, in nats: higher is better.

    Attributes:
        log_predictive_density: summed over the rows; an estimate from draws.
        standard_error: of that sum, were the rows drawn anew.
        rows: how many there are.
        pointwise: of each row, by observed variable.
    """

    log_predictive_density: float
    standard_error: float
    rows: int
    pointwise: Mapping[str, np.ndarray]

    def __str__(self) -> str:
        """One sentence."""
        return (
            f"log predictive density {self.log_predictive_density:.2f} "
            f"± {self.standard_error:.2f} nats over {self.rows} rows, an estimate"
        )


def scored(logs: Mapping[str, np.ndarray]) -> Evaluation:
    """Sum log densities (draw, row...) into a score: the mean over draws is of densities."""
    parts = {}
    for name, values in logs.items():
        high = values.max(axis=0)
        high = np.where(np.isfinite(high), high, 0.0)
        with np.errstate(divide="ignore"):
            parts[name] = np.log(np.exp(values - high).mean(axis=0)) + high
    flat = np.concatenate([p[np.isfinite(p) | (p == -np.inf)].ravel() for p in parts.values()])
    error = float(np.sqrt(len(flat) * flat.var(ddof=1))) if len(flat) > 1 else float("nan")
    return Evaluation(float(flat.sum()), error, len(flat), parts)


def pointwise(
    executable: Executable,
    posterior: Arrays,
    params: Arrays,
    known: Arrays,
    *,
    seed: int,
) -> Arrays:
    """Log densities (draw, row...) of the observed values, for every draw of the posterior.

    Raises:
        DataError: GD829 where discrete latents of the rows would have to be summed out.
    """
    model, batch = executable.model, Batch(executable)
    names = [v.name for v in model.of_role("observed") if v.name in _given(executable)]
    _verify_continuous(executable)
    values, masks, fixed = batched_knowns(batch, posterior, params, known)
    count = len(next(iter(posterior.values()))) if posterior else 1
    torch.manual_seed(seed)
    parts: list[Arrays] = []
    for piece in chunks(count, 2 * batch.width()):
        length = piece.stop - piece.start
        own = {n: v[piece] for n, v in values.items()}
        trace = batch.trace(length, own, fixed, masks)
        trace.compute_log_prob()
        parts.append({n: _rows(batch, model.variable(n), trace, length) for n in names})
    return {n: np.concatenate([p[n] for p in parts]) for n in names}
