"""The part of a program that runs it by itself: ``python model.py data.npz``."""

from __future__ import annotations

from gendsl.inference.plan import Plan
from gendsl.library.pace import DECAY, LIKELIHOOD_ROWS

__all__ = ["main_part"]

SUMMING = "from gendsl.runtime.standalone import summing_out"

READ = """if __name__ == "__main__":  # python model.py data.npz
    import sys

    import numpy as np
{imports}
    torch.set_default_dtype(torch.float64)
    with np.load(sys.argv[1], allow_pickle=False) as arrays:
        data = dict(arrays)
    for name, value in data.items():
        whole = value.ndim == 0 and value.dtype.kind == "i"
        data[name] = int(value) if whole else torch.as_tensor(value)
"""

NUMBERS = """    for name in data.keys() & {names}:
        data[name] = torch.as_tensor(data[name]).double()
"""

NUTS = """    kernel = NUTS({model})
    mcmc = MCMC(kernel, num_samples=1000, warmup_steps=1000)
    mcmc.run(**data)
    mcmc.summary()"""

EXACT = """    trace = pyro.poutine.trace(summed(model)).get_trace(**data)
    print("log evidence:", trace.log_prob_sum().item())
    for name, (values, probabilities) in summed.marginals().items():
        print(name, values.tolist(), probabilities.tolist())"""

TIED = """    raise SystemExit("members of a plate are tied: only gendsl itself sums them out")"""

OPTIMUM = """    svi = SVI({model}, {guide}, Adam({{"lr": 0.02}}), {elbo})
    for _ in range(5000):
        svi.step(**data)
    for name, value in pyro.get_param_store().items():
        print(name, value.detach())"""

LEARNING = """    pyro.set_rng_seed(0)
{nets}    svi = SVI(model, {guide}, {optimiser}({{"lr": {rate}}}), {elbo})
    for step in range({steps}):  # of {what}, each on all of the data
        loss = svi.step(**data)
        if step % 100 == 0:
            print(step, loss)
"""

BATCHES = """    data.setdefault("{size}", len(data["{first}"]))
    pyro.set_rng_seed(0)
{nets}    svi = SVI(model, {guide}, {optimiser}({{"lr": {rate}}}), {elbo})
    for epoch in range({epochs}):  # of {what}, in batches of {batch} rows
        loss = 0.0
        for rows in torch.randperm(data["{size}"]).split({batch}):
            some = {{name: data[name][rows] for name in {names} if name in data}}
            loss += svi.step(**data | some | {{"{size}": len(rows)}})
        print(epoch, loss)
"""

BUFFERS = """    for name, net in data["{argument}"].items():
        learned |= {{f"{{name}}.{{part}}": value.numpy() for part, value in net.named_buffers()}}
"""

KEPT = """    learned = {{}}
    for name, value in pyro.get_param_store().items():
        learned[name.replace("$$$", ".")] = value.detach().numpy()
        if "$$$" not in name:  # weights of networks
            print(name, value.detach())
{buffers}    np.savez(sys.argv[1].removesuffix(".npz") + "_learned.npz", **learned)"""

OPTIMISERS = {
    "adam": "Adam",
    "adamax": "Adamax",
    "adamw": "AdamW",
    "rmsprop": "RMSprop",
    "sgd": "SGD",
}
"""What Pyro calls those of the option of the same name."""

STEPS, EPOCHS, ROWS = 5_000, 100, 128
"""Steps on all data, or passes over batches of so many rows, unless the file says."""

SIMULATION = """    trace = pyro.poutine.trace(model).get_trace(**data)
    for name, site in trace.nodes.items():
        if site["type"] == "sample":
            print(name, site["value"])"""


def main_part(
    plan: Plan,
    nesting: int,
    moving: tuple[str, ...] = (),
    summing: str = "",
    *,
    tied: bool = False,
    nets: str = "",
    kept: str = "",
    batches: tuple[str, tuple[str, ...]] | None = None,
    numbers: tuple[str, ...] = (),
) -> str:
    """How to run the program by itself, by the method of the plan.

    Args:
        plan: names the method.
        nesting: how many dimensions plates take.
        moving: latents whose support depends on other unknowns.
        summing: code that makes `summed`, which sums discrete latents out; empty where Pyro does.
        tied: whether members of discrete latents are variables of their own.
        nets: code that puts new networks among the data.
        kept: the argument that holds them.
        batches: the argument that is the number of rows, and those that have rows, where they may
            be taken in batches.
        numbers: the arguments that are numbers, for steps, whatever numbers the file has.
    """
    before = _indented(summing)
    if tied and plan.method is not None:
        return _text([], TIED)
    match plan.method:
        case "nuts":
            return _nuts(plan, moving, before)
        case "enumeration":
            return _text([SUMMING], before + EXACT)
        case "mle" if plan.by_steps:
            return _learning(plan, _indented(nets), nesting, batches, kept, numbers)
        case "mle" | "map":
            return _optimum(plan, max(1, nesting), moving, before)
        case "svi":
            return _learning(plan, _indented(nets), nesting, batches, kept, numbers)
        case _:
            return _text([], SIMULATION)


