"""One side of a comparison: ``python sides.py CASE SIDE ROWS EPOCHS SEED``.

Prints the seconds of a step, those of the draws, and the log likelihood, in nats a row.
"""

import importlib
import json
import sys
import time

import numpy as np

ENTRIES, HIDDEN, BINS, BATCH, RATE, DECAY, DRAWS = 6, 64, 8, 256, 1e-3, 0.1, 2000
PIXELS, UNITS = 64, 256
TRANSFORMS = {
    "spline": f"autoregressive(spline(bins={BINS}), layers=3, hidden=[{HIDDEN}, {HIDDEN}])",
    "coupling": f"coupling(spline(bins={BINS}), layers=4, hidden=[{HIDDEN}, {HIDDEN}])",
    "maf": f"autoregressive(affine, layers=5, hidden=[{HIDDEN}, {HIDDEN}])",
}
FLOW = """model Flow
plate row
flow f: real[{entries}] = {transform}
observe x[row]: real[{entries}] ~ Normal(0, 1) |> f
"""
MADE = f"""model Made
plate row
net f: real[{PIXELS}] -> causal real[{PIXELS}] = made(hidden=[{UNITS}])
observe x[row]: binary[{PIXELS}] ~ Bernoulli(logits=f(x))
"""
TOKENS = """model Tokens
plate doc  sequence t  dim V = 30
net f: index(V)[t] -> causal real[t, V] = transformer(layers=2, width=64)
observe w[doc, t]: index(V) ~ Categorical(logits=f(collect(w, t))[t])
"""


def data(case, rows):
    rng = np.random.default_rng(1)
    if case == "made":
        z = rng.normal(size=(rows, PIXELS)).cumsum(-1)
        return (z + rng.normal(size=z.shape) > 0).astype(float)
    z = rng.normal(size=(rows, ENTRIES))
    return z + np.roll(z, 1, -1) ** 2 / 3


def timed(work, repeats=1):
    began = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - began) / repeats


def warm():
    """Have torch load now what it loads when it first records or optimises, on every side."""
    torch = importlib.import_module("torch")
    recording = importlib.import_module("torch.fx.experimental.proxy_tensor")
    weight = torch.ones(1, requires_grad=True)
    recording.make_fx(lambda x: torch.autograd.grad((x * weight).exp().sum(), weight)[0])(
        torch.ones(1)
    )
    optimiser = torch.optim.AdamW([weight], RATE, fused=True)
    weight.grad = torch.ones(1)
    optimiser.step()


def fitted(source, given, seed, **options):
    """A fit, and the seconds of its training."""
    gendsl = importlib.import_module("gendsl")
    learning = importlib.import_module("gendsl.runtime.variational.learning")
    train, seconds = learning.train, []

    def watched(*arguments, **more):
        began = time.process_time()
        found = train(*arguments, **more)
        seconds.append(time.process_time() - began)
        return found

    learning.train = watched
    model = gendsl.compile(source)
    fit = model.fit(given, seed=seed, progress=False, learning_rate=RATE, held_out=0, **options)
    learning.train = train
    return fit, seconds[0]


def by_gendsl(case, x, epochs, seed):
    source = MADE
    if case != "made":
        source = FLOW.format(entries=ENTRIES, transform=TRANSFORMS[case])
    fit, seconds = fitted(source, {"x": x}, seed, epochs=epochs, batch_size=BATCH)
    fit.generate(DRAWS, seed=0)
    drawn = timed(lambda: fit.generate(DRAWS, seed=seed), 3)
    return seconds, drawn, fit.score().log_likelihood.mean


def trained(net, loss, given, epochs):
    """The seconds of the loop that a person would write."""
    torch = importlib.import_module("torch")
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=DECAY)

    def loop():
        for _ in range(epochs):
            for rows in torch.randperm(len(given)).split(BATCH):
                found = loss(given[rows]).mean()
                optimiser.zero_grad(set_to_none=True)
                found.backward()
                optimiser.step()

    return timed(loop)


def by_zuko(case, x, epochs, seed):
    torch, zuko = importlib.import_module("torch"), importlib.import_module("zuko")
    torch.manual_seed(seed)
    options = {"hidden_features": (HIDDEN, HIDDEN)}
    flow = {
        "spline": lambda: zuko.flows.NSF(ENTRIES, transforms=3, bins=BINS, **options),
        "coupling": lambda: zuko.flows.NSF(ENTRIES, transforms=4, bins=BINS, passes=2, **options),
        "maf": lambda: zuko.flows.MAF(ENTRIES, transforms=5, **options),
    }[case]()
    mean, sd = x.mean(0), x.std(0)
    given = torch.as_tensor((x - mean) / sd, dtype=torch.float32)
    seconds = trained(flow, lambda rows: -flow().log_prob(rows), given, epochs)
    with torch.no_grad():
        flow().sample((DRAWS,))
        drawn = timed(lambda: flow().sample((DRAWS,)), 3)
        found = float(flow().log_prob(given).mean() - np.log(sd).sum())
    return seconds, drawn, found


def by_torch(case, x, epochs, seed):
    torch = importlib.import_module("torch")
    functional = torch.nn.functional
    torch.manual_seed(seed)
    given = torch.as_tensor(x, dtype=torch.float32)

    class Masked(torch.nn.Linear):
        def __init__(self, mask):
            super().__init__(mask.shape[1], mask.shape[0])
            self.register_buffer("mask", mask.float())

        def forward(self, rows):
            return functional.linear(rows, self.weight * self.mask, self.bias)

    entries, units = torch.arange(PIXELS), torch.arange(UNITS) % (PIXELS - 1)
    hidden = torch.nn.Sequential(
        Masked(units.unsqueeze(-1) >= entries),
        torch.nn.ReLU(),
        Masked(entries.unsqueeze(-1) > units),
    )
    direct = Masked(entries.unsqueeze(-1) > entries)  # as `made` of gendsl has it

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.direct = hidden, direct

        def forward(self, rows):
            return self.hidden(rows) + self.direct(rows)

    net = Net()

    def loss(rows):
        return functional.binary_cross_entropy_with_logits(net(rows), rows, reduction="none").sum(
            -1
        )

    seconds = trained(net, loss, given, epochs)

    def draw():
        rows = torch.zeros(DRAWS, PIXELS)
        for entry in range(PIXELS):
            rows[:, entry] = torch.bernoulli(torch.sigmoid(net(rows)[:, entry]))

    with torch.no_grad():
        draw()
        drawn = timed(draw, 3)
        found = float(-loss(given).mean())
    return seconds, drawn, found


def transformer(length, seed):
    """The seconds of a token, a step for 32 documents at once."""
    words = np.random.default_rng(seed).integers(0, 30, (8, length))
    fit, _ = fitted(TOKENS, {"w": words}, seed, epochs=1)
    fit.generate(32, seed=0)
    return (timed(lambda: fit.generate(32, seed=seed)) / length,)


SIDES = {"gendsl": by_gendsl, "zuko": by_zuko, "torch": by_torch}


def main():
    case, side, *numbers = sys.argv[1:]
    rows, epochs, seed = map(int, numbers)
    warm()
    if case == "transformer":
        print(json.dumps(transformer(rows, seed)))
        return
    seconds, drawn, score = SIDES[side](case, data(case, rows), epochs, seed)
    steps = epochs * -(-rows // BATCH)
    print(json.dumps((seconds / steps, drawn, score)))


if __name__ == "__main__":
    main()
