"""A small training with everything that has state. As a program: trains until it is killed."""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from torch import nn

from gendsl.runtime.training.batches import ArraySource
from gendsl.runtime.training.loop import train
from gendsl.runtime.training.settings import Losses, Options, Watch
from gendsl.runtime.training.trainable import Trainable

RNG = np.random.default_rng(3)
X = RNG.normal(size=(60, 4)).astype(np.float32)
Y = (X**2).sum(1) + 0.1 * RNG.normal(size=60).astype(np.float32)


class Baseline:
    """State beside the parameters."""

    def __init__(self):
        self.mean = torch.zeros(())
        self.count = 0

    def state_dict(self):
        return {"mean": self.mean, "count": self.count, "parts": [1, {"a": None}]}

    def load_state_dict(self, state):
        assert state["parts"] == [1, {"a": None}]
        self.mean, self.count = state["mean"], state["count"]


def small_training(before_step=lambda state: None, first_weights=5, **options):
    """Train, and give all that the training has left: tensors by name, and the result."""
    torch.manual_seed(first_weights)
    net = nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1)
    )
    baseline = Baseline()

    def step(batch, state):
        before_step(state)
        noise = 0.1 * torch.randn(())
        fit = ((net(batch["x"])[:, 0] + noise - batch["y"]) ** 2).mean()
        baseline.mean = 0.9 * baseline.mean + 0.1 * fit.detach()
        baseline.count += 1
        loss = fit * (1 + 0.01 * baseline.mean)
        return Losses(loss, {"fit": fit, "baseline": baseline.mean})

    def evaluate(state):
        found = net(torch.from_numpy(X))[:, 0] + torch.randn(60)
        return {"error": ((found - torch.from_numpy(Y)) ** 2).mean()}

    given = {
        "epochs": 6,
        "batch_size": 8,
        "ema": 0.9,
        "watch": Watch("error", "min"),
        "warmup": 5,
        "schedule": "cosine",
        "clip_norm": 5.0,
        "progress": False,
        "checkpoint_every": 3,
    }
    result = train(
        step,
        Trainable({"net": net}),
        ArraySource({"x": X, "y": Y}),
        Options(**{**given, **options}),
        evaluate=evaluate,
        extras={"baseline": baseline},
    )
    found = dict(net.state_dict())
    found |= {f"history {n}": torch.from_numpy(v) for n, v in result.history.arrays().items()}
    found["baseline"] = baseline.mean
    return found, result


def equal(first, second):
    """Whether all tensors are the same, bit for bit."""
    return first.keys() == second.keys() and all(
        torch.equal(first[name].nan_to_num(7), second[name].nan_to_num(7)) for name in first
    )


if __name__ == "__main__":

    def slowly(state):
        print(state.step, flush=True)
        time.sleep(0.02)

    small_training(slowly, folder=sys.argv[1], resume=True)
