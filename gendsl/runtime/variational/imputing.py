"""Missing values of observed variables, drawn given those that are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Categorical

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.graph.build import build_graph, random_sources
from gendsl.ir import nodes as ir
from gendsl.runtime.objectives import ObjectiveError
from gendsl.runtime.objectives.multisample import importance
from gendsl.runtime.variational.learning import CHUNK, Inference
from gendsl.runtime.variational.using import batched, natural

__all__ = ["Imputing", "imputed", "verify_imputable"]


@dataclass(frozen=True)
class Imputing:
    """How missing values are drawn.

    Attributes:
        draws: for each missing value.
        particles: draws from the guide for each row, of which `draws` are taken by their weights.
        sweeps: of the chain, where the guide cannot do without the missing values.
    """

    draws: int
    particles: int
    sweeps: int

    def method(self, *, weighed: bool) -> str:
        """What is done, in words."""
        if weighed:
            return f"importance resampling of {self.particles} draws from the guide a row"
        return f"pseudo-Gibbs, {self.sweeps} sweeps from draws of the model"


def _refused(model: ir.Model, message: str, name: str, remedy: str | None = None) -> DataError:
    span = model.variable(name).span
    return DataError([Diagnostic("GD872", message, span, help=remedy)], model.source)


def verify_imputable(model: ir.Model, names: frozenset[str], plate: str | None) -> None:
    """Refuse what cannot be drawn given latents of its own row.

    Raises:
        DataError: GD872.
    """
    graph = build_graph(model)
    for variable in model.of_role("latent"):
        if plate not in variable.axes:
            message = f"`{variable.name}` has one value for all rows: missing values of rows "
            message += "cannot be drawn together with it yet"
            raise _refused(model, message, variable.name)
    for variable in model.of_role("latent", "observed"):
        on = sorted(names & set(random_sources(graph, variable.name)))
        if on:
            message = f"`{on[0]}` is missing and `{variable.name}` depends on it, so that it "
            message += "cannot be drawn from the model alone"
            raise _refused(model, message, on[0], "`fit.encode` gives its law, if it has `?`")


def imputed(
    inference: Inference,
    model: ir.Model,
    gaps: Mapping[str, np.ndarray],
    how: Imputing,
    *,
    weighed: bool,
) -> dict[str, np.ndarray]:
    """Draws of whole values, (draw, axes, event), of the variables that have gaps.

    With `weighed` the guide can do without the missing values: latents are drawn from it, taken by
    their importance weights, and missing values are drawn from the model given these. The draws
    are those of the posterior predictive in the limit of many particles. Otherwise latents given
    all values and missing values given latents are drawn in turn (Rezende, Mohamed and Wierstra
    2014, appendix F), which has the law of the missing values if the guide is the posterior.

    Args:
        inference: the program with data, placeholders where values are missing.
        model: what it was emitted from.
        gaps: which values are missing, over the axes before those that are tied together.
        how: numbers of draws.
        weighed: whether the guide is to be used without the missing values.

    Raises:
        DataError: GD872, the latents allow no importance weights.
    """
    parts: dict[str, list[np.ndarray]] = {name: [] for name in gaps}
    size = max(1, CHUNK // max(how.draws, how.particles // 10 if weighed else 1))
    for arguments, start, rows in _chunks(inference, size):
        filling = _Filling(inference, model, arguments, gaps, start, rows, how.draws)
        try:
            latents = filling.weighed(how.particles) if weighed else filling.chain(how.sweeps)
        except ObjectiveError as error:
            message = f"missing values cannot be drawn by weights: {error}"
            raise _refused(model, message, next(iter(gaps))) from None
        for name, value in filling.fill(latents).items():
            parts[name].append(value)
    plate = inference.rows.plate
    places = {n: model.variable(n).axes.index(str(plate)) for n in gaps}
    return {n: np.concatenate(p, axis=places[n] + 1) for n, p in parts.items()}


def _chunks(inference: Inference, size: int) -> Iterator[tuple[dict[str, Any], int, int]]:
    start = 0
    for arguments, rows in inference.rows.chunks(size):
        yield dict(arguments), start, rows
        start += rows


class _Filling:
    """The gaps of some rows; each row stands there as often as there are draws."""

    def __init__(
        self,
        inference: Inference,
        model: ir.Model,
        arguments: dict[str, Any],
        gaps: Mapping[str, np.ndarray],
        start: int,
        rows: int,
        draws: int,
    ) -> None:
        self.inference, self.model, self.rows, self.draws = inference, model, rows, draws
        self.given = arguments
        own, program = inference.rows, inference.light.program
        self.arguments = {
            n: v.repeat_interleave(draws, own.axis[n]) if n in own.axis else v
            for n, v in arguments.items()
        }
        if own.size_argument is not None:
            self.arguments[own.size_argument] = rows * draws
        for name, known in program.known:
            self.arguments[known] = None if name in program.imputed else True
        self.sizes = {**inference.light.sizes, str(own.plate): rows * draws}
        self.observed = dict(program.observed)
        self.masks: dict[str, Tensor] = {}
        for name, mask in gaps.items():
            place = model.variable(name).axes.index(str(own.plate))
            part = np.take(mask, np.arange(start, start + rows), axis=place)
            self.masks[name] = torch.as_tensor(np.repeat(part, draws, axis=place))

    def chain(self, sweeps: int) -> dict[str, Tensor]:
        """The latents after so many sweeps."""
        light = self.inference.light
        latents: dict[str, Tensor] = {}
        for _ in range(sweeps):
            self._draw(latents)
            latents = light.draw(self.arguments, 1)
        return latents

    def weighed(self, particles: int) -> dict[str, Tensor]:
        """Latents from the guide, taken by their weights."""
        rows = self.inference.rows
        sites = self.inference.light.sites(self.given, particles, self.rows, rows.total)
        chosen = Categorical(logits=importance(sites).log_w.T).sample((self.draws,))
        found = {}
        for site in sites.latents:
            event = len(site.latent[0].event_shape)
            value, layout = site.value, sites.layout
            assert layout.row is not None
            shape = (1,) * (layout.depth + 1 + event - value.ndim) + tuple(value.shape)
            value = value.reshape(shape).expand(particles, *shape[1:])
            index = layout.spread(chosen, event, local=True)
            taken = value.gather(0, index.expand(self.draws, *value.shape[1:]))
            place = layout.depth + layout.row  # of the rows, once the draws stand behind them
            found[site.name] = taken.movedim(0, place + 1).flatten(place, place + 1)
        return found

    def _draw(self, latents: Mapping[str, Tensor]) -> None:
        """Put draws from the model given latents in the gaps; without latents, from the prior."""
        inference = self.inference
        given = dict(latents)
        for name, argument in self.observed.items():
            if name not in self.masks and torch.is_tensor(self.arguments.get(argument)):
                value = self.arguments[argument].cpu().numpy()
                given[name] = batched(inference, self.model.variable(name), value)
        unknown = dict.fromkeys(self.observed.values())
        _, values = inference.light.simulate({**self.arguments, **unknown}, given)
        for name, mask in self.masks.items():
            variable, argument = self.model.variable(name), self.observed[name]
            drawn = natural(inference, variable, values[name].cpu().numpy(), self.sizes)
            before = self.arguments[argument]
            new = torch.as_tensor(drawn, dtype=before.dtype, device=before.device)
            gap = mask.reshape(mask.shape + (1,) * (before.ndim - mask.ndim)).to(before.device)
            self.arguments[argument] = torch.where(gap, new, before)

    def fill(self, latents: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
        """Whole values given latents, draws first."""
        self._draw(latents)
        found = {}
        for name in self.masks:
            place = self.model.variable(name).axes.index(str(self.inference.rows.plate))
            value = self.arguments[self.observed[name]].cpu().numpy()
            shape = (*value.shape[:place], self.rows, self.draws, *value.shape[place + 1 :])
            found[name] = np.moveaxis(value.reshape(shape), place + 1, 0)
        return found
