"""All replications of a calibration, in this process and in others; the ranks are the same."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from gendsl import interrupts
from gendsl.compiler import VERSION, Compiled
from gendsl.diagnostics import DataError, Diagnostic
from gendsl.graph.facts import derive_facts
from gendsl.library.methods import METHODS
from gendsl.runtime.calibration.progress import ReplicationProgress
from gendsl.runtime.calibration.quantities import choose
from gendsl.runtime.calibration.records import Record
from gendsl.runtime.calibration.replication import Source, Study, replicate, seeds_of
from gendsl.runtime.calibration.store import Contents, Folder
from gendsl.runtime.calibration.workers import in_workers
from gendsl.runtime.data import BoundData

__all__ = [
    "Conditions",
    "contents_of",
    "records_of",
    "short_options",
    "study_of",
    "verify_calibratable",
]

SHORT: Mapping[str, int] = {"chains": 2, "warmup": 300, "draws": 500}
"""What fits use unless the caller says otherwise, where their method has such options."""

PROBES = 4
"""So many draws tell which entries vary."""

TRIES = 20
"""So many draws are tried to find these."""

HERE = 2
"""Replications that run in this process before others are started: they compile the density."""

WORTHWHILE = 20.0
"""Seconds of work below which no process is started: each spends some on importing torch."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a calibration is run.

    Attributes:
        replications: how many.
        kept: how many thinned draws the truth is ranked among.
        seed: determines every random number.
        dtype: of the fits.
        device: of the fits.
        cores: processes at most; None for the machine's, where that is quicker.
        progress: whether to show progress.
    """

    replications: int = 200
    kept: int = 99
    seed: int = 0
    dtype: str = "float64"
    device: str = "cpu"
    cores: int | None = None
    progress: bool = True


def short_options(method: str, kept: int, given: Mapping[str, float]) -> dict[str, float]:
    """Options of a method for short fits; those given by the caller win."""
    options = {o.name for o in METHODS[method].options}
    found: dict[str, float] = {n: v for n, v in SHORT.items() if n in options}
    if "draws" in options and "warmup" not in options:
        found["draws"] = kept  # they are independent
    return {**found, **given}


def verify_calibratable(compiled: Compiled) -> None:
    """Refuse models and methods of which the question makes no sense.

    Raises:
        DataError: GD840.
    """
    model, method = compiled.checked.ir, compiled.plan.method
    facts = derive_facts(model)
    wrong = [
        Diagnostic(
            "GD840",
            f"this model cannot be calibrated: `{name}` is a param, which has no prior to draw "
            "it from",
            model.variable(name).span,
            help="declare it `latent`, with a proper prior",
        )
        for name in facts.params
    ]
    wrong += [
        Diagnostic(
            "GD840",
            f"this model cannot be calibrated: `{name}` is a net, which has no prior to draw its "
            "weights from",
            model.net(name).span,
        )
        for name in facts.nets
    ]
    if method is None:
        message = "this model cannot be calibrated: nothing in it is unknown"
        remedy = "declare what is to be inferred `latent`"
        wrong.append(Diagnostic("GD840", message, model.span, help=remedy))
    elif METHODS[method].option("draws") is None and not wrong:
        wrong.append(
            Diagnostic(
                "GD840",
                f"`{method}` cannot be calibrated: it gives a point, not draws among which the "
                "truth could be ranked",
                model.span,
                help="ask for a method that draws, such as `nuts`",
            )
        )
    if wrong:
        raise DataError(wrong, model.source)


def study_of(
    compiled: Compiled,
    inputs: BoundData,
    quantities: Sequence[str] | None,
    conditions: Conditions,
) -> Study:
    """What all replications share.

    Raises:
        DataError: GD811, an unknown quantity; or nothing can be drawn from the model.
    """
    source = Source(compiled, inputs)
    chosen = choose(
        compiled.checked.ir, inputs, _probes(source, conditions.seed), quantities, conditions.seed
    )
    return Study(
        source,
        compiled,
        chosen,
        conditions.kept,
        conditions.seed,
        conditions.dtype,
        conditions.device,
    )


def _probes(source: Source, seed: int) -> list[dict[str, np.ndarray]]:
    """Some draws from the model; single ones may fail."""
    found: list[dict[str, np.ndarray]] = []
    failure: DataError | None = None
    for number in range(TRIES):
        try:
            found.append(source.draw(seeds_of(seed, number)[0]))
        except DataError as error:
            failure = error
        if len(found) == PROBES:
            break
    if not found and failure is not None:
        raise failure
    return found


def contents_of(study: Study) -> Contents:
    """What determines the replications of a study, as plain data."""
    inputs, model, plan = study.source.inputs, study.source.model, study.compiled.plan
    sections = {"data": inputs.values, "labels": inputs.labels, "missing": inputs.missing}
    drawn = {v.name for v in model.of_role("observed")}
    arrays = {
        f"{s}/{n}": np.asarray(a)
        for s, named in sections.items()
        for n, a in named.items()
        if s != "data" or n not in drawn
    }
    facts: dict[str, Any] = {
        "gendsl": VERSION,
        "sizes": {n: int(s) for n, s in inputs.sizes.items()},
        "method": plan.method,
        "options": {k: v for k, v in plan.options.items() if v is not None and k != "seed"},
        "treat": dict(plan.treat),
        "quantities": [[q.label, q.variable, list(q.entry), q.discrete] for q in study.quantities],
        "kept": study.kept,
        "seed": study.seed,
        "dtype": study.dtype,
        "device": study.device,
    }
    return Contents(model.source.text, model.source.name, arrays, facts)


def records_of(
    study: Study, conditions: Conditions, folder: Folder | None
) -> tuple[list[Record], bool]:
    """Every record so far, in order, and whether an interrupt came before all were done."""
    found = {r.number: r for r in ([] if folder is None else folder.records)}
    found = {n: r for n, r in found.items() if n < conditions.replications}
    waiting = [n for n in range(conditions.replications) if n not in found]
    with ExitStack() as stack:
        bar = stack.enter_context(
            ReplicationProgress(conditions.replications, len(found), enabled=conditions.progress)
        )
        if folder is not None:
            stack.enter_context(folder)
        try:
            for record in _replications(study, waiting, conditions):
                found[record.number] = record
                if folder is not None:
                    folder.add(record)
                bar.advance(failed=record.state == "failed")
                interrupts.raise_again()
        except KeyboardInterrupt:
            interrupts.clear()
            return [found[n] for n in sorted(found)], True
    return [found[n] for n in sorted(found)], False


def _replications(study: Study, waiting: list[int], conditions: Conditions) -> Iterator[Record]:
    """Records as they are done, from this process or from several."""
    seconds = 0.0
    for number in waiting[:HERE]:
        started = time.monotonic()
        yield replicate(study, number)
        seconds = time.monotonic() - started
    rest = waiting[HERE:]
    workers = min(len(rest), conditions.cores or _cores())
    if study.device != "cpu" or (conditions.cores is None and seconds * len(rest) < WORTHWHILE):
        workers = 1
    if workers > 1:
        yield from in_workers(study, rest, workers)
        return
    for number in rest:
        yield replicate(study, number)


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
