"""The same energies twice: by gendsl, and by hand in torch.

Each side is run in a process of its own: ``python sides.py SIDE CASE STEPS SEED``. It trains on
the same random rows with batches of 100 and prints steps per second and the last loss.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import softplus

HERE = Path(__file__).parent
BATCH, ROWS, RATE = 100, 10_000, 1e-3


def images():
    rng = np.random.default_rng(1)
    factors = rng.normal(size=(ROWS, 10)) @ rng.normal(size=(10, 784))
    return (rng.random(factors.shape) < 1 / (1 + np.exp(2 - factors))).astype(np.int8)


def points():
    rng = np.random.default_rng(1)
    angle = rng.uniform(0, 2 * np.pi, ROWS)
    return np.stack([np.cos(angle), np.sin(angle)], 1) + 0.1 * rng.normal(size=(ROWS, 2))


def machine(x, steps):
    """Persistent contrastive divergence with one sweep for each step."""
    w = (0.01 * torch.randn(784, 500)).requires_grad_()
    b, c = torch.zeros(784, requires_grad=True), torch.zeros(500, requires_grad=True)
    optimiser = torch.optim.Adam([w, b, c], RATE, fused=True)
    chains = torch.bernoulli(torch.full((100, 784), 0.5))

    def free_energy(v):
        return -(v @ b) - softplus(v @ w + c).sum(-1)

    def step(batch):
        nonlocal chains
        with torch.no_grad():
            hidden = torch.bernoulli(torch.sigmoid(chains @ w + c))
            chains = torch.bernoulli(torch.sigmoid(hidden @ w.T + b))
        loss = free_energy(batch).mean() - free_energy(chains).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return loss

    return timed(x, steps, step)


def moons(x, steps):
    """Score matching with the exact trace of the Hessian."""
    sizes = ((2, 128), (128, 128), (128, 1))
    layers = [m for a, b in sizes for m in (nn.Linear(a, b), nn.SiLU())][:-1]
    net = nn.Sequential(*layers)
    optimiser = torch.optim.Adam(net.parameters(), RATE, fused=True)

    def step(batch):
        held = batch.clone().requires_grad_()
        (score,) = torch.autograd.grad(-net(held).sum(), held, create_graph=True)
        found = (score**2).sum(-1) / 2
        for i in range(2):
            (row,) = torch.autograd.grad(score[:, i].sum(), held, create_graph=True)
            found = found + row[:, i]
        loss = found.mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return loss

    return timed(x, steps, step)


def timed(x, steps, step):
    x = torch.as_tensor(x, dtype=torch.float32)
    began, done = time.perf_counter(), 0
    while done < steps:
        order = torch.randperm(len(x))
        for start in range(0, len(x), BATCH):
            loss = step(x[order[start : start + BATCH]])
            done += 1
    return done / (time.perf_counter() - began), float(loss.detach())


def by_hand(case, x, steps, seed):
    torch.manual_seed(seed)
    return {"rbm": machine, "moons": moons}[case](x, steps)


def by_gendsl(case, x, steps, seed):
    import gendsl  # noqa: PLC0415  a side loads no other's library

    model = gendsl.load(HERE / f"{case}.gen")
    name = "v" if case == "rbm" else "x"
    options = {"epochs": -(-steps // (ROWS // BATCH)), "batch_size": BATCH, "learning_rate": RATE}
    fit = model.fit({name: x}, seed=seed, dtype="float32", progress=False, **options)
    attrs = fit.tree.attrs
    return attrs["steps"] / attrs["training_seconds"], float(fit.history["loss"][-1])


if __name__ == "__main__":
    side, case, steps, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(1)
    x = images() if case == "rbm" else points()
    rate, loss = {"gendsl": by_gendsl, "torch": by_hand}[side](case, x, steps, seed)
    print(json.dumps({"steps_per_second": rate, "loss": loss}))
