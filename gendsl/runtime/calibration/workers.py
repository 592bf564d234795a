"""Replications in worker processes, which talk through files and lines of JSON.

As chains do (`gendsl.runtime.chains`): nothing is pickled, and a script needs no main guard.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from gendsl.diagnostics import InternalCompilerError
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
        pool = _Pool(folder, max(1, min(workers, len(waiting))))
        try:
            yield from pool.run(waiting)
        finally:
            pool.stop()


class _Pool:
    """Processes, and one queue of what they say."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.said: queue.SimpleQueue[tuple[int, str | None]] = queue.SimpleQueue()
        self.processes: list[subprocess.Popen[str]] = []
        for number in range(workers):
            self.processes.append(self._start(number))

    def _start(self, number: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-m", "gendsl.runtime.calibration.worker"]
        here = str(Path(__file__).parents[3])  # -P keeps the current folder out of the search
        path = os.pathsep.join(p for p in (here, os.environ.get("PYTHONPATH", "")) if p)
        threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        with self._errors(number).open("w", encoding="utf-8") as sink:
            process = subprocess.Popen(
                [*command, str(self.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                text=True,
                env={**os.environ, **threads, "PYTHONPATH": path},
            )
        threading.Thread(target=self._listen, args=(number, process), daemon=True).start()
        return process

    def _errors(self, number: int) -> Path:
        return self.folder / f"errors-{number}.txt"

    def _listen(self, number: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.said.put((number, line))
        self.said.put((number, None))

    def run(self, waiting: list[int]) -> Iterator[Record]:
        """Hand out replications to whoever is free until all are done."""
        left = len(waiting)
        for worker in range(len(self.processes)):
            self._ask(worker, waiting.pop(0))
        while left:
            worker, line = self.said.get()
            if line is None:
                raise InternalCompilerError(
                    f"a worker stopped:\n{self._errors(worker).read_text(encoding='utf-8')}"
                )
            record = decoded(line)
            if record is None:
                continue  # something that a library printed
            left -= 1
            if waiting:
                self._ask(worker, waiting.pop(0))
            yield record

    def _ask(self, worker: int, number: int) -> None:
        sink = self.processes[worker].stdin
        assert sink is not None
        try:
            print(number, file=sink, flush=True)
        except OSError:  # it is gone, and its last words are in the queue
            return

    def stop(self) -> None:
        """End every process at once, and wait until it is gone."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
        for process in self.processes:
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
