"""The aggregated posterior of latents: draws, and how far it is from the prior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from gendsl.graph.recursion import turns
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import references, variable_expressions
from gendsl.runtime.objectives import Estimate, ObjectiveError, Site, Sites
from gendsl.runtime.objectives.aggregated import aggregated_densities, discrepancy
from gendsl.runtime.variational.learning import Inference
from gendsl.runtime.variational.using import natural

__all__ = ["Aggregated", "aggregated"]

ROWS = 1000
"""Pairs of rows are looked at: so many rows at most, evenly spaced."""

BLOCKS = 10
"""Of independent estimates, whose spread is the standard error."""


@dataclass(frozen=True)
class Aggregated:
    """The guide's law of latents, averaged over rows.

    Attributes:
        draws: one for each of the rows that were looked at.
        kl: for each latent KL(q(z) || p(z)), in nats; of a sample of the rows a mean of logarithms
            of estimates, which is slightly too large.
        information: for each latent its mutual information with the row, in nats: what `kl` lacks
            to the KL term of the ELBO (Hoffman and Johnson 2016).
        mmd: for each latent the squared maximum mean discrepancy from the prior, without bias
            (Gretton et al. 2012), with a Gaussian kernel of the length sqrt(dimensions).
        refused: why a number is not there.
    """

    draws: xr.Dataset
    kl: Mapping[str, Estimate]
    information: Mapping[str, Estimate]
    mmd: Mapping[str, Estimate]
    refused: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """A line for each number."""
        lines = []
        for title, found in (
            ("KL(q(z) || p(z)), nats", self.kl),
            ("mutual information, nats", self.information),
            ("MMD^2", self.mmd),
        ):
            for name, value in found.items():
                error = value.standard_error
                spread = f" ± {error:.4f}" if error is not None else ""
                rows = f" ({value.rows} rows)"
                lines.append(f"{name:<12} {title:<26} {value.mean:.4f}{spread}{rows}")
        lines += [f"{name:<12} not known: {why}" for name, why in self.refused.items()]
        return "\n".join(lines)


Numbers = dict[str, Estimate]


def aggregated(
    inference: Inference, model: ir.Model, guide: ir.Model | None
) -> tuple[dict[str, np.ndarray], int, tuple[Numbers, Numbers, Numbers, dict[str, str]]]:
    """Draws of latents of rows, of how many, and the numbers of `Aggregated`."""
    rows = inference.rows
    given, count = rows.spaced(ROWS)
    turning = frozenset(v.name for group in turns(guide) for v in group) if guide else frozenset()
    sites = inference.light.sites(given, 1, count, rows.total)
    kl: Numbers = {}
    information: Numbers = {}
    mmd: Numbers = {}
    refused: dict[str, str] = {}
    for site in sites.latents:
        if not site.local:
            continue
        try:
            _verify_even(inference, model, site, given, turning)
            kl[site.name], information[site.name] = _divergence(sites, site)
            _verify_own_prior(model, site)
            mmd[site.name] = _mmd(sites, site)
        except ObjectiveError as error:
            refused[site.name] = str(error)
    sizes = {**inference.light.sizes, str(rows.plate): count}
    draws = {
        s.name: natural(inference, model.variable(s.name), s.value.cpu().numpy(), sizes)
        for s in sites.latents
        if s.local and any(v.name == s.name for v in model.of_role("latent"))
    }
    return draws, count, (kl, information, mmd, refused)


def _verify_even(
    inference: Inference,
    model: ir.Model,
    site: Site,
    given: Mapping[str, object],
    turning: frozenset[str],
) -> None:
    """Refuse latents along sequences whose lengths differ, or that are drawn step after step.

    Raises:
        ObjectiveError: the guide's law of a row has no density at the latents of another, or is
            itself given draws.
    """
    arguments = dict(inference.light.program.inputs)
    axes = model.variable(site.name.partition("[")[0]).axes
    for axis in (a for a in model.axes if a.lengths is not None and a.name in axes):
        lengths = given.get(arguments[str(axis.lengths)])
        if torch.is_tensor(lengths) and bool((lengths != lengths.flatten()[0]).any()):
            raise ObjectiveError(
                f"{site.name} has as many values as `{axis.name}` has steps, which differ between "
                "rows: the guide's law for one row has no density at the values of another; rows "
                "of the same length have one"
            )
    if site.name in turning:
        raise ObjectiveError(
            f"the guide of {site.name} at a step is given its draws at earlier ones; that of "
            "steps which are independent given the data would have a density"
        )


def _verify_own_prior(model: ir.Model, site: Site) -> None:
    """Refuse to draw from a prior whose steps are given those of the guide's draws.

    Raises:
        ObjectiveError: the latent depends on itself.
    """
    variable = model.variable(site.name.partition("[")[0])
    if variable.name in references(*variable_expressions(variable)):
        raise ObjectiveError(f"MMD^2: the prior of {site.name} at a step depends on earlier ones")


def _divergence(sites: Sites, site: Site) -> tuple[Estimate, Estimate]:
    if site.p_parents:
        raise ObjectiveError(f"the prior of {site.name} depends on other latents")
    joint, _ = aggregated_densities(sites, site)
    _, log_q = site.latent
    return Estimate.of((joint - site.log_p)[0]), Estimate.of((log_q - joint)[0])


def _mmd(sites: Sites, site: Site) -> Estimate:
    """The mean of the discrepancies of blocks of rows."""
    prior = site.p
    if prior is None:
        raise ObjectiveError(f"{site.name} has no prior")
    event = len(prior.event_shape)
    batch = site.value.shape[: site.value.ndim - event]
    law = prior if prior.batch_shape == batch else prior.expand(batch)
    ours, theirs = (
        sites.layout.entries(x, event, local=True)[0] for x in (site.value, law.sample())
    )
    size = len(ours) // BLOCKS
    if size < 2:
        return Estimate(float(discrepancy(ours, theirs)), None, len(ours))
    order = torch.randperm(len(ours))
    blocks = (order[i * size : (i + 1) * size] for i in range(BLOCKS))
    each: list[Tensor] = [discrepancy(ours[b], theirs[b]) for b in blocks]
    spread = Estimate.of(torch.stack(each))
    return Estimate(spread.mean, spread.standard_error, size * BLOCKS)
