"""Steps and draws of flows beside Zuko, and of a masked network beside hand-written torch.

``make bench-flow``, or ``python benchmarks/flow/run.py [--cases NAME...] [--rows N] [--epochs N]
[--runs N]``. The same flow is trained by gendsl and by a loop around Zuko, with the same batches,
rate and optimiser, and drawn from; so is the masked network. Runs of the sides are interleaved,
each in a process of its own, and medians are compared as ratios. Times are those of the processor.
At last the draws of a transformer are timed at growing lengths. Zuko is no dependency: where it is
not installed, gendsl is measured alone. Nothing is asserted.
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
CASES = {
    "spline": ("gendsl", "zuko"),
    "coupling": ("gendsl", "zuko"),
    "maf": ("gendsl", "zuko"),
    "made": ("gendsl", "torch"),
}
LENGTHS = (64, 128, 256, 512)
GOAL = 0.95


def once(*arguments):
    threads = {f"{n}_NUM_THREADS": "1" for n in ("OMP", "OPENBLAS", "MKL")}
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(HERE / "sides.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **threads, "PYTHONPATH": path},
    )
    return json.loads(done.stdout.splitlines()[-1])


def compared(case, sides, given):
    found = {side: [] for side in sides}
    for seed in range(1, given.runs + 1):
        for side in sides:
            found[side].append(once(case, side, given.rows, given.epochs, seed))
    for side in sides:
        step, drawn, score = (statistics.median(c) for c in zip(*found[side], strict=True))
        print(
            f"{case:<9} {side:<7} {1e3 * step:7.2f} ms a step   "
            f"{1e3 * drawn:8.1f} ms for 2000 draws"
            f"   log likelihood {score:.3f} nats"
        )
    first, *others = sides
    for other in others:
        pairs = list(zip(found[first], found[other], strict=True))
        steps, draws = (statistics.median(b[at] / a[at] for a, b in pairs) for at in (0, 1))
        told = f"steps {steps:.2f}, draws {draws:.2f}"
        print(f"{case:<9} {first} over {other}: {told} (goal: at least {GOAL})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", default=[*CASES, "transformer"])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    zuko = subprocess.run([sys.executable, "-c", "import zuko"], capture_output=True, check=False)
    for case in given.cases:
        if case in CASES:
            sides = [s for s in CASES[case] if s != "zuko" or zuko.returncode == 0]
            compared(case, sides, given)
            continue
        for length in LENGTHS:
            times = once("transformer", "gendsl", length, 0, 1)
            print(f"transformer {length:4d} tokens: {1e3 * times[0]:6.2f} ms a token", flush=True)


if __name__ == "__main__":
    main()
