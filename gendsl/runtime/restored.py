"""What a saved run says, held against its own model before anything is computed with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gendsl.compiler import Compiled, compile_source, replan
from gendsl.diagnostics import CompileError, DataError
from gendsl.inference.plan import Plan, Rewrite
from gendsl.ir import nodes as ir
from gendsl.library.methods import METHODS
from gendsl.runtime.backend import DTYPES
from gendsl.runtime.checkpoint import SavedRun
from gendsl.runtime.results import ESTIMATE, SAMPLE_DIMS
from gendsl.runtime.running import FitSettings
from gendsl.runtime.stored_files import refuse
from gendsl.syntax.reading import source_from_text

__all__ = ["restored_plan", "restored_settings"]

SEEDS = range(2**32)
LARGEST = 2**53


def restored_plan(run: SavedRun) -> Compiled:
    """The model of a run, compiled again for the method that fitted it.

    Raises:
        DataError: GD803, the facts do not fit the model or the arrays.
    """
    checked = compile_source(source_from_text(run.source_text, run.source_name)).checked
    _verify_sizes(run, checked.ir)
    _verify_arrays(run, checked.ir)
    method, options = run.meta.get("method"), run.meta.get("options", {})
    if not isinstance(method, str) or method not in METHODS:
        raise _damaged(run.folder, f"no method is called {method!r}")
    treat = run.meta.get("treat", {})
    if not isinstance(options, dict) or not isinstance(treat, dict):
        raise _damaged(run.folder, "'options' or 'treat' is malformed")
    given = {k: v for k, v in options.items() if v is not None}
    try:
        compiled = replan(checked, method, given, treat)
    except CompileError as error:
        raise _damaged(run.folder, error.diagnostics[0].message) from error
    return replace(compiled, plan=_carried_out(compiled.plan, run))


def _carried_out(plan: Plan, run: SavedRun) -> Plan:
    """The plan with what the data decided of it.

    Raises:
        DataError: GD803, the facts are malformed.
    """
    facts: Any = run.meta.get("carried_out")
    try:
        rewrites = tuple(
            Rewrite(str(kind), tuple(map(str, names)), str(rule))
            for kind, names, rule in facts["rewrites"]
        )
        notes, noncentred = (tuple(map(str, facts[n])) for n in ("notes", "noncentred"))
        evaluation = str(facts["evaluation"])
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(run.folder, "'carried_out' is malformed") from error
    return replace(
        plan, rewrites=rewrites, notes=notes, noncentred=noncentred, evaluation=evaluation
    )


def restored_settings(run: SavedRun) -> FitSettings:
    """How the saved fit was run.

    Raises:
        DataError: GD803, one of them is none.
    """
    settings = run.meta.get("settings", {})
    if not isinstance(settings, dict):
        raise _damaged(run.folder, "'settings' is malformed")
    seed, dtype = settings.get("seed", 0), settings.get("dtype", "float64")
    device = settings.get("device", "cpu")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed not in SEEDS:
        raise _damaged(run.folder, f"{seed!r} is no seed")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise _damaged(run.folder, f"{dtype!r} is no dtype")
    if not _is_device(device):
        raise _damaged(run.folder, f"{device!r} is no device")
    base = settings.get("index_base", 0)
    if base not in (0, 1):
        raise _damaged(run.folder, f"{base!r} is no index base")
    return FitSettings(seed, dtype, device, index_base=int(base))


def _is_device(device: object) -> bool:
    try:
        return isinstance(device, str) and torch.device(device).type in ("cpu", "cuda")
    except RuntimeError:
        return False


def _verify_sizes(run: SavedRun, model: ir.Model) -> None:
    if run.sizes.keys() != {axis.name for axis in model.axes}:
        raise _damaged(run.folder, "'sizes' has other axes than the model")
    for name, size in run.sizes.items():
        if isinstance(size, bool) or not 0 <= size <= LARGEST:
            raise _damaged(run.folder, f"{size!r} is no size of `{name}`")
    for axis in model.axes:
        if axis.size is not None and axis.size.evaluate(run.sizes) != run.sizes[axis.name]:
            raise _mismatch(run.folder, axis.name)


def _verify_arrays(run: SavedRun, model: ir.Model) -> None:
    variables = {v.name: v for v in model.variables}
    for section in (run.data, run.missing):
        for name, array in section.items():
            variable = variables.get(name)
            if variable is None or variable.role not in ("input", "observed"):
                raise _damaged(run.folder, f"the model has no data called `{name}`")
            whole = _shape(variable, run.sizes)
            expected = whole if section is run.data else whole[: array.ndim]
            if array.shape != expected:
                raise _mismatch(run.folder, name)
    for axis, labels in run.labels.items():
        if axis in run.sizes and len(labels) != run.sizes[axis]:
            raise _mismatch(run.folder, axis)
    for group in {"posterior", ESTIMATE} & set(run.tree.children):
        _verify_results(run, variables, group)


def _verify_results(run: SavedRun, variables: Mapping[str, ir.Variable], group: str) -> None:
    for name, found in run.tree[group].data_vars.items():
        variable = variables.get(str(name))
        if variable is None or variable.role not in ("latent", "param"):
            continue
        shape = tuple(n for d, n in found.sizes.items() if d not in SAMPLE_DIMS)
        if shape != _shape(variable, run.sizes):
            raise _mismatch(run.folder, str(name))


def _shape(variable: ir.Variable, sizes: Mapping[str, int]) -> tuple[int, ...]:
    known: dict[str, Any] = dict(sizes)
    return (
        *(sizes[a] for a in variable.axes),
        *(s.evaluate(known) for s in variable.type.event),
    )


def _mismatch(folder: Path, name: str) -> DataError:
    return _damaged(folder, f"the sizes are not those of `{name}`")


def _damaged(folder: Path, what: str) -> DataError:
    return refuse("GD803", f"{folder / 'meta.json'} is damaged: {what}")
