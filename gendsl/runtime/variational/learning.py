"""The engine of variational inference: a training, and what it leaves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyro
import torch
from torch import Tensor

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.inference.plan import Plan
from gendsl.ir import nodes as ir
from gendsl.library.pace import (
    DECAY,
    EPOCHS,
    LIKELIHOOD_ROWS,
    RATE,
    RATE_OF_NETS,
    RATE_OF_UNITS,
    ROWS,
    STEPS,
    STOPPED,
    WHOLE,
)
from gendsl.runtime.objectives import Clock, Elbo, Iwae, Objective, ObjectiveError
from gendsl.runtime.program import Executable
from gendsl.runtime.training.checkpoints import newest
from gendsl.runtime.training.extras import MappingState
from gendsl.runtime.training.loop import TrainingResult, train
from gendsl.runtime.training.settings import Losses, Options, StepState, Watch
from gendsl.runtime.training.trainable import Trainable
from gendsl.runtime.variational.flowing import start_flows
from gendsl.runtime.variational.learned import Learned
from gendsl.runtime.variational.light import Light
from gendsl.runtime.variational.objective import objective_of, relaxed, steady, together
from gendsl.runtime.variational.quantising import begin, settle
from gendsl.runtime.variational.recorded import Recorder
from gendsl.runtime.variational.rows import Rows, obstacle, row_plate, verify_stream
from gendsl.runtime.variational.supervised import supervised, with_masks

__all__ = [
    "Inference",
    "Trained",
    "batch_size",
    "held_out",
    "identity_of",
    "infer",
    "prepare",
    "training_options",
    "unvalidated",
]

PATIENCE = 10
"""Epochs without a better bound of held-out rows before the end, unless told otherwise."""

LEAST = 20
"""Of fewer rows none are held out."""

CHUNK = 2_000
"""Rows that are looked at at a time when nothing is learned."""


@contextmanager
def unvalidated() -> Iterator[None]:
    """Distributions do not check their arguments."""
    with pyro.validation_enabled(is_validate=False):
        yield


@dataclass(frozen=True)
class Inference:
    """A program, its data by rows, and what is learned.

    Attributes:
        light: the program.
        rows: its data.
        learned: params and networks.
    """

    light: Light
    rows: Rows
    learned: Learned

    def everything(self) -> dict[str, Any]:
        """The arguments for all rows."""
        return self.rows.arguments(self.rows.arrays, self.rows.total)


@dataclass(frozen=True)
class Trained:
    """What a training leaves.

    Attributes:
        inference: the program with what was learned.
        result: how the training went.
        objective: what was trained.
        batch_size: rows in a batch; None for all of them.
        note: a remark on defaults that were chosen.
        plan: what was carried out.
        how: how steps were run, in words.
    """

    inference: Inference
    result: TrainingResult
    objective: Objective
    batch_size: int | None
    note: str
    plan: Plan
    how: str


def prepare(
    executable: Executable,
    model: ir.Model,
    plan: Plan,
    learned: Learned,
    *,
    batched: bool = True,
    probe: bool = True,
    probabilities: Mapping[str, np.ndarray] | None = None,
    rows_of: str | None = None,
) -> Inference:
    """Cut the data into rows, and find the params by running the program once, with `probe`.

    Constants of the data, such as the mean of an input, are those of all rows. Rows are the
    members of `rows_of` if it has any, by default of the largest plate that can be cut. Must run
    under `gendsl.runtime.backend.tensors`.
    """
    plate = row_plate(model, plan.guide, executable.sizes) if batched else None
    if rows_of is not None:
        plate = rows_of if executable.sizes[rows_of] else None
    stream = executable.stream
    if stream is not None:
        plate = stream.plate
        verify_stream(model, plan.guide, plate)
    executable = with_masks(executable, plan.guide.completed if plan.guide is not None else ())
    rows = Rows.of(executable, plate, probabilities)
    light = Light(
        executable.program, model, plan.guide, learned, plate, executable.sizes, relaxed(plan)
    )
    inference = Inference(light, rows, learned)
    constants = executable.program.kept
    lacking = constants is not None and not executable.arguments[constants]
    if not probe and not lacking:
        return inference
    first = rows.total if lacking and stream is None else min(2, rows.total)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        given, _ = next(rows.chunks(first, first))
        light.sites(given, 1, first, rows.total)
    return inference


def infer(
    executable: Executable,
    model: ir.Model,
    plan: Plan,
    learned: Learned,
    *,
    seed: int,
    progress: bool,
    folder: str | None = None,
    resume: bool = False,
    probabilities: Mapping[str, np.ndarray] | None = None,
) -> Trained:
    """Train params, networks and the guide.

    Must run under `gendsl.runtime.backend.tensors`.

    Raises:
        DataError: GD860, batches are asked for of data that cannot be cut into rows.
    """
    with unvalidated():
        inference = prepare(executable, model, plan, learned, probabilities=probabilities)
        rows = inference.rows
        size, note = batch_size(model, plan, rows)
        objective = objective_of(plan, model)
        objective = supervised(objective, plan, model, rows, dict(executable.program.known))
        begin(inference.light, rows, model, learned, seed)
        start_flows(inference.light, rows, learned, model)
        trainable = Trainable(learned.nets, {f"param {n}": t for n, t in learned.free.items()})
        held = held_out(plan, rows, seed)
        if resume and folder is not None and newest(Path(folder)) is None:
            anew = "no checkpoint was there to go on from, so that the training began anew"
            note = f"{note}; {anew}" if note else anew
        options = training_options(
            plan, size, seed=seed, progress=progress, folder=folder, resume=resume
        )
        options = replace(options, identity=identity_of(executable, plan))
        if held is None:
            options = replace(options, watch=None)
        parameters = list(trainable.parameters.values())
        step = _Step(inference, objective, model, parameters)
        extras = {"objective": MappingState(step.memory)}
        if held is None:
            result = train(step, trainable, rows.source(), options, extras=extras)
        else:
            kept, out = held
            score = _Score(inference, rows.part(out), len(out))
            source = rows.part(kept).source()
            result = train(step, trainable, source, options, evaluate=score, extras=extras)
        if result.weights == "last":
            settle(objective, step.memory, learned)
    return Trained(inference, result, objective, size, note, plan, step.recorder.how)


def identity_of(executable: Executable, plan: Plan) -> str:
    """What a resumed training must have in common: the program and the objective."""
    kept = {n: v for n, v in plan.options.items() if n not in ("epochs", "draws", "seed")}
    text = f"{executable.model.source.text}\n{sorted(kept.items(), key=str)}"
    return hashlib.sha256(text.encode()).hexdigest()


def batch_size(model: ir.Model, plan: Plan, rows: Rows) -> tuple[int | None, str]:
    """Rows in a batch, and a remark on them."""
    asked = plan.options["batch_size"]
    if plan.method == "svi" and plan.options["held_out"] and rows.plate is None:
        raise _no_rows(model, plan, "held_out")
    if rows.stream is not None:
        size = rows.stream.batch_size(None if asked is None else int(asked), ROWS)
        return size, f"rows are read from {rows.stream.reader.origin} in batches of {size}"
    if asked is not None:
        if rows.plate is None:
            raise _no_rows(model, plan, "batch_size")
        return (int(asked), "") if int(asked) < rows.total else (None, "")
    size = LIKELIHOOD_ROWS if plan.method == "mle" and not plan.constant else ROWS
    most = size if model.nets else WHOLE if model.weighted or plan.constant else rows.total
    if rows.plate is None or rows.total <= most:
        return None, ""
    return size, f"batches of {size} rows of `{rows.plate}`, since nothing else was asked for"


def _no_rows(model: ir.Model, plan: Plan, option: str) -> DataError:
    observed = {a for v in model.of_role("observed") for a in v.axes}
    plates = [a.name for a in model.axes if a.kind == "plate" and a.name in observed]
    found = {plate: obstacle(model, plan.guide, plate) for plate in plates}
    reasons = [f"`{plate}`: {why or 'it has no members'}" for plate, why in found.items()]
    message = "the data cannot be taken in batches"
    message += f": {'; '.join(reasons)}" if reasons else ", since no plate has data"
    remedy = f"leave `{option}` out: every step then sees all of the data"
    return DataError([Diagnostic("GD860", message, model.span, help=remedy)], model.source)


def training_options(
    plan: Plan,
    size: int | None,
    *,
    seed: int,
    progress: bool,
    folder: str | None,
    resume: bool,
) -> Options:
    """The options of a training, from those of a plan; `size` rows are a batch, None for all."""
    given = plan.options
    likelihood = plan.method == "mle" and not plan.constant
    stops = bool(given["held_out"])
    epochs = given["epochs"] or (STEPS if size is None else EPOCHS)
    if likelihood and stops and not given["epochs"]:
        epochs = STOPPED
    rate = given["learning_rate"]
    if rate is None:
        nets = likelihood or plan.nets or (plan.guide is not None and plan.guide.model.nets)
        batches = plan.constant and size is not None
        rate = RATE_OF_NETS if nets else RATE_OF_UNITS if batches else RATE
    optimiser, decay = str(given["optimiser"]), given["weight_decay"]
    if decay is None and likelihood and optimiser == "adamw":
        decay = DECAY
    watch = None
    if given["held_out"]:
        watch = Watch("bound", patience=int(given["patience"] or PATIENCE))
    return Options(
        epochs=int(epochs),
        batch_size=size,
        seed=seed,
        optimiser=optimiser,
        optimiser_options={"learning_rate": float(rate)}
        | ({} if decay is None else {"weight_decay": float(decay)}),
        schedule=str(given["schedule"]),
        clip_norm=None if given["clip_norm"] is None else float(given["clip_norm"]),
        ema=None if given["average"] is None else float(given["average"]),
        watch=watch,
        folder=folder,
        resume=resume,
        progress=progress,
    )


def held_out(plan: Plan, rows: Rows, seed: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows to learn from and rows to judge by; None where all are learned from."""
    share = plan.options["held_out"]
    if not share or rows.plate is None or rows.total < LEAST:
        return None
    order = np.random.default_rng([seed, 1]).permutation(rows.total)
    out = max(1, round(float(share) * rows.total))
    return np.sort(order[out:]), np.sort(order[:out])


