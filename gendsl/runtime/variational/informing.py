"""What discrete latents that are summed out of the model say of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from scipy.special import entr

from gendsl.inference.plan import Plan
from gendsl.ir import nodes as ir
from gendsl.runtime.variational.learning import Inference
from gendsl.runtime.variational.using import codes
from gendsl.types import Index

__all__ = ["information", "information_facts"]

LOOKED_AT = 256
"""Rows whose posteriors are compared, at most."""


def information_facts(
    inference: Inference, plan: Plan, model: ir.Model, sizes: Mapping[str, int]
) -> dict[str, float]:
    """``information k`` of each latent that is summed out and has a value for each row."""
    rows, plate = inference.rows, inference.rows.plate
    gone = () if plan.guide is None else plan.guide.discrete.of("model", "sum")
    latents = [v for v in model.of_role("latent") if v.name in gone and plate in v.axes]
    if (
        plate is None
        or not latents
        or (rows.stream is not None and not rows.stream.reader.ordered)
    ):
        return {}
    count = min(rows.total, LOOKED_AT)
    some = rows if count == rows.total else rows.part(np.arange(count))
    with torch.no_grad():
        found = codes(replace(inference, rows=some), model, {**sizes, plate: count})
    return {
        f"information {v.name}": information(
            found[f"{v.name}_probability"],
            v.axes.index(plate),
            listed=isinstance(v.type.support, Index),
        )
        for v in latents
        if f"{v.name}_probability" in found
    }


def information(probabilities: np.ndarray, at: int, *, listed: bool) -> float:
    """The entropy of the mean posterior over rows, less the mean entropy, in nats a row.

    That is the information which a latent has of the number of its row; 0 if all rows have the
    same posterior.

    Args:
        probabilities: of each entry.
        at: the axis of rows.
        listed: those of all values are along the last axis; else they are those of 1.
    """
    every = probabilities if listed else np.stack([1 - probabilities, probabilities], -1)
    gain = entr(every.mean(at)).sum() - entr(every).sum() / every.shape[at]
    return max(0.0, float(gain))
