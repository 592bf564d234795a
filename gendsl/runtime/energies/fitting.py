"""Training an energy: the objective that a plan asks for, and what a fit says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import Tensor

from gendsl.graph.energies import energies_of
from gendsl.inference.algorithms.energies import DENOISING
from gendsl.inference.plan import Plan
from gendsl.ir import nodes as ir
from gendsl.runtime.backend import tensors
from gendsl.runtime.energies.checking import equilibrium, least_precision, without_constant
from gendsl.runtime.energies.density import Weigher
from gendsl.runtime.energies.exact import log_constant
from gendsl.runtime.energies.kernels import kernel_of
from gendsl.runtime.energies.noise import independent_noise, normal_noise
from gendsl.runtime.energies.packing import Packed
from gendsl.runtime.energies.steps import (
    Contrastive,
    Kind,
    Likelihood,
    Matching,
    Memory,
    Noise,
    Objective,
    Ratios,
)
from gendsl.runtime.energies.task import Task
from gendsl.runtime.outcome import Groups, Outcome, Setting
from gendsl.runtime.program import Executable
from gendsl.runtime.results import ESTIMATE
from gendsl.runtime.training.extras import MappingState
from gendsl.runtime.training.gradients import DivergedError
from gendsl.runtime.training.loop import TrainingResult, train
from gendsl.runtime.training.settings import Losses, StepState
from gendsl.runtime.training.trainable import Trainable
from gendsl.runtime.variational.learned import Learned
from gendsl.runtime.variational.learning import (
    batch_size,
    held_out,
    identity_of,
    training_options,
    unvalidated,
)
from gendsl.runtime.variational.objective import together
from gendsl.runtime.variational.quality import course
from gendsl.runtime.variational.recorded import Recorder
from gendsl.runtime.variational.rows import Rows

__all__ = ["fit_energy", "task_of"]

EXACT_UP_TO = 32
"""Entries of a row up to which the divergence of a score is found exactly, unless asked."""


SMALL = 0.01
"""The sd of weights of units that begin at 0 otherwise (Hinton, A practical guide to training
restricted Boltzmann machines, 2010, section 8)."""


def task_of(executable: Executable, model: ir.Model, learned: Learned) -> Task:
    """The block that is learned, with its data; params are found by running the program once.

    Must run under `gendsl.runtime.backend.tensors`.
    """
    (facts,) = energies_of(model)
    plates = [a for a in facts.block.plates if executable.sizes[a] > 0]
    plate = max(plates, key=lambda n: executable.sizes[n], default=None)
    rows = Rows.of(executable, plate)
    sizes = executable.sizes
    weigher = Weigher(executable.program, model, sizes, plate, learned.param)
    task = Task(weigher, facts, model, rows, learned, dict(executable.program.observed))
    with torch.no_grad():
        arguments, _ = rows.spaced(1)
        values = task.values(task.arguments_of(arguments))
        task.weigher(task.with_units(values, arguments), task.arguments_of(arguments))
    return task


def objective_of(plan: Plan, task: Task) -> Objective:
    """What is trained.

    Raises:
        DataError: GD865, options that do not go together.
    """
    options = plan.options
    if options["patience"] is not None and not options["held_out"]:
        raise together(
            "`patience` waits for rows that `held_out` sets aside: set it too", task.model
        )
    if options["held_out"] and plan.method == "contrastive_divergence":
        why = "`held_out` needs an objective, and contrastive divergence has a gradient alone"
        raise together(why, task.model)
    match plan.method:
        case "mle":
            return Likelihood(normal=task.facts.quadratic)
        case "contrastive_divergence":
            persistent = options["start"] == "chains"
            count = _whole(options, "chains", 100) if persistent else 0
            kernel = kernel_of(task, options)
            anew = float(options["anew"] or 0.0)
            return Contrastive(kernel, _whole(options, "sweeps", 1), count, anew)
        case "score_matching":
            return _matching(options, task)
        case "noise_contrastive":
            return _noise(options, task)
    return Ratios()


def _whole(options: Mapping[str, object], name: str, default: int) -> int:
    value = options[name]
    return value if isinstance(value, int) and value else default


def _matching(options: Mapping[str, object], task: Task) -> Matching:
    kind = options["kind"]
    if kind is None:
        width = _packed(task).shape[1]
        kind = "exact" if width <= EXACT_UP_TO else "sliced"
    sigma = options["sigma"] or DENOISING
    directions = _whole(options, "directions", 1)
    return Matching(cast(Kind, kind), float(cast(float, sigma)), directions)


def _noise(options: Mapping[str, object], task: Task) -> Noise:
    x = _packed(task)
    binary = task.facts.binary
    law = independent_noise(x, 1) if binary else normal_noise(x, 1)
    kind = "independent bits" if binary else "a normal law"
    log_z = torch.zeros(()).requires_grad_()
    return Noise(law, _whole(options, "ratio", 1), log_z, f"{kind} fitted to the data")


def _packed(task: Task) -> Tensor:
    """The visible values of all rows, (rows, entries)."""
    parts = task.values(task.rows.arguments(task.rows.arrays, task.rows.total))
    return Packed(task, parts).pack(parts)


class _Step:
    """The loss of a batch."""

    def __init__(self, task: Task, objective: Objective, parameters: Sequence[Tensor]) -> None:
        self.task, self.objective = task, objective
        self.memory: Memory = {}
        self.recorder = Recorder(task.learned.nets, parameters)

    def __call__(self, batch: Mapping[str, Tensor], state: StepState) -> Losses:
        """The losses; what is remembered, such as chains, is replaced."""

        def step(given: Mapping[str, Tensor], memory: Memory) -> Losses:
            return self._direct(given, state.rows, memory)

        return self.recorder(step, batch, state, self.memory)

    def _direct(self, batch: Mapping[str, Tensor], rows: int, memory: Memory) -> Losses:
        count = rows if self.task.rows.plate is not None else 1
        arguments = self.task.arguments(self.task.rows.anew(batch), count)
        return self.objective(self.task, arguments, memory)


class _Score:
    """Minus the loss of rows that are held out."""

    def __init__(self, step: _Step, rows: Rows, count: int) -> None:
        self.step, self.rows, self.count = step, rows, count

    def __call__(self, state: StepState) -> dict[str, float]:
        task, memory = self.step.task, dict(self.step.memory)
        total = 0.0
        for arguments, count in self.rows.chunks(self.rows.at_a_time(1)):
            given = task.arguments_of(arguments)
            with torch.enable_grad():
                found = self.step.objective(task, given, dict(memory))
            total += -float(found.total.detach()) * count
        return {"bound": total / self.count}


def fit_energy(setting: Setting) -> Outcome:
    """Train, and say what was trained on what."""
    compiled, learned = setting.compiled, setting.learned
    model, plan = compiled.checked.ir, compiled.plan
    assert learned is not None
    with tensors(setting.dtype, setting.device, setting.seed), unvalidated():
        task = task_of(setting.executable, model, learned)
        size, note = batch_size(model, plan, task.rows)
        _break_symmetry(task)
        objective = objective_of(plan, task)
        _verify_constant(task, objective)
        try:
            result, step = _trained(setting, task, objective, size)
        except DivergedError as error:
            least = least_precision(task)
            if least is not None and least <= 0:
                raise without_constant(task, least, "ended") from error
            raise
        for net in learned.nets.values():
            net.eval()
        attrs = _facts(result, objective, size, task)
        if isinstance(objective, Likelihood):
            attrs |= _likelihood(task, objective) | course(result.history.terms["log_likelihood"])
        learned.state |= {n: v.detach() for n, v in step.memory.items()}
        if isinstance(objective, Noise):
            learned.state["log_z"] = objective.log_z.detach()
            attrs["log_z"] = float(objective.log_z.detach())
            if task.facts.quadratic and not task.conditional:
                given, _ = task.rows.spaced(1)
                exact = log_constant(task, task.arguments_of(given), normal=True)
                attrs["log_z_exact"] = float(exact.detach().reshape(-1)[0])
        attrs |= _judged(task, objective, result, step)
        params = learned.values(tuple(v.name for v in model.of_role("param")))
    groups: Groups = {ESTIMATE: params}
    if note:
        attrs["note"] = note
    history = {n: np.asarray(v) for n, v in result.history.terms.items() if len(v)}
    return Outcome("point", groups, {}, attrs, learned=learned, history=history or None)


def _verify_constant(task: Task, objective: Objective) -> None:
    """Refuse to train where there is no constant to account for.

    Raises:
        DataError: GD887, a quadratic energy is not that of a normal law where training begins.
    """
    least = least_precision(task)
    if least is None:
        return
    if least < 0 or (least == 0 and isinstance(objective, Likelihood)):
        raise without_constant(task, least, "begins")


def _judged(
    task: Task, objective: Objective, result: TrainingResult, step: _Step
) -> dict[str, float | int | str]:
    """What the verdict rests on beside the facts of the training."""
    found: dict[str, float | int | str] = {"constant": _constant(task, objective)}
    least = least_precision(task)
    if least is not None:
        found["least_precision"] = least
    losses = result.history.terms["loss"]
    found["final_loss"] = float(losses[-1]) if len(losses) else float("nan")
    if isinstance(objective, Contrastive):
        found |= equilibrium(task, objective.kernel, step.memory)
    elif not isinstance(objective, Likelihood):
        found |= {f"loss_{k.removeprefix('bound_')}": v for k, v in course(losses).items()}
    return found


def _constant(task: Task, objective: Objective) -> str:
    """How log Z is known, in words."""
    if isinstance(objective, Likelihood):
        return "exact"
    if isinstance(objective, Noise):
        return "a learned param"
    if task.facts.quadratic:
        return "that of a normal law, which `fit.log_z()` gives"
    return "unknown: `fit.log_z()` says what can be had"


def _break_symmetry(task: Task) -> None:
    """Let units differ: weights that all begin at 0 begin at small random numbers instead."""
    with torch.no_grad():
        for name in task.facts.block.params if task.facts.units else ():
            free = task.learned.free[name]
            if free.ndim > 1 and not bool(free.any()):
                free.normal_(0.0, SMALL)


def _trained(
    setting: Setting, task: Task, objective: Objective, size: int | None
) -> tuple[TrainingResult, _Step]:
    plan, learned, rows = setting.compiled.plan, task.learned, task.rows
    parameters = {f"param {n}": t for n, t in learned.free.items()}
    if isinstance(objective, Noise):
        parameters["log_z"] = objective.log_z
    trainable = Trainable(learned.nets, parameters)
    step = _Step(task, objective, list(trainable.parameters.values()))
    options = training_options(
        plan,
        size,
        seed=setting.seed,
        progress=setting.progress,
        folder=setting.checkpoint,
        resume=setting.resume,
    )
    options = replace(options, identity=identity_of(setting.executable, plan))
    extras = {"objective": MappingState(step.memory)}
    held = held_out(plan, rows, setting.seed)
    if held is None:
        options = replace(options, watch=None)
        return train(step, trainable, rows.source(), options, extras=extras), step
    kept, out = held
    score = _Score(step, rows.part(out), len(out))
    source = rows.part(kept).source()
    return train(step, trainable, source, options, evaluate=score, extras=extras), step


def _facts(
    result: TrainingResult, objective: Objective, size: int | None, task: Task
) -> dict[str, float | int | str]:
    found: dict[str, float | int | str] = {
        "objective": objective.title,
        "steps": result.steps,
        "epochs": result.epochs,
        "stopped": result.stopped,
        "weights": result.weights,
        "skipped_steps": result.skipped,
        "training_seconds": result.seconds,
        "rows": task.rows.total,
    }
    if task.rows.plate is not None:
        found["rows_of"] = task.rows.plate
    if size is not None:
        found["batch_size"], found["row_order"] = size, result.order
    if result.best_epoch is not None:
        found["best_epoch"] = result.best_epoch
    return found


def _likelihood(task: Task, objective: Likelihood) -> dict[str, float | int | str]:
    """The exact log likelihood at the end, in nats per row."""
    total, log_z = 0.0, float("nan")
    for arguments, count in task.rows.chunks(task.rows.at_a_time(1)):
        losses = objective(task, task.arguments_of(arguments), {})
        total += float(losses.terms["log_likelihood"].detach()) * count
        log_z = float(losses.terms["log_z"].detach())
    return {"log_likelihood": total / task.rows.total, "log_z": log_z}
