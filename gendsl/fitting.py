"""From a compiled model and data to a fit, and from a saved run back to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from gendsl.arguments import file_path
from gendsl.compiler import Compiled
from gendsl.diagnostics import DataError, Diagnostic
from gendsl.energy_fit import EnergyFit
from gendsl.fit import Fit, FitSettings
from gendsl.inference.plan import Plan
from gendsl.ir.blocks import blocks_of
from gendsl.learned_fit import LearnedFit
from gendsl.likelihood_fit import LikelihoodFit
from gendsl.prepared_fit import Prepared
from gendsl.runtime.backend import resolve_device, resolve_dtype, tensors
from gendsl.runtime.data import BoundData
from gendsl.runtime.running import run_engine
from gendsl.runtime.stored_files import COPY_AGAIN
from gendsl.runtime.variational.fitting import learned_for
from gendsl.runtime.variational.probing import supplied_nets, verify_state

__all__ = ["checkpoint_folder", "reads_batches", "restored_fit", "run_fit"]


def run_fit(
    compiled: Compiled,
    bound: BoundData,
    settings: FitSettings,
    nets: Mapping[str, object] | None = None,
) -> Fit:
    """Run the plan's engine on bound data, with modules for the `nets` that come from Python.

    Numbers are float64, where nothing else is asked for and no networks are learned.
    """
    learns = bool(compiled.checked.ir.nets)
    settings = replace(settings, dtype=settings.dtype or ("float32" if learns else "float64"))
    carried_out, tree, learned = run_engine(compiled, bound, settings, nets)
    if learned is None:
        return Fit(carried_out, bound, tree, settings)
    return _learned_kind(compiled)(carried_out, bound, tree, settings, learned)


def _learned_kind(compiled: Compiled) -> type[Prepared]:
    """What a fit by steps is: of an energy, by a bound, or by the likelihood itself."""
    if any(block.learned for block in blocks_of(compiled.checked.ir)):
        return EnergyFit
    return LikelihoodFit if compiled.plan.method == "mle" else LearnedFit


def reads_batches(plan: Plan) -> bool:
    """Whether the method of a plan may leave rows on the disk."""
    return plan.by_steps


def restored_fit(
    compiled: Compiled,
    bound: BoundData,
    tree: xr.DataTree,
    settings: FitSettings,
    arrays: Mapping[str, np.ndarray] | None,
    nets: Mapping[str, object] | None = None,
) -> Fit:
    """A fit as it was saved, with modules for the `nets` that come from Python.

    Raises:
        DataError: GD803, what was learned is not of this model; GD866 or GD867, the modules are
            not those that it needs.
    """
    model = compiled.checked.ir
    if arrays is None or not compiled.plan.by_steps:
        supplied_nets(model.nets, nets or {}, bound.sizes, model.source)  # refuses any
        return Fit(compiled, bound, tree, settings)
    dtype = resolve_dtype(settings.dtype)
    with tensors(dtype, resolve_device(settings.device), 0):
        learned = learned_for(compiled.plan, model, bound.sizes, nets)
        verify_state(learned.nets, arrays, model)
        try:
            learned.load(arrays, _params(compiled))
        except (KeyError, RuntimeError, TypeError) as error:
            message = "learned.npz does not hold the params and networks of this model"
            raise DataError([Diagnostic("GD803", message, help=COPY_AGAIN)]) from error
    for net in learned.nets.values():
        net.eval()
    return _learned_kind(compiled)(compiled, bound, tree, settings, learned)


def checkpoint_folder(plan: Plan, folder: str | Path | None, *, resume: bool) -> str | None:
    """The folder of checkpoints, where there can be any.

    Raises:
        DataError: GD864, the method takes no steps that could be gone on with.
    """
    if folder is not None:
        file_path("checkpoint", folder)
    if folder is None and not resume:
        return None
    learns = plan.by_steps
    if folder is not None and learns:
        return str(folder)
    message = (
        "`resume` needs the folder of the checkpoints, `checkpoint`"
        if learns
        else f"`{plan.method}` has no checkpoints: only methods that learn by steps do"
    )
    raise DataError([Diagnostic("GD864", message)])


def _params(compiled: Compiled) -> frozenset[str]:
    """The params of the model and of its guide."""
    guide = compiled.plan.guide
    model = compiled.checked.ir if guide is None else guide.model
    return frozenset(v.name for v in model.of_role("param"))
