"""The part of a program that runs it by itself: ``python model.py data.npz``."""

from __future__ import annotations

from gendsl.inference.plan import Plan

__all__ = ["main_part"]

READ = """if __name__ == "__main__":  # python model.py data.npz
    import sys

    import numpy as np
{imports}
    torch.set_default_dtype(torch.float64)
    arrays = np.load(sys.argv[1], allow_pickle=False)
    data = {{
        name: int(value) if value.ndim == 0 and value.dtype.kind == "i" else torch.as_tensor(value)
        for name, value in arrays.items()
    }}
"""

NUTS = """    kernel = NUTS({model})
    mcmc = MCMC(kernel, num_samples=1000, warmup_steps=1000)
    mcmc.run(**data)
    mcmc.summary()"""

ENUMERATION = """    elbo = TraceEnum_ELBO(max_plate_nesting={nesting})
    print("log evidence:", -elbo.loss(config_enumerate(model), lambda **_: None, **data))
    marginals = elbo.compute_marginals(config_enumerate(model), lambda **_: None, **data)
    for name, marginal in marginals.items():
        values = marginal.enumerate_support()
        print(name, values.tolist(), marginal.log_prob(values).exp().tolist())"""

OPTIMUM = """    svi = SVI({model}, {guide}, Adam({{"lr": 0.02}}), {elbo})
    for _ in range(5000):
        svi.step(**data)
    for name, value in pyro.get_param_store().items():
        print(name, value.detach())"""

SIMULATION = """    trace = pyro.poutine.trace(model).get_trace(**data)
    for name, site in trace.nodes.items():
        if site["type"] == "sample":
            print(name, site["value"])"""


def main_part(plan: Plan, nesting: int) -> str:
    """How to run the program by itself, by the method of the plan."""
    match plan.method:
        case "nuts":
            return _nuts(plan)
        case "enumeration":
            imports = ["from pyro.infer import TraceEnum_ELBO, config_enumerate"]
            return _text(imports, ENUMERATION.format(nesting=max(1, nesting)))
        case "mle" | "map":
            return _optimum(plan, nesting)
        case _:
            return _text([], SIMULATION)


def _text(imports: list[str], body: str) -> str:
    lines = "".join(f"    {line}\n" for line in imports)
    return READ.format(imports=lines) + body


def _nuts(plan: Plan) -> str:
    imports = ["from pyro.infer import MCMC, NUTS"]
    model = "model"
    if plan.noncentred:
        imports.append("from pyro.infer.reparam import LocScaleReparam")
        config = ", ".join(f'"{n}": LocScaleReparam(0.0)' for n in plan.noncentred)
        model = f"pyro.poutine.reparam(model, {{{config}}})"
    return _text(imports, NUTS.format(model=model))


def _optimum(plan: Plan, nesting: int) -> str:
    model, elbo = "model", "Trace_ELBO()"
    imports = ["from pyro.infer import SVI, Trace_ELBO"]
    if plan.enumerated:
        imports = ["from pyro.infer import SVI, TraceEnum_ELBO, config_enumerate"]
        model = "config_enumerate(model)"
        elbo = f"TraceEnum_ELBO(max_plate_nesting={max(1, nesting)})"
    guide = "lambda **_: None"
    if plan.method == "map":
        imports.append("from pyro.infer.autoguide import AutoDelta")
        hidden = ", ".join(f'"{n}"' for n in plan.enumerated)
        guide = f"AutoDelta(pyro.poutine.block(model, hide=[{hidden}]))"
    imports.append("from pyro.optim import Adam")
    return _text(imports, OPTIMUM.format(model=model, guide=guide, elbo=elbo))
