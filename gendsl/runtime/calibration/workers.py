"""Replications in worker processes, which talk through files and lines of JSON."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from gendsl.runtime import processes
from gendsl.runtime.calibration.records import Record, decoded
from gendsl.runtime.calibration.replication import Study
from gendsl.runtime.wire import write_request

__all__ = ["in_workers"]


def in_workers(study: Study, numbers: Iterable[int], workers: int) -> Iterator[Record]:
    """Records of replications, each when it is done; leaving the iteration ends the workers."""
    with tempfile.TemporaryDirectory(prefix="gendsl-") as name:
        folder = Path(name)
        plan = study.compiled.plan
        settings = {
            "method": plan.method,
            "options": {k: v for k, v in plan.options.items() if v is not None},
            "treat": dict(plan.treat),
            "quantities": [[q.label, q.variable, q.entry, q.discrete] for q in study.quantities],
            "kept": study.kept,
            "seed": study.seed,
            "dtype": study.dtype,
            "device": study.device,
        }
        source = study.source.model.source
        write_request(folder, source, study.source.inputs, settings)
        waiting = list(numbers)
        count = max(1, min(workers, len(waiting)))
        with processes.workers("gendsl.runtime.calibration.worker", folder, count) as pool:
            yield from _done(pool, waiting)


def _done(pool: processes.Workers, waiting: list[int]) -> Iterator[Record]:
    """Hand out replications to whoever is free until all are done."""
    left = len(waiting)
    for worker in range(min(len(pool), left)):
        pool.ask(worker, waiting.pop(0))
    while left:
        worker, line = pool.next()
        record = decoded(line)
        if record is None:
            continue  # something that a library printed
        left -= 1
        if waiting:
            pool.ask(worker, waiting.pop(0))
        yield record
