"""Training steps per second of two energies beside hand-written torch.

``make bench-energy``, or ``python benchmarks/energy/run.py [--steps N] [--runs N]``. Runs of the
sides are interleaved, each in a process of its own; medians are compared as ratios. Nothing is
asserted: machines differ.
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
CASES = {"rbm": 3000, "moons": 10_000}


def once(side, case, steps, seed):
    threads = {f"{n}_NUM_THREADS": "1" for n in ("OMP", "OPENBLAS", "MKL")}
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(HERE / "sides.py"), side, case, str(steps), str(seed)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **threads, "PYTHONPATH": path},
    )
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, help="of each case, instead of its own number")
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    for case, usual in CASES.items():
        found = {"gendsl": [], "torch": []}
        for seed in range(1, given.runs + 1):
            for side, runs in found.items():
                runs.append(once(side, case, given.steps or usual, seed))
        for side, runs in found.items():
            rate = statistics.median(r["steps_per_second"] for r in runs)
            loss = statistics.median(r["loss"] for r in runs)
            print(f"{case:<6} {side:<7} {rate:8.1f} steps/s   loss {loss:.3f}")
        pairs = zip(found["gendsl"], found["torch"], strict=True)
        ratio = statistics.median(a["steps_per_second"] / b["steps_per_second"] for a, b in pairs)
        print(f"{case}: gendsl over torch: {ratio:.2f} (goal: at least 0.95)", flush=True)


if __name__ == "__main__":
    main()
