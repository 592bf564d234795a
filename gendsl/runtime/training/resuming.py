"""When checkpoints of a run are written, what is in them, and how a run goes on from one."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.runtime.stored_files import refuse
from gendsl.runtime.training.batches import Source
from gendsl.runtime.training.checkpoints import newest, read_checkpoint, write_checkpoint
from gendsl.runtime.training.history import History
from gendsl.runtime.training.run import Run
from gendsl.runtime.training.schedules import SCHEDULES
from gendsl.runtime.training.settings import Options

__all__ = ["Keeper"]

SECONDS = 60.0
"""Between checkpoints at the ends of epochs, where steps do not say when."""


IDENTITIES = {
    "identity": "the model or what is trained",
    "data": "the data",
    "parameters": "the sizes of params and networks",
    "extras": "what is kept beside params",
}
"""What messages call that which no option says."""


class Keeper:
    """Writes checkpoints of a run, and begins with the newest one where that is asked for.

    Without a folder it does nothing.
    """

    def __init__(self, run: Run, source: Source, options: Options) -> None:
        """Keep what there is to be saved."""
        self._run, self._source, self._options = run, source, options
        self._folder = None if options.folder is None else Path(options.folder)
        self._identity: dict[str, Any] = {}
        self._written = time.monotonic()

    def begin(self) -> None:
        """Take up the newest checkpoint, if there is one.

        Raises:
            DataError: GD853, there is one and nobody asked to resume; GD854, it belongs to
                another training; GD802 to GD805, GD808 or GD809.
        """
        if self._folder is None:
            return
        step = newest(self._folder)
        if step is not None and not self._options.resume:
            message = f"{self._folder} holds a checkpoint already, of step {step}"
            raise refuse(
                "GD853", message, "`resume=True` goes on from it; or choose another folder"
            )
        self._identity = _plain(_identity(self._run, self._source, self._options))
        if step is None:
            self._write()  # a folder that cannot be written to is told before any step
            return
        state, identity = read_checkpoint(self._folder, step, self._run.device)
        self._compare(identity)
        try:
            _restore(self._run, state)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise refuse(
                "GD803", f"the checkpoint in {self._folder} is damaged: {error}"
            ) from error
        if self._run.epoch > self._options.epochs:
            done, asked = self._run.epoch, self._options.epochs
            message = f"the checkpoint in {self._folder} is of a training that has gone {done} "
            message += f"epochs, more than the {asked} that are asked for"
            raise refuse("GD854", message, f"ask for {done} epochs or more, or for another folder")
        if self._run.stopped == "interrupted" or (
            self._run.stopped == "epochs" and self._run.epoch < self._options.epochs
        ):
            self._run.stopped = None

    def _compare(self, identity: Mapping[str, Any]) -> None:
        differ = sorted(
            key
            for key in self._identity.keys() | identity.keys()
            if self._identity.get(key) != identity.get(key)
        )
        if differ:
            message = f"the checkpoint in {self._folder} is of another training: it differs in "
            differ = [IDENTITIES.get(key, key) for key in differ]
            help_text = "give the same model, data and options, or choose another folder"
            raise DataError([Diagnostic("GD854", message + ", ".join(differ), help=help_text)])

    def after_step(self) -> None:
        """Write a checkpoint if it is time, by steps."""
        every = self._options.checkpoint_every
        if every is not None and self._run.step % every == 0:
            self._write()

    def after_epoch(self) -> None:
        """Write a checkpoint if it is time, by the clock."""
        late = time.monotonic() - self._written >= SECONDS
        if self._options.checkpoint_every is None and late:
            self._write()

    def end(self) -> None:
        """Write the last checkpoint."""
        self._write()

    def _write(self) -> None:
        if self._folder is not None:
            write_checkpoint(self._folder, self._run.step, _state(self._run), self._identity)
            self._written = time.monotonic()


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """As it will be read back."""
    found: dict[str, Any] = json.loads(json.dumps(value, default=str))
    return found


def _identity(run: Run, source: Source, options: Options) -> dict[str, Any]:
    """What must be the same for a resumed run to become what an uninterrupted one does."""
    found = dict(options.facts())
    if SCHEDULES[options.schedule].by_share:
        found["epochs"] = options.epochs
    found["data"] = {"rows": source.total, **source.facts()}
    tensors = run.trainable.tensors()
    found["parameters"] = {n: [list(t.shape), str(t.dtype)] for n, t in tensors.items()}
    found["device"] = run.device.type
    found["extras"] = sorted(run.extras)
    return found


def _state(run: Run) -> dict[str, Any]:
    random = {"cpu": torch.get_rng_state()}
    if run.device.type == "cuda":
        random["cuda"] = torch.cuda.get_rng_state(run.device)
    moments = {n: dict(run.optimiser.state[p]) for n, p in run.trainable.parameters.items()}
    state: dict[str, Any] = {
        "position": [run.step, run.epoch, run.batch, run.stopped],
        "names": run.names,
        "trainable": run.trainable.tensors(),
        "optimiser": moments,
        "descent": run.descent.state(),
        "means": [run.means.sums, run.means.rows],
        "history": _columns(run.history),
        "random": random,
        "extras": {name: extra.state_dict() for name, extra in run.extras.items()},
    }
    if run.average is not None:
        state["average"] = {"steps": run.average.steps, "values": run.average.values}
    if run.best is not None:
        state["best"] = run.best.state()
    return state


def _columns(history: History) -> dict[str, object]:
    """Curves as tensors: a long history would make a long text."""
    return {name: torch.from_numpy(values) for name, values in history.arrays().items()}


def _restore(run: Run, state: Mapping[str, Any]) -> None:
    run.step, run.epoch, run.batch, run.stopped = state["position"]
    run.names = tuple(state["names"])
    run.trainable.load(state["trainable"])
    for name, parameter in run.trainable.parameters.items():
        run.optimiser.state[parameter] = dict(state["optimiser"][name])
    run.descent.restore(state["descent"])
    run.means.sums, run.means.rows = state["means"]
    run.history = History.restored(state["history"])
    if run.average is not None:
        run.average.steps = state["average"]["steps"]
        _copy(state["average"]["values"], run.average.values)
    if run.best is not None:
        run.best.restore(state["best"])
    for name, extra in run.extras.items():
        extra.load_state_dict(state["extras"][name])
    torch.set_rng_state(state["random"]["cpu"])
    if run.device.type == "cuda":
        torch.cuda.set_rng_state(state["random"]["cuda"].cpu(), run.device)


def _copy(values: Mapping[str, Tensor], into: Mapping[str, Tensor]) -> None:
    for name, tensor in into.items():
        tensor.copy_(values[name])
