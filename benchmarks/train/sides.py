"""The same autoencoder three times: by gendsl, by hand in torch, and as Pyro's users write it.

Each side is run in a process of its own: ``python sides.py SIDE ROWS EPOCHS SEED``. It trains on
the same random rows and prints rows per second, the last loss, and the most memory it held, in
all and beyond what its libraries take.
"""

import importlib
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

HERE = Path(__file__).parent
BATCH, RATE = 100, 1e-3


def data(rows):
    """Binary rows with some structure."""
    rng = np.random.default_rng(1)
    loadings, found = rng.normal(size=(10, 784)), np.empty((rows, 784), np.int8)
    for start in range(0, rows, 1000):  # in pieces, so that the training holds the most memory
        part = found[start : start + 1000]
        factors = rng.normal(size=(len(part), 10)) @ loadings
        part[:] = rng.random(part.shape) < 1 / (1 + np.exp(2 - factors))
    return found


def layers(*sizes):
    parts = []
    for a, b in zip(sizes, sizes[1:], strict=False):
        parts += [nn.Linear(a, b), nn.Tanh()]
    return parts[:-1]


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(*layers(784, 200, 200), nn.Tanh())
        self.head = nn.Linear(200, 100)

    def forward(self, x):
        loc, raw = self.head(self.body(x)).chunk(2, -1)
        return loc, functional.softplus(raw) + 1e-6


def by_hand(x, epochs, seed):
    torch.manual_seed(seed)
    encode, decode = Encoder(), nn.Sequential(*layers(50, 200, 200, 784))
    parameters = [*encode.parameters(), *decode.parameters()]
    optimiser = torch.optim.Adam(parameters, RATE, fused=True)
    x = torch.as_tensor(x, dtype=torch.float32)
    began = time.perf_counter()
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for start in range(0, len(x), BATCH):
            batch = x[order[start : start + BATCH]]
            loc, scale = encode(batch)
            z = loc + scale * torch.randn_like(loc)
            fit = functional.binary_cross_entropy_with_logits(decode(z), batch, reduction="sum")
            kl = 0.5 * (loc**2 + scale**2 - 1).sum() - scale.log().sum()
            loss = (fit + kl) / len(batch)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
    return time.perf_counter() - began, float(loss.detach())


def by_pyro(x, epochs, seed):
    import pyro  # noqa: PLC0415  a side loads no other's library
    import pyro.distributions as dist  # noqa: PLC0415

    pyro.set_rng_seed(seed)
    pyro.clear_param_store()
    encode, decode = Encoder(), nn.Sequential(*layers(50, 200, 200, 784))

    def model(batch):
        pyro.module("decode", decode)
        with pyro.plate("image", len(batch)):
            z = pyro.sample("z", dist.Normal(batch.new_zeros(50), 1.0).to_event(1))
            pyro.sample("x", dist.Bernoulli(logits=decode(z)).to_event(1), obs=batch)

    def guide(batch):
        pyro.module("encode", encode)
        with pyro.plate("image", len(batch)):
            pyro.sample("z", dist.Normal(*encode(batch)).to_event(1))

    svi = pyro.infer.SVI(model, guide, pyro.optim.Adam({"lr": RATE}), pyro.infer.Trace_ELBO())
    x = torch.as_tensor(x, dtype=torch.float32)
    began = time.perf_counter()
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for start in range(0, len(x), BATCH):
            batch = x[order[start : start + BATCH]]
            loss = svi.step(batch)
    return time.perf_counter() - began, loss / len(batch)


def by_gendsl(x, epochs, seed):
    import gendsl  # noqa: PLC0415

    model = gendsl.load(HERE / "vae.gen")
    fit = model.fit(
        {"x": x}, seed=seed, epochs=epochs, batch_size=BATCH, learning_rate=RATE, progress=False
    )
    return fit.tree.attrs["training_seconds"], float(fit.history["loss"][-1])


SIDES = {"gendsl": by_gendsl, "torch": by_hand, "pyro": by_pyro}

if __name__ == "__main__":
    side, rows, epochs, seed = sys.argv[1], *map(int, sys.argv[2:])
    torch.set_num_threads(1)
    if side != "torch":
        importlib.import_module(f"{side}.model" if side == "gendsl" else side)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    x = data(rows)
    seconds, loss = SIDES[side](x, epochs, seed)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told = {"rows_per_second": rows * epochs / seconds, "loss": loss, "peak_mib": peak / 1024}
    print(json.dumps({**told, "own_mib": (peak - before) / 1024}))
