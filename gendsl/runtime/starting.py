"""Where an inference begins, and what to say if it can begin nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.ir import nodes as ir
from gendsl.runtime.density import Density
from gendsl.runtime.potential import Potential, unflatten
from gendsl.runtime.trajectory import Point

__all__ = ["starting_point"]

RADII = (2.0, 2.0, 2.0, 1.0, 0.5, 0.1, 0.01)
TRIES = 20

CANDIDATES = 4
"""So many points with a finite density are found, and the one of least gradient is taken."""

SHOWN = 5
"""A message names at most so many entries."""


def starting_point(density: Density, potential: Potential, rng: np.random.Generator) -> Point:
    """Unconstrained coordinates with a finite density and a moderate gradient.

    Points are drawn uniformly from a cube that shrinks where none is found.

    Raises:
        DataError: GD821 when there is none, naming the sites without a finite density.
    """
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
    raise _no_start(density)


def _no_start(density: Density) -> DataError:
    """Name the sites that have no finite density at a typical point, and their entries."""
    model = density.executable.model
    point = torch.zeros(density.size)
    found: list[Diagnostic] = []
    try:
        with torch.no_grad():
            trace = density.trace(density.constrain(unflatten(density, point)))
            trace.compute_log_prob()
        for name, site in trace.nodes.items():
            if site["type"] == "sample" and not bool(torch.isfinite(site["log_prob"]).all()):
                found.append(_site_without_density(model, name, site))
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
