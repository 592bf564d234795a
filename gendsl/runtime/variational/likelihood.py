"""The facts of a training on the likelihood itself, in which no number is a bound."""

from __future__ import annotations

from math import log

import numpy as np
import torch

from gendsl.ir import nodes as ir
from gendsl.runtime.variational.judging import LIKELIHOOD
from gendsl.runtime.variational.learning import CHUNK, Inference, Trained
from gendsl.runtime.variational.scoring import numbers_of_row
from gendsl.semantics.supports import is_discrete

__all__ = ["likelihood_facts", "likelihood_history", "row_densities"]

Facts = dict[str, float | int | str]


def likelihood_facts(facts: Facts, trained: Trained, model: ir.Model) -> Facts:
    """The facts of a training under the names that they have for a likelihood.

    Added are ``held_out_log_likelihood``, that of the rows held out with the weights that were
    chosen, and for discrete rows ``bits_per_dim``, of all rows: of the numbers that are known.
    """
    found: Facts = {}
    for key, value in facts.items():
        if key.startswith("elbo log_likelihood."):
            continue  # of the one variable: the same number
        for old, new in LIKELIHOOD:
            if key == old or key.startswith(f"{old}_"):
                key = new + key.removeprefix(old)
                break
        found[key] = value
    if trained.result.best_score is not None:
        found["held_out_log_likelihood"] = trained.result.best_score
    if "log_likelihood" in found and all(
        is_discrete(v.type.support) for v in model.of_role("observed")
    ):
        count = numbers_of_row(trained.inference, model)
        if count:
            found["bits_per_dim"] = -float(found["log_likelihood"]) / (count * log(2.0))
    return found


def likelihood_history(history: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The course of a training: the log likelihood in the place of a bound."""
    single = sum(n.startswith("log_likelihood.") for n in history) == 1
    renamed = {}
    for name, values in history.items():
        if single and name.startswith("log_likelihood."):
            continue
        renamed[name.replace("bound", "log_likelihood")] = values
    return renamed


def row_densities(inference: Inference) -> np.ndarray:
    """The log density of each row, (rows,), where nothing is latent; one number without rows."""
    parts: list[np.ndarray] = []
    for arguments, count in inference.rows.chunks(CHUNK):
        sites = inference.light.sites(arguments, 1, count, inference.rows.total)
        local = [s.log_p.reshape(-1).expand(count) for s in sites.observed if s.local]
        rest = [s.log_p.sum() for s in sites.observed if not s.local]
        whole = torch.zeros(count if inference.rows.plate is not None else 1)
        for part in local:
            whole = whole + part
        for part in rest:
            whole = whole + part / (inference.rows.total if inference.rows.plate else 1)
        parts.append(whole.to(torch.float64).cpu().numpy())
    return np.concatenate(parts)
