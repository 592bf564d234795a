"""Draws from a model itself, given its inputs."""

from __future__ import annotations

import torch
import xarray as xr

from gendsl import arguments
from gendsl.compiler import Compiled
from gendsl.runtime.backend import tensors
from gendsl.runtime.data import BoundData
from gendsl.runtime.draws import Batch, chunks
from gendsl.runtime.failures import in_words
from gendsl.runtime.generation import drawn
from gendsl.runtime.labelling import axes_of, coords_of, up_to_ends
from gendsl.runtime.posterior import merged
from gendsl.runtime.program import executable
from gendsl.runtime.results import build_tree

__all__ = ["simulated"]


def simulated(compiled: Compiled, bound: BoundData, draws: int, seed: int) -> xr.DataTree:
    """Independent draws of everything that is random, by group.

    Args:
        compiled: the model.
        bound: its inputs and sizes.
        draws: how many.
        seed: determines them.
    """
    model = compiled.checked.ir
    dtype, device = torch.float64, torch.device("cpu")
    names = [v.name for v in model.of_role("latent", "observed", "let")]
    with tensors(dtype, device, seed), in_words(model):
        ready = executable(compiled.program, model, bound, dtype, device)
        batch = Batch(ready.without(frozenset(v.name for v in model.of_role("observed"))))
        arguments.verify_numbers(draws, batch.width())
        parts = []
        for piece in chunks(draws, 2 * batch.width()):
            count = piece.stop - piece.start
            parts.append(drawn(batch, names, count))
        found = merged(parts)
    observed = {v.name for v in model.of_role("observed")}
    tree = build_tree(
        {
            "prior": {n: v[None] for n, v in found.items() if n not in observed},
            "prior_predictive": {n: v[None] for n, v in found.items() if n in observed},
        },
        axes_of(model),
        coords_of(model, bound),
        {"kind": "simulation", "model": model.name, "seed": seed},
        supports={v.name: str(v.type.support) for v in model.variables},
    )
    return up_to_ends(tree, model, bound)
