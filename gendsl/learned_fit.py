"""`LearnedFit`: a fit whose posterior is a guide, and whose networks were learned by steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import torch
import xarray as xr

from gendsl.arguments import mapping, verify_numbers, whole
from gendsl.diagnostics import DataError, Diagnostic
from gendsl.fit import PREDICTIVE_DRAWS, Fit
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import references, variable_expressions
from gendsl.runtime.backend import resolve_device, resolve_dtype, tensors
from gendsl.runtime.data import BoundData
from gendsl.runtime.evaluation import Evaluation
from gendsl.runtime.failures import in_words
from gendsl.runtime.labelling import axes_of, coords_of
from gendsl.runtime.program import executable
from gendsl.runtime.replay import Replay
from gendsl.runtime.results import build_tree
from gendsl.runtime.variational.given import numbers, verify_latents, verify_rows
from gendsl.runtime.variational.learned import Learned
from gendsl.runtime.variational.learning import Inference, prepare, unvalidated
from gendsl.runtime.variational.using import (
    Score,
    codes,
    guide_draws,
    means_given,
    replicates,
    score,
)

__all__ = ["LearnedFit", "Score"]

SCORED = 200
"""Draws for each row of an importance-weighted bound, unless told otherwise."""


@dataclass(frozen=True, eq=False, repr=False)
class LearnedFit(Fit):
    """A fit by ``svi``: params and networks at the maximum of a bound, latents by a guide.

    Attributes:
        learned: params and networks.
    """

    learned: Learned | None = None

    def encode(
        self, data: object = None, *, columns: Mapping[str, Any] | None = None
    ) -> xr.Dataset:
        """The guide's law of each latent, for rows of data.

        Args:
            data: as for `fit`; the data of the fit by default.
            columns: names of columns that are not identifiers, as for `fit`.

        Returns:
            For each latent ``z`` of the model the variables ``z`` (its mean) and ``z_sd``.

        Raises:
            DataError: the data do not fit the model, or there is no latent.
        """
        bound = self._given(data, columns, self._encoded())
        with self._ready(bound) as inference:
            found = codes(inference, self.compiled.checked.ir, bound.sizes)
        return self._dataset(found, bound)

    def decode(
        self,
        latents: Mapping[str, object] | xr.Dataset,
        data: object = None,
        *,
        seed: int | None = None,
    ) -> xr.Dataset:
        """The means of the observed variables, given values of the latents.

        Args:
            latents: for every latent an array over its axes and event, new rows are allowed; or
                what `encode` gave.
            data: inputs, where the model has them.
            seed: of random numbers, where a mean is estimated.

        Raises:
            DataError: a latent is missing, or has another shape.
        """
        model = self.compiled.checked.ir
        if isinstance(latents, xr.Dataset):  # what `encode` gave, without the standard deviations
            latents = {str(n): latents[n] for n in latents if str(n) in self._all_latents()}
        mapping("latents", latents)
        values = numbers(model, latents)
        bound = self._sized(values, data)
        verify_latents(model, values, bound.sizes)
        with self._ready(bound, seed) as inference:
            found = means_given(inference, model, values)
        return self._dataset(found, bound)

    def reconstruct(
        self, data: object = None, *, columns: Mapping[str, Any] | None = None
    ) -> xr.Dataset:
        """The means of the observed variables at the mean of the guide, for rows of data.

        Args:
            data: as for `fit`; the data of the fit by default.
            columns: names of columns that are not identifiers, as for `fit`.

        Raises:
            DataError: the data do not fit the model.
        """
        bound = self._given(data, columns, self._encoded())
        model = self.compiled.checked.ir
        with self._ready(bound) as inference:
            found = codes(inference, model, bound.sizes)
            latents = {v.name: found[v.name] for v in model.of_role("latent")}
            means = means_given(inference, model, latents)
        return self._dataset(means, bound)

    def generate(self, rows: int, data: object = None, *, seed: int | None = None) -> xr.Dataset:
        """New rows: their latents from the prior, observed variables from the model.

        Latents that all rows share are those of one draw from the guide.

        Args:
            rows: how many.
            data: inputs for them, where the model has inputs.
            seed: of the draws; the fit's by default.

        Raises:
            DataError: the inputs do not fit, or there is no plate of rows.
        """
        bound = self._sized({}, data, rows=whole("rows", rows))
        with self._ready(bound, seed) as inference:
            found = replicates(inference, self.compiled.checked.ir, self._shared_draw(seed))
        return self._dataset(found, bound)

    def _shared_draw(self, seed: int | None) -> dict[str, np.ndarray]:
        """One draw of the latents that all rows share, (axes, event)."""
        shared = self._latents(of_rows=False)
        if not shared:
            return {}
        chosen = self.settings.seed if seed is None else seed
        if "posterior" in self.tree.children:
            posterior = self.tree["posterior"]
            draw = np.random.default_rng(chosen).integers(posterior.sizes["draw"])
            return {n: posterior[n].to_numpy()[0, draw] for n in shared}
        with self._ready(self.data, seed) as inference:
            found = guide_draws(inference, self.compiled.checked.ir, self.data.sizes, 1)
        return {n: found[n][0] for n in shared}

    def _all_latents(self) -> frozenset[str]:
        return frozenset(v.name for v in self.compiled.checked.ir.of_role("latent"))

    def _latents(self, *, of_rows: bool) -> list[str]:
        """The latents with a value for each row, or all others."""
        plate = self.tree.attrs.get("rows_of")
        latents = self.compiled.checked.ir.of_role("latent")
        return [v.name for v in latents if (plate in v.axes) == of_rows]

    def score(
        self,
        data: object = None,
        *,
        particles: int = SCORED,
        seed: int | None = None,
        columns: Mapping[str, Any] | None = None,
    ) -> Score:
        """Bounds on the log likelihood of rows of data, with their parts.

        Args:
            data: as for `fit`, observed values included; the data of the fit by default.
            particles: draws for each row of the importance-weighted bound (Burda et al. 2016),
                which rises to the log likelihood with their number.
            seed: of the draws; the fit's by default.
            columns: names of columns that are not identifiers, as for `fit`.

        Raises:
            DataError: the data do not fit the model.
        """
        return self._scored(self._given(data, columns, self._observed()), particles, seed)

    def _scored(self, bound: BoundData, particles: int, seed: int | None) -> Score:
        count, model = whole("particles", particles), self.compiled.checked.ir
        with self._ready(bound, seed) as inference:
            return score(inference, model, bound.sizes, count)

    def _replay(
        self, bound: BoundData, draws: int | None, seed: int | None, *, identity: bool
    ) -> Replay:
        """The unknowns, latents that the results leave out drawn from the guide again."""
        replay = super()._replay(bound, draws, seed, identity=identity)
        model = self.compiled.checked.ir
        absent = [v for v in model.of_role("latent") if v.name not in replay.values]
        if not identity or not absent:
            return replay
        count = PREDICTIVE_DRAWS if draws is None else draws
        entries = sum(prod(self._shape(v, bound)) for v in model.variables if v.random)
        verify_numbers(count, entries)
        with self._ready(bound, seed) as inference:
            values = guide_draws(inference, model, bound.sizes, count)
        return replace(replay, values=values)

    @staticmethod
    def _shape(variable: ir.Variable, bound: BoundData) -> tuple[int, ...]:
        sizes = dict(bound.sizes)
        event = tuple(s.evaluate(sizes) for s in variable.type.event)
        return (*(sizes[a] for a in variable.axes), *event)

    def evaluate(
        self,
        data: object,
        *,
        draws: int | None = None,
        seed: int | None = None,
        columns: Mapping[str, Any] | None = None,
        index_base: int | None = None,
    ) -> Evaluation:
        """The log predictive density of held-out rows.

        Where rows have latents of their own it is a lower bound, of which `score` has the parts;
        else an estimate from draws of the guide.

        Args:
            data: as for `fit`, observed values included.
            draws: for each row of the importance-weighted bound, 200 by default; of the guide, all
                up to 1000 by default.
            seed: of the draws; the fit's by default.
            columns: names of columns that are not identifiers, as for `fit`.
            index_base: 1 if index columns count from 1; that of the fit by default.

        Raises:
            DataError: the data do not fit; GD829, rows have latents of their own beside those
                that all share.
        """
        own, shared = self._latents(of_rows=True), self._latents(of_rows=False)
        if shared and not own:
            return super().evaluate(
                data, draws=draws, seed=seed, columns=columns, index_base=index_base
            )
        if shared:
            message = (
                f"held-out rows cannot be scored yet where `{own[0]}` has a value for each row "
                f"and `{shared[0]}` one for all"
            )
            remedy = "`fit.score` bounds the log evidence of rows, all latents integrated out"
            span = self.compiled.checked.ir.variable(own[0]).span
            raise DataError(
                [Diagnostic("GD829", message, span, help=remedy)],
                self.compiled.checked.ir.source,
            )
        bound = self._complete(self._bound(data, columns, index_base, self._observed()))
        found = self._scored(bound, SCORED if draws is None else draws, seed)
        error = found.log_likelihood.standard_error
        rows = found.log_likelihood.rows
        kind = "a lower bound" if not found.points else "no bound: a guide is a point"
        return Evaluation(
            found.log_likelihood.total,
            float("nan") if error is None else error * rows,
            rows,
            {},
            f"{kind}, importance weighted with {found.particles} particles a row",
        )

    @property
    def history(self) -> xr.Dataset:
        """The means over each epoch of the bound and its terms, in nats per row."""
        return self.tree["training"].to_dataset()

    def _arrays(self) -> dict[str, np.ndarray] | None:
        return None if self.learned is None else self.learned.arrays()

    def _nets(self) -> dict[str, torch.nn.Module] | None:
        return None if self.learned is None else self.learned.nets

    # Data

    def _given(
        self,
        data: object,
        columns: Mapping[str, Any] | None,
        needed: frozenset[str] = frozenset(),
    ) -> BoundData:
        if data is None:
            return self.data
        return self._complete(self._bound(data, columns, None, needed))

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
        self, values: Mapping[str, np.ndarray], data: object, rows: int | None = None
    ) -> BoundData:
        """Inputs for new rows; the number of rows is that of the values."""
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
        inputs = [v.name for v in model.of_role("input")]
        if data is not None or inputs:
            bound = self._bound({} if data is None else data, None, None, frozenset(inputs))
            verify_rows(model, plate, bound.sizes, rows)
            sizes |= {a: n for a, n in bound.sizes.items() if a != plate or rows is None}
            return BoundData(sizes, bound.values, bound.missing, bound.labels, ())
        labels = {a: v for a, v in self.data.labels.items() if len(v) == sizes[a]}
        return BoundData(sizes, {}, {}, labels, ())

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
        axes |= {f"{v.name}_sd": axes[v.name] for v in model.of_role("latent")}
        tree = build_tree({"found": found}, axes, coords_of(model, bound), {"kind": self.kind})
        dataset = tree["found"].to_dataset()
        own = {n: dataset[n].dims for n in map(str, dataset) if f"{n}_sd" in dataset}
        sds = {f"{n}_sd": (dims, dataset[f"{n}_sd"].to_numpy()) for n, dims in own.items()}
        apart = {d for n, dims in own.items() for d in {*dataset[f"{n}_sd"].dims} - {*dims}}
        return dataset.drop_vars(list(sds)).drop_dims(sorted(map(str, apart))).assign(sds)
