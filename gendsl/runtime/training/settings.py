"""What a step sees and gives, and the options of a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Protocol

from torch import Tensor

from gendsl.runtime.training.batches import Batch
from gendsl.runtime.training.choices import check_value, refuse_option

__all__ = ["Evaluate", "Losses", "Options", "Stateful", "Step", "StepState", "Watch"]


@dataclass(frozen=True, slots=True)
class Losses:
    """What a batch costs.

    Attributes:
        total: a scalar to minimise.
        terms: scalars to report, means over the rows of the batch; always the same names.
        gradients: those of `total` by each parameter, where they are known already.
    """

    total: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)
    gradients: Sequence[Tensor | None] | None = None


@dataclass(frozen=True, slots=True)
class StepState:
    """Where a training is.

    Attributes:
        step: steps done before this one.
        steps: how many there will be.
        epoch: epochs done, as a real number: 1.5 in the middle of the second one.
        rows: rows in the batch; 0 where there is none.
        total: rows in the data.
        training: False while scores are taken.
    """

    step: int
    steps: int
    epoch: float
    rows: int
    total: int
    training: bool = True


Step = Callable[[Batch, StepState], Losses]
Evaluate = Callable[[StepState], Mapping[str, float]]


class Stateful(Protocol):
    """State beside the parameters that steps change, such as baselines of estimators."""

    def state_dict(self) -> dict[str, Any]:
        """The state: nested dicts and lists of tensors, numbers, texts and None.

        Later steps replace the tensors and do not change them in place.
        """
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        ...


@dataclass(frozen=True, slots=True)
class Watch:
    """Early stopping on a score, and the choice of the best weights.

    Attributes:
        score: its name among those that are evaluated.
        goal: whether larger or smaller is better.
        patience: stop after so many evaluations without a better one; None to go on.
        least: by how much a score must be better to count.
    """

    score: str
    goal: Literal["max", "min"] = "max"
    patience: int | None = 10
    least: float = 0.0

    def __post_init__(self) -> None:
        if self.goal not in ("max", "min"):
            raise refuse_option(f"`goal` is 'max' or 'min', not {self.goal!r}")
        if self.patience is not None:
            check_value("patience", "count", self.patience)
        check_value("least", "nonnegative", self.least)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a training.

    Attributes:
        epochs: how many times the rows are gone through.
        steps: stop after so many steps, if that is sooner.
        batch_size: rows in a batch; None for all.
        drop_partial: leave out a last batch with fewer rows.
        seed: of the order of the rows and of all random numbers that steps draw from torch.
        optimiser: its name in `OPTIMISERS`.
        optimiser_options: such as `learning_rate`.
        schedule: the name of the course of the learning rate in `SCHEDULES`.
        schedule_options: its options.
        warmup: steps in which the learning rate rises first.
        clip_norm: longer gradients are shortened to this norm.
        clip_value: entries of gradients are cut to this absolute value.
        bad_steps: so many steps in a row may be left out because they are not finite.
        ema: the decay of a moving average of the weights; None for none.
        evaluate_every: epochs between two evaluations; there is one at the end too.
        watch: the score that decides.
        precision: `bf16` computes steps in bfloat16 where torch deems it safe, on a GPU only.
        folder: where checkpoints are written.
        resume: go on with the newest checkpoint in `folder`, if there is one.
        checkpoint_every: steps between checkpoints; None for one a minute, at ends of epochs.
        identity: what else a resumed run must have in common, such as a hash of the model.
        progress: show it on standard error.
    """

    epochs: int = 100
    steps: int | None = None
    batch_size: int | None = None
    drop_partial: bool = False
    seed: int = 0
    optimiser: str = "adam"
    optimiser_options: Mapping[str, Any] = field(default_factory=dict)
    schedule: str = "constant"
    schedule_options: Mapping[str, Any] = field(default_factory=dict)
    warmup: int = 0
    clip_norm: float | None = None
    clip_value: float | None = None
    bad_steps: int = 10
    ema: float | None = None
    evaluate_every: int = 1
    watch: Watch | None = None
    precision: Literal["full", "bf16"] = "full"
    folder: str | Path | None = None
    resume: bool = False
    checkpoint_every: int | None = None
    identity: str = ""
    progress: bool = True

    def __post_init__(self) -> None:
        for name in ("epochs", "evaluate_every"):
            check_value(name, "count", getattr(self, name))
        for name in ("seed", "warmup", "bad_steps"):
            check_value(name, "natural", getattr(self, name))
        for name in ("steps", "batch_size", "checkpoint_every"):
            if getattr(self, name) is not None:
                check_value(name, "count", getattr(self, name))
        for name in ("clip_norm", "clip_value"):
            if getattr(self, name) is not None:
                check_value(name, "positive", getattr(self, name))
        if self.ema is not None:
            check_value("ema", "share", self.ema)
        if self.precision not in ("full", "bf16"):
            raise refuse_option(f"`precision` is 'full' or 'bf16', not {self.precision!r}")
        if self.resume and self.folder is None:
            raise refuse_option("`resume` needs the `folder` in which the checkpoints are")

    def facts(self) -> dict[str, Any]:
        """The options that decide what the parameters become, as plain values."""
        apart = {"folder", "resume", "checkpoint_every", "progress", "watch", "epochs"}
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in apart}
        if self.watch is not None:
            found["watch"] = {f.name: getattr(self.watch, f.name) for f in fields(self.watch)}
        return {name: dict(v) if isinstance(v, Mapping) else v for name, v in found.items()}
