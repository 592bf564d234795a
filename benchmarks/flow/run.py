"""Steps and draws of flows beside Zuko used directly.

``make bench-flow``, or ``python benchmarks/flow/run.py [--rows N] [--epochs N] [--runs N]``. The
same flow, a masked autoregressive one with rational-quadratic splines, is trained by gendsl and by
a loop around `zuko.flows.NSF`, with the same batches, rate and optimiser, and drawn from. Runs of
the sides are interleaved, each in a process of its own; medians are compared as ratios. Zuko is no
dependency: where it is not installed, gendsl is measured alone. Nothing is asserted.
"""

import argparse
import importlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
ENTRIES, LAYERS, HIDDEN, BINS, BATCH, RATE, DRAWS = 6, 3, 64, 8, 256, 1e-3, 2000
MODEL = f"""model Flow
plate row
flow f: real[{ENTRIES}] = autoregressive(
    spline(bins={BINS}), layers={LAYERS}, hidden=[{HIDDEN}, {HIDDEN}])
observe x[row]: real[{ENTRIES}] ~ Normal(0, 1) |> f
"""


def data(rows):
    rng = np.random.default_rng(1)
    z = rng.normal(size=(rows, ENTRIES))
    return z + np.roll(z, 1, -1) ** 2 / 3


def by_gendsl(x, epochs, seed):
    gendsl = importlib.import_module("gendsl")
    model = gendsl.compile(MODEL)
    began = time.perf_counter()
    fit = model.fit(
        {"x": x},
        seed=seed,
        progress=False,
        epochs=epochs,
        batch_size=BATCH,
        learning_rate=RATE,
        held_out=0,
    )
    trained = fit.tree.attrs.get("training_seconds", time.perf_counter() - began)
    began = time.perf_counter()
    fit.generate(DRAWS, seed=seed)
    return trained, time.perf_counter() - began, fit.score().log_likelihood.mean


def by_zuko(x, epochs, seed):
    torch, zuko = importlib.import_module("torch"), importlib.import_module("zuko")
    torch.manual_seed(seed)
    flow = zuko.flows.NSF(ENTRIES, transforms=LAYERS, bins=BINS, hidden_features=(HIDDEN, HIDDEN))
    mean, sd = x.mean(0), x.std(0)
    given = torch.as_tensor((x - mean) / sd, dtype=torch.float32)
    optimiser = torch.optim.AdamW(flow.parameters(), RATE, weight_decay=0.1)
    began = time.perf_counter()
    for _ in range(epochs):
        for rows in torch.randperm(len(given)).split(BATCH):
            loss = -flow().log_prob(given[rows]).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
    trained = time.perf_counter() - began
    began = time.perf_counter()
    with torch.no_grad():
        flow().sample((DRAWS,))
        drawn = time.perf_counter() - began
        found = float(flow().log_prob(given).mean() - np.log(sd).sum())
    return trained, drawn, found


SIDES = {"gendsl": by_gendsl, "zuko": by_zuko}


def once(side, given, seed):
    threads = {f"{n}_NUM_THREADS": "1" for n in ("OMP", "OPENBLAS", "MKL")}
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    arguments = ["--side", side, "--seed", str(seed)]
    arguments += ["--rows", str(given.rows), "--epochs", str(given.epochs)]
    done = subprocess.run(
        [sys.executable, __file__, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **threads, "PYTHONPATH": path},
    )
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--side", choices=SIDES)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.side:
        print(json.dumps(SIDES[given.side](data(given.rows), given.epochs, given.seed)))
        return
    sides = [s for s in SIDES if s == "gendsl" or importlib.util.find_spec(s)]
    found = {side: [] for side in sides}
    for seed in range(1, given.runs + 1):
        for side in sides:
            found[side].append(once(side, given, seed))
    steps = given.epochs * -(-given.rows // BATCH)
    for side in sides:
        trained, drawn, score = (statistics.median(c) for c in zip(*found[side], strict=True))
        print(
            f"{side:<8} {1e3 * trained / steps:7.2f} ms a step   {drawn:6.3f} s for {DRAWS} draws"
            f"   log likelihood {score:.3f} nats"
        )
    if "zuko" in sides:
        pairs = list(zip(found["gendsl"], found["zuko"], strict=True))
        for what, at in (("steps", 0), ("draws", 1)):
            ratio = statistics.median(b[at] / a[at] for a, b in pairs)
            print(f"{what}: gendsl over zuko {ratio:.2f} (goal: at least 0.95)")


if __name__ == "__main__":
    main()
