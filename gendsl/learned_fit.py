"""`LearnedFit`: a fit whose posterior is a guide, and whose networks were learned by steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from matplotlib.figure import Figure

from gendsl.arguments import verify_numbers, whole
from gendsl.coded_fit import CodedFit
from gendsl.diagnostics import DataError, Diagnostic
from gendsl.fit import PREDICTIVE_DRAWS
from gendsl.inspection.figure import write_figure
from gendsl.inspection.learning_plots import as_images, plot_codes, plot_images, plot_training
from gendsl.ir import nodes as ir
from gendsl.runtime.data import BoundData
from gendsl.runtime.data.absent import with_absent
from gendsl.runtime.data.ragged import with_ends
from gendsl.runtime.nets.supplied import Supplied
from gendsl.runtime.replay import Replay
from gendsl.runtime.variational.aggregate import Aggregated, aggregated
from gendsl.runtime.variational.imputing import Imputing, imputed, verify_imputable
from gendsl.runtime.variational.scoring import Score
from gendsl.runtime.variational.using import (
    first_rows,
    guide_draws,
)
from gendsl.semantics.supports import is_discrete

__all__ = ["OF_LEARNING", "UNSUITED", "LearnedFit", "Score"]

OF_ANY = ("trace", "rank", "forest", "predictive")
"""The plots of all fits."""

OF_LEARNING = ("training", "samples", "reconstructions", "interpolation", "latents")
"""The plots of learned fits that others have not."""

UNSUITED = ("GD710", "GD829", "GD833", "GD862", "GD870", "GD871", "GD872")
"""Why a learned fit may have no picture of a kind."""

REMARK = "Below each row the means that its code, the guide's mean, is decoded to."


@dataclass(frozen=True, eq=False, repr=False)
class LearnedFit(CodedFit):
    """A fit by ``svi``: params and networks at the maximum of a bound, latents by a guide."""

    def impute(
        self,
        data: object,
        *,
        draws: int = 100,
        particles: int = 1000,
        sweeps: int = 50,
        seed: int | None = None,
        columns: Mapping[str, Any] | None = None,
    ) -> xr.DataTree:
        """Draws of values that are missing, given those that are there.

        Where the model lets all of them be missing (``?``), latents are drawn from the guide and
        taken by their importance weights. Otherwise latents and missing values are drawn in turn
        (pseudo-Gibbs). The attribute ``method`` of the result says which was done.

        Args:
            data: as for `fit`; NaN where an entry of an observed variable is missing, or without
                the variable.
            draws: for each missing value.
            particles: draws from the guide for each row, of which `draws` are taken.
            sweeps: of the chain that draws in turn.
            seed: of the draws; the fit's by default.
            columns: names of columns that are not identifiers, as for `fit`.

        Returns:
            The variables with gaps, whole, with the axes ``(chain, draw, ...)``.

        Raises:
            DataError: GD872, nothing is missing, or what is cannot be drawn so.
        """
        self._verify_coded("impute by")
        model = self.compiled.checked.ir
        counts = {"draws": draws, "particles": particles, "sweeps": sweeps}
        how = Imputing(**{name: whole(name, count) for name, count in counts.items()})
        observed = model.of_role("observed")
        bound = with_absent(self._bound(data, columns, None, frozenset()), observed)
        gaps = {n: np.asarray(m) for n, m in bound.missing.items() if np.any(m)}
        if not gaps:
            raise DataError([Diagnostic("GD872", "no values of these data are missing")])
        verify_imputable(model, frozenset(gaps), self._rows_of)
        weighed = all(model.variable(n).optional for n in gaps)
        with self._ready(bound, seed) as inference:
            found = imputed(inference, model, gaps, how, weighed=weighed)
        tree = self._labelled("predictions", found, bound)
        tree.attrs["method"] = how.method(weighed=weighed)
        return tree

    def aggregated(
        self,
        data: object = None,
        *,
        seed: int | None = None,
        columns: Mapping[str, Any] | None = None,
    ) -> Aggregated:
        """The guide's law of the latents averaged over rows, and how far it is from the prior.

        Args:
            data: as for `fit`; the data of the fit by default.
            seed: of the draws; the fit's by default.
            columns: names of columns that are not identifiers, as for `fit`.

        Raises:
            DataError: the data do not fit the model.
        """
        self._verify_coded("average over rows")
        bound = self._given(data, columns, self._observed())
        model, guide = self.compiled.checked.ir, self.compiled.plan.guide
        with self._ready(bound, seed) as inference:
            found = aggregated(inference, model, None if guide is None else guide.model)
        values, rows, numbers_found = found
        sizes = {**bound.sizes, str(self._rows_of): rows}
        labels = {a: v for a, v in bound.labels.items() if len(v) == sizes[a]}
        draws = self._dataset(values, BoundData(sizes, {}, {}, labels, ()))
        return Aggregated(draws, *numbers_found)

    def plot(
        self,
        kind: str = "training",
        var_names: Sequence[str] | None = None,
        *,
        data: object = None,
        rows: int = 10,
        label: str | Sequence[object] | np.ndarray | None = None,
        height: int | None = None,
        width: int | None = None,
        seed: int | None = None,
    ) -> Figure:
        """A picture of the results.

        Args:
            kind: ``training``, the course over epochs; ``samples``, new rows as pictures;
                ``reconstructions``, rows beside what they are decoded to; ``interpolation``, from
                the first row to the second; ``latents``, the codes of rows; or one of any fit.
            var_names: the variables to show; for pictures one, the first observed one by default.
            data: rows to show; those of the fit by default.
            rows: how many are shown as pictures.
            label: for ``latents`` a variable of the data, or a label for each row.
            height: of a picture; guessed where a vector is a square.
            width: of a picture.
            seed: of the samples.

        Raises:
            DataError: GD816, no plot is called so; GD871, values are no pictures.
        """
        if kind not in (*OF_ANY, *OF_LEARNING):
            listed = ", ".join((*OF_ANY, *OF_LEARNING))
            remedy = f"the plots are {listed}; `fit.save_plots(folder)` writes all that suit"
            raise DataError([Diagnostic("GD816", f"no plot is called {kind!r}", help=remedy)])
        if kind in OF_ANY:
            return super().plot(kind, var_names)
        if kind == "training":
            return plot_training(self.tree)
        if kind != "samples":
            self._verify_coded("show")
        names = [var_names] if isinstance(var_names, str) else list(var_names or [])
        if kind == "latents":
            return self._plot_latents(names, data, label)
        name = names[0] if names else self.compiled.checked.ir.of_role("observed")[0].name
        count = whole("rows", rows)

        def pictures(found: xr.Dataset | Mapping[str, np.ndarray]) -> np.ndarray:
            values = np.moveaxis(np.asarray(found[name]), self._place(name), 0)
            return as_images(name, values.astype(np.float64), height, width)

        if kind == "samples":
            images = pictures(self.generate(count, seed=seed))
            parted = [("", images[i : i + 10]) for i in range(0, count, 10)]
            return plot_images(f"Samples of {name}", parted)
        with self._ready(self._in_order(data, None)) as inference:
            shown, means = first_rows(inference, self.compiled.checked.ir, count)
        if kind == "reconstructions":
            both = [("data", pictures(shown)), ("decoded", pictures(means))]
            return plot_images(f"Reconstructions of {name}", both, REMARK)
        plate = str(self._rows_of)
        found = self.encode(data)
        steps = self.interpolate(found.isel({plate: 0}), found.isel({plate: 1}), count)
        return plot_images(f"From row 0 to row 1 of {name}", [("", pictures(steps))])

    def _place(self, name: str) -> int:
        """Which axis of a variable the rows are.

        Raises:
            DataError: GD871, it has none.
        """
        axes = self.compiled.checked.ir.variable(name).axes
        if self._rows_of not in axes:
            raise DataError([Diagnostic("GD871", f"`{name}` has no value for each row")])
        return axes.index(str(self._rows_of))

    def _plot_latents(
        self, names: list[str], data: object, label: str | Sequence[object] | np.ndarray | None
    ) -> Figure:
        name = names[0] if names else self._plane()
        values = np.moveaxis(self.encode(data)[name].to_numpy(), self._place(name), 0)
        called = label if isinstance(label, str) else ""
        if isinstance(label, str):
            known = self._in_order(data, None).values
            if label not in known:
                message = f"the data in memory have no variable `{label}`"
                raise DataError([Diagnostic("GD871", message, help="give a label for each row")])
            label = known[label]
        labels = None if label is None else np.asarray(label)
        return plot_codes(name, values.reshape(len(values), -1), labels, called)

    def _plane(self) -> str:
        """The first latent of rows whose code is two numbers or more.

        Raises:
            DataError: GD871, there is none.
        """
        model, sizes = self.compiled.checked.ir, dict(self.data.sizes)
        own = [model.variable(n) for n in self._latents(of_rows=True)]
        for variable in own:
            numbers = [sizes[a] for a in variable.axes if a != self._rows_of]
            numbers += [s.evaluate(sizes) for s in variable.type.event]
            if prod(numbers) > 1 and not is_discrete(variable.type.support):
                return variable.name
        listed = ", ".join(f"`{v.name}`" for v in own)
        message = "no code of rows is two numbers or more, as a scatter plot needs"
        remedy = f"the latents of rows are {listed}" if own else None
        raise DataError([Diagnostic("GD871", message, help=remedy)])

    def save_plots(self, folder: str | Path) -> list[Path]:
        """Write every plot that suits the fit as PNG files, those of learned fits included."""
        written = super().save_plots(folder)
        for kind in OF_LEARNING:
            try:
                written.append(write_figure(self.plot(kind), Path(folder) / f"{kind}.png"))
            except DataError as error:
                if error.diagnostics[0].code not in UNSUITED:
                    raise
        return written

    @property
    def params(self) -> dict[str, np.ndarray]:
        """The params at the maximum, on their own scale."""
        there = "estimate" in self.tree.children
        found = self.tree["estimate"].to_dataset() if there else xr.Dataset()
        return {str(n): found[n].to_numpy() for n in found.data_vars}

    @property
    def nets(self) -> dict[str, torch.nn.Module]:
        """The trained networks, those of the guide included; of supplied ones the modules."""
        nets = {} if self.learned is None else self.learned.nets
        return {
            n: m.module if isinstance(m, Supplied) and m.module is not None else m
            for n, m in nets.items()
        }

    def _replay(
        self, bound: BoundData, draws: int | None, seed: int | None, *, identity: bool
    ) -> Replay:
        """The unknowns, latents that the results leave out drawn from the guide again."""
        model = self.compiled.checked.ir
        count = PREDICTIVE_DRAWS if draws is None else whole("draws", draws)
        if identity:
            self._verify_in_memory(bound)
            numbers = sum(prod(self._shape(v, bound)) for v in model.variables if v.random)
            verify_numbers(count, numbers)
        replay = super()._replay(bound, draws, seed, identity=identity)
        replay = replace(replay, values=with_ends(model, replay.values, 1)[0])
        absent = [v for v in model.of_role("latent") if v.name not in replay.values]
        if not identity or not absent:
            return replay
        with self._ready(bound, seed) as inference:
            values = guide_draws(inference, model, bound.sizes, count)
        return replace(replay, values=values)

    @staticmethod
    def _shape(variable: ir.Variable, bound: BoundData) -> tuple[int, ...]:
        sizes = dict(bound.sizes)
        event = tuple(s.evaluate(sizes) for s in variable.type.event)
        return (*(sizes[a] for a in variable.axes), *event)
