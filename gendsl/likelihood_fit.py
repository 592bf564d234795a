"""`LikelihoodFit`: a fit in which nothing is latent, so that densities of rows are exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import xarray as xr

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.inference.flowing import dequantised_variables
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import is_autoregressive
from gendsl.learned_fit import LearnedFit
from gendsl.runtime.autoregressive import Drawing, drawing
from gendsl.runtime.entry_laws import Sharpening
from gendsl.runtime.evaluation import Evaluation
from gendsl.runtime.labelling import coords_of
from gendsl.runtime.variational.completing import completed
from gendsl.runtime.variational.likelihood import row_densities

__all__ = ["LikelihoodFit"]


@dataclass(frozen=True, eq=False, repr=False)
class LikelihoodFit(LearnedFit):
    """A fit by ``mle`` of networks: log likelihoods are exact."""

    def log_prob(
        self, data: object = None, *, columns: Mapping[str, Any] | None = None
    ) -> xr.DataArray:
        """The exact log density of each row, in nats.

        Args:
            data: as for `fit`; the data of the fit by default.
            columns: names of columns that are not identifiers, as for `fit`.

        Raises:
            DataError: the data do not fit the model.
        """
        bound = self._given(data, columns, self._observed())
        with self._ready(bound) as inference:
            values = row_densities(inference)
        plate = self._rows_of
        if plate is None:
            return xr.DataArray(values.sum(), name="log_prob")
        coords = coords_of(self.compiled.checked.ir, bound)
        own = {plate: coords[plate]} if plate in coords else {}
        return xr.DataArray(values, own, [plate], "log_prob")

    def evaluate(
        self,
        data: object,
        *,
        draws: int | None = None,
        seed: int | None = None,
        columns: Mapping[str, Any] | None = None,
        index_base: int | None = None,
    ) -> Evaluation:
        """The exact log density of held-out rows.

        Args:
            data: as for `fit`, observed values included.
            draws: means nothing here: nothing is drawn.
            seed: likewise.
            columns: names of columns that are not identifiers, as for `fit`.
            index_base: 1 if index columns count from 1; that of the fit by default.

        Raises:
            DataError: the data do not fit.
        """
        del draws, seed
        needed = self._observed()
        bound = self._complete(self._bound(data, columns, index_base, needed, lazily=True))
        with self._ready(bound) as inference:
            values = row_densities(inference)
        count = len(values)
        error = float(values.std(ddof=1)) * count**0.5 if count > 1 else float("nan")
        noisy = bool(dequantised_variables(self.compiled.checked.ir))
        kind = "a lower bound: whole numbers are dequantised" if noisy else "exact"
        return Evaluation(float(values.sum()), error, count, {}, kind)

    def generate(
        self,
        rows: int,
        data: object = None,
        *,
        length: int | None = None,
        seed: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        nucleus: float | None = None,
    ) -> xr.Dataset:
        """New rows. Entries that depend on one another are drawn in their order.

        Args:
            rows: how many.
            data: inputs for them, where the model has inputs.
            length: of their sequences, as for a fit by a bound.
            seed: of the draws; the fit's by default.
            temperature: divides the log probabilities of each entry; for finitely many values.
            top_k: so many of the most probable values of each entry may be drawn.
            nucleus: only the most probable values whose probabilities add up to this may be.

        Raises:
            DataError: the inputs do not fit, there is no plate of rows, or GD892, an option is
                not legal or not for this model.
        """
        how = self._how(temperature, top_k, nucleus)
        with drawing(Drawing(how)):
            return super().generate(rows, data, length=length, seed=seed)

    def complete(
        self,
        data: object,
        *,
        seed: int | None = None,
        columns: Mapping[str, Any] | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        nucleus: float | None = None,
    ) -> xr.Dataset:
        """Rows of which the end is missing, with a draw of it given what is there.

        Args:
            data: as for `fit`; NaN where an entry is to be drawn. In each row entries are missing
                from one on, in the order in which they depend on one another.
            seed: of the draws; the fit's by default.
            columns: names of columns that are not identifiers, as for `fit`.
            temperature: as for `generate`.
            top_k: as for `generate`.
            nucleus: as for `generate`.

        Raises:
            DataError: the data do not fit; GD893, other entries are missing than the end.
        """
        how = self._how(temperature, top_k, nucleus)
        bound = self._bound(data, columns, None, self._observed())
        model = self.compiled.checked.ir
        with self._ready(bound, seed) as inference:
            found = completed(inference, model, bound, how)
        return self._dataset(found, bound)

    def _how(
        self, temperature: float | None, top_k: int | None, nucleus: float | None
    ) -> Sharpening | None:
        if temperature is None and top_k is None and nucleus is None:
            return None
        model = self.compiled.checked.ir
        if not any(is_autoregressive(v) for v in model.of_role("observed")):
            raise _wrong("no variable of this model is drawn entry after entry", model)
        if temperature is not None and not (isfinite(temperature) and temperature > 0):
            raise _wrong(f"`temperature` is a number above 0, not {temperature!r}", model)
        if nucleus is not None and not 0 < nucleus <= 1:
            raise _wrong(f"`nucleus` is a probability above 0, not {nucleus!r}", model)
        if top_k is not None and (isinstance(top_k, bool) or not int(top_k) == top_k >= 1):
            raise _wrong(f"`top_k` is a whole number from 1 on, not {top_k!r}", model)
        return Sharpening(
            1.0 if temperature is None else float(temperature),
            top_k,
            1.0 if nucleus is None else float(nucleus),
        )


def _wrong(message: str, model: ir.Model) -> DataError:
    return DataError([Diagnostic("GD892", message, model.span)], model.source)
