"""Integrating conjugate latents out exactly, and drawing them back.

The blocks of `Density.marginals` are eliminated in their order; each turns a log density into one
without it. `blocks.Block` is what a family offers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyro
import torch
from torch import Tensor

from gendsl.diagnostics import InternalCompilerError
from gendsl.inference.plan import Marginal
from gendsl.runtime.density import Density, Unknown
from gendsl.runtime.draws import event_rank
from gendsl.runtime.marginal.blocks import Block, Joint, NotIntegrable, Setting
from gendsl.runtime.marginal.conjugate import Conjugate
from gendsl.runtime.marginal.gaussian import Gaussian
from gendsl.runtime.marginal.priors import PriorsAside
from gendsl.runtime.marginal.vectors import vector_function

__all__ = ["NotIntegrable", "log_marginal", "posterior_moments", "recover"]

NORMAL = "gaussian"
"""The family of `Marginal` that is integrated out by linear algebra."""

STAGES = "stages_of_integration"
"""The attribute of a density that holds its blocks."""

CHECKED = 5
"""At how many of the draws it is verified once more that a block is of its family."""

PIECE = 8_000_000
"""So many numbers are computed at once to draw blocks back."""


@dataclass(frozen=True)
class _Stage:
    """One block, its latents, and what is integrated out after it."""

    block: Block
    own: tuple[Unknown, ...]
    rest: tuple[Unknown, ...]

    def statistics(self, size: int, flat: Tensor) -> Tensor:
        """The block's, of coordinates and natural values one after the other."""
        return self.block.statistics(*self.given(size, flat))

    def given(self, size: int, flat: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The coordinates, and the natural values by site."""
        theta, *parts = _pieces(flat, [size, *(u.shape.numel() for u in self.rest)])
        return theta, {u.name: p.reshape(u.shape) for u, p in zip(self.rest, parts, strict=True)}


def _stages(density: Density) -> tuple[_Stage, ...]:
    """The blocks of a density, each bound to it with those before it eliminated."""
    kept = vars(density)  # not in a table of ours: each refers to the other
    if STAGES not in kept:
        joint: Joint = partial(_joint, density)
        found: list[_Stage] = []
        left = list(density.integrated)
        with pyro.validation_enabled(is_validate=False):
            for marginals in _together(density.marginals):
                count = sum(len(m.variables) for m in marginals)
                own, left = tuple(left[:count]), left[count:]
                setting = Setting(
                    joint, own, tuple(left), density.size, _ranks(density, own, found)
                )
                block = _block(density, marginals, setting)
                found.append(_Stage(block, own, tuple(left)))
                joint = block.evidence
        kept[STAGES] = tuple(found)
    stages: tuple[_Stage, ...] = kept[STAGES]
    return stages


def _ranks(density: Density, own: tuple[Unknown, ...], before: list[_Stage]) -> dict[str, int]:
    """See `Setting.ranks`: the program itself takes such values."""
    if before:
        return {}
    model, nesting = density.executable.model, density.executable.nesting
    return {u.name: nesting + event_rank(model, u.name) for u in own}


def _together(marginals: Iterable[Marginal]) -> list[list[Marginal]]:
    """Those that make one block each: a normal one alone, others side by side."""
    found: list[list[Marginal]] = []
    for marginal in marginals:
        if found and not {found[-1][-1].family, marginal.family} & {NORMAL}:
            found[-1].append(marginal)
        else:
            found.append([marginal])
    return found


def _block(density: Density, marginals: list[Marginal], setting: Setting) -> Block:
    if marginals[0].family == NORMAL:
        return Gaussian(setting)
    families = {n: m.family for m in marginals for n in m.variables}
    return Conjugate(setting, families, partial(_priors, density))


def _joint(density: Density, theta: Tensor, natural: Mapping[str, Tensor]) -> Tensor:
    """The log density before anything is integrated out, priors of conjugate latents aside."""
    with _aside(density):
        return density.joint(_coordinates(density, theta), natural)


def _priors(density: Density, theta: Tensor, natural: Mapping[str, Tensor]) -> Mapping[str, Any]:
    """The priors of the conjugate latents, which do not depend on what is not given here."""
    missing = {u.name: torch.zeros(u.shape) for u in density.integrated if u.name not in natural}
    with _aside(density) as aside:
        density.joint(_coordinates(density, theta), {**missing, **natural})
    return aside.laws


def _aside(density: Density) -> PriorsAside:
    return PriorsAside(n for m in density.marginals if m.family != NORMAL for n in m.variables)


def _coordinates(density: Density, theta: Tensor) -> dict[str, Tensor]:
    """A flat vector by site."""
    parts = _pieces(theta, [u.size for u in density.unknowns])
    return {
        u.name: p.reshape(u.unconstrained_shape)
        for u, p in zip(density.unknowns, parts, strict=True)
    }


def _pieces(flat: Tensor, sizes: list[int]) -> list[Tensor]:
    """A vector cut into parts of these sizes."""
    ends = np.cumsum(sizes).tolist()
    return [flat[end - own : end] for end, own in zip(ends, sizes, strict=True)]


def log_marginal(density: Density) -> Callable[[Tensor], Tensor]:
    """The log density of the flat unconstrained `density.unknowns`, the rest integrated out.

    It consists of operations that can be recorded, and is not a number where a law of what is
    integrated out does not exist.

    Raises:
        NotIntegrable: with these data they had better be sampled.
    """
    block = _stages(density)[-1].block

    def function(theta: Tensor) -> Tensor:
        value = block.evidence(theta, {})
        return value + 0.0 * theta.sum() if density.size else value.detach()

    return function


def recover(density: Density, theta: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Exact joint draws (draw, ...) of `density.integrated`, one for each row of `theta`.

    Raises:
        NotIntegrable: the log density is not of the family that it was taken for.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, np.ndarray] = {}
    for stage in reversed(_stages(density)):
        found |= _drawn(density, stage, theta, found, rng)
    for name, values in found.items():
        if not np.isfinite(values).all():
            raise InternalCompilerError(f"draws of `{name}` are not finite")
    return {u.name: found[u.name] for u in density.integrated}


def _drawn(
    density: Density,
    stage: _Stage,
    theta: np.ndarray,
    known: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Draws of one block, given those of what was integrated out after it."""
    count = len(theta)
    given = [theta, *(known[u.name].reshape(count, -1) for u in stage.rest)]
    points = np.concatenate(given, axis=1)
    if not count:
        return {u.name: np.zeros((0, *u.shape)) for u in stage.own}
    with pyro.validation_enabled(is_validate=False):
        for k in np.unique(np.linspace(0, count - 1, CHECKED).astype(int)):
            stage.block.verify(*stage.given(density.size, torch.as_tensor(points[k])))
        statistics = vector_function(partial(stage.statistics, density.size), points)
        width = len(statistics(points[0]))
        step = max(1, PIECE // max(1, width))
        parts = []
        for start in range(0, count, step):
            piece = np.stack([statistics(p) for p in points[start : start + step]])
            parts.append(stage.block.draw(piece, rng))
    return {n: np.concatenate([p[n] for p in parts]) for n in parts[0]}


def posterior_moments(
    density: Density, theta: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Exact means and variances by site, given one `theta`, of a density with one normal block.

    Raises:
        InternalCompilerError: there is another block.
    """
    stages = _stages(density)
    block = stages[0].block
    if len(stages) > 1 or not isinstance(block, Gaussian):
        raise InternalCompilerError("moments are known of one normal block")
    with pyro.validation_enabled(is_validate=False):
        numbers = block.statistics(torch.as_tensor(theta), {}).detach().cpu().double().numpy()
    return block.moments(numbers)
