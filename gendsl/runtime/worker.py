"""A process that runs chains: ``python -m gendsl.runtime.worker FOLDER``.

It reads a line ``CHAIN SEED`` for each chain from standard input, and ends, whatever it is doing,
when that is closed: so it never outlives the process that started it.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from gendsl.compiler import replan
from gendsl.diagnostics import DataError
from gendsl.frontend import check
from gendsl.inference.plan import Marginal
from gendsl.runtime.backend import resolve_device, resolve_dtype, tensors
from gendsl.runtime.density import Density
from gendsl.runtime.failures import in_words
from gendsl.runtime.moving import FollowSupport
from gendsl.runtime.nuts import NutsOptions, run_chain
from gendsl.runtime.potential import potential_of
from gendsl.runtime.program import executable
from gendsl.runtime.wire import diagnostics_to, read_request, write_named

__all__ = ["main"]

EVERY = 0.1
"""Seconds between two reports."""


def _tell(**message: object) -> None:
    print(json.dumps(message), flush=True)


class _Teller:
    """Writes progress to standard output, not more often than is useful."""

    def __init__(self, chain: int) -> None:
        self.chain, self.last = chain, 0.0

    def __call__(self, iteration: int, total: int, phase: str, step: float, lost: int) -> None:
        now = time.monotonic()
        if iteration == total or now - self.last > EVERY:
            self.last = now
            _tell(chain=self.chain, progress=[iteration, total, phase, step, lost])


def _listen(jobs: queue.SimpleQueue[tuple[int, int]]) -> None:
    """Queue chains as they are asked for; leave at once when nobody can ask any more."""
    for line in sys.stdin:
        chain, seed = line.split()
        jobs.put((int(chain), int(seed)))
    os._exit(0)


def main(arguments: Sequence[str]) -> None:
    """Run the chains that are asked for, on the request in a folder."""
    folder = Path(arguments[0])
    jobs: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    source, bound, request = read_request(folder)
    compiled = replan(check(source), request["method"])
    model = compiled.checked.ir
    dtype, device = resolve_dtype(request["dtype"]), resolve_device(request["device"])
    options = NutsOptions(**request["options"])
    try:
        with tensors(dtype, device, 0), in_words(model):
            ready = executable(compiled.program, model, bound, dtype, device)
            marginals = tuple(Marginal(f, tuple(names)) for f, names in request["marginals"])
            degrees = {n: torch.tensor(d) for n, d in request["centredness"].items()}
            names = tuple(request["noncentred"])
            density = Density(ready, names, FollowSupport(), marginals, degrees)
            potential = potential_of(density)
            while True:
                chain, seed = jobs.get()
                result = run_chain(density, potential, options, seed, _Teller(chain))
                parts = {"value": result.values, "stat": result.stats}
                write_named(parts, folder / f"chain-{chain}.npz")
                _tell(chain=chain, done=True)
    except DataError as error:
        _tell(refused=diagnostics_to(error))


if __name__ == "__main__":
    main(sys.argv[1:])
