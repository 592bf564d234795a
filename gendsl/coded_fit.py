"""Latents of rows: from data to their codes, and from codes to data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from gendsl.arguments import mapping, whole
from gendsl.diagnostics import DataError, Diagnostic
from gendsl.runtime.autoregressive import Drawing, drawing
from gendsl.runtime.data.ragged import with_ends
from gendsl.runtime.variational.completing import sharpening
from gendsl.runtime.variational.given import conditions, numbers, verify_latents
from gendsl.runtime.variational.interpolating import PATHS, one_row, path
from gendsl.runtime.variational.using import (
    codes,
    guide_draws,
    means_given,
    reconstructed,
    replicates,
)
from gendsl.scored_fit import ScoredFit

__all__ = ["CodedFit"]


@dataclass(frozen=True, eq=False, repr=False)
class CodedFit(ScoredFit):
    """A learned fit whose guide gives codes and whose model decodes them."""

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
        self._verify_coded("encode")
        bound = self._in_order(data, columns)
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
        self._verify_coded("decode")
        model = self.compiled.checked.ir
        values = numbers(model, self._codes_only(latents), self._completed())
        values, ends = with_ends(model, values)
        bound = self._sized(values, data)
        bound = replace(bound, values={**bound.values, **ends})
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
        self._verify_coded("reconstruct from")
        bound = self._in_order(data, columns)
        with self._ready(bound) as inference:
            means = reconstructed(inference, self.compiled.checked.ir, bound.sizes)
        return self._dataset(means, bound)

    def interpolate(
        self,
        a: Mapping[str, object] | xr.Dataset,
        b: Mapping[str, object] | xr.Dataset,
        steps: int = 9,
        *,
        how: str = "linear",
        data: object = None,
    ) -> xr.Dataset:
        """A path between the codes of two rows: the codes, and the means that they decode to.

        Args:
            a: where it begins: the code of one row, such as ``codes.isel(image=0)`` of what
                `encode` gave; or an array for each latent.
            b: where it ends.
            steps: how many rows the path has, both ends included.
            how: ``linear``, or ``spherical``, at an even angle.
            data: inputs for the rows of the path, where the model has them.

        Raises:
            DataError: GD872, there is no such path; GD862, latents are absent or do not fit.
        """
        self._verify_coded("go between")
        if how not in PATHS:
            message = f"there is no path called {how!r}"
            raise DataError([Diagnostic("GD872", message, help=f"ask for {', '.join(PATHS)}")])
        model, plate = self.compiled.checked.ir, self._rows_of
        one, two = (
            one_row(model, plate, numbers(model, self._codes_only(codes), self._completed()), name)
            for codes, name in ((a, "a"), (b, "b"))
        )
        found = path(model, plate, one, two, whole("steps", steps), how)
        decoded = self.decode(found, data)
        return decoded.merge(self._dataset(found, self._sized(found, data)))

    def _codes_only(self, codes: Mapping[str, object] | xr.Dataset) -> dict[str, object]:
        """What `encode` gave, without standard deviations and the like."""
        if isinstance(codes, xr.Dataset):
            return {str(n): codes[n] for n in codes if str(n) in self._all_latents()}
        mapping("latents", codes)
        return dict(codes)

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
        """New rows: their latents from the prior, observed variables from the model.

        Latents that all rows share are those of one draw from the guide. Entries that depend on
        one another are drawn in their order.

        Args:
            rows: how many.
            data: inputs for them, where the model has inputs. Observed variables that depend on
                nothing random, such as labels of classes, may be given too.
            length: of their sequences; that of the fit, or of its longest one, by default. The
                lengths of ragged ones may be given among the inputs, as `t_lengths`.
            seed: of the draws; the fit's by default.
            temperature: divides the log probabilities of each entry; for finitely many values.
            top_k: so many of the most probable values of each entry may be drawn.
            nucleus: only the most probable values whose probabilities add up to this may be.

        Raises:
            DataError: the inputs do not fit; GD862, there is no plate of rows, or no sequence that
                has a length; GD874, values are given that would not be used; GD892, an option is
                not legal or not for this model.
        """
        model = self.compiled.checked.ir
        steps = None if length is None else whole("length", length)
        if steps is not None and not any(a.kind == "sequence" for a in model.axes):
            message = "`length` is that of sequences, and this model has none"
            raise DataError([Diagnostic("GD862", message, model.span)], model.source)
        how = sharpening(model, temperature, top_k, nucleus)
        bound = self._sized({}, data, rows=whole("rows", rows), steps=steps)
        given = conditions(model, bound, self._instead())
        with self._ready(bound, seed) as inference, drawing(Drawing(how)):
            found = replicates(inference, model, {**self._shared_draw(seed), **given})
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
