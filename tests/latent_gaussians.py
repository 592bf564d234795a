"""Small models whose bounds are known, as the sites that objectives take."""

from __future__ import annotations

import math
from collections.abc import Callable

import pyro.distributions as dist
import torch
from torch import Tensor

from gendsl.runtime.objectives import Gate, Layout, Site, Sites

__all__ = ["ROWS", "chain", "exact_chain_guide", "log_evidence", "one_latent"]

ROWS = Layout(depth=1, row=-1)


def log_evidence(x: Tensor, prior: float = 1.0, noise: float = 1.0) -> Tensor:
    """log p(x) of z ~ N(0, prior^2), x ~ N(z, noise^2)."""
    return dist.Normal(0.0, math.hypot(prior, noise)).log_prob(x)


def one_latent(
    x: Tensor,
    mean: Tensor,
    sd: Tensor,
    particles: int = 1,
    *,
    total: int | None = None,
    shift: Tensor | float = 0.0,
    draw: Callable[[dist.Distribution, tuple[int, ...]], Tensor] | None = None,
) -> Sites:
    """z[row] ~ N(0, 1), x[row] ~ N(z + shift, 1), with guide N(mean, sd)."""
    rows = len(x)
    q = dist.Normal(mean.expand(rows), sd.expand(rows))
    p = dist.Normal(torch.zeros(()), torch.ones(())).expand([rows])
    z = q.rsample((particles,)) if draw is None else draw(q, (particles,))
    likelihood = dist.Normal(z + shift, 1.0)
    sites = {
        "z": Site("z", False, z, p.log_prob(z), q.log_prob(z), p, q),
        "x": Site(
            "x", True, x, likelihood.log_prob(x), None, likelihood, p_parents=frozenset({"z"})
        ),
    }
    return Sites(sites, particles, rows, total or rows, ROWS)


def chain(x: Tensor, phi: Tensor, theta: Tensor, particles: int, *, gated: bool) -> Sites:
    """Two latents: u ~ N(0, 1), v ~ N(theta u, 1), x ~ N(v, 1); the guide draws u, then v | u."""
    rows = len(x)
    gate = Gate(ROWS)
    q_u = dist.Normal((phi[0] * x).expand(rows), torch.exp(phi[1]))
    u = q_u.rsample((particles,))
    q_v = dist.Normal(phi[2] * u + phi[3] * x, torch.exp(phi[4]))
    v = q_v.rsample()

    def scores() -> dict[str, Tensor]:
        again = dist.Normal(phi[2] * u.detach() + phi[3] * x, torch.exp(phi[4]))
        return {"u": q_u.log_prob(u.detach()), "v": again.log_prob(v.detach())}

    to_u = gate(u, 0, local=True) if gated else u
    to_v = gate(v, 0, local=True) if gated else v
    p_u = dist.Normal(torch.zeros(()), 1.0)
    p_v = dist.Normal(theta * to_u, 1.0)
    p_x = dist.Normal(to_v, 1.0)
    on = frozenset({"u"})
    sites = {
        "u": Site("u", False, u, p_u.log_prob(to_u), q_u.log_prob(u), p_u, q_u),
        "v": Site(
            "v",
            False,
            v,
            p_v.log_prob(to_v),
            q_v.log_prob(v),
            p_v,
            q_v,
            p_parents=on,
            q_parents=on,
        ),
        "x": Site("x", True, x, p_x.log_prob(x), None, p_x, p_parents=frozenset({"v"})),
    }
    return Sites(sites, particles, rows, rows, ROWS, scores=scores, gate=gate if gated else None)


def exact_chain_guide(theta: Tensor) -> Tensor:
    """The parameters of `chain` with which the guide is the posterior.

    x | u has variance 2 and mean theta u; v | u, x has precision 2 and mean (theta u + x) / 2.
    """
    precision = 1 + theta**2 / 2
    half = torch.full_like(theta, 0.5)
    return torch.stack(
        [
            theta / 2 / precision,
            -0.5 * torch.log(precision),
            theta / 2,
            half,
            0.5 * torch.log(half),
        ]
    )
