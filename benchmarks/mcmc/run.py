"""gendsl beside PyStan, nutpie and NumPyro: effective draws a second, in one run.

``make bench-mcmc``, or ``python benchmarks/mcmc/run.py [--models ...] [--systems ...]``. Every
system runs in processes of its own, the peers in an environment of their own; docs/benchmarks.md
says what is measured. Nothing is asserted: machines differ.
"""

import argparse
import json
import os
import platform
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import judging
import numpy as np
import table
from cases import CASES, data_of
from systems import BENCH, FIRST_USE, ROOT, SYSTEMS, lacking, run_process

RESULTS = ROOT / "benchmarks" / "results" / "mcmc.json"
FIRST_SEED = 1


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--warmup", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument(
        "--processes",
        type=int,
        default=2,
        help="the seeds are spread over so many processes, each of which compiles anew",
    )
    parser.add_argument(
        "--budget",
        type=float,
        default=1800,
        help="wall seconds for one system on one model, all seeds; what is done by then counts",
    )
    parser.add_argument(
        "--reuse", action="store_true", help="take the peers' figures from the last results"
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="no sampling beforehand: for long cases, where compilation hardly counts",
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


def machine():
    """The computer, and how busy it was."""
    info, name = Path("/proc/cpuinfo"), platform.processor()
    if info.is_file():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((li.partition(":")[2].strip() for li in lines if "model name" in li), name)
    return {
        "cpu": name,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def prepared(case, work):
    """An empty folder with the data of a case."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    np.savez(work / "data.npz", **data_of(case))
    told = {"sizes": CASES[case].sizes, "quantities": CASES[case].quantities}
    (work / "case.json").write_text(json.dumps(told), encoding="utf-8")
    return work


def found_in(work, seeds):
    """What a process left: a run for each seed that it came to."""
    runs = []
    for seed in seeds:
        told = work / f"seed-{seed}.json"
        if told.is_file():
            with np.load(work / f"draws-{seed}.npz") as draws:
                judgement = judging.judged(draws)
            runs.append({"seed": seed, **read_json(told), **judgement})
    return runs


def cell(case, name, protocol, seeds, processes, budget):
    """One system on one model: runs, compilations, and what went wrong if something did."""
    runs, compiles, problem = [], [], None
    until = time.monotonic() + budget
    for k in range(min(processes, len(seeds))):
        mine, left = seeds[k::processes], until - time.monotonic()
        if left <= 0:
            problem = "over budget"
            break
        work = prepared(case, BENCH / "work" / case / name / str(k))
        problem = run_process(SYSTEMS[name], CASES[case].folder, work, mine, protocol, left)
        runs += found_in(work, mine)
        if (work / "compile.json").is_file():
            compiles.append(read_json(work / "compile.json"))
        if problem is not None:
            break
        shutil.rmtree(work)
    return {"runs": runs, "compiles": compiles, "problem": problem}


def reused(given, protocol):
    """The last results, if they are asked for; those of another protocol are refused."""
    if not given.reuse or not given.out.is_file():
        return {"cells": {}}
    earlier = read_json(given.out)
    if earlier["protocol"] != protocol:
        raise SystemExit(f"the results in {given.out} have another protocol; run without --reuse")
    return earlier


def main():
    given = options()
    protocol = {n: getattr(given, n) for n in ("chains", "warmup", "draws", "once")}
    seeds = list(range(FIRST_SEED, FIRST_SEED + given.seeds))
    found = {"machine": machine(), "protocol": {**protocol, "seeds": seeds}, "cells": {}}
    earlier = reused(given, found["protocol"])
    found["cells"] = dict(earlier["cells"])
    shutil.rmtree(FIRST_USE, ignore_errors=True)
    reasons = {n: lacking(SYSTEMS[n]) for n in given.systems}
    for name, reason in reasons.items():
        if reason is not None:
            print(f"{SYSTEMS[name].title} is skipped: {reason}", flush=True)
    for case in given.models:
        cells = found["cells"][case] = {}
        for name in given.systems:
            kept = earlier["cells"].get(case, {}).get(name)
            if kept is not None and not SYSTEMS[name].is_own:
                cells[name] = {"reused": earlier["machine"]["when"], **kept}
            elif reasons[name] is None:
                print(f"{CASES[case].title}: {SYSTEMS[name].title} ...", flush=True)
                cells[name] = cell(case, name, protocol, seeds, given.processes, given.budget)
        table.print_case(case, cells)
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(found, indent=1), encoding="utf-8")
    table.print_summary(found)
    print(f"all figures are in {given.out}")


if __name__ == "__main__":
    main()
