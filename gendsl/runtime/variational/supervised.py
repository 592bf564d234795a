"""Guides of missing labels as classifiers: what known labels teach them.

The bound trains the guide of a label on rows that lack it only. Rows that have it train it as a
classifier (Kingma, Rezende, Mohamed, Welling, "Semi-supervised learning with deep generative
models", NeurIPS 2014, equation 9): each row adds `supervision` times the mean over labelled rows
of log q(label), which is their alpha of `supervision` times the number of rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from gendsl.inference import supervision
from gendsl.inference.plan import Plan
from gendsl.ir import nodes as ir
from gendsl.ir.laws import tied_axes
from gendsl.runtime.objectives import Elbo, GuideLikelihood, Objective
from gendsl.runtime.program import Executable
from gendsl.runtime.variational.objective import together
from gendsl.runtime.variational.rows import Rows

__all__ = ["supervised", "with_masks"]

CHUNK = 10_000
"""Rows that are looked at at a time."""


def with_masks(executable: Executable, completed: tuple[str, ...]) -> Executable:
    """The same program, with masks of what a guide completes even where nothing is missing."""
    program, arguments = executable.program, dict(executable.arguments)
    observed, known = dict(program.observed), dict(program.known)
    for name in completed:
        value = arguments.get(observed[name])
        if torch.is_tensor(value) and arguments.get(known[name]) is None:
            shape = value.shape[: value.dim() - tied_axes(executable.model.variable(name))]
            arguments[known[name]] = torch.ones(shape, dtype=torch.bool, device=value.device)
    return replace(executable, arguments=arguments)


def supervised(
    objective: Objective, plan: Plan, model: ir.Model, rows: Rows, known: Mapping[str, str]
) -> Objective:
    """An objective with the terms of labels that are known, if a guide completes any.

    Args:
        objective: without them.
        plan: with its options.
        model: whose labels they are.
        rows: the data.
        known: the arguments that are masks of known values, by variable.

    Raises:
        DataError: GD865, options do not go together.
    """
    asked = plan.options.get("supervision")
    labels = supervision.supervised(plan.guide) if plan.guide is not None else ()
    if not labels:
        if asked is not None:
            why = "`supervision` is about missing labels, but no guide draws any"
            raise together(why, model)
        return objective
    if not isinstance(objective, Elbo):
        if asked:
            raise together("`supervision` changes the ELBO: `bound` is elbo for it", model)
        return objective
    weight = supervision.SUPERVISION if asked is None else float(cast(float, asked))
    shares = _shares(labels, known, rows)
    terms = tuple(GuideLikelihood(n, weight / shares[n]) for n in labels if shares.get(n))
    return replace(objective, penalties=(*objective.penalties, *terms))


def _shares(labels: tuple[str, ...], known: Mapping[str, str], rows: Rows) -> dict[str, float]:
    """The share of values that are known, for each of these variables."""
    found, total = dict.fromkeys(labels, 0.0), 0
    for arguments, count in rows.chunks(CHUNK):
        total += count
        for name in labels:
            mask = arguments.get(known[name])
            if isinstance(mask, Tensor) and mask.numel():
                found[name] += count * float(mask.to(torch.float64).mean())
    return {n: k / max(total, 1) for n, k in found.items()}
