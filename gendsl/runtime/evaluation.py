"""How well a fit predicts rows that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from pyro.poutine.trace_struct import Trace

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.emit.sites import window_of
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
        pointwise: of each row, by observed variable; empty where it is told for whole rows only.
        kind: what the number is.
    """

    log_predictive_density: float
    standard_error: float
    rows: int
    pointwise: Mapping[str, np.ndarray]
    kind: str = "an estimate"

    def __str__(self) -> str:
        """One sentence."""
        return (
            f"log predictive density {self.log_predictive_density:.2f} "
            f"± {self.standard_error:.2f} nats over {self.rows} rows, {self.kind}"
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
                v.name: _rows(batch, trace, v, length, missing or {})
                for v in model.of_role("observed")
                if v.name in trace.nodes
            }
        )
    return merged(parts)


def _rows(
    batch: Batch,
    trace: Trace,
    variable: ir.Variable,
    count: int,
    missing: Mapping[str, np.ndarray],
) -> np.ndarray:
    """(draw, row), without the rows whose value is missing, or given and not modelled."""
    logs, modelled = _at_all_steps(batch, trace, variable)
    found = np.array(logs.reshape(count, -1).cpu().numpy())
    keep = modelled.reshape(-1).cpu().numpy()
    if variable.name in missing:
        mask = missing[variable.name]
        entries = tuple(range(len(variable.axes), mask.ndim))
        mask = np.asarray(mask.any(axis=entries))
        keep = keep & ~known_mask(batch, variable, mask).reshape(-1).cpu().numpy()
    return found[:, keep]


def _at_all_steps(
    batch: Batch, trace: Trace, variable: ir.Variable
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log densities of all members, and for those of one draw whether they have an equation."""
    sizes = batch.executable.sizes
    logs = _log_prob(trace, variable.name)
    window = window_of(batch.executable.model, variable)
    if window is None:
        return logs, torch.ones(logs.shape[1:], dtype=torch.bool)
    dim = -batch.executable.program.layout.depths[window.sequence]
    first = min(window.first, sizes[window.sequence])
    if logs.shape[dim] != sizes[window.sequence]:
        logs = torch.nn.functional.pad(logs, [0, 0] * (-dim - 1) + [first, 0])
    logs = logs.clone()
    modelled = torch.ones(logs.shape[1:], dtype=torch.bool)
    modelled.narrow(dim, 0, first).fill_(value=False)
    for equation in variable.equations:
        step = equation.step
        if step is not None and step < sizes[window.sequence]:
            logs.narrow(dim, step, 1).copy_(_log_prob(trace, f"{variable.name}[{step}]"))
            modelled.narrow(dim, step, 1).fill_(value=True)
    return logs, modelled


def _log_prob(trace: Trace, site: str) -> torch.Tensor:
    found: torch.Tensor = trace.nodes[site]["log_prob"]
    return found


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
