"""`LikelihoodFit`: a fit in which nothing is latent, so that densities of rows are exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from gendsl.inference.flowing import dequantised_variables
from gendsl.learned_fit import LearnedFit
from gendsl.runtime.evaluation import Evaluation
from gendsl.runtime.labelling import coords_of
from gendsl.runtime.variational.completing import completed, sharpening
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
        how = sharpening(self.compiled.checked.ir, temperature, top_k, nucleus)
        bound = self._bound(data, columns, None, self._observed())
        model = self.compiled.checked.ir
        with self._ready(bound, seed) as inference:
            found = completed(inference, model, bound, how)
        return self._dataset(found, bound)
