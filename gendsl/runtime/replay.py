"""Running the program again with what a fit found, on the same data or on others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr

from gendsl.compiler import Compiled
from gendsl.ir import nodes as ir
from gendsl.runtime.backend import tensors
from gendsl.runtime.data import BoundData
from gendsl.runtime.density import Density
from gendsl.runtime.failures import in_words
from gendsl.runtime.program import executable
from gendsl.runtime.results import ESTIMATE

__all__ = ["Replay", "unknown_draws"]

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Replay:
    """The unknowns of a fit, moved to some data.

    Attributes:
        compiled: the model.
        bound: the data.
        fitted: the data of the fit, whose constants are kept.
        values: draws of latents (draw, ...), sized for these data.
        params: values of params.
        known: for latents with new members, which of them the fit knew.
        dtype: of the tensors.
        device: of the tensors.
        seed: of what is drawn anew.
        nets: the networks of the fit, if it has any.
    """

    compiled: Compiled
    bound: BoundData
    fitted: BoundData
    values: Mapping[str, np.ndarray]
    params: Mapping[str, np.ndarray]
    known: Mapping[str, np.ndarray]
    dtype: torch.dtype
    device: torch.device
    seed: int
    nets: Mapping[str, torch.nn.Module] | None = None

    def run(self, function: Callable[..., Arrays], **options: object) -> Arrays:
        """Call ``function(executable, values, params, known, seed=...)``."""
        model = self.compiled.checked.ir
        with tensors(self.dtype, self.device, self.seed), in_words(model):
            program = self.compiled.program
            kept: Mapping[str, torch.Tensor] = {}
            if program.kept is not None:
                fitted = executable(
                    program, model, self.fitted, self.dtype, self.device, nets=self.nets
                )
                Density(fitted)  # runs the program once, which computes them
                kept = fitted.arguments[program.kept]
            ready = executable(
                program, model, self.bound, self.dtype, self.device, kept, self.nets
            )
            return function(ready, self.values, self.params, self.known, seed=self.seed, **options)


def unknown_draws(model: ir.Model, tree: xr.DataTree, draws: int) -> tuple[Arrays, Arrays]:
    """Draws (draw, ...) of latents, at most `draws`, thinned evenly, and values of params.

    Imputed entries are among the latents, as ``<name>_missing``.
    """
    names = {v.name for v in model.of_role("latent")}
    names |= {f"{v.name}_missing" for v in model.of_role("observed")}
    params: Arrays = {}
    if ESTIMATE in tree.children and "posterior" in tree.children:
        params = {str(n): a.to_numpy() for n, a in tree[ESTIMATE].data_vars.items()}
    elif ESTIMATE in tree.children:
        estimate = {str(n): a.to_numpy() for n, a in tree[ESTIMATE].data_vars.items()}
        latents = {
            n: np.broadcast_to(a, (draws, *a.shape)).copy()
            for n, a in estimate.items()
            if n in names
        }
        known = {v.name for v in model.of_role("param")}
        return latents, {n: a for n, a in estimate.items() if n in known}
    if "posterior" not in tree.children:
        return {}, {}
    flat = {
        str(n): a.to_numpy().reshape(-1, *a.shape[2:])
        for n, a in tree["posterior"].data_vars.items()
        if n in names
    }
    total = len(next(iter(flat.values()))) if flat else 0
    wanted = min(total, draws)
    chosen = np.linspace(0, max(0, total - 1), wanted).round().astype(int)
    return {n: a[chosen] for n, a in flat.items()}, params
