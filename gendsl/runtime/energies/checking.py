"""What is looked at when an energy has been trained: whether it has a constant, and its chains.

Where the likelihood is greatest, chains that have reached the model have the moments of the data
(for what the params weigh linearly); chains that have not reached it, or a training that is not at
its end, show in moments that differ by more than their standard errors.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.runtime.diagnosis import array_stats
from gendsl.runtime.energies.exact import precision
from gendsl.runtime.energies.packing import Packed
from gendsl.runtime.energies.samplers import Kernel
from gendsl.runtime.energies.steps import Memory, run_chains
from gendsl.runtime.energies.task import Task

__all__ = ["equilibrium", "least_precision", "without_constant"]

SWEEPS, TOLD = 100, 25
"""Sweeps after the training, and stretches of them after each of which chains are looked at."""

ROWS, CHAINS = 10_000, 500
"""Rows of the data whose moments are taken, and of which chains begin, at most."""

Facts = dict[str, float | int | str]


def least_precision(task: Task) -> float | None:
    """The smallest eigenvalue of the precision of a quadratic energy; None for others."""
    if not task.facts.quadratic or len(task.visible) != 1:
        return None
    given, _ = task.rows.spaced(task.rows.total if task.conditional else 1)
    found = precision(task, task.arguments_of(given)).detach()
    return float(torch.linalg.eigvalsh(found).min()) if bool(found.isfinite().all()) else None


def without_constant(task: Task, least: float, when: str) -> DataError:
    """The refusal of a quadratic energy whose precision is not positive definite."""
    energy = task.model.energies[task.facts.block.energies[0]]
    message = (
        f"this energy has no finite constant: the precision of `{task.visible[0]}`, the second "
        f"derivatives of the energy, has the eigenvalue {least:.3g} where training {when}"
    )
    remedy = (
        "see to its sign, and declare what it weighs squares by as `positive` or `covariance[D]`"
    )
    return DataError([Diagnostic("GD887", message, energy.span, help=remedy)], task.model.source)


def equilibrium(task: Task, kernel: Kernel, memory: Memory) -> Facts:
    """Moments of the data beside those of chains that go on, and whether these chains agree.

    The chains are those that the training left, or begin at rows of the data. Moments are means
    and, of numbers, mean squares about the data's mean.

    Returns:
        ``chain_sweeps``; ``moments_apart``, the root mean square over entries of the differences
        in standard deviations of the data; ``moments_expected``, what sampling alone makes of it;
        ``moments_worst``, the largest difference in standard errors; ``chain_r_hat`` and
        ``chain_ess`` of the log densities along the chains. Nothing where rows have inputs.
    """
    if task.conditional or task.rows.total < 2:
        return {}
    given = task.arguments_of(task.rows.spaced(ROWS)[0])
    parts = task.values(given)
    data = Packed(task, parts).pack(parts)
    if memory:
        start = {n: memory[f"chains {n}"] for n in task.visible}
        count = Packed(task, start).pack(start).shape[0]
        held = task.sized(count) if task.rows.plate is not None else given
    else:
        held = task.arguments_of(task.rows.spaced(CHAINS)[0])
        start = task.values(held)
    traces = []
    values = dict(start)
    for _ in range(TOLD):
        moved = run_chains(task, kernel, held, values, SWEEPS // TOLD)
        values = {n: moved[n] for n in task.visible}
        traces.append(task.log_density(values, held).detach().reshape(-1))
    chains = Packed(task, values).pack(values)
    moments = _moments(data, chains, binary=task.facts.binary)
    return {"chain_sweeps": SWEEPS, **moments, **_mixing(torch.stack(traces, 1))}


def _moments(data: Tensor, chains: Tensor, *, binary: bool) -> Facts:
    data, chains = data.to(torch.float64), chains.to(torch.float64)
    centre, spread = data.mean(0), data.std(0).clamp(min=1e-12)
    data, chains = (data - centre) / spread, (chains - centre) / spread
    if not binary:
        data, chains = torch.cat([data, data**2], 1), torch.cat([chains, chains**2], 1)
    apart = chains.mean(0) - data.mean(0)
    error = (data.var(0) / len(data) + chains.var(0) / max(len(chains), 1)).sqrt()
    error = error.clamp(min=(1.0 / len(data) + 1.0 / len(chains)) ** 0.5 / 10)
    if not bool(apart.isfinite().all()):
        return {"moments_apart": float("inf"), "moments_expected": 0.0, "moments_worst": np.inf}
    return {
        "moments_apart": float((apart**2).mean().sqrt()),
        "moments_expected": float((error**2).mean().sqrt()),
        "moments_worst": float((apart / error).abs().max()),
    }


def _mixing(trace: Tensor) -> Facts:
    """R-hat and ESS of log densities, (chains, draws)."""
    values = trace.to(torch.float64).cpu().numpy()
    if len(values) < 2 or not np.isfinite(values).all() or np.ptp(values) == 0:
        return {}
    found = {
        "chain_r_hat": float(array_stats.rhat(values)),
        "chain_ess": float(array_stats.ess(values, method="mean")),
    }
    return {k: v for k, v in found.items() if np.isfinite(v)}
