"""How well a fit predicts rows that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.graph.recursion import held
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import references
from gendsl.runtime.draws import Batch, chunks
from gendsl.runtime.posterior import known_mask, merged, param_value
from gendsl.runtime.program import Executable
from gendsl.semantics.narrowing import narrowing
from gendsl.semantics.supports import is_discrete

__all__ = ["Evaluation", "pointwise", "scored", "verify_scorable", "verify_steps_known"]

Arrays = dict[str, np.ndarray]


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
    posterior: Mapping[str, np.ndarray],
    params: Mapping[str, np.ndarray],
    known: Mapping[str, np.ndarray],
    *,
    seed: int,
    missing: Mapping[str, np.ndarray] | None = None,
) -> Arrays:
    """Log densities (draw, row) of the observed values, for every draw of the posterior.

    Rows whose value is `missing` are left out.
    """
    model, batch = executable.model, Batch(executable)
    masks = {n: known_mask(batch, model.variable(n), mask) for n, mask in known.items()}
    fixed = {n: param_value(batch, model.variable(n), v) for n, v in params.items()}
    count = len(next(iter(posterior.values()))) if posterior else 1
    torch.manual_seed(seed)
    parts: list[Arrays] = []
    for piece in chunks(count, 2 * batch.width()):
        length = piece.stop - piece.start
        values = {n: batch.batched(model.variable(n), d[piece]) for n, d in posterior.items()}
        trace = batch.trace(length, values, fixed, masks)
        trace.compute_log_prob()
        parts.append(
            {
                v.name: _rows(batch, trace.nodes[v.name]["log_prob"], v, length, missing or {})
                for v in model.of_role("observed")
                if v.name in trace.nodes
            }
        )
    return merged(parts)


def _rows(
    batch: Batch,
    logs: torch.Tensor,
    variable: ir.Variable,
    count: int,
    missing: Mapping[str, np.ndarray],
) -> np.ndarray:
    """(draw, row), without the rows whose value is missing."""
    found = np.array(logs.reshape(count, -1).cpu().numpy())
    if variable.name not in missing:
        return found
    mask = missing[variable.name]
    entries = tuple(range(len(variable.axes), mask.ndim))
    mask = np.asarray(mask.any(axis=entries))
    return found[:, ~known_mask(batch, variable, mask).reshape(-1).cpu().numpy()]


def verify_scorable(model: ir.Model, *, point: bool) -> None:
    """Refuse where the density of a row is no number that can be computed here.

    Args:
        model: the model.
        point: whether the fit is a point estimate, which says nothing of discrete latents.

    Raises:
        DataError: GD829.
    """
    weighed = references(*(e.value for e in model.energies))
    local = [
        v for v in model.of_role("latent") if is_discrete(v.type.support) and (v.axes or point)
    ] + [v for v in model.of_role("observed") if not v.equations or v.name in weighed]
    scaled = [
        v
        for v in model.of_role("observed")
        for e in v.equations
        if e.distribution is not None and narrowing(v, e.distribution).entry == "constant"
    ]
    if local:
        message = (
            f"held-out rows cannot be scored yet where `{local[0].name}` would have to be "
            "summed or integrated out for each of them"
        )
    elif scaled:
        message = (
            f"held-out rows cannot be scored: the density of `{scaled[0].name}` is known up to a "
            "constant only"
        )
    else:
        return
    found = Diagnostic(
        "GD829",
        message,
        (local or scaled)[0].span,
        help="compare predictions with the held-out values instead",
    )
    raise DataError([found], model.source)


def verify_steps_known(model: ir.Model, known: Mapping[str, np.ndarray]) -> None:
    """Refuse rows at later steps of a latent series, which would have to be drawn in order.

    Args:
        model: the model.
        known: for latents with new members, a mask over their axes of those that the fit knew.

    Raises:
        DataError: GD829.
    """
    found = [
        Diagnostic(
            "GD829",
            f"held-out rows cannot be scored yet at steps of `{name}` that the fit did not know",
            model.variable(name).span,
            help="compare predictions with the held-out values instead",
        )
        for name in known
        if name in held(model)
    ]
    if found:
        raise DataError(found, model.source)