def _indented(code: str) -> str:
    return "".join(f"    {line}\n" for line in code.splitlines())


def _text(imports: list[str], body: str) -> str:
    lines = "".join(f"    {line}\n" for line in imports)
    return READ.format(imports=lines) + body


def _nuts(plan: Plan, moving: tuple[str, ...], summing: str) -> str:
    imports = ["from pyro.infer import MCMC, NUTS"]
    if plan.noncentred:
        if set(plan.noncentred) - set(plan.triangular):
            imports.append("from pyro.infer.reparam import LocScaleReparam")
        if plan.triangular:
            imports.append("from gendsl.runtime.noncentred import NonCentred")
    forms = dict.fromkeys(plan.noncentred, "LocScaleReparam(0.0)")
    forms |= dict.fromkeys(plan.triangular, "NonCentred()")
    forms |= dict.fromkeys(moving, "runtime.FollowSupport()")
    model = "model"
    if summing:
        imports.append(SUMMING)
        model = "summed(model)"
    return _text(imports, summing + NUTS.format(model=_rewritten(model, forms)))


def _learning(
    plan: Plan,
    nets: str,
    nesting: int,
    batches: tuple[str, tuple[str, ...]] | None,
    kept: str,
    numbers: tuple[str, ...],
) -> str:
    given = plan.options
    optimiser = OPTIMISERS[str(given["optimiser"])]
    rate = given["learning_rate"]
    if rate is None:
        rate = 1e-3 if nets else 1e-2
    particles = given.get("particles")
    options = [] if particles is None else [f"num_particles={particles}"]
    summed = plan.guide.discrete.of("model", "sum") if plan.guide is not None else ()
    kind = "TraceEnum_ELBO" if summed else "Trace_ELBO"
    if summed:
        options.append(f"max_plate_nesting={max(1, nesting)}")
    imports = [
        f"from pyro.infer import SVI, {kind}",
        f"from pyro.optim import {optimiser}",
    ]
    terms = {
        "nets": nets,
        "optimiser": optimiser,
        "rate": f"{rate}{_decay(plan)}",
        "guide": "lambda **_: None" if plan.guide is None else "guide",
        "what": "the likelihood" if plan.guide is None else "the plain ELBO",
        "elbo": f"{kind}({', '.join(options)})",
    }
    asked = given.get("batch_size")
    if batches is None or not (nets or asked):
        body = LEARNING.format(steps=given["epochs"] or STEPS, **terms)
    else:
        size, names = batches
        body = BATCHES.format(
            size=size,
            first=next((n for n in names if f"{n}_known" not in names), names[0]),
            names=names,
            batch=asked or (LIKELIHOOD_ROWS if plan.method == "mle" else ROWS),
            epochs=given["epochs"] or EPOCHS,
            **terms,
        )
    buffers = BUFFERS.format(argument=kept) if nets else ""
    cast = NUMBERS.format(names=_set_of(numbers)) if numbers else ""
    return _text(imports, cast + body + KEPT.format(buffers=buffers))


def _set_of(names: tuple[str, ...]) -> str:
    """A set display, in order."""
    return "{" + ", ".join(map(repr, names)) + "}"


def _decay(plan: Plan) -> str:
    """The weight decay among the options of an optimiser, where there is some."""
    decay = plan.options["weight_decay"]
    if decay is None and plan.method == "mle" and plan.options["optimiser"] == "adamw":
        decay = DECAY
    return "" if decay is None else f', "weight_decay": {decay}'


def _rewritten(model: str, sites: dict[str, str]) -> str:
    """The model with some of its sites written otherwise."""
    config = ", ".join(f'"{n}": {how}' for n, how in sites.items())
    return f"pyro.poutine.reparam({model}, {{{config}}})" if sites else model


def _optimum(plan: Plan, nesting: int, moving: tuple[str, ...], summing: str) -> str:
    inner = "summed(model)" if summing else "model"
    model = _rewritten(inner, {n: "runtime.FollowSupport(jacobian=False)" for n in moving})
    plain, elbo = model, "Trace_ELBO()"
    imports = ["from pyro.infer import SVI, Trace_ELBO"]
    if plan.enumerated and not summing:
        imports = ["from pyro.infer import SVI, TraceEnum_ELBO, config_enumerate"]
        model = f"config_enumerate({plain})"
        elbo = f"TraceEnum_ELBO(max_plate_nesting={nesting})"
    guide = "lambda **_: None"
    if plan.method == "map":
        imports.append("from pyro.infer.autoguide import AutoDelta")
        hidden = ", ".join(f'"{n}"' for n in plan.enumerated)
        guide = f"AutoDelta(pyro.poutine.block({plain}, hide=[{hidden}]))"
    imports.append("from pyro.optim import Adam")
    if summing:
        imports.append(SUMMING)
    return _text(imports, summing + OPTIMUM.format(model=model, guide=guide, elbo=elbo))
