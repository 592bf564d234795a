"""Rows per second of a trained autoencoder beside hand-written torch and Pyro.

``make bench-train``, or ``python benchmarks/train/run.py [--rows N] [--epochs N] [--runs N]``.
Runs of the sides are interleaved, each in a process of its own; medians are compared as ratios.
Nothing is asserted: machines differ.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SIDES = ("gendsl", "torch", "pyro")


def once(side, given, seed):
    numbers = [str(given.rows), str(given.epochs), str(seed)]
    threads = {f"{n}_NUM_THREADS": "1" for n in ("OMP", "OPENBLAS", "MKL")}
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(HERE / "sides.py"), side, *numbers],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **threads, "PYTHONPATH": path},
    )
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    found = {side: [] for side in SIDES}
    for seed in range(1, given.runs + 1):
        for side in SIDES:
            found[side].append(once(side, given, seed))
    for side in SIDES:
        rate = statistics.median(r["rows_per_second"] for r in found[side])
        peak = statistics.median(r["peak_mib"] for r in found[side])
        own = statistics.median(r["own_mib"] for r in found[side])
        loss = statistics.median(r["loss"] for r in found[side])
        print(
            f"{side:<8} {rate:9.0f} rows/s   {peak:6.0f} MiB at most, "
            f"{own:.0f} beyond its libraries   loss {loss:.2f}"
        )
    for other, goal in (("torch", 0.95), ("pyro", 1.5)):
        pairs = zip(found["gendsl"], found[other], strict=True)
        ratio = statistics.median(a["rows_per_second"] / b["rows_per_second"] for a, b in pairs)
        print(f"gendsl over {other}: {ratio:.2f} (goal: at least {goal})")
    for kind, words in (("peak_mib", "all memory"), ("own_mib", "memory beyond the libraries")):
        pairs = zip(found["gendsl"], found["torch"], strict=True)
        ratio = statistics.median(a[kind] / b[kind] for a, b in pairs)
        print(f"{words} over hand-written torch: {ratio:.2f} (goal: at most 1.1)")


if __name__ == "__main__":
    main()
