"""What a trained guide is used for: codes, means, new rows, bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.ir import nodes as ir
from gendsl.runtime.objectives import Estimate, Evaluation, Sites, evaluate
from gendsl.runtime.variational.learning import CHUNK, Inference

__all__ = ["Score", "codes", "guide_draws", "means_given", "natural", "replicates", "score"]

ELEMENTS = 20_000_000
"""At most so many numbers of the data, times particles, at a time."""

SEVERAL = 100
"""Draws for a mean that has no formula."""


@dataclass(frozen=True)
class Score:
    """Bounds on the log likelihood of rows, in nats.

    Attributes:
        log_likelihood: the importance-weighted bound with `particles` draws, per row.
        elbo: the evidence lower bound, per row.
        terms: its parts: ``log_likelihood.x`` is a gain, ``kl.z`` a cost.
        particles: draws for each row.
        dimensions: numbers that a row consists of.
        active: for each latent how many of its units are active (variance of the posterior mean
            over rows above 0.01; Burda et al. 2016), and of how many.
        points: latents whose guide is a point, with which these are no bounds.
    """

    log_likelihood: Estimate
    elbo: Estimate
    terms: Mapping[str, Estimate]
    particles: int
    dimensions: int
    active: Mapping[str, tuple[int, int]]
    points: tuple[str, ...] = ()

    @property
    def bits_per_dim(self) -> float:
        """The negative importance-weighted bound in bits, for each number of a row."""
        if not self.dimensions:
            return float("nan")
        return self.log_likelihood.bits_per_dimension(self.dimensions)

    def __str__(self) -> str:
        """A line for each number, which says what it is."""
        kind = "lower bound" if not self.points else "no bound: a guide is a point"
        if not any(name.startswith("kl.") for name in self.terms):
            bits = f"{self.bits_per_dim:.4f} bits/dim ({self.dimensions} dimensions)"
            exact = f"{_shown(self.log_likelihood)} nats a row (exact)"
            return f"log likelihood  {exact}\n                {bits}"
        lines = [
            f"log likelihood  {_shown(self.log_likelihood)} nats a row ({kind}, importance "
            f"weighted, {self.particles} particles, {self.log_likelihood.rows} rows)",
            f"                {self.bits_per_dim:.4f} bits/dim ({self.dimensions} dimensions)",
            f"ELBO            {_shown(self.elbo)} nats a row",
        ]
        lines += [f"  {name:<13} {_shown(term)}" for name, term in self.terms.items()]
        lines += [f"active units    {n}: {a} of {b}" for n, (a, b) in self.active.items()]
        return "\n".join(lines)


def _shown(value: Estimate) -> str:
    error = value.standard_error
    return f"{value.mean:.4f}" + (f" ± {error:.4f}" if error is not None else "")


def score(
    inference: Inference, model: ir.Model, sizes: Mapping[str, int], particles: int
) -> Score:
    """Bounds on the log likelihood of the rows."""
    rows = inference.rows
    dimensions = sum(
        prod(sizes[a] for a in v.axes if a != rows.plate)
        * prod(s.evaluate(dict(sizes)) for s in v.type.event)
        for v in model.of_role("observed")
    )
    at_a_time = max(1, min(CHUNK, ELEMENTS // (max(1, dimensions) * particles)))
    draws = [_Drawing(inference, given, count) for given, count in _pieces(inference, at_a_time)]
    local = all(rows.plate in v.axes for v in model.of_role("latent"))
    chunk = max(1, ELEMENTS // (max(1, dimensions) * at_a_time)) if local else particles
    found: Evaluation = evaluate(draws, particles, min(particles, chunk))
    return Score(
        found.log_likelihood,
        found.elbo,
        found.terms,
        particles,
        dimensions,
        {n: (int(a.sum()), len(a)) for n, a in found.active.items()},
        found.points,
    )


@dataclass(frozen=True)
class _Drawing:
    """Draws particles for some rows."""

    inference: Inference
    arguments: Mapping[str, Any]
    rows: int

    def __call__(self, particles: int) -> Sites:
        total = self.inference.rows.total
        return self.inference.light.sites(self.arguments, particles, self.rows, total)


def _pieces(inference: Inference, size: int) -> Iterator[tuple[Mapping[str, Any], int]]:
    if inference.rows.plate is None:
        yield inference.everything(), 1
    else:
        yield from inference.rows.chunks(size)


def codes(
    inference: Inference, model: ir.Model, sizes: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """Mean and standard deviation of each latent under the guide, over its axes and event."""
    latents = model.of_role("latent")
    if not latents:
        message = "this model has no latents to encode"
        raise DataError([Diagnostic("GD862", message, model.span)], model.source)
    parts: dict[str, list[np.ndarray]] = {}
    particles = SEVERAL if inference.light.nested else 1
    for given, _ in _pieces(inference, max(1, CHUNK * 10 // (9 + particles))):
        for name, law in inference.light.laws(given, particles).items():
            mean, sd = _moments(law)
            if particles > 1:
                mean, sd = _marginal(mean, sd)
            parts.setdefault(name, []).append(mean.cpu().numpy())
            parts.setdefault(f"{name}_sd", []).append(sd.cpu().numpy())
    found: dict[str, np.ndarray] = {}
    for variable in latents:
        for name in (variable.name, f"{variable.name}_sd"):
            found[name] = _natural(inference, variable, parts[name], sizes)
    return found


def _moments(law: Distribution) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, by formula or from draws."""
    try:
        return law.mean, law.stddev
    except NotImplementedError:
        draws = law.sample((SEVERAL,))
        return draws.mean(0), draws.std(0)


