"""Codes of discrete latents: the probability of each value, and the most probable one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, Independent

from gendsl.runtime.variational.light import Light
from gendsl.runtime.variational.summing import Gone
from gendsl.types import BINARY, Index, Size, Support, ValueType

__all__ = ["coded", "counts", "discrete_codes", "probability_type"]


def probability_type(type_: ValueType) -> ValueType | None:
    """The type of the probabilities of a latent; None where its values have no finite list.

    Of an index, that of each value along a last axis; of a binary latent that of 1.
    """
    support = type_.support
    if isinstance(support, Index):
        return ValueType(type_.plates, (*type_.event, support.size))
    return ValueType(type_.plates, type_.event) if support == BINARY else None


def discrete_codes(
    light: Light,
    given: Mapping[str, Any],
    laws: Mapping[str, Distribution],
    particles: int,
) -> dict[str, Tensor]:
    """The probabilities of discrete latents for some rows, laid out as in the program.

    Args:
        light: the program, its guide run on these rows.
        given: its arguments.
        laws: of the latents that have a guide.
        particles: draws of these.
    """
    found = {}
    for name, law in laws.items():
        probs = _of_law(law, particles)
        if probs is not None:
            found[name] = probs
    if light.marginalised:
        for gone in light.settled(given):
            for name in gone.names:
                type_ = light.types.get(name)
                if type_ is not None and probability_type(type_) is not None:
                    count = _categories(type_, light.sizes)
                    found[name] = _of_sum(gone, name, type_, count)
    return found


def counts(light: Light) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean and standard deviation of other latents that were summed out of the model.

    Of the last run, over the particles too.
    """
    found = {}
    for gone in light.gone:
        for name in gone.names:
            type_ = light.types.get(name)
            if type_ is None or probability_type(type_) is not None:
                continue
            law, values = gone.marginals[name].mean(1).movedim(0, -1), gone.values[name]
            mean, square = (torch.tensordot(law, v.to(law.dtype), 1) for v in (values, values**2))
            found[name] = mean, (square - mean**2).clamp(min=0).sqrt()
    return found


def _of_law(law: Distribution, particles: int) -> Tensor | None:
    """The probabilities under a guide's law, the mean over particles where there are several."""
    base = law
    while isinstance(base, Independent):
        base = base.base_dist
    if not isinstance(base, Bernoulli | Categorical):
        return None
    probs: Tensor = base.probs
    return probs.mean(0) if particles > 1 else probs


def _of_sum(gone: Gone, name: str, type_: ValueType, categories: int) -> Tensor:
    """The probabilities of a latent that was summed out of the model, the mean over particles.

    Args:
        gone: what was summed out.
        name: the latent.
        type_: its type.
        categories: how many values an index has.
    """
    law, values = gone.marginals[name].mean(1), gone.values[name]
    each = values.to(law.dtype)
    if isinstance(type_.support, Index):
        every = torch.arange(categories, device=values.device)
        each = (values.unsqueeze(-1) == every).to(law.dtype)
    found: Tensor = torch.tensordot(law.movedim(0, -1), each, 1)
    return found


def coded(probabilities: Tensor, support: Support) -> Tensor:
    """The most probable value of each entry."""
    if isinstance(support, Index):
        return probabilities.argmax(-1)
    return (probabilities > 0.5).to(probabilities.dtype)


def _categories(type_: ValueType, sizes: dict[str, int]) -> int:
    """How many values an index has."""
    size: Size | None = getattr(type_.support, "size", None)
    return 2 if size is None else size.evaluate(sizes)
