"""The best weights by a score, and when to wait no longer for better ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from gendsl.runtime.training.choices import refuse_option
from gendsl.runtime.training.settings import Watch
from gendsl.runtime.training.trainable import copied

__all__ = ["Best"]


class Best:
    """The best evaluation so far. A score that is not finite is never better.

    Attributes:
        score: the best score; None before there is one.
        epoch: the number of epochs done then.
        waited: evaluations since.
        values: parameters and buffers that had it.
    """

    def __init__(self, watch: Watch) -> None:
        """Nothing has been evaluated yet."""
        self._watch = watch
        self.score: float | None = None
        self.epoch = 0
        self.waited = 0
        self.values: dict[str, Tensor] = {}

    def take(self, scores: Mapping[str, float], epoch: int, values: Mapping[str, Tensor]) -> None:
        """Compare scores with the best, and keep copies of `values` if they are better.

        Raises:
            DataError: GD851, the score that is watched is not among them.
        """
        name = self._watch.score
        if name not in scores:
            there = ", ".join(sorted(scores)) or "none"
            raise refuse_option(f"no score is called {name!r}", f"the scores are: {there}")
        self.waited += 1
        if self._is_better(float(scores[name])):
            self.score, self.epoch, self.waited = float(scores[name]), epoch, 0
            self.values = copied(values)

    def _is_better(self, score: float) -> bool:
        if not math.isfinite(score):
            return False
        if self.score is None:
            return True
        gain = score - self.score if self._watch.goal == "max" else self.score - score
        return gain > self._watch.least

    @property
    def exhausted(self) -> bool:
        """Whether the patience is at its end."""
        return self._watch.patience is not None and self.waited >= self._watch.patience

    def state(self) -> dict[str, Any]:
        """Everything, for a checkpoint."""
        return {
            "score": self.score,
            "epoch": self.epoch,
            "waited": self.waited,
            "values": self.values,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self.score, self.epoch = state["score"], state["epoch"]
        self.waited, self.values = state["waited"], dict(state["values"])
