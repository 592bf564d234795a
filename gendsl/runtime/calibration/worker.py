"""A process that runs replications: ``python -m gendsl.runtime.calibration.worker FOLDER``.

It reads the number of a replication a line from standard input, and ends, whatever it is doing,
when that is closed: so it never outlives the process that started it.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from gendsl.compiler import replan
from gendsl.frontend import check
from gendsl.runtime.calibration.quantities import Quantity
from gendsl.runtime.calibration.records import encoded
from gendsl.runtime.calibration.replication import Source, Study, replicate
from gendsl.runtime.wire import read_request

__all__ = ["main"]


def _listen(jobs: queue.SimpleQueue[int]) -> None:
    """Queue replications as they are asked for; leave at once when nobody can ask any more."""
    for line in sys.stdin:
        jobs.put(int(line))
    os._exit(0)


def main(arguments: Sequence[str]) -> None:
    """Run the replications that are asked for, on the request in a folder."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks ends this process
    jobs: queue.SimpleQueue[int] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    study = _study(Path(arguments[0]))
    while True:
        print(encoded(replicate(study, jobs.get())), flush=True)


def _study(folder: Path) -> Study:
    source, inputs, request = read_request(folder)
    compiled = replan(check(source), request["method"], request["options"], request["treat"])
    quantities = tuple(
        Quantity(label, variable, tuple(entry), discrete)
        for label, variable, entry, discrete in request["quantities"]
    )
    return Study(
        Source(compiled, inputs),
        compiled,
        quantities,
        request["kept"],
        request["seed"],
        request["dtype"],
        request["device"],
    )


if __name__ == "__main__":
    main(sys.argv[1:])
