"""What a learned fit is worth: bounds on the log likelihood of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import xarray as xr

from gendsl.arguments import whole
from gendsl.diagnostics import DataError, Diagnostic
from gendsl.ir.traversal import is_autoregressive
from gendsl.prepared_fit import Prepared
from gendsl.runtime.data import BoundData
from gendsl.runtime.evaluation import Evaluation
from gendsl.runtime.labelling import up_to_ends
from gendsl.runtime.rebasing import conditioned_on
from gendsl.runtime.variational.learning import held_out
from gendsl.runtime.variational.scoring import Score, score

__all__ = ["ScoredFit"]

SCORED = 200
"""Draws for each row of an importance-weighted bound, unless told otherwise."""

ROWS = ("all", "trained", "held_out")
Rows = Literal["all", "trained", "held_out"]


@dataclass(frozen=True, eq=False, repr=False)
class ScoredFit(Prepared):
    """A learned fit that can be scored."""

    def predict(
        self,
        data: object,
        *,
        draws: int | None = None,
        seed: int | None = None,
        columns: Mapping[str, Any] | None = None,
        index_base: int | None = None,
    ) -> xr.DataTree:
        """Draws of the observed variables and lets for new rows, as of any fit.

        Latents of new rows are drawn from their prior.

        Raises:
            DataError: GD874, values are given that only a guide would use; and as for any fit.
        """
        bound = self._bound(data, columns, index_base, frozenset())
        model, plate = self.compiled.checked.ir, self._rows_of
        self._verify_used(bound)
        own = [v.name for v in model.of_role("latent") if plate in v.axes]
        new = bound.new_members.get(str(plate), np.zeros(0, dtype=bool))
        ignored = (self._encoded() & set(bound.values)) - conditioned_on(model)
        given = sorted(n for n in ignored if not np.all(bound.missing.get(n, False)))
        if own and given and np.any(new):
            message = (
                f"`{given[0]}` is given, but predictions for new rows draw `{own[0]}` from its "
                f"prior and would not use `{given[0]}`"
            )
            span = model.variable(given[0]).span
            remedy = "`fit.reconstruct` and `fit.impute` use it; leave it out to predict"
            raise DataError([Diagnostic("GD874", message, span, help=remedy)], model.source)
        found = super().predict(
            data, draws=draws, seed=seed, columns=columns, index_base=index_base
        )
        return up_to_ends(found, model, self._with_ends_of_fit(bound))

    def _verify_used(self, bound: BoundData) -> None:
        """Refuse values of a variable without latents, whose entries would be drawn anew.

        Raises:
            DataError: GD874.
        """
        model = self.compiled.checked.ir
        if self._all_latents() or self._windows():
            return
        used = conditioned_on(model)
        for variable in model.of_role("observed"):
            name, itself = variable.name, is_autoregressive(variable)
            if name not in bound.values or np.all(bound.missing.get(name, False)):
                continue
            if itself or name not in used:
                message = f"`{name}` is given, but predictions draw it anew and would not use it"
                raise DataError(
                    [Diagnostic("GD874", message, variable.span, help=self._instead())],
                    model.source,
                )

    def _with_ends_of_fit(self, bound: BoundData) -> BoundData:
        """Data of rows of the fit that say nothing of their steps, with the lengths they had."""
        model, values = self.compiled.checked.ir, dict(bound.values)
        for axis in (a for a in model.axes if a.lengths is not None):
            name, owner = str(axis.lengths), str(axis.owner)
            told = any(axis.name in model.variable(n).axes for n in values)
            new = np.any(bound.new_members.get(owner, False))
            longer = bound.sizes[axis.name] != self.data.sizes[axis.name]
            if not (told or new or longer or name not in self.data.values):
                values[name] = np.asarray(self.data.values[name])[bound.known_number[owner]]
        return replace(bound, values=values)

    def score(
        self,
        data: object = None,
        *,
        particles: int = SCORED,
        seed: int | None = None,
        columns: Mapping[str, Any] | None = None,
        rows: Rows = "all",
    ) -> Score:
        """Bounds on the log likelihood of rows of data, with their parts.

        Args:
            data: as for `fit`, observed values included; the data of the fit by default.
            particles: draws for each row of the importance-weighted bound (Burda et al. 2016),
                which rises to the log likelihood with their number.
            seed: of the draws; the fit's by default.
            columns: names of columns that are not identifiers, as for `fit`.
            rows: of the data of the fit ``all``, those it was ``trained`` on, or those that were
                ``held_out``.

        Raises:
            DataError: the data do not fit the model; GD873, no rows were held out.
        """
        bound = self._but_for_gaps(data, columns, self._observed())
        return self._scored(bound, particles, seed, self._part(data, rows, bound))

    def _part(self, data: object, which: str, bound: BoundData) -> tuple[np.ndarray | None, str]:
        """The rows of the fit that are meant, and what to say of them."""
        if which == "all" and data is not None:
            return None, ""
        if which not in ROWS:
            message = f"there are no rows {which!r}"
            raise DataError([Diagnostic("GD873", message, help=f"ask for {', '.join(ROWS)}")])
        if data is not None:
            self._verify_again(bound)
        with self._ready(bound) as inference:
            held = held_out(self.compiled.plan, inference.rows, self.settings.seed)
        if which == "all":
            return None, "" if held is None else f"{len(held[1])} of them held out"
        if held is None:
            message = "no rows of this fit were held out"
            raise DataError([Diagnostic("GD873", message, help="fit with `held_out=0.1`")])
        return held[which == "held_out"], f"those {which.replace('_', ' ')}"

    def _verify_again(self, bound: BoundData) -> None:
        """Whether data can be those of the fit, given again because it does not hold them.

        Raises:
            DataError: GD873.
        """
        attrs = self.tree.attrs
        kept = self._observed() <= set(self.data.values)
        if not kept and bound.sizes.get(attrs.get("rows_of", "")) == attrs.get("rows"):
            return
        message = "which rows were held out is known of the data of the fit only"
        remedy = "leave `data` out" if kept else f"the fit had {attrs.get('rows')} rows"
        raise DataError([Diagnostic("GD873", message, help=remedy)])

    def _scored(
        self,
        bound: BoundData,
        particles: int,
        seed: int | None,
        part: tuple[np.ndarray | None, str] = (None, ""),
    ) -> Score:
        count, model = whole("particles", particles), self.compiled.checked.ir
        chosen, which = part
        with self._ready(bound, seed) as inference:
            if chosen is not None:
                inference = replace(inference, rows=inference.rows.part(chosen))
            return score(inference, model, bound.sizes, count, which)

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
        needed = self._observed()
        bound = self._but_for_gaps(data, columns, needed, index_base)
        found = self._scored(bound, SCORED if draws is None else draws, seed)
        error = found.log_likelihood.standard_error
        rows = found.log_likelihood.rows
        kind = "a lower bound" if not found.points else "no bound: a guide is a point"
        kind += f", importance weighted with {found.particles} particles a row"
        if found.exact:  # nothing is drawn
            kind = "a lower bound: whole numbers are dequantised" if found.dequantised else "exact"
        return Evaluation(
            found.log_likelihood.total,
            float("nan") if error is None else error * rows,
            rows,
            {},
            kind,
        )