class _Step:
    """The loss of a batch."""

    def __init__(
        self,
        inference: Inference,
        objective: Objective,
        model: ir.Model,
        parameters: Sequence[Tensor],
    ) -> None:
        self.inference, self.objective, self.model = inference, objective, model
        self.gated = isinstance(objective, Iwae) and objective.gradient == "doubly"
        self.memory: dict[str, Tensor] = {}
        self.recorder = Recorder(inference.learned.nets, parameters)

    def __call__(self, batch: Mapping[str, Tensor], state: StepState) -> Losses:
        """The losses; by a recording, unless weights change or there is something to remember."""

        def step(given: Mapping[str, Tensor], memory: dict[str, Tensor]) -> Losses:
            del memory
            return self._direct(given, state)

        if self.memory or not steady(self.objective, Clock(state.step, state.epoch)):
            return self._direct(batch, state)
        return self.recorder(step, batch, state, {})

    def _direct(self, batch: Mapping[str, Tensor], state: StepState) -> Losses:
        settle(self.objective, self.memory, self.inference.learned)
        rows = self.inference.rows
        count = state.rows if rows.plate is not None else 1
        total = state.total if rows.plate is not None else 1
        arguments = rows.arguments(rows.anew(batch), count)
        light, particles = self.inference.light, self.objective.particles
        sites = light.sites(arguments, particles, count, total, gated=self.gated, training=True)
        clock = Clock(state.step, state.epoch)
        try:
            found = self.objective(sites, clock, self.memory)
        except ObjectiveError as error:
            raise together(str(error), self.model) from None
        return Losses(found.loss, found.terms)


class _Score:
    """The unmodified bound of rows that are held out."""

    def __init__(self, inference: Inference, rows: Rows, count: int) -> None:
        self.inference, self.rows, self.count = inference, rows, count

    def __call__(self, state: StepState) -> dict[str, float]:
        done, bound = 0, 0.0
        for arguments, rows in self.rows.chunks(max(1, CHUNK // self.inference.light.times)):
            done += rows
            total = max(state.total, done)
            sites = self.inference.light.sites(arguments, 1, rows, total)
            bound += float(Elbo()(sites).bound) * rows
        return {"bound": bound / done}
