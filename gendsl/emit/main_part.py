"""The part of a program that runs it by itself: ``python model.py data.npz``."""

from __future__ import annotations

from gendsl.inference.plan import Plan

__all__ = ["main_part"]

SUMMING = "from gendsl.runtime.forward import summing_paths"

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

NUTS = """    kernel = NUTS({model})
    mcmc = MCMC(kernel, num_samples=1000, warmup_steps=1000)
    mcmc.run(**data)
    mcmc.summary()"""

EVIDENCE = """    trace = pyro.poutine.trace(paths(model)).get_trace(**data)
    print("log evidence:", trace.log_prob_sum().item())
"""

PATHS = """    for group in paths.potentials():
        for place, table in zip(group.places, group.tables(marginals(group.table)), strict=True):
            print(place.chain.name, table.tolist())"""

ENUMERATION = """    elbo = TraceEnum_ELBO(max_plate_nesting={nesting})
    listing = Listing()  # of the values of each law, which Pyro's marginals do not keep
    summed = config_enumerate({model})
    print("log evidence:", -elbo.loss(summed, lambda **_: None, **data))
    found = elbo.compute_marginals(listing(summed), lambda **_: None, **data)
    for name, marginal in found.items():
        print(name, listing.values[name].tolist(), marginal.base.probs.tolist())"""

OPTIMUM = """    svi = SVI({model}, {guide}, Adam({{"lr": 0.02}}), {elbo})
    for _ in range(5000):
        svi.step(**data)
    for name, value in pyro.get_param_store().items():
        print(name, value.detach())"""

SIMULATION = """    trace = pyro.poutine.trace(model).get_trace(**data)
    for name, site in trace.nodes.items():
        if site["type"] == "sample":
            print(name, site["value"])"""


def main_part(
    plan: Plan,
    nesting: int,
    moving: tuple[str, ...] = (),
    chains: frozenset[str] = frozenset(),
    paths: str = "",
) -> str:
    """How to run the program by itself, by the method of the plan.

    Args:
        plan: names the method.
        nesting: how many dimensions plates take.
        moving: latents whose support depends on other unknowns.
        chains: hidden Markov chains.
        paths: code that makes `paths`, which sums them out.
    """
    before = _indented(paths)
    nesting = max(1, nesting) + 2 * len(chains)  # states stand left of the plates
    match plan.method:
        case "nuts":
            return _nuts(plan, moving, before)
        case "enumeration":
            return _exact(plan, nesting, chains, before)
        case "mle" | "map":
            return _optimum(plan, nesting, moving, before)
        case _:
            return _text([], SIMULATION)


def _indented(code: str) -> str:
    return "".join(f"    {line}\n" for line in code.splitlines())


def _exact(plan: Plan, nesting: int, chains: frozenset[str], paths: str) -> str:
    imports, body = [], EVIDENCE
    if not chains.issuperset(plan.enumerated) or not chains:
        imports = ["from pyro.infer import TraceEnum_ELBO, config_enumerate"]
        imports.append("\n    from gendsl.runtime.enumeration import Listing")
        model = "paths(model)" if chains else "model"
        body = ENUMERATION.format(nesting=nesting, model=model)
    if not chains:
        return _text(imports, body)
    imports.append("from gendsl.runtime.forward import marginals, summing_paths")
    return _text(imports, paths + body.rstrip("\n") + "\n" + PATHS)


def _text(imports: list[str], body: str) -> str:
    lines = "".join(f"    {line}\n" for line in imports)
    return READ.format(imports=lines) + body


def _nuts(plan: Plan, moving: tuple[str, ...], paths: str) -> str:
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
    if paths:
        imports.append(SUMMING)
        model = "paths(model)"
    return _text(imports, paths + NUTS.format(model=_rewritten(model, forms)))


def _rewritten(model: str, sites: dict[str, str]) -> str:
    """The model with some of its sites written otherwise."""
    config = ", ".join(f'"{n}": {how}' for n, how in sites.items())
    return f"pyro.poutine.reparam({model}, {{{config}}})" if sites else model


def _optimum(plan: Plan, nesting: int, moving: tuple[str, ...], paths: str) -> str:
    inner = "paths(model)" if paths else "model"
    model = _rewritten(inner, {n: "runtime.FollowSupport(jacobian=False)" for n in moving})
    plain, elbo = model, "Trace_ELBO()"
    imports = ["from pyro.infer import SVI, Trace_ELBO"]
    if plan.enumerated:
        imports = ["from pyro.infer import SVI, TraceEnum_ELBO, config_enumerate"]
        model = f"config_enumerate({plain})"
        elbo = f"TraceEnum_ELBO(max_plate_nesting={nesting})"
    guide = "lambda **_: None"
    if plan.method == "map":
        imports.append("from pyro.infer.autoguide import AutoDelta")
        hidden = ", ".join(f'"{n}"' for n in plan.enumerated)
        guide = f"AutoDelta(pyro.poutine.block({plain}, hide=[{hidden}]))"
    imports.append("from pyro.optim import Adam")
    if paths:
        imports.append(SUMMING)
    return _text(imports, paths + OPTIMUM.format(model=model, guide=guide, elbo=elbo))
