"""What one system does with one case, in a process of its own: the protocol, and the clocks.

A module of a system calls `run` with functions that compile and sample. The driver starts it as
``python MODULE FOLDER WORK --seeds 1 2 ...`` and reads what it leaves in the folder WORK: for
each seed ``draws-SEED.npz`` and ``seed-SEED.json``, and ``compile.json``. Only the standard
library and numpy are imported here: both environments have them.
"""

import argparse
import json
import os
import resource
import time
from importlib import metadata, util
from pathlib import Path

import numpy as np

TICK = os.sysconf("SC_CLK_TCK")


def children(process):
    """The living child processes, by id; none where the system does not tell."""
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            yield from listed.read_text().split()
        except OSError:
            continue


def living(process):
    """CPU seconds of all living descendants, in steps of a tick."""
    total = 0.0
    for child in children(process):
        try:
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # utime, stime, and those of its own children that have ended
        total += sum(map(int, fields[11:15])) / TICK + living(child)
    return total


def cpu_seconds():
    """CPU seconds of this process, of its threads, and of all processes that it started."""
    spent = living(os.getpid())
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        spent += usage.ru_utime + usage.ru_stime
    return spent


class Clock:
    """Seconds since it was made, on the wall and of the processors."""

    def __init__(self):
        self.cpu, self.wall = cpu_seconds(), time.perf_counter()

    def read(self):
        wall = time.perf_counter() - self.wall
        return {"wall": wall, "cpu": cpu_seconds() - self.cpu}


def module_of(path):
    """A Python file as a module."""
    spec = util.spec_from_file_location(path.stem, path)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_json(path, content):
    """Complete at once: the driver may look, or end the process, at any time."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content), encoding="utf-8")
    part.replace(path)


def keep(work, seed, draws, facts):
    np.savez(work / f"draws-{seed}.npz", **draws)
    write_json(work / f"seed-{seed}.json", facts)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--warmup", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--variant", default="")
    parser.add_argument("--once", action="store_true")
    return parser.parse_args()


def read(work):
    """The data, the sizes of the axes, and the names of the quantities to report."""
    with np.load(work / "data.npz") as found:
        data = {n: found[n] for n in found.files}
    told = json.loads((work / "case.json").read_text(encoding="utf-8"))
    return data, told["sizes"], tuple(told["quantities"])


def versions(*packages):
    """Of what is installed here."""
    return {p: metadata.version(p) for p in packages}


def run(versions, compiled, sampled):
    """Carry out the protocol.

    Args:
        versions: of what was used, by name.
        compiled: called with the arguments, data, sizes and quantities: the compiled model.
        sampled: called with that and a seed: arrays (chain, draw, ...) by name, and facts such
            as the numbers of gradients and divergences.

    The first seed is sampled twice. What the first time took longer than the second is compilation
    that is put off until then; it is told with that of `compiled`. So the time of sampling is for
    every system that of a model that has been sampled before. With ``--once`` that is left out,
    and what is put off counts as sampling.
    """
    given = arguments()
    data, sizes, quantities = read(given.work)
    clock = Clock()
    model = compiled(given, data, sizes, quantities)
    ahead = clock.read()
    print(f"compiled in {ahead['wall']:.1f} s", flush=True)
    first = dict.fromkeys(ahead, 0.0)
    if not given.once:
        clock = Clock()
        sampled(model, given.seeds[0])
        first = clock.read()
    for seed in given.seeds:
        clock = Clock()
        draws, facts = sampled(model, seed)
        spent = clock.read()
        if seed == given.seeds[0]:
            later = {k: max(0.0, first[k] - spent[k]) for k in first}
            told = {k: ahead[k] + later[k] for k in ahead}
            write_json(given.work / "compile.json", {**told, "versions": versions})
        keep(given.work, seed, {n: draws[n] for n in quantities}, {**facts, **spent})
