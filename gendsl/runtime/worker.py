"""One chain in a process of its own: ``python -m gendsl.runtime.worker FOLDER CHAIN SEED``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gendsl.compiler import replan
from gendsl.frontend import check
from gendsl.runtime.backend import resolve_device, resolve_dtype, tensors
from gendsl.runtime.data import BoundData
from gendsl.runtime.density import Density
from gendsl.runtime.nuts import NutsOptions, run_chain
from gendsl.runtime.program import executable
from gendsl.runtime.stored_files import read_arrays, write_arrays
from gendsl.source import Source

__all__ = ["main"]

EVERY = 0.1
"""Seconds between two reports."""


@dataclass(slots=True)
class _Teller:
    """Writes progress to standard output, not more often than is useful."""

    last: float = field(default=0.0)

    def __call__(self, iteration: int, total: int, phase: str, step: float, lost: int) -> None:
        now = time.monotonic()
        if iteration == total or now - self.last > EVERY:
            self.last = now
            print(json.dumps([iteration, total, phase, step, lost]), flush=True)


def main(arguments: Sequence[str]) -> None:
    """Run one chain of the request in a folder and leave its draws there."""
    folder, chain, seed = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    text = (folder / "model.gen").read_text(encoding="utf-8")
    arrays = read_arrays(folder / "data.npz")
    compiled = replan(check(Source(request["name"], text)), request["method"])
    bound = BoundData(
        sizes=request["sizes"],
        values={n[6:]: a for n, a in arrays.items() if n.startswith("value:")},
        missing={n[8:]: a for n, a in arrays.items() if n.startswith("missing:")},
        labels={},
        notes=(),
    )
    dtype, device = resolve_dtype(request["dtype"]), resolve_device(request["device"])
    with tensors(dtype, device, seed):
        ready = executable(compiled.program, compiled.checked.ir, bound, dtype, device)
        density = Density(ready, tuple(request["noncentred"]))
        result = run_chain(density, NutsOptions(**request["options"]), _Teller())
    stored = {f"value:{n}": np.asarray(v) for n, v in result.values.items()}
    stored |= {f"stat:{n}": np.asarray(v) for n, v in result.stats.items()}
    write_arrays(stored, folder / f"chain-{chain}.npz")


if __name__ == "__main__":
    main(sys.argv[1:])