def _marginal(mean: Tensor, sd: Tensor) -> tuple[Tensor, Tensor]:
    """Those of the mixture over particles, the first axis, by the law of total variance."""
    variance = (sd**2).mean(0) + mean.var(0, correction=0)
    return mean.mean(0), variance.sqrt()


def natural(inference: Inference, variable: ir.Variable, value: np.ndarray) -> np.ndarray:
    """A value as the program lays it out, with the axes of its declaration and no others."""
    return _natural(inference, variable, [value], inference.light.sizes)


def _natural(
    inference: Inference,
    variable: ir.Variable,
    parts: list[np.ndarray],
    sizes: Mapping[str, int],
) -> np.ndarray:
    """Pieces along the rows joined, axes in the order of the declaration."""
    layout, event = inference.light.program.layout, len(variable.type.event)
    order = layout.ordered(variable.axes)
    squeezed = []
    for part in parts:
        shape = part.shape[: part.ndim - event]
        kept = [len(shape) - layout.depths[p] for p in order]
        gone = tuple(i for i in range(len(shape)) if i not in kept)
        squeezed.append(part.squeeze(gone))
    plate = inference.rows.plate
    whole = squeezed[0]
    if plate in order and len(squeezed) > 1:
        whole = np.concatenate(squeezed, axis=order.index(plate))
    back = [order.index(p) for p in variable.axes]
    whole = whole.transpose(*back, *range(len(back), len(back) + event))
    shape = tuple(sizes[a] for a in variable.axes) + whole.shape[len(back) :]
    return np.broadcast_to(whole, shape).copy()


def guide_draws(
    inference: Inference,
    model: ir.Model,
    sizes: Mapping[str, int],
    draws: int,
    shared: frozenset[str] | None = None,
) -> dict[str, np.ndarray]:
    """Draws of each latent from the guide, (draw, axes, event).

    With `shared` of these latents alone, which all rows share, so that a few rows will do.
    """
    arguments = inference.everything() if shared is None else next(inference.rows.chunks(2))[0]
    found = inference.light.draw(arguments, draws)
    result = {}
    for variable in model.of_role("latent"):
        if shared is not None and variable.name not in shared:
            continue
        each = found[variable.name].cpu().numpy()
        parts = each if draws > 1 else each[None]
        whole = [_natural(inference, variable, [part], sizes) for part in parts]
        result[variable.name] = np.stack(whole)
    return result


def means_given(
    inference: Inference, model: ir.Model, latents: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The means of the observed variables, given values of the latents."""
    laws, _ = _run(inference, model, latents)
    return {
        v.name: _of_observed(inference, v, _moments(laws[v.name])[0])
        for v in model.of_role("observed")
    }


def replicates(
    inference: Inference, model: ir.Model, shared: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Draws of observed variables and of latents from their prior, but for those `shared`."""
    _, values = _run(inference, model, shared)
    return {
        v.name: _of_observed(inference, v, values[v.name])
        for v in model.of_role("latent", "observed")
    }


def _run(
    inference: Inference, model: ir.Model, latents: Mapping[str, np.ndarray]
) -> tuple[dict[str, Distribution], dict[str, Tensor]]:
    """The laws and the values of all random variables in one run of the program."""
    given = {n: _batched(inference, model.variable(n), v) for n, v in latents.items()}
    arguments = dict(inference.everything())
    for _, argument in inference.light.program.observed:
        arguments[argument] = None
    for name, argument in inference.light.program.known:
        arguments[argument] = None if name in inference.light.program.imputed else True
    return inference.light.simulate(arguments, given)


def _batched(inference: Inference, variable: ir.Variable, value: np.ndarray) -> Tensor:
    """Axes at their places in the program."""
    layout, event = inference.light.program.layout, len(variable.type.event)
    order = layout.ordered(variable.axes)
    tensor = torch.as_tensor(value, dtype=torch.get_default_dtype())
    moved = [variable.axes.index(p) for p in order]
    tensor = tensor.permute((*moved, *range(len(moved), len(moved) + event)))
    depth = layout.depth(frozenset(variable.axes))
    shape = [1] * depth
    for place, plate in enumerate(order):
        shape[depth - layout.depths[plate]] = tensor.shape[place]
    return tensor.reshape((*shape, *tensor.shape[len(order) :]))


def _of_observed(inference: Inference, variable: ir.Variable, value: Tensor) -> np.ndarray:
    return natural(inference, variable, value.cpu().numpy())
