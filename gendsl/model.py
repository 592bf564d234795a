"""`Model`: what a user holds. Loading, fitting, simulating, scoring and inspecting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import torch
import xarray as xr

from gendsl import arguments
from gendsl.binarised import Binarised
from gendsl.calibration import (
    Calibration,
    Conditions,
    calibrated,
    load_calibration,
    planned,
)
from gendsl.compiler import Compiled, compile_source, replan
from gendsl.diagnostics import Diagnostic
from gendsl.fit import Fit, FitSettings
from gendsl.fitting import checkpoint_folder, reads_batches, restored_fit, run_fit
from gendsl.inference.plan import Plan
from gendsl.inspection.diagram import plate_diagram_svg
from gendsl.ir import nodes as ir
from gendsl.runtime.backend import resolve_device, resolve_dtype, tensors
from gendsl.runtime.checkpoint import load_run
from gendsl.runtime.data import BoundData, bind, raw_data
from gendsl.runtime.density import Density
from gendsl.runtime.drawable import verify_drawable
from gendsl.runtime.draws import Batch
from gendsl.runtime.failures import in_words
from gendsl.runtime.program import executable
from gendsl.runtime.restored import restored_plan, restored_settings
from gendsl.runtime.supplied import supplied
from gendsl.simulation import simulated
from gendsl.syntax.reading import read_source, source_from_text

__all__ = [
    "Calibration",
    "Fit",
    "Model",
    "compile",
    "load",
    "load_calibration",
    "load_fit",
]


class Model:
    """A compiled model.

    Attributes:
        compiled: every stage's result.
    """

    def __init__(self, compiled: Compiled) -> None:
        """Wrap what the compiler made; users call `load` or `compile`."""
        self.compiled = compiled

    def __repr__(self) -> str:
        """``<gendsl model EightSchools: nuts>``."""
        return f"<gendsl model {self.name}: {self.plan.method or 'nothing to infer'}>"

    @property
    def _ir(self) -> ir.Model:
        return self.compiled.checked.ir

    @property
    def name(self) -> str:
        """The name after `model`."""
        return self._ir.name

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """What the checker remarked without refusing."""
        return self.compiled.checked.warnings

    @property
    def graph(self) -> nx.DiGraph:
        """The graphical model; see `gendsl.graph.build.build_graph` for its attributes."""
        return self.compiled.graph

    @property
    def plan(self) -> Plan:
        """The chosen inference, the rule that chose it, and what was ruled out and why."""
        return self.compiled.plan

    @property
    def pyro_source(self) -> str:
        """The emitted Pyro program."""
        return self.compiled.program.source

    def plot(self) -> str:
        """The plate diagram as SVG text; a notebook shows the model itself."""
        return plate_diagram_svg(self.graph)

    def _repr_svg_(self) -> str:
        return self.plot()

    def bind(
        self,
        data: object = None,
        *,
        columns: Mapping[str, Any] | None = None,
        index_base: int = 0,
        sizes: Mapping[str, int] | None = None,
        purpose: str = "fit",
        lazily: bool = False,
    ) -> BoundData:
        """Match data with the model's declarations and check every value.

        With `lazily` rows on the disk stay there, and are checked as they are read in batches.

        Raises:
            DataError: everything that does not fit, at once.
        """
        return bind(
            self._ir,
            raw_data({} if data is None else data),
            columns=columns,
            index_base=index_base,
            sizes=sizes,
            purpose="simulate" if purpose == "simulate" else "fit",
            lazily=lazily,
        )

    def fit(
        self,
        data: object = None,
        *,
        infer: str | None = None,
        columns: Mapping[str, Any] | None = None,
        index_base: int = 0,
        seed: int | None = None,
        dtype: str | None = None,
        device: str = "cpu",
        cores: int | None = None,
        progress: bool = True,
        treat: Mapping[str, str] | None = None,
        checkpoint: str | Path | None = None,
        resume: bool = False,
        nets: Mapping[str, object] | None = None,
        **options: float | str,
    ) -> Fit:
        """Infer what is unknown from data.

        Args:
            data: a dict, DataFrame, xarray Dataset, path, or dict of a table per plate. Paths of
                ``.npy`` files, a `Streamed`, a torch Dataset or a DataLoader are read in batches
                by a method that learns by steps; any other reads them whole.
            infer: a method, such as ``nuts`` or ``map``; the file's `infer`, else the plan's
                choice by default.
            columns: for names of the model, the columns that hold them.
            index_base: 1 if index columns count from 1.
            seed: determines every random number; that of the file's `infer`, else 0, by
                default.
            dtype: ``float64`` or ``float32``, the default where networks are learned.
            device: ``cpu`` or ``cuda``.
            cores: threads or processes at most.
            progress: whether to show progress.
            treat: what to do with single variables in place of what the plan would do:
                ``sampled`` or ``marginalised``, ``centred`` or ``noncentred`` for a latent,
                ``rows`` for an observed variable; ``*`` names all.
            checkpoint: a folder in which a training keeps checkpoints, from which it can go on.
            resume: go on with the newest checkpoint there; the result is that of a training that
                was never ended, bit for bit, on the same machine.
            nets: modules for the nets that have no architecture, by name. Copies of them are
                trained; `fit.nets` has these.
            **options: options of the method, such as ``chains=4, draws=1000``, or
                ``epochs=50, batch_size=128``.

        Raises:
            CompileError: the method cannot be used, or an option is wrong.
            DataError: the data do not fit the model.
        """
        compiled, infer = self.compiled, arguments.name_or_none("infer", infer)
        for name, given in (("treat", treat), ("nets", nets)):
            if given is not None:
                arguments.mapping(name, given)
        if infer is not None or options or treat:
            compiled = replan(self.compiled.checked, infer, options, treat)
        chosen = compiled.plan.options.get("seed") if seed is None else seed
        used, most = arguments.whole("seed", chosen or 0), arguments.whole_or_none("cores", cores)
        settings = FitSettings(
            used,
            dtype or "",
            device,
            most,
            progress,
            index_base,
            checkpoint_folder(compiled.plan, checkpoint, resume=resume),
            resume,
        )
        if dtype is not None:
            resolve_dtype(dtype)
        resolve_device(device)
        lazily = reads_batches(compiled.plan)
        bound = self.bind(data, columns=columns, index_base=index_base, lazily=lazily)
        if isinstance(data, Mapping):
            anew = {n: v.probabilities for n, v in data.items() if isinstance(v, Binarised)}
            bound = replace(bound, redrawn=anew) if anew else bound
        return run_fit(compiled, bound, settings, nets)

    def log_density(
        self,
        values: Mapping[str, object],
        data: object = None,
        *,
        columns: Mapping[str, Any] | None = None,
        index_base: int = 0,
    ) -> float:
        """The log density of all unknowns on their own scale, without any Jacobian, in nats.

        Discrete latents that are not among `values` are summed out.

        Args:
            values: for every continuous latent and param its value, in the order of its axes.
                Where data lack values of `x` that others depend on, also ``x_missing``: one
                value for each missing entry, in the order of the data.
            data: as for `fit`.
            columns: as for `fit`.
            index_base: as for `fit`.

        Raises:
            DataError: a value is missing, unknown or of the wrong shape.
        """
        arguments.mapping("values", values)
        bound = self.bind(data, columns=columns, index_base=index_base)
        dtype, device = torch.float64, torch.device("cpu")
        with tensors(dtype, device, 0), in_words(self._ir):
            ready = executable(self.compiled.program, self._ir, bound, dtype, device)
            density = Density(ready)
            given = supplied(Batch(ready), values, bound, self.plan.enumerated)
            with torch.no_grad():
                return float(density.log_prob(given))

    def simulate(
        self,
        draws: int = 1,
        data: object = None,
        *,
        sizes: Mapping[str, int] | None = None,
        seed: int = 0,
        columns: Mapping[str, Any] | None = None,
        index_base: int = 0,
    ) -> xr.DataTree:
        """Draw everything that is random from the model, given its inputs.

        Args:
            draws: how many independent draws.
            data: the inputs, as for `fit`; observed values are not used.
            sizes: of plates and dims that no input has.
            seed: determines the draws.
            columns: as for `fit`.
            index_base: as for `fit`.

        Raises:
            DataError: inputs do not fit, or a prior is improper.
        """
        draws, seed = arguments.whole("draws", draws), arguments.whole("seed", seed)
        verify_drawable(self._ir, self.compiled.program)
        bound = bind(
            self._ir,
            raw_data({} if data is None else data),
            columns=columns,
            index_base=index_base,
            sizes=sizes,
            purpose="simulate",
        )
        return simulated(self.compiled, bound, draws, seed)

    def calibrate(
        self,
        data: object = None,
        *,
        replications: int = 200,
        quantities: Sequence[str] | None = None,
        kept: int = 99,
        sizes: Mapping[str, int] | None = None,
        infer: str | None = None,
        treat: Mapping[str, str] | None = None,
        columns: Mapping[str, Any] | None = None,
        index_base: int = 0,
        seed: int = 0,
        dtype: str = "float64",
        device: str = "cpu",
        cores: int | None = None,
        progress: bool = True,
        out: str | Path | None = None,
        resume: bool = False,
        **options: float,
    ) -> Calibration:
        """Whether posteriors are what they claim: simulation-based calibration.

        Parameters and data are drawn from the model, again and again; where the fit to the data
        is right, the true values rank uniformly among its draws.

        Args:
            data: the inputs, as for `fit`. Values of observed variables are not used, but what
                is missing among them is missing in the drawn data too.
            replications: how many fits.
            quantities: latents, lets, single entries such as ``theta[3]``, ``lp`` (the log density
                of all) and ``log_likelihood``; by default all latents, up to four entries of
                each chosen by the seed, and both densities.
            kept: how many thinned draws of each fit the truth is ranked among.
            sizes: of plates and dims that no input has.
            infer: a method, as for `fit`.
            treat: as for `fit`.
            columns: as for `fit`.
            index_base: as for `fit`.
            seed: determines every random number, whatever the number of cores.
            dtype: as for `fit`.
            device: as for `fit`.
            cores: threads or processes at most.
            progress: whether to show progress.
            out: a folder that keeps every replication as soon as it is done.
            resume: go on with the calibration in that folder.
            **options: options of the method; by default fits are short.

        Raises:
            CompileError: the method cannot be used, or an option is wrong.
            DataError: nothing can be drawn from the model, a `param` has no prior, the inputs do
                not fit, or the folder cannot or should not be written.
        """
        conditions = Conditions(
            arguments.whole("replications", replications),
            arguments.whole("kept", kept),
            arguments.whole("seed", seed),
            dtype,
            device,
            arguments.whole_or_none("cores", cores),
            progress,
        )
        resolve_dtype(dtype)
        resolve_device(device)
        if treat is not None:
            arguments.mapping("treat", treat)
        if out is not None:
            arguments.file_path("out", out)
        infer = arguments.name_or_none("infer", infer)
        compiled = planned(self.compiled.checked, conditions.kept, infer, options, treat)
        verify_drawable(self._ir, self.compiled.program)
        inputs = bind(
            self._ir,
            raw_data({} if data is None else data),
            columns=columns,
            index_base=index_base,
            sizes=sizes,
            purpose="simulate",
        )
        wanted = [quantities] if isinstance(quantities, str) else quantities
        return calibrated(compiled, inputs, conditions, quantities=wanted, out=out, resume=resume)


def load(path: str | Path) -> Model:
    """Compile the model in a `.gen` file.

    Raises:
        CompileError: with every mistake found, its place and a remedy.
    """
    arguments.file_path("path", path)
    return Model(compile_source(read_source(Path(path))))


def compile(text: str, name: str = "<text>") -> Model:
    """Compile a model from its text.

    Raises:
        CompileError: with every mistake found, its place and a remedy.
    """
    arguments.model_text("text", text)
    arguments.model_text("name", name)
    return Model(compile_source(source_from_text(text, name)))


def load_fit(folder: str | Path, *, nets: Mapping[str, object] | None = None) -> Fit:
    """Read back what `Fit.save` wrote; nothing in it is executed but the recompiled model.

    Args:
        folder: what was written.
        nets: modules for the nets that have no architecture, as for `fit`; copies of them get
            the weights of the run.

    Raises:
        DataError: the folder is no fit, or it was damaged; a module is missing or another one.
    """
    arguments.file_path("folder", folder)
    if nets is not None:
        arguments.mapping("nets", nets)
    run = load_run(folder)
    compiled = restored_plan(run)
    bound = BoundData(run.sizes, run.data, run.missing, run.labels, ())
    return restored_fit(compiled, bound, run.tree, restored_settings(run), run.learned, nets)
