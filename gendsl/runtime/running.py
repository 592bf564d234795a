"""From a plan and bound data to labelled results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from gendsl.compiler import Compiled
from gendsl.diagnostics import DataError, Diagnostic
from gendsl.graph.facts import derive_facts
from gendsl.ir import nodes as ir
from gendsl.runtime.backend import resolve_device, resolve_dtype, tensors
from gendsl.runtime.data import BoundData
from gendsl.runtime.engines import ENGINES
from gendsl.runtime.failures import in_words
from gendsl.runtime.labelling import (
    axes_of,
    coords_of,
    data_groups,
    sorted_posterior,
    supports_of,
    up_to_ends,
)
from gendsl.runtime.outcome import Outcome, Setting
from gendsl.runtime.program import executable
from gendsl.runtime.results import build_tree
from gendsl.runtime.variational.fitting import learned_for
from gendsl.runtime.variational.learned import Learned
from gendsl.runtime.variational.probing import supplied_nets

__all__ = ["FitSettings", "run_engine"]


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How a fit is run.

    Attributes:
        seed: determines every random number.
        dtype: ``float64`` or ``float32``.
        device: ``cpu`` or ``cuda``.
        cores: threads or processes at most; None for the machine's.
        progress: whether to show progress.
        index_base: what numbers of index columns count from, in these data and in new ones.
        checkpoint: the folder of checkpoints of a method that learns by steps.
        resume: whether to go on with the newest one in it.
    """

    seed: int = 0
    dtype: str = "float64"
    device: str = "cpu"
    cores: int | None = None
    progress: bool = True
    index_base: int = 0
    checkpoint: str | None = None
    resume: bool = False


def run_engine(
    compiled: Compiled,
    bound: BoundData,
    settings: FitSettings,
    modules: Mapping[str, object] | None = None,
) -> tuple[Compiled, xr.DataTree, Learned | None]:
    """Run the plan's engine and label what it gives.

    `modules` are those of nets that come from Python.

    Returns:
        The model with the plan that was carried out, the results, and what was learned by steps.
    """
    plan, model = compiled.plan, compiled.checked.ir
    if plan.method is None:
        raise _nothing_unknown(model)
    dtype, device = resolve_dtype(settings.dtype), resolve_device(settings.device)
    with in_words(model):
        with tensors(dtype, device, settings.seed):
            learned = None
            if plan.by_steps:
                learned = learned_for(plan, model, bound.sizes, modules)
            elif modules:
                supplied_nets(model.nets, modules, bound.sizes, model.source)
            nets = learned.nets if learned is not None else None
            ready = executable(compiled.program, model, bound, dtype, device, nets=nets)
        setting = Setting(
            compiled,
            bound,
            ready,
            dtype,
            device,
            settings.seed,
            settings.cores,
            settings.progress,
            learned,
            settings.checkpoint,
            resume=settings.resume,
        )
        outcome = ENGINES[plan.method](setting)
    compiled = replace(compiled, plan=outcome.plan or plan)
    return compiled, _labelled(compiled, bound, outcome, settings.seed), outcome.learned


def _labelled(compiled: Compiled, bound: BoundData, outcome: Outcome, seed: int) -> xr.DataTree:
    """What an engine gave, with the names of the model."""
    plan, model = compiled.plan, compiled.checked.ir
    groups = {k: v for k, v in outcome.groups.items() if v}
    groups = sorted_posterior(model, {**groups, **data_groups(model, bound)})
    attrs: dict[str, Any] = {
        "kind": outcome.kind,
        "method": plan.method or "",
        "model": model.name,
        "seed": seed,
        **_honest(model, outcome.attrs),
    }
    tree = build_tree(
        groups,
        axes_of(model),
        {**coords_of(model, bound), **outcome.coords},
        attrs,
        supports=supports_of(model),
        derived=frozenset(v.name for v in model.of_role("let")),
    )
    tree = up_to_ends(tree, model, bound)
    if outcome.history is not None:
        course = {n: ("epoch", v) for n, v in outcome.history.items()}
        epochs = np.arange(1, 1 + len(next(iter(outcome.history.values()))))
        tree["training"] = xr.DataTree(xr.Dataset(course, {"epoch": epochs}))
    return tree


def _honest(model: ir.Model, attrs: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a fit, without a log evidence that lacks a constant."""
    found = dict(attrs)
    facts = derive_facts(model)
    if "log_evidence" in found and (facts.unnormalised or facts.energies):
        del found["log_evidence"]
        named = ", ".join(f"`{n}`" for n in facts.unnormalised)
        what = f"the density of {named} is" if named else "energies are"
        note = f"there is no log evidence: {what} known up to a constant only"
        found["note"] = "; ".join([*([found["note"]] if "note" in found else []), note])
    return found


def _nothing_unknown(model: ir.Model) -> DataError:
    found = Diagnostic(
        "GD611",
        "nothing in this model is unknown: there is no posterior",
        model.span,
        help="to draw from the model use `simulate`; to infer something declare it `latent` or "
        "`param`",
    )
    return DataError([found], model.source)
