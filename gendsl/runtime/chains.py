"""Several chains, in this process or in worker processes; the draws are the same either way.

Workers are started as ``python -m gendsl.runtime.worker FOLDER`` and talk through files and
lines of JSON: nothing is pickled, and a caller's script needs no ``__main__`` guard.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from gendsl.diagnostics import InternalCompilerError
from gendsl.inference.plan import Plan
from gendsl.ir import nodes as ir
from gendsl.runtime.backend import tensors
from gendsl.runtime.data import BoundData
from gendsl.runtime.density import Density
from gendsl.runtime.nuts import ChainResult, NutsOptions, run_chain
from gendsl.runtime.program import Executable
from gendsl.runtime.stored_files import read_arrays, write_arrays

__all__ = ["ChainReport", "Chains", "Job", "chain_seeds", "sample_chains"]

ChainReport = Callable[[int, int, int, str, float, int], None]
"""(chain, iteration, total, phase, step size, divergences)."""

SMALL = 2000
"""With fewer iterations in all, starting workers costs more than it saves."""


@dataclass(frozen=True)
class Job:
    """What every chain needs."""

    model: ir.Model
    plan: Plan
    bound: BoundData
    executable: Executable
    options: NutsOptions
    dtype: torch.dtype
    device: torch.device


@dataclass(frozen=True)
class Chains:
    """All chains: values and statistics of shape (chain, draw, ...)."""

    values: dict[str, np.ndarray]
    stats: dict[str, np.ndarray]


def chain_seeds(seed: int, chains: int) -> list[int]:
    """Independent seeds, one a chain, the same whatever runs them."""
    states = np.random.SeedSequence(seed).spawn(chains)
    return [int(s.generate_state(1, np.uint64)[0] >> np.uint64(1)) for s in states]


def sample_chains(
    job: Job, chains: int, seed: int, report: ChainReport | None = None, cores: int | None = None
) -> Chains:
    """Run `chains` chains and stack them.

    Args:
        job: the model, its data and the sampler's options.
        chains: how many.
        seed: determines every draw.
        report: called after each iteration.
        cores: processes at most; by default the machine's, and one where that is quicker.
    """
    seeds = chain_seeds(seed, chains)
    workers = min(chains, cores or os.cpu_count() or 1)
    work = chains * (job.options.draws + job.options.warmup)
    if job.device.type != "cpu" or (cores is None and work < SMALL):
        workers = 1
    if workers == 1:
        results = [_here(job, k, s, report) for k, s in enumerate(seeds)]
    else:
        results = _in_workers(job, seeds, workers, report)
    return Chains(_stacked([r.values for r in results]), _stacked([r.stats for r in results]))


def _stacked(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {n: np.stack([p[n] for p in parts]) for n in parts[0]}


def _here(job: Job, chain: int, seed: int, report: ChainReport | None) -> ChainResult:
    with tensors(job.dtype, job.device, seed):
        density = Density(job.executable, job.plan.noncentred)
        if report is None:
            return run_chain(density, job.options)

        def tell(iteration: int, total: int, phase: str, step: float, lost: int) -> None:
            report(chain, iteration, total, phase, step, lost)

        return run_chain(density, job.options, tell)


def _in_workers(
    job: Job, seeds: list[int], workers: int, report: ChainReport | None
) -> list[ChainResult]:
    with tempfile.TemporaryDirectory(prefix="gendsl-") as folder:
        _write_request(job, Path(folder))
        with _running() as processes, ThreadPoolExecutor(workers) as pool:
            futures = [
                pool.submit(_one, Path(folder), k, s, report, processes)
                for k, s in enumerate(seeds)
            ]
            try:
                return [f.result() for f in futures]
            except BaseException:
                for future in futures:
                    future.cancel()
                _stop(processes)
                raise


@contextmanager
def _running() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    try:
        yield processes
    finally:
        _stop(processes)


def _stop(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()


def _write_request(job: Job, folder: Path) -> None:
    arrays = {f"value:{n}": np.asarray(v) for n, v in job.bound.values.items()}
    arrays |= {f"missing:{n}": np.asarray(v) for n, v in job.bound.missing.items()}
    write_arrays(arrays, folder / "data.npz")
    (folder / "model.gen").write_text(job.model.source.text, encoding="utf-8")
    request = {
        "name": job.model.source.name,
        "sizes": {n: int(s) for n, s in job.bound.sizes.items()},
        "options": asdict(job.options),
        "noncentred": list(job.plan.noncentred),
        "method": job.plan.method,
        "dtype": str(job.dtype).removeprefix("torch."),
        "device": str(job.device),
    }
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")


def _one(
    folder: Path,
    chain: int,
    seed: int,
    report: ChainReport | None,
    processes: list[subprocess.Popen[str]],
) -> ChainResult:
    command = [sys.executable, "-m", "gendsl.runtime.worker", str(folder), str(chain), str(seed)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    errors = folder / f"errors-{chain}.txt"
    with errors.open("w", encoding="utf-8") as sink:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=sink, text=True, env=environment
        )
        processes.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if report is not None and line.startswith("["):
                iteration, total, phase, step, lost = json.loads(line)
                report(chain, iteration, total, phase, step, lost)
        status = process.wait()
    if status != 0:
        raise InternalCompilerError(
            f"chain {chain} stopped with status {status}:\n{errors.read_text(encoding='utf-8')}"
        )
    arrays = read_arrays(folder / f"chain-{chain}.npz")
    return ChainResult(_named(arrays, "value:"), _named(arrays, "stat:"))


def _named(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
