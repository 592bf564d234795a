"""What an engine is given, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from gendsl.compiler import Compiled
from gendsl.inference.plan import Plan
from gendsl.runtime.data import BoundData
from gendsl.runtime.program import Executable
from gendsl.runtime.variational.learned import Learned

__all__ = ["KEPT", "Groups", "Outcome", "Setting"]

KEPT = 50_000_000
"""What takes more numbers than this, over all draws, is left out of the results."""

Groups = dict[str, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Setting:
    """What an engine is given."""

    compiled: Compiled
    bound: BoundData
    executable: Executable
    dtype: torch.dtype
    device: torch.device
    seed: int
    cores: int | None
    progress: bool
    learned: Learned | None = None
    checkpoint: str | None = None
    resume: bool = False

    def option(self, name: str) -> float:
        """An option of the plan's method."""
        value = self.compiled.plan.options[name]
        assert isinstance(value, int | float)
        return value


@dataclass(frozen=True)
class Outcome:
    """What an engine gives: arrays by group, and facts for the verdict.

    Attributes:
        kind: ``mcmc``, ``exact``, ``point`` or ``variational``.
        groups: arrays by group of the results tree.
        coords: coordinates that no data have, such as the values of discrete latents.
        attrs: facts about the fit.
        plan: what was carried out, where it says more than the plan before.
        learned: params and networks, where the method learns by steps.
        history: the course of a training: arrays over epochs.
    """

    kind: str
    groups: Groups
    coords: Mapping[str, np.ndarray]
    attrs: Mapping[str, float | int | str]
    plan: Plan | None = None
    learned: Learned | None = None
    history: Mapping[str, np.ndarray] | None = None
