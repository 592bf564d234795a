"""What a training reports: means of terms by epoch, and scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

__all__ = ["EpochMeans", "History"]


@dataclass(slots=True)
class History:
    """Curves of a training.

    Attributes:
        steps: the number of steps done at the end of each epoch.
        learning_rate: the rate of the last step of each epoch.
        terms: for each name (the loss, each term, the norm of the gradient) its mean over the
            rows of each epoch, steps that were left out aside; NaN where all were.
        scored_at: the number of epochs done when scores were taken.
        scores: for each name its values.
    """

    steps: list[int] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    terms: dict[str, list[float]] = field(default_factory=dict)
    scored_at: list[int] = field(default_factory=list)
    scores: dict[str, list[float]] = field(default_factory=dict)

    def add_epoch(self, step: int, rate: float, means: Mapping[str, float]) -> None:
        """Add an epoch."""
        self.steps.append(step)
        self.learning_rate.append(rate)
        for name, value in means.items():
            self.terms.setdefault(name, []).append(value)

    def add_scores(self, epochs: int, scores: Mapping[str, float]) -> None:
        """Add scores that were taken after so many epochs.

        Raises:
            ValueError: they are not those of the last time.
        """
        if self.scored_at and scores.keys() != self.scores.keys():
            raise ValueError("the names of the scores changed")
        self.scored_at.append(epochs)
        for name, value in scores.items():
            self.scores.setdefault(name, []).append(float(value))

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything as arrays; terms and scores as `terms/NAME` and `scores/NAME`."""
        found = {
            "steps": np.asarray(self.steps, dtype=np.int64),
            "learning_rate": np.asarray(self.learning_rate, dtype=np.float64),
            "scored_at": np.asarray(self.scored_at, dtype=np.int64),
        }
        found |= {f"terms/{name}": np.asarray(v, np.float64) for name, v in self.terms.items()}
        found |= {f"scores/{name}": np.asarray(v, np.float64) for name, v in self.scores.items()}
        return found

    @classmethod
    def restored(cls, curves: Mapping[str, Tensor]) -> History:
        """The history whose `arrays` these are."""
        found: dict[str, list[float]] = {name: curve.tolist() for name, curve in curves.items()}
        parts: dict[str, dict[str, list[float]]] = {"terms": {}, "scores": {}}
        for name, values in found.items():
            kind, slash, inner = name.partition("/")
            if slash:
                parts[kind][inner] = values
        return cls(
            steps=[int(v) for v in found["steps"]],
            learning_rate=found["learning_rate"],
            terms=parts["terms"],
            scored_at=[int(v) for v in found["scored_at"]],
            scores=parts["scores"],
        )


class EpochMeans:
    """Running sums over the rows of an epoch, kept where the values are.

    Attributes:
        sums: of values times rows; None before the first batch.
        rows: how many rows counted.
    """

    def __init__(self) -> None:
        self.sums: list[float] | Tensor | None = None
        self.rows: int | Tensor = 0

    def add(self, values: list[float] | Tensor, rows: int, finite: bool | Tensor) -> None:  # noqa: FBT001
        """Add the means of a batch, unless they are not finite."""
        if isinstance(values, Tensor):
            added = torch.where(torch.as_tensor(finite), values, 0.0) * rows
            self.sums = self.sums + added if isinstance(self.sums, Tensor) else added
            self.rows = self.rows + rows * finite
        elif finite:
            before = [0.0] * len(values) if self.sums is None else self.sums
            self.sums = [b + rows * v for b, v in zip(before, values, strict=True)]
            self.rows += rows

    def means(self, names: tuple[str, ...]) -> dict[str, float]:
        """The means so far; NaN where no batch counted."""
        rows = int(self.rows)
        if self.sums is None or rows == 0:
            return dict.fromkeys(names, float("nan"))
        sums = self.sums.tolist() if isinstance(self.sums, Tensor) else self.sums
        return {name: value / rows for name, value in zip(names, sums, strict=True)}
