"""Where an inference begins, and what to say if it can begin nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyro
import torch
from torch import Tensor

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.ir import nodes as ir
from gendsl.runtime.approach import Budget, Found, descend
from gendsl.runtime.density import Density
from gendsl.runtime.potential import Potential, unflatten
from gendsl.runtime.trajectory import Point

__all__ = ["Start", "chain_start", "starting_point", "without_start"]

RADII = (2.0, 2.0, 2.0, 1.0, 0.5, 0.1, 0.01)
TRIES = 20

CANDIDATES = 4
"""So many points with a finite density are found, and the one of least gradient is taken."""

PATHS = 24
"""So many paths lead down, from points of their own."""

SHARE = 3
"""Evaluations for the paths, for each iteration of warm-up."""

LEAST_BUDGET = 200
"""Evaluations for the paths, where warm-up has fewer iterations."""

SHOWN = 5
"""A message names at most so many entries."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a chain begins.

    Attributes:
        point: the point.
        variances: of the coordinates, where an approximation tells them.
    """

    point: Point
    variances: np.ndarray | None = None


def starting_point(density: Density, potential: Potential, rng: np.random.Generator) -> Point:
    """Unconstrained coordinates with a finite density and a moderate gradient.

    Points are drawn uniformly from a cube that shrinks where none is found.

    Raises:
        DataError: GD821 when there is none, naming the sites without a finite density.
    """
    found = _random_point(potential, rng)
    if found is None:
        raise without_start(density)
    return found


def _random_point(potential: Potential, rng: np.random.Generator) -> Point | None:
    found: list[Point] = []
    for radius in RADII:
        for _ in range(TRIES):
            position = rng.uniform(-radius, radius, potential.size)
            value, gradient = potential(position)
            if np.isfinite(value) and np.isfinite(gradient).all():
                found.append(Point(position, value, gradient))
            if len(found) == CANDIDATES:
                break
        if found:
            return min(found, key=lambda p: float(np.linalg.norm(p.gradient)))
    return None


def chain_start(
    density: Density, potential: Potential, rng: np.random.Generator, warmup: int
) -> Start:
    """Where a chain begins: where the posterior has probability, as far as can be seen.

    Paths lead down from several starting points, each to a normal approximation
    (`gendsl.runtime.approach`). One of these is chosen, and one of its draws by importance. So
    chains begin at draws from approximations that were found independently, not at a mode.

    The choice is by the probability that an approximation covers, softened by sqrt(size) / 2 nats
    for its error. So where several modes have probability worth speaking of,
    chains begin in different ones, and R-hat tells; each stays in its own as before. A mode with
    hopelessly little is left out, unless all paths of the chain led there.

    Without warm-up, or where no path found an approximation, it is the first starting point. The
    potential is evaluated at most three times for each iteration of warm-up, a tenth of the work
    of a chain.

    Raises:
        DataError: GD821, as `starting_point`.
    """
    first = starting_point(density, potential, rng)
    found: list[Found] = []
    budget = Budget(potential, SHARE * max(warmup, LEAST_BUDGET) if warmup else 0)
    point: Point | None = first
    for _ in range(PATHS):
        if point is None or budget.left <= 0:
            break
        end = descend(budget, point, rng)
        found += [] if end is None else [end]
        point = _random_point(potential, rng)
    if not found:
        return Start(first)
    evidence = np.array([f.evidence for f in found]) / max(1.0, 0.5 * np.sqrt(potential.size))
    shares = np.exp(evidence - evidence.max())
    chosen = found[int(rng.choice(len(found), p=shares / shares.sum()))]
    return Start(chosen.drawn(rng), chosen.variances)


def without_start(density: Density) -> DataError:
    """GD821: name the sites that have no finite density at a typical point, and their entries."""
    model = density.executable.model
    point = torch.zeros(density.size)
    found: list[Diagnostic] = []
    try:
        with torch.no_grad(), pyro.validation_enabled(is_validate=False):
            trace = density.trace(density.constrain(unflatten(density, point)))
            trace.compute_log_prob()
        for name, site in trace.nodes.items():
            if site["type"] == "sample" and not bool(torch.isfinite(site["log_prob"]).all()):
                found.append(_site_without_density(model, name, site))
    except (ValueError, RuntimeError) as error:
        found = [_refused(model, error)]
    found = found or [
        Diagnostic(
            "GD821",
            "no starting point has a finite density and gradient",
            model.span,
            help="tighter priors, or types that keep parameters legal, usually help",
        )
    ]
    return DataError(found, model.source)


def _refused(model: ir.Model, error: Exception) -> Diagnostic:
    """What a distribution says of its value, at the variable that it belongs to."""
    text = str(error)
    name = text.partition("at site '")[2].partition("'")[0]
    variable = next((v for v in model.variables if v.name == name), None)
    if variable is None or "within the support" not in text:
        said = text.partition("\n")[0][:200]
        return Diagnostic("GD821", f"no starting point has a finite density: {said}", model.span)
    return Diagnostic(
        "GD821",
        f"some values of `{name}` lie outside the support of its distribution",
        variable.span,
        help="check the data, or choose a distribution that allows them",
    )


def _site_without_density(model: ir.Model, name: str, site: Mapping[str, Any]) -> Diagnostic:
    variable = next((v for v in model.variables if v.name == name), None)
    what, span = f"the log density of `{name}`", variable.span if variable else None
    remedy = "check these rows of the data, and the parameters that they imply"
    if variable is None and name.startswith("energy "):
        energy = model.energies[int(name.removeprefix("energy ")) - 1]
        what, span = "this energy", energy.span
        remedy = "check the values of the data in it, and what it gives at values near 0"
    bad = torch.nonzero(~torch.isfinite(site["log_prob"]))[: SHOWN if variable else 0]
    entries = ", ".join(_entry(row.tolist(), site, variable) for row in bad)
    return Diagnostic(
        "GD821",
        f"{what} is not finite at any starting point tried" + (f": {entries}" if entries else ""),
        span,
        help=remedy,
    )


def _entry(row: list[int], site: Mapping[str, Any], variable: ir.Variable | None) -> str:
    """One entry as the language writes it, with its value where it is observed."""
    name = site["name"] if variable is None else variable.name
    where = f"{name}[{', '.join(map(str, row))}]" if row else name
    value: Tensor = site["value"]
    if not site["is_observed"] or variable is None or value.dim() < len(row):
        return where
    try:
        shown = value.expand(site["log_prob"].shape + value.shape[len(row) :])[tuple(row)]
    except RuntimeError:
        return where
    return f"{where} = {shown.item():g}" if shown.numel() == 1 else where
