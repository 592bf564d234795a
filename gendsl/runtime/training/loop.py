"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

import torch

from gendsl import interrupts
from gendsl.diagnostics import DataError, Diagnostic
from gendsl.runtime.training.batches import Batch, Batching, Source
from gendsl.runtime.training.choices import refuse_option
from gendsl.runtime.training.extras import take_back
from gendsl.runtime.training.history import EpochMeans, History
from gendsl.runtime.training.interruption import DeferredInterrupt
from gendsl.runtime.training.progress import TrainingProgress
from gendsl.runtime.training.resuming import Keeper
from gendsl.runtime.training.run import Run, Stopped, derived_seed, start_run
from gendsl.runtime.training.schedules import build_schedule
from gendsl.runtime.training.settings import Evaluate, Losses, Options, Stateful, Step, StepState
from gendsl.runtime.training.trainable import Trainable

__all__ = ["TrainingResult", "train"]

STEPS, SCORES = 1, 2
"""Purposes of random numbers, for `derived_seed`."""

LOSS, NORM = "loss", "gradient norm"
"""What is reported beside the terms."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingResult:
    """How a training went; the parameters hold the weights it chose.

    Attributes:
        history: what was reported.
        steps: steps done.
        epochs: whole epochs done.
        stopped: why it ended: all `epochs` or `steps` were done, no better score was found for
            as long as the `patience` says, or it was `interrupted`.
        weights: which weights the parameters hold: those with the `best` score, the moving
            `average`, or the `last` ones.
        best_score: the best score, if one was watched.
        best_epoch: the number of epochs done then.
        skipped: steps that were left out because something was not finite.
        order: how the rows of an epoch were shuffled, in words.
        seconds: of this call.
    """

    history: History
    steps: int
    epochs: int
    stopped: Stopped
    weights: Literal["best", "average", "last"]
    best_score: float | None
    best_epoch: int | None
    skipped: int
    order: str
    seconds: float


def train(
    step: Step,
    trainable: Trainable,
    source: Source,
    options: Options | None = None,
    *,
    evaluate: Evaluate | None = None,
    extras: Mapping[str, Stateful] | None = None,
) -> TrainingResult:
    """Minimise what `step` gives, on average over batches of rows.

    All random numbers that steps draw from torch follow from the seed; the caller's state of
    torch's generators is put back. An interrupt from the keyboard ends the training after the
    step that is running, with what has been reached; a second one is raised at once.

    Args:
        step: from a batch, and where the training is, to a loss and named terms.
        trainable: parameters, which are changed in place, and buffers.
        source: the rows.
        options: everything else.
        evaluate: scores by name, such as a bound on held-out rows. It is called with modules in
            evaluation mode, the moving average as weights where one is kept, no gradients, and
            the same random numbers each time.
        extras: state beside the parameters, by name; it belongs to checkpoints, and a step that
            is left out does not change it.

    Returns:
        How it went. The parameters hold the best weights if a score is watched, else the moving
        average if there is one, else the last ones.

    Raises:
        DivergedError: GD850, too many steps in a row were not finite.
        DataError: GD851, an option is wrong; GD855, there is nothing to train.
        DataError: GD802 to GD805, GD808, GD809, GD853 or GD854, about checkpoints.
    """
    loop = _Loop(step, trainable, source, options or Options(), evaluate, dict(extras or {}))
    return loop.go()


class _Loop:
    def __init__(
        self,
        step: Step,
        trainable: Trainable,
        source: Source,
        options: Options,
        evaluate: Evaluate | None,
        extras: dict[str, Stateful],
    ) -> None:
        _check(trainable, options, evaluate)
        self.compute, self.source, self.options = step, source, options
        self.evaluate = evaluate
        self.batching = Batching(options.batch_size, options.seed, options.drop_partial)
        self.count = source.count(self.batching)
        self.steps = options.epochs * self.count
        if options.steps is not None:
            self.steps = min(self.steps, options.steps)
        self.factor = build_schedule(
            options.schedule, options.schedule_options, steps=self.steps, warmup=options.warmup
        )
        self.run: Run = start_run(trainable, options, extras)
        self.rate = float(self.run.optimiser.defaults["lr"])
        self.keeper = Keeper(self.run, source, options)

    def go(self) -> TrainingResult:
        began = time.monotonic()
        run, options = self.run, self.options
        devices = [run.device] if run.device.type == "cuda" else []
        with ExitStack() as stack:
            stack.enter_context(torch.random.fork_rng(devices=devices))
            torch.manual_seed(derived_seed(options.seed, STEPS))
            self.keeper.begin()
            run.trainable.train_mode()
            stop = stack.enter_context(DeferredInterrupt())
            self.progress = stack.enter_context(
                TrainingProgress(options.epochs, enabled=options.progress)
            )
            while run.stopped is None:
                self._epoch(stop)
            self.keeper.end()
            if run.stopped == "interrupted":
                self.progress.say(f"interrupted; the weights after step {run.step} are kept")
        return self._result(time.monotonic() - began)

    def _epoch(self, stop: DeferredInterrupt) -> None:
        run = self.run
        for batch in self.source.batches(self.batching, run.epoch, run.batch):
            self._step(batch)
            run.batch += 1
            self.keeper.after_step()
            interrupts.raise_again()
            if stop.noted:
                run.stopped = "interrupted"
                return
            if run.step >= self.steps:
                break
        self._close_epoch()
        if stop.noted and run.stopped is None:
            run.stopped = "interrupted"

    def _state(self, rows: int, *, training: bool = True) -> StepState:
        run = self.run
        epoch = run.epoch + run.batch / self.count
        return StepState(run.step, self.steps, epoch, rows, self.source.total, training)

    def _step(self, batch: Batch) -> None:
        run, options = self.run, self.options
        rows = next(iter(batch.values())).shape[0]
        for group in run.optimiser.param_groups:
            group["lr"] = self.rate * self.factor(run.step)
        buffers = run.descent.before()
        extras = {name: extra.state_dict() for name, extra in run.extras.items()}
        if options.precision == "bf16":
            with torch.autocast("cuda", dtype=torch.bfloat16):
                losses = self.compute(batch, self._state(rows))
        else:
            losses = self.compute(batch, self._state(rows))
        self._check_names(losses)
        told, finite = run.descent.step(losses, buffers)
        take_back(run.extras, extras, finite)
        if run.average is not None:
            run.average.update()
        run.means.add(told, rows, finite)
        run.descent.look(run.step, run.names, options.bad_steps)
        run.step += 1
        self.progress.update(
            run.epoch + (run.batch + 1) / self.count, rows, lambda: run.means.means(run.names)
        )

    def _check_names(self, losses: Losses) -> None:
        if not self.run.names:
            self.run.names = (LOSS, *losses.terms, NORM)
            if len(set(self.run.names)) < len(self.run.names):
                raise ValueError(f"terms are called neither {LOSS!r} nor {NORM!r}")
        if losses.gradients is None and not losses.total.requires_grad:
            raise _nothing("the loss does not depend on any parameter")
        if (LOSS, *losses.terms, NORM) != self.run.names:
            raise ValueError("the names of the terms changed")

    def _close_epoch(self) -> None:
        run = self.run
        run.epoch, run.batch = run.epoch + 1, 0
        rate = self.rate * self.factor(run.step - 1)
        run.history.add_epoch(run.step, rate, run.means.means(run.names))
        run.means = EpochMeans()
        if run.step >= self.steps:
            run.stopped = "epochs" if run.epoch >= self.options.epochs else "steps"
        due = run.epoch % self.options.evaluate_every == 0
        if self.evaluate is not None and (due or run.stopped is not None):
            self._score(self.evaluate)
        self.keeper.after_epoch()

    def _score(self, evaluate: Evaluate) -> None:
        run = self.run
        devices = [run.device] if run.device.type == "cuda" else []
        averaged = run.average.values if run.average is not None else None
        with (
            run.trainable.holding(averaged),
            run.trainable.evaluating(),
            torch.no_grad(),
            torch.random.fork_rng(devices=devices),
        ):
            torch.manual_seed(derived_seed(self.options.seed, SCORES))
            scores = {n: float(v) for n, v in evaluate(self._state(0, training=False)).items()}
            run.history.add_scores(run.epoch, scores)
            if run.best is not None:
                run.best.take(scores, run.epoch, run.trainable.tensors())
                if run.best.exhausted and run.stopped is None:
                    run.stopped = "patience"

    def _result(self, seconds: float) -> TrainingResult:
        run = self.run
        assert run.stopped is not None
        weights: Literal["best", "average", "last"] = "last"
        if run.best is not None and run.best.values:
            run.trainable.load(run.best.values)
            weights = "best"
        elif run.average is not None and run.average.steps:
            run.trainable.load(run.average.values)
            weights = "average"
        return TrainingResult(
            history=run.history,
            steps=run.step,
            epochs=run.epoch,
            stopped=run.stopped,
            weights=weights,
            best_score=run.best.score if run.best is not None else None,
            best_epoch=run.best.epoch if run.best is not None and run.best.values else None,
            skipped=run.descent.skipped,
            order=self.source.order,
            seconds=seconds,
        )


def _nothing(message: str) -> DataError:
    return DataError([Diagnostic("GD855", message)])


def _check(trainable: Trainable, options: Options, evaluate: Evaluate | None) -> None:
    if not trainable.parameters:
        raise _nothing("there are no parameters to train")
    if options.watch is not None and evaluate is None:
        raise refuse_option(f"no score is called {options.watch.score!r}", "there are no scores")
    if options.precision == "bf16" and trainable.device.type != "cuda":
        raise refuse_option(
            "`precision` 'bf16' is for GPUs", "leave it out to compute in full precision"
        )
