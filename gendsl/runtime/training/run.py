"""The state of a training that is under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch.optim import Optimizer

from gendsl.runtime.training.averaging import MovingAverage
from gendsl.runtime.training.gradients import Descent
from gendsl.runtime.training.history import EpochMeans, History
from gendsl.runtime.training.optimisers import build_optimiser
from gendsl.runtime.training.settings import Options, Stateful
from gendsl.runtime.training.stopping import Best
from gendsl.runtime.training.trainable import Trainable

__all__ = ["Run", "Stopped", "derived_seed", "start_run"]

Stopped = Literal["epochs", "steps", "patience", "interrupted"]


def derived_seed(seed: int, purpose: int) -> int:
    """A seed for one of several streams of random numbers."""
    return int(np.random.SeedSequence([seed, purpose]).generate_state(1, np.uint64)[0] >> 1)


@dataclass(slots=True, eq=False)
class Run:
    """Everything that steps change.

    Attributes:
        trainable: parameters and buffers.
        optimiser: with its moments.
        descent: makes its steps.
        average: the moving average of weights, if one is kept.
        best: the best weights, if a score is watched.
        extras: further state, by name.
        history: what was reported.
        means: of the epoch under way.
        names: of what is reported; empty before the first step.
        step: steps done.
        epoch: epochs done.
        batch: batches done in the epoch under way.
        stopped: why the run ended; None while it goes on.
    """

    trainable: Trainable
    optimiser: Optimizer
    descent: Descent
    average: MovingAverage | None
    best: Best | None
    extras: Mapping[str, Stateful]
    history: History = field(default_factory=History)
    means: EpochMeans = field(default_factory=EpochMeans)
    names: tuple[str, ...] = ()
    step: int = 0
    epoch: int = 0
    batch: int = 0
    stopped: Stopped | None = None

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.trainable.device


def start_run(trainable: Trainable, options: Options, extras: Mapping[str, Stateful]) -> Run:
    """A run before its first step.

    Raises:
        DataError: GD851, an optimiser, an option or a value that does not exist.
    """
    parameters = trainable.parameters.values()
    optimiser = build_optimiser(options.optimiser, options.optimiser_options, parameters)
    descent = Descent(
        trainable, optimiser, clip_norm=options.clip_norm, clip_value=options.clip_value
    )
    average = MovingAverage(trainable, options.ema) if options.ema is not None else None
    best = Best(options.watch) if options.watch is not None else None
    return Run(trainable, optimiser, descent, average, best, extras)
