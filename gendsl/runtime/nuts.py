"""One chain of Pyro's No-U-Turn sampler on a `Density`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyro
import torch
from pyro.infer import NUTS
from torch import Tensor

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.runtime.density import Density

__all__ = ["ChainResult", "NutsOptions", "Report", "initial_point", "run_chain"]

Report = Callable[[int, int, str, float, int], None]
"""(iteration, total, "warmup" or "sampling", step size, divergences so far)."""

RADII = (2.0, 2.0, 2.0, 1.0, 0.5, 0.1, 0.01)
TRIES = 20


@dataclass(frozen=True, slots=True)
class NutsOptions:
    """Options of the sampler, as in `gendsl.library.methods`."""

    draws: int = 1000
    warmup: int = 1000
    target_accept_prob: float = 0.8
    max_tree_depth: int = 10


@dataclass(frozen=True)
class ChainResult:
    """One chain: draws of the unknowns on their own scale, (draw, ...), and statistics."""

    values: dict[str, np.ndarray]
    stats: dict[str, np.ndarray]


def initial_point(density: Density) -> dict[str, Tensor]:
    """Unconstrained coordinates with a finite density and gradient.

    Points are drawn uniformly from a cube that shrinks when none is found.

    Raises:
        DataError: GD821 when there is none, naming the sites without a finite density.
    """
    for radius in RADII:
        for _ in range(TRIES):
            point = {
                u.name: torch.empty(u.unconstrained_shape).uniform_(-radius, radius)
                for u in density.unknowns
            }
            leaves = {n: v.clone().requires_grad_(requires_grad=True) for n, v in point.items()}
            try:
                energy = density.potential(leaves)
            except ValueError:  # a distribution refused its parameters: not a point to start from
                continue
            if not bool(torch.isfinite(energy)):
                continue
            gradients = torch.autograd.grad(energy, list(leaves.values()), allow_unused=True)
            if all(g is None or bool(torch.isfinite(g).all()) for g in gradients):
                return point
    raise _no_start(density)


def _no_start(density: Density) -> DataError:
    """Name the sites that have no finite density at a typical point."""
    model = density.executable.model
    point = {u.name: torch.zeros(u.unconstrained_shape) for u in density.unknowns}
    found = []
    try:
        trace = density.trace(density.constrain(point))
        trace.compute_log_prob()
        for name, site in trace.nodes.items():
            if site["type"] != "sample" or bool(torch.isfinite(site["log_prob"]).all()):
                continue
            bad = torch.nonzero(~torch.isfinite(site["log_prob"]))[:5].tolist()
            variable = next((v for v in model.variables if v.name == name), None)
            found.append(
                Diagnostic(
                    "GD821",
                    f"the log density of `{name}` is not finite at any starting point tried; "
                    f"entries {bad} (from 0) fail first",
                    variable.span if variable is not None else None,
                    help="check these rows of the data, and the parameters that they imply",
                )
            )
    except (ValueError, RuntimeError) as error:
        found = [Diagnostic("GD821", f"no starting point has a finite density: {error}")]
    found = found or [
        Diagnostic(
            "GD821",
            "no starting point has a finite density and gradient",
            model.span,
            help="tighter priors, or types that keep parameters legal, usually help",
        )
    ]
    return DataError(found, model.source)


class _RecordingNUTS(NUTS):  # type: ignore[misc]
    """Pyro's kernel, which also keeps the energy and the tree depth of each transition."""

    started = 0.0
    depth = 0

    def sample(self, params: dict[str, Tensor]) -> dict[str, Tensor]:
        """One transition."""
        self.started, self.depth = float("nan"), 0
        result: dict[str, Tensor] = super().sample(params)
        return result

    def _kinetic_energy(self, r_unscaled: Mapping[str, Tensor]) -> Tensor:
        kinetic: Tensor = super()._kinetic_energy(r_unscaled)
        if self.started != self.started:
            self.started = float(kinetic) + float(self._potential_energy_last)
        return kinetic

    def _build_tree(self, *args: Any) -> Any:
        self.depth = max(self.depth, int(args[5]) + 1)
        return super()._build_tree(*args)


def run_chain(
    density: Density, options: NutsOptions, report: Report | None = None
) -> ChainResult:
    """Adapt, then sample; random numbers come from torch's current state."""
    kernel = _RecordingNUTS(
        potential_fn=density.potential,
        target_accept_prob=options.target_accept_prob,
        max_tree_depth=options.max_tree_depth,
    )
    kernel.initial_params = initial_point(density)
    kept: dict[str, list[np.ndarray]] = {u.name: [] for u in density.unknowns}
    stats: dict[str, list[float]] = {"lp": [], "energy": [], "tree_depth": []}
    total = options.warmup + options.draws
    with warnings.catch_warnings(), pyro.validation_enabled(False):
        warnings.simplefilter("ignore")
        kernel.setup(options.warmup)
        params = kernel.initial_params
        for iteration in range(total):
            params = kernel.sample(params)
            warming = iteration < options.warmup
            if not warming:
                values = density.constrain(params)
                for name, value in values.items():
                    kept[name].append(value.detach().cpu().numpy())
                stats["lp"].append(-float(kernel._potential_energy_last))
                stats["energy"].append(kernel.started)
                stats["tree_depth"].append(kernel.depth)
            if report is not None:
                phase = "warmup" if warming else "sampling"
                lost = len(kernel._divergences)
                report(iteration + 1, total, phase, float(kernel.step_size), lost)
    return _result(kernel, kept, stats, options)


def _result(
    kernel: NUTS,
    kept: Mapping[str, list[np.ndarray]],
    stats: Mapping[str, list[float]],
    options: NutsOptions,
) -> ChainResult:
    diverging = np.zeros(options.draws, dtype=bool)
    for iteration in kernel._divergences:
        if 0 <= iteration < options.draws:
            diverging[iteration] = True
    depth = np.asarray(stats["tree_depth"], dtype=np.int64)
    found = {
        "diverging": diverging,
        "lp": np.asarray(stats["lp"]),
        "energy": np.asarray(stats["energy"]),
        "tree_depth": depth,
        "reached_max_treedepth": depth >= options.max_tree_depth,
        "step_size": np.full(options.draws, float(kernel.step_size)),
    }
    return ChainResult({n: np.stack(v) for n, v in kept.items()}, found)
