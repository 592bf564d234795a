"""Centred or not: measured for each member of a latent, in a short pilot run.

With few data a member, the scale of the members and their values are entangled (the funnel), and
standardised values are sampled well; with many, the data fix the values, and the prior's location
and scale follow them. In between a member is best centred in part. Where the data add the
precision `r` to a standardised value, whose own is 1, the degree ``r / (1 + r)`` takes away its
dependence on the location (Papaspiliopoulos, Roberts and Sköld, A general framework for the
parametrization of hierarchical models, Statistical Science 2007, section 4). The pilot draws from
the non-centred form, and `r` is the curvature of the potential there, less 1. A low quantile of it
counts: where the scale may be small as well, the data may say little, and any centring would bring
the funnel back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from gendsl.inference.plan import Plan, Rewrite
from gendsl.ir import nodes as ir
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.runtime.density import Density
from gendsl.runtime.potential import Potential

__all__ = ["PILOT_DRAWS", "PILOT_WARMUP", "Form", "measured", "parameterised"]

PILOT_WARMUP, PILOT_DRAWS = 150, 50
"""Iterations of the pilot run; the potential's curvature is taken at its draws."""

SLIGHT, NEARLY = 0.1, 0.9
"""Degrees below the first count as 0, above the second as 1."""

WORTHWHILE = 0.5
"""A latent none of whose members has a greater degree stays non-centred."""

LOW = 0.1
"""The quantile over draws of what the data add."""

NUDGE = 1e-4
"""Of a coordinate, for the difference of two gradients."""


@dataclass(frozen=True)
class Form:
    """How location-scale latents are written.

    Attributes:
        noncentred: those that are not wholly centred.
        centredness: of those that are centred in part, the degree of each entry.
    """

    noncentred: tuple[str, ...]
    centredness: Mapping[str, Tensor] = field(default_factory=dict)


def measured(plan: Plan, density: Density, potential: Potential, draws: np.ndarray) -> Form:
    """The forms that suit the data.

    Args:
        plan: which latents are non-centred, and which of them the caller wants so.
        density: in which all of these are.
        potential: of that density.
        draws: points of a pilot run, (draw, size).
    """
    model = density.executable.model
    sites = {f"{n}_decentered": n for n in plan.noncentred if not _is_settled(plan, model, n)}
    slices = {sites[s]: place for s, place in _places(density) if s in sites}
    if not slices:
        return Form(plan.noncentred)
    own = np.zeros(potential.size, dtype=bool)
    for place in slices.values():
        own[place] = True
    added = np.maximum(_curvatures(potential, draws, own) - 1, 0)
    degrees = added / (1 + added)
    shapes = {u.name: u.unconstrained_shape for u in density.unknowns}
    kept: list[str] = []
    partly: dict[str, Tensor] = {}
    for name in plan.noncentred:
        degree = degrees[slices[name]] if name in slices else np.zeros(1)
        if name in plan.triangular:
            degree = np.full_like(degree, np.median(degree) > 1 - 1 / (1 + TRIANGULAR))
        degree = np.where(degree < SLIGHT, 0.0, np.where(degree > NEARLY, 1.0, degree))
        if (degree == 1).all():
            continue
        kept.append(name)
        if degree.max() > WORTHWHILE:
            shape = shapes[f"{name}_decentered"]
            partly[name] = torch.as_tensor(degree, dtype=potential.dtype).reshape(shape)
    return Form(tuple(kept), partly)


TRIANGULAR = 3.0
"""Latents with a covariance matrix are wholly centred from this precision of the data on."""


def _is_settled(plan: Plan, model: ir.Model, name: str) -> bool:
    """Whether the caller chose the form, or the latent is a function at points.

    The values of a smooth function stay tied to one another, whatever the data.
    """
    if plan.treat.get(name, plan.treat.get("*")) == "noncentred":
        return True
    dist = model.variable(name).equations[0].distribution
    spec = DISTRIBUTIONS.get(dist.name) if dist is not None else None
    return spec is not None and spec.points is not None


def _places(density: Density) -> Iterator[tuple[str, slice]]:
    """Where the coordinates of each unknown stand in the flat vector."""
    start = 0
    for u in density.unknowns:
        yield u.name, slice(start, start + u.size)
        start += u.size


def _curvatures(potential: Potential, draws: np.ndarray, own: np.ndarray) -> np.ndarray:
    """A low quantile of the second derivative by each coordinate of `own`; 0 for others.

    A difference of gradients along random signs, one direction a draw (Hutchinson's estimate of a
    diagonal): exact where the coordinates do not meet in the likelihood.
    """
    rng = np.random.default_rng(0)
    found = []
    for draw in draws:
        signs = np.where(rng.random(potential.size) < 0.5, -1.0, 1.0) * own
        with np.errstate(all="ignore"):
            ahead, behind = (potential(draw + s * NUDGE * signs)[1] for s in (1, -1))
        change = signs * (ahead - behind) / (2 * NUDGE)
        if np.isfinite(change).all():
            found.append(change)
    low: np.ndarray = np.quantile(found, LOW, axis=0) if found else np.zeros(potential.size)
    return low


def parameterised(plan: Plan, form: Form) -> Plan:
    """The plan with the forms that were measured, and a note on each that differs."""
    rewrites = [r for r in plan.rewrites if r.kind != "non-centred"]
    whole = [n for n in form.noncentred if n not in form.centredness]
    for rewrite in plan.rewrites:
        kept = tuple(n for n in rewrite.variables if n in whole)
        if rewrite.kind == "non-centred" and kept:
            rewrites.append(replace(rewrite, variables=kept))
    for name, degree in form.centredness.items():
        low, high = float(degree.min()), float(degree.max())
        rule = f"as far as the data inform each member, by degrees from {low:.2g} to {high:.2g}"
        rewrites.append(Rewrite("centred in part", (name,), rule))
    centred = tuple(n for n in plan.noncentred if n not in form.noncentred)
    if centred:
        rule = "the data fix its values whatever the location and scale"
        rewrites.append(Rewrite("kept centred", centred, rule))
    triangular = tuple(n for n in plan.triangular if n in form.noncentred)
    return replace(
        plan, noncentred=form.noncentred, triangular=triangular, rewrites=tuple(rewrites)
    )
