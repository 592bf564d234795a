"""What a trained guide is used for: codes, means, new rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from gendsl.ir import nodes as ir
from gendsl.runtime.variational.learning import CHUNK, Inference
from gendsl.runtime.variational.probabilities import (
    coded,
    counts,
    discrete_codes,
    probability_type,
)
from gendsl.runtime.variational.sequences import (
    generated,
    given_past,
    mean_along,
    recurs,
)

__all__ = [
    "batched",
    "codes",
    "first_rows",
    "guide_draws",
    "means_given",
    "natural",
    "pieces",
    "reconstructed",
    "replicates",
]

SEVERAL = 100
"""Draws for a mean that has no formula."""


def pieces(inference: Inference, size: int) -> Iterator[tuple[Mapping[str, Any], int]]:
    """The arguments for some rows at a time, and how many these are."""
    if inference.rows.plate is None:
        yield inference.everything(), 1
    else:
        yield from inference.rows.chunks(size)


def codes(
    inference: Inference, model: ir.Model, sizes: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """Mean and standard deviation of each latent under the guide, over its axes and event.

    Of discrete ones the most probable value, and the probabilities.
    """
    latents = inferred(inference, model)
    parts: dict[str, list[np.ndarray]] = {}
    for given, _ in pieces(inference, _at_a_time(inference)):
        for name, moment in _laid_out(inference, given).items():
            parts.setdefault(name, []).append(moment)
    found: dict[str, np.ndarray] = {}
    for variable in latents:
        found[variable.name] = _natural(inference, variable, parts[variable.name], sizes)
        for suffix, type_ in (
            ("sd", variable.type),
            ("probability", probability_type(variable.type)),
        ):
            name = f"{variable.name}_{suffix}"
            if name in parts and type_ is not None:
                own = replace(variable, type=type_)
                found[name] = _natural(inference, own, parts[name], sizes)
    return found


def inferred(inference: Inference, model: ir.Model) -> tuple[ir.Variable, ...]:
    """The latents, and observed variables of which missing values are drawn by the guide."""
    completed = (model.variable(n) for n in inference.light.completed)
    return (*model.of_role("latent"), *completed)


def _particles(inference: Inference) -> int:
    light = inference.light
    return SEVERAL if light.nested or light.marginalised else 1


def _at_a_time(inference: Inference) -> int:
    """Rows at a time; those of a sequence count by its steps."""
    light = inference.light
    return max(1, CHUNK * 10 // (9 + _particles(inference)) // (light.longest * light.times))


def _laid_out(inference: Inference, given: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Mean and standard deviation of each latent for some rows, as the program lays them out.

    Of a discrete one the most probable value, and the probabilities.
    """
    found = {}
    particles, light = _particles(inference), inference.light
    laws = light.laws(given, particles)
    for name, probability in discrete_codes(light, given, laws, particles).items():
        support = light.types[name].support
        found[name] = coded(probability, support).cpu().numpy()
        found[f"{name}_probability"] = probability.cpu().numpy()
    for name, (mean, sd) in counts(light).items() if light.marginalised else ():
        found[name], found[f"{name}_sd"] = mean.cpu().numpy(), sd.cpu().numpy()
    for name, law in laws.items():
        if name in found:
            continue
        mean, sd = _moments(law)
        if not mean.is_floating_point():  # one value of a discrete latent, which has no sd
            kept = mean.mode(0).values if particles > 1 else mean
            found[name] = kept.cpu().numpy()
            continue
        if particles > 1:
            mean, sd = _marginal(mean, sd)
        found[name], found[f"{name}_sd"] = mean.cpu().numpy(), sd.cpu().numpy()
    return found


def reconstructed(
    inference: Inference, model: ir.Model, sizes: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """The means of the observed variables at the guide's means, a few rows at a time."""
    encoded = inferred(inference, model)
    plate, parts = inference.rows.plate, list[dict[str, np.ndarray]]()
    for given, count in pieces(inference, _at_a_time(inference)):
        own = sizes if plate is None else {**sizes, plate: count}
        moments = _laid_out(inference, given)
        latents = {v.name: _natural(inference, v, [moments[v.name]], own) for v in encoded}
        parts.append(means_given(inference, model, latents, given, own))
    found = {}
    for variable in (model.variable(n) for n in parts[0]):
        each = [part[variable.name] for part in parts]
        rows = variable.axes.index(plate) if plate in variable.axes else None
        found[variable.name] = each[0] if rows is None else np.concatenate(each, axis=rows)
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


def first_rows(
    inference: Inference, model: ir.Model, count: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The observed values of the first rows, and their means at the guide's means."""
    rows = inference.rows
    some = np.arange(min(count, rows.total)) if rows.plate is not None else None
    few = inference if some is None else replace(inference, rows=rows.part(some))
    given, number = next(few.rows.chunks(count))
    sizes = {**inference.light.sizes, str(rows.plate): number}
    values = {
        name: given[argument].cpu().numpy()
        for name, argument in inference.light.program.observed
        if torch.is_tensor(given.get(argument))
    }
    return values, reconstructed(few, model, sizes)


def natural(
    inference: Inference,
    variable: ir.Variable,
    value: np.ndarray,
    sizes: Mapping[str, int] | None = None,
) -> np.ndarray:
    """A value as the program lays it out, with the axes of its declaration and no others."""
    return _natural(inference, variable, [value], sizes or inference.light.sizes)


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
    found = inference.light.recovered(arguments, draws)
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
    inference: Inference,
    model: ir.Model,
    latents: Mapping[str, np.ndarray],
    arguments: Mapping[str, Any] | None = None,
    sizes: Mapping[str, int] | None = None,
) -> dict[str, np.ndarray]:
    """The means of the observed variables, given values of the latents.

    With `arguments` and `sizes` for some rows only.
    """
    laws, _ = _run(inference, model, latents, arguments)
    parts = dict(inference.light.program.steps).keys() & laws.keys()
    asked = [v for v in model.of_role("observed") if v.name not in latents]
    names = {v.name for v in asked} | parts
    means = {n: _moments(laws[n])[0] for n in names}
    stepped = {n for n, _ in inference.light.program.windows}
    for name in stepped:
        variable = model.variable(name)
        means[name] = mean_along(inference, model, variable, laws, means)
    return {v.name: natural(inference, v, means[v.name].cpu().numpy(), sizes) for v in asked}


def replicates(
    inference: Inference, model: ir.Model, shared: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Draws of observed variables and of latents from their prior, but for those `shared`."""
    if recurs(inference):
        return generated(inference, model, shared)
    _, values = _run(inference, model, shared)
    return {
        v.name: natural(inference, v, values[v.name].cpu().numpy())
        for v in model.of_role("latent", "observed")
    }


def _run(
    inference: Inference,
    model: ir.Model,
    latents: Mapping[str, np.ndarray],
    some: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Distribution], dict[str, Tensor]]:
    """The laws and the values of all random variables in one run of the program."""
    given = {n: batched(inference, model.variable(n), v) for n, v in latents.items()}
    arguments = dict(inference.everything() if some is None else some)
    past = given_past(inference, model, arguments)
    for _, argument in inference.light.program.observed:
        arguments[argument] = arguments[argument] if argument in past else None
    for name, argument in inference.light.program.known:
        arguments[argument] = None if name in inference.light.program.imputed else True
    return inference.light.simulate(arguments, given)


def batched(inference: Inference, variable: ir.Variable, value: np.ndarray) -> Tensor:
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
