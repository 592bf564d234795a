"""What a learned fit needs before it answers: data that fit, and a program with its networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr

from gendsl.arguments import whole
from gendsl.diagnostics import DataError, Diagnostic
from gendsl.fit import Fit
from gendsl.ir.traversal import is_autoregressive, references, variable_expressions
from gendsl.runtime.backend import resolve_device, resolve_dtype, tensors
from gendsl.runtime.data import BoundData
from gendsl.runtime.data.absent import with_absent
from gendsl.runtime.failures import in_words
from gendsl.runtime.labelling import axes_of, coords_of, up_to_ends
from gendsl.runtime.program import executable
from gendsl.runtime.results import build_tree
from gendsl.runtime.variational.given import verify_rows
from gendsl.runtime.variational.learned import Learned
from gendsl.runtime.variational.learning import Inference, prepare, unvalidated
from gendsl.types import Index

__all__ = ["Prepared"]


@dataclass(frozen=True, eq=False, repr=False)
class Prepared(Fit):
    """A fit with params and networks that were learned by steps.

    Attributes:
        learned: params and networks.
    """

    learned: Learned | None = None

    def _all_latents(self) -> frozenset[str]:
        """The latents, and what is drawn by a guide where it is missing."""
        latents = frozenset(v.name for v in self.compiled.checked.ir.of_role("latent"))
        return latents.union(self._completed())

    def _completed(self) -> tuple[str, ...]:
        guide = self.compiled.plan.guide
        return () if guide is None else guide.completed

    def _latents(self, *, of_rows: bool) -> list[str]:
        """The latents with a value for each row, or all others."""
        plate = self.tree.attrs.get("rows_of")
        latents = self.compiled.checked.ir.of_role("latent")
        return [v.name for v in latents if (plate in v.axes) == of_rows]

    def _arrays(self) -> dict[str, np.ndarray] | None:
        return None if self.learned is None else self.learned.arrays()

    def _nets(self) -> dict[str, torch.nn.Module] | None:
        return None if self.learned is None else self.learned.nets

    @property
    def history(self) -> xr.Dataset:
        """The means over each epoch of what was trained and its terms; a bound in nats per row."""
        return self.tree["training"].to_dataset()

    # Data

    def _given(
        self,
        data: object,
        columns: Mapping[str, Any] | None,
        needed: frozenset[str] = frozenset(),
        index_base: int | None = None,
    ) -> BoundData:
        if data is None:
            self._verify_kept(needed)
            return self.data
        return self._complete(self._bound(data, columns, index_base, needed, lazily=True))

    def _in_order(self, data: object, columns: Mapping[str, Any] | None) -> BoundData:
        """Data to be encoded, whose rows are those of the results.

        What may be missing need not be given at all.

        Raises:
            DataError: the data do not fit.
        """
        encoded = self._encoded().union(self._completed())
        bound = self._but_for_gaps(data, columns, encoded)
        if bound.stream is not None:
            bound.stream.verify_order()
        return bound

    def _but_for_gaps(
        self,
        data: object,
        columns: Mapping[str, Any] | None,
        needed: frozenset[str],
        index_base: int | None = None,
    ) -> BoundData:
        """Data in which what may be missing need not be given at all, unless all of it may.

        Raises:
            DataError: the data do not fit; GD862, none of them are of the variables `needed`.
        """
        model = self.compiled.checked.ir
        optional = [v for v in model.of_role("observed") if v.optional and v.name in needed]
        asked = needed - {v.name for v in optional}
        bound = self._given(data, columns, asked, index_base)
        if bound.stream is None:
            if needed and not needed & {*bound.values}:
                listed = ", ".join(f"`{n}`" for n in sorted(needed))
                message = f"rows need a value of some observed variable: {listed}"
                raise DataError([Diagnostic("GD862", message, model.span)], model.source)
            return with_absent(bound, optional)
        there = {*bound.values, *bound.stream.names}
        absent = next((v for v in optional if v.name not in there), None)
        if absent is not None:
            message = f"rows that are read in batches need `{absent.name}`, even if all is missing"
            raise DataError([Diagnostic("GD870", message, absent.span)], model.source)
        return bound

    def _verify_coded(self, what: str) -> None:
        """Refuse what needs latents, or values that a guide draws, where there are none.

        Raises:
            DataError: GD862.
        """
        if self._all_latents():
            return
        model = self.compiled.checked.ir
        able = [n for n in ("log_prob", "generate", "complete") if hasattr(type(self), n)]
        if not any(is_autoregressive(v) for v in model.of_role("observed")):
            able = [n for n in able if n != "complete"]
        remedy = f"this fit has {', '.join(f'`fit.{n}`' for n in able)}"
        message = f"this model has no latents to {what}"
        raise DataError([Diagnostic("GD862", message, model.span, help=remedy)], model.source)

    def _instead(self) -> str:
        """What uses given values of observed variables."""
        if self._all_latents():
            return "`fit.reconstruct` and `fit.impute` use it; leave it out for new rows"
        able = any(is_autoregressive(v) for v in self.compiled.checked.ir.of_role("observed"))
        more = ", `fit.complete` draws their ends" if able else ""
        return f"`fit.log_prob` scores rows{more}; leave it out for new rows"

    def _verify_kept(self, needed: frozenset[str]) -> None:
        """Refuse to use rows that were read in batches and are no longer there.

        Raises:
            DataError: GD870.
        """
        there = set(self.data.values)
        if self.data.stream is not None:
            there |= set(self.data.stream.names)
        gone = sorted(needed - there)
        if gone:
            names = ", ".join(f"`{n}`" for n in gone)
            message = f"the rows of {names} were read in batches and are not kept with the fit"
            remedy = "give them again: `data`, in the shell `--data`"
            raise DataError([Diagnostic("GD870", message, help=remedy)])

    def _verify_in_memory(self, bound: BoundData) -> None:
        """Refuse what needs all rows at once where they were read in batches.

        Raises:
            DataError: GD870.
        """
        model = self.compiled.checked.ir
        gone = [v.name for v in model.of_role("input", "observed") if v.name not in bound.values]
        if gone:
            message = f"replications of the data need all rows of `{gone[0]}` in memory, which "
            message += "were read in batches"
            remedy = "`fit.generate` draws new rows"
            raise DataError([Diagnostic("GD870", message, help=remedy)])

    def _complete(self, bound: BoundData) -> BoundData:
        """Data without gaps, but where the model allows them: a guide would take them for 0.

        Raises:
            DataError: GD732.
        """
        model = self.compiled.checked.ir
        wrong = [
            Diagnostic(
                "GD732",
                f"`{name}` has missing values, which the guide and the bound cannot take",
                model.variable(name).span,
                help="leave these rows out, or declare the variable with `?`",
            )
            for name in bound.missing
            if not model.variable(name).optional
        ]
        if wrong:
            raise DataError(wrong, model.source)
        return bound

    def _encoded(self) -> frozenset[str]:
        """The observed variables that the guide looks at."""
        guide = self.compiled.plan.guide
        if guide is None:
            return frozenset()
        exprs = (x for v in guide.model.variables for x in variable_expressions(v))
        return self._observed() & set(references(*exprs))

    def _sized(
        self,
        values: Mapping[str, np.ndarray],
        data: object,
        rows: int | None = None,
        steps: int | None = None,
    ) -> BoundData:
        """Inputs for new rows; the numbers of rows and of steps are those of the values."""
        model = self.compiled.checked.ir
        plate = self._rows_of
        if plate is None and rows is not None:
            message = "no plate has rows that could be generated"
            remedy = "`fit.posterior_predictive()` draws replications of the data"
            raise DataError([Diagnostic("GD862", message, model.span, help=remedy)], model.source)
        for variable in model.of_role("latent"):
            if variable.name in values and plate in variable.axes:
                given, place = values[variable.name], variable.axes.index(str(plate))
                rows = given.shape[place] if place < given.ndim else rows
        sizes = dict(self.data.sizes)
        if plate is not None and rows is not None:
            sizes[plate] = rows
        for axis in (a for a in model.axes if a.kind == "sequence"):
            lengths = (
                v.shape[at]
                for n, v in values.items()
                for at, a in enumerate(model.variable(n).axes)
                if a == axis.name and at < v.ndim
            )
            sizes[axis.name] = next(lengths, sizes[axis.name] if steps is None else steps)
        ragged = [a for a in model.axes if a.lengths is not None]
        even = {str(a.lengths): np.full(sizes[str(a.owner)], sizes[a.name]) for a in ragged}
        inputs = [v.name for v in model.of_role("input") if v.name not in even]
        if data is not None or inputs:
            bound = self._bound({} if data is None else data, None, None, frozenset(inputs))
            verify_rows(model, plate, bound.sizes, rows, bound.values)
            sizes |= {a: n for a, n in bound.sizes.items() if a != plate or rows is None}
            return BoundData(sizes, bound.values, bound.missing, bound.labels, ())
        labels = {a: v for a, v in self.data.labels.items() if len(v) == sizes[a]}
        return BoundData(sizes, even, {}, labels, ())

    @property
    def _rows_of(self) -> str | None:
        """The plate whose members are rows."""
        plate = self.tree.attrs.get("rows_of")
        return None if plate is None else str(plate)

    @contextmanager
    def _ready(self, bound: BoundData, seed: int | None = None) -> Iterator[Inference]:
        """The program with data, networks in evaluation mode."""
        model, learned = self.compiled.checked.ir, self.learned
        assert learned is not None
        dtype, device = resolve_dtype(self.settings.dtype), resolve_device(self.settings.device)
        chosen = self.settings.seed if seed is None else seed
        with tensors(dtype, device, whole("seed", chosen)), in_words(model), torch.no_grad():
            program, plan = self.compiled.program, self.compiled.plan
            kept: Mapping[str, torch.Tensor] = {}
            with unvalidated():
                if program.kept is not None and bound is not self.data:
                    data, nets = self.data, learned.nets
                    fitted = executable(program, model, data, dtype, device, nets=nets)
                    prepare(fitted, model, plan, learned, probe=False, rows_of=self._rows_of)
                    kept = fitted.arguments[program.kept]
                ready = executable(program, model, bound, dtype, device, kept, learned.nets)
                yield prepare(ready, model, plan, learned, probe=False, rows_of=self._rows_of)

    def _dataset(self, found: Mapping[str, np.ndarray], bound: BoundData) -> xr.Dataset:
        """Arrays over axes and event as a labelled data set."""
        model = self.compiled.checked.ir
        axes = axes_of(model)
        for variable in map(model.variable, self._all_latents()):
            own = axes[variable.name]
            axes[f"{variable.name}_sd"] = axes[f"{variable.name}_probability"] = own
            if isinstance(variable.type.support, Index):
                values = variable.type.support.size.name or ""
                axes[f"{variable.name}_probability"] = (*own, values)
        tree = build_tree({"found": found}, axes, coords_of(model, bound), {"kind": self.kind})
        tree = up_to_ends(tree, model, bound)
        dataset = tree["found"].to_dataset()
        beside, apart = {}, set()
        for name in map(str, dataset):
            for other in (f"{name}_sd", f"{name}_probability"):
                if other not in dataset:
                    continue
                dims = dataset[name].dims
                dims = (*dims, *dataset[other].dims[len(dims) :])
                beside[other] = dims, dataset[other].to_numpy()
                apart |= {*dataset[other].dims} - {*dims}
        return dataset.drop_vars(list(beside)).drop_dims(sorted(map(str, apart))).assign(beside)
