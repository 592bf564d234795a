"""Several chains: threads of machine code, else in this process or in worker processes.

The draws do not depend on the number of threads or processes.

Workers talk through files and lines of JSON. Each runs one chain after another, since starting a
process costs seconds.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gendsl.inference.plan import Plan
from gendsl.ir import nodes as ir
from gendsl.runtime.backend import tensors
from gendsl.runtime.data import BoundData
from gendsl.runtime.nuts import ChainReport, ChainResult, NutsOptions, run_chains
from gendsl.runtime.parameterisation import Form
from gendsl.runtime.potential import Potential
from gendsl.runtime.preparing import Prepared, prepared, recovered
from gendsl.runtime.processes import Workers, workers
from gendsl.runtime.program import Executable
from gendsl.runtime.starting import starting_point
from gendsl.runtime.wire import diagnostics_from, read_named, write_request

__all__ = ["ChainReport", "Chains", "Job", "chain_seeds", "sample_chains"]

WORTHWHILE = 15.0
"""Seconds of work below which no worker is started: each spends some on importing torch."""

OVERHEAD = 40e-6
"""Seconds that the sampler adds to each gradient."""

STEPS_EXPECTED = 15
"""Gradients an iteration, for that estimate."""


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
    """All chains.

    Attributes:
        values: of the sites, (chain, draw, ...).
        stats: of the sampler, (chain, draw).
        plan: what was carried out.
        form: how location-scale latents were written.
        evaluation: how the density was evaluated.
        note: why that was slow, if it was.
    """

    values: dict[str, np.ndarray]
    stats: dict[str, np.ndarray]
    plan: Plan
    form: Form
    evaluation: str
    note: str | None


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
        cores: threads or processes at most; by default the machine's, and one process where
            that is quicker.
    """
    seeds = chain_seeds(seed, chains)
    with tensors(job.dtype, job.device, 0):
        made = prepared(job.model, job.plan, job.executable, seed)
        density, potential = made.density, made.potential
        wanted = max(1, min(chains, cores or _cores()))
        count = _processes(job, potential, chains, wanted, chosen=cores is not None)
        if count == 1:
            results = run_chains(density, potential, job.options, seeds, wanted, report)
        else:
            with np.errstate(all="ignore"):  # refuse before any process is started
                starting_point(density, potential, np.random.default_rng(seeds[0]))
            results = _in_workers(job, made, seeds, count, report)
        values, stats = _stacked([r.values for r in results]), _stacked([r.stats for r in results])
        if density.integrated:
            values |= recovered(density, values, seed)
    return Chains(values, stats, made.plan, made.form, potential.way, potential.note)


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processes(job: Job, potential: Potential, chains: int, wanted: int, *, chosen: bool) -> int:
    """Worker processes to run; 1 for none, as where chains are threads of machine code."""
    if potential.native is not None or job.device.type != "cpu":
        return 1
    work = (_seconds(potential) + OVERHEAD) * STEPS_EXPECTED
    work *= chains * (job.options.draws + job.options.warmup)
    return 1 if work < WORTHWHILE and not chosen else wanted


def _seconds(potential: Potential) -> float:
    """The time of one gradient."""
    point = np.zeros(potential.size)
    potential(point)
    started = time.perf_counter()
    potential(point)
    return time.perf_counter() - started


def _stacked(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {n: np.stack([p[n] for p in parts]) for n in parts[0]}


def _in_workers(
    job: Job, made: Prepared, seeds: list[int], count: int, report: ChainReport | None
) -> list[ChainResult]:
    with tempfile.TemporaryDirectory(prefix="gendsl-") as name:
        folder = Path(name)
        settings = {
            "options": asdict(job.options),
            "noncentred": list(made.form.noncentred),
            "centredness": {n: d.tolist() for n, d in made.form.centredness.items()},
            "marginals": [[m.family, list(m.variables)] for m in made.plan.marginals],
            "method": job.plan.method,
            "dtype": str(job.dtype).removeprefix("torch."),
            "device": str(job.device),
        }
        write_request(folder, job.model.source, job.bound, settings)
        with workers("gendsl.runtime.worker", folder, count) as pool:
            _hand_out(pool, seeds, report, job.model)
        found = []
        for chain in range(len(seeds)):
            values, stats = read_named(folder / f"chain-{chain}.npz", "value", "stat")
            found.append(ChainResult(values, stats))
        return found


def _hand_out(
    pool: Workers, seeds: list[int], report: ChainReport | None, model: ir.Model
) -> None:
    """Hand out chains to whoever is free until all are done."""
    waiting = list(enumerate(seeds))
    left = len(waiting)
    for number in range(len(pool)):
        pool.ask(number, *waiting.pop(0))
    while left:
        number, line = pool.next()
        if not line.startswith("{"):
            continue  # something that a library printed
        message: dict[str, Any] = json.loads(line)
        if "refused" in message:
            raise diagnostics_from(message["refused"], model.source)
        if "done" in message:
            left -= 1
            if waiting:
                pool.ask(number, *waiting.pop(0))
        elif report is not None:
            report(message["chain"], *message["progress"])
