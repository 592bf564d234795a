"""Worker processes that are asked by lines of text, and answer in lines of text.

Nothing is pickled, and a script needs no main guard. A worker ends when its standard input is
closed, and so never outlives the process that started it.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gendsl.diagnostics import InternalCompilerError

__all__ = ["Workers", "workers"]

THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Workers:
    """Processes that run one module, and one queue of what they say."""

    def __init__(self, module: str, folder: Path, count: int) -> None:
        """Start them.

        Args:
            module: run as ``python -m MODULE FOLDER``.
            folder: where the request stands, and where errors are written.
            count: how many.
        """
        self._module, self._folder = module, folder
        self._said: queue.SimpleQueue[tuple[int, str | None]] = queue.SimpleQueue()
        self._processes: list[subprocess.Popen[str]] = []
        for number in range(count):
            self._processes.append(self._start(number))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._processes)

    def _start(self, number: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-m", self._module, str(self._folder)]
        here = str(Path(__file__).parents[2])  # -P keeps the current folder out of the search
        path = os.pathsep.join(p for p in (here, os.environ.get("PYTHONPATH", "")) if p)
        with self._errors(number).open("w", encoding="utf-8") as sink:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                text=True,
                env={**os.environ, **THREADS, "PYTHONPATH": path},
            )
        threading.Thread(target=self._listen, args=(number, process), daemon=True).start()
        return process

    def _errors(self, number: int) -> Path:
        return self._folder / f"errors-{number}.txt"

    def _listen(self, number: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._said.put((number, line))
        self._said.put((number, None))

    def ask(self, number: int, *words: object) -> None:
        """One line to a worker."""
        sink = self._processes[number].stdin
        assert sink is not None
        try:
            print(*words, file=sink, flush=True)
        except OSError:  # it is gone, and its last words are in the queue
            return

    def next(self) -> tuple[int, str]:
        """The next line that any of them says, and who says it.

        Raises:
            InternalCompilerError: one has stopped.
        """
        number, line = self._said.get()
        if line is None:
            words = self._errors(number).read_text(encoding="utf-8")
            raise InternalCompilerError(f"a worker stopped:\n{words}")
        return number, line

    def stop(self) -> None:
        """End every process at once, and wait until it is gone."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
        for process in self._processes:
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()


@contextmanager
def workers(module: str, folder: Path, count: int) -> Iterator[Workers]:
    """Workers for as long as the context lasts."""
    pool = Workers(module, folder, count)
    try:
        yield pool
    finally:
        pool.stop()
