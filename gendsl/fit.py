"""A fit: results of an inference, with what is needed to predict, judge, plot and save them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import xarray as xr
from matplotlib.figure import Figure

from gendsl import arguments
from gendsl.arguments import whole
from gendsl.compiler import VERSION, Compiled
from gendsl.diagnostics import DataError, Diagnostic
from gendsl.inference.plan import Plan
from gendsl.inspection import plots
from gendsl.ir import nodes as ir
from gendsl.lacking import Lacking
from gendsl.runtime.backend import resolve_device, resolve_dtype
from gendsl.runtime.checkpoint import save_run
from gendsl.runtime.data import BoundData, bind, raw_data
from gendsl.runtime.evaluation import (
    Evaluation,
    pointwise,
    scored,
    verify_scorable,
    verify_steps_known,
)
from gendsl.runtime.labelling import axes_of, coords_of, up_to_ends
from gendsl.runtime.posterior import recovered
from gendsl.runtime.predicting import predictive
from gendsl.runtime.rebasing import (
    conditioned_on,
    rebased,
    rebased_params,
    verify_constants,
    verify_entries,
    verify_parents,
    verify_series,
)
from gendsl.runtime.replay import Replay, unknown_draws
from gendsl.runtime.results import ESTIMATE, build_tree
from gendsl.runtime.running import FitSettings
from gendsl.runtime.summary import Kind, Summary, summarise
from gendsl.semantics.supports import is_discrete

__all__ = ["Fit", "FitSettings"]

PREDICTIVE_DRAWS = 1000
"""Predictions use at most this many draws of the posterior unless told otherwise."""


def _count(draws: int | None) -> int:
    """How many draws to use."""
    return PREDICTIVE_DRAWS if draws is None else whole("draws", draws)


def _unknowns(model: ir.Model) -> list[ir.Variable]:
    """Latents, and variables of which entries may be imputed."""
    return [v for v in model.variables if v.role == "latent" or v.optional]


@dataclass(frozen=True, eq=False)
class Fit(Lacking):
    """The answer to a model and its data.

    Attributes:
        compiled: model, graph, plan and program.
        data: the bound data.
        tree: all results, an `xarray.DataTree` in the ArviZ schema.
        settings: how it was run.
    """

    compiled: Compiled
    data: BoundData
    tree: xr.DataTree
    settings: FitSettings

    def __repr__(self) -> str:
        """``<gendsl fit of EightSchools by nuts: good>``."""
        method, verdict = self.compiled.plan.method, self.summary().verdict.status
        return f"<gendsl fit of {self.compiled.checked.ir.name} by {method}: {verdict}>"

    @property
    def plan(self) -> Plan:
        """The plan that was carried out: what was integrated out, and in which form latents."""
        return self.compiled.plan

    @property
    def kind(self) -> Kind:
        """How the numbers came about: ``mcmc``, ``exact`` or ``point``."""
        return cast(Kind, self.tree.attrs["kind"])

    @property
    def posterior(self) -> xr.DataTree:
        """Labelled draws, with dims ``(chain, draw, *plates, *event)``.

        Raises:
            DataError: a point estimate has no posterior.
        """
        if "posterior" not in self.tree.children:
            message = "this fit is a point estimate and has no posterior draws"
            remedy = "use `fit.estimate`; a fit of latents by `nuts` has draws"
            if self.kind == "variational":
                message = "this fit keeps no draws: there are no latents, or they are too many"
                remedy = "`fit.encode` gives the guide's law of each; fewer `draws` are kept"
            raise DataError([Diagnostic("GD814", message, help=remedy)])
        return self.tree.children["posterior"]

    @property
    def estimate(self) -> xr.DataTree:
        """The point estimate of a fit by ``mle`` or ``map``."""
        if ESTIMATE not in self.tree.children:
            message = "this fit has draws, not a point estimate"
            remedy = "use `fit.posterior` or `fit.summary()`"
            if self.kind == "variational":
                message = "this model has no params that could be estimated as points"
            raise DataError([Diagnostic("GD815", message, help=remedy)])
        return self.tree.children[ESTIMATE]

    def summary(self, var_names: Sequence[str] | None = None, *, ci_prob: float = 0.90) -> Summary:
        """A table of every unknown with its diagnostics, and a verdict in words.

        Args:
            var_names: the variables to list; all by default.
            ci_prob: probability of the equal-tailed interval.
        """
        chosen = [var_names] if isinstance(var_names, str) else var_names
        return summarise(self.tree, kind=self.kind, var_names=chosen, ci_prob=ci_prob)

    def posterior_predictive(
        self, *, draws: int | None = None, seed: int | None = None
    ) -> xr.DataTree:
        """Replications of the observed variables at the data of the fit.

        Args:
            draws: how many draws of the posterior to use; all up to 1000 by default.
            seed: of the replications; the fit's by default.
        """
        found = self._predict(self.data, draws, seed, identity=True)
        return self._labelled("posterior_predictive", found, self.data)

    def predict(
        self,
        data: object,
        *,
        draws: int | None = None,
        seed: int | None = None,
        columns: Mapping[str, Any] | None = None,
        index_base: int | None = None,
    ) -> xr.DataTree:
        """Draws of the observed variables and lets for new data.

        Plates take the sizes of the new data. A member with a label that the fit knew keeps
        its posterior; a new one is drawn from its conditional prior, draw by draw. The steps of a
        sequence are those of the fit, in their order; later ones continue the series, and so do
        missing values at the end of a series that depends on its own past.

        Args:
            data: the inputs, as for `fit`; observed variables may be absent.
            draws: how many draws of the posterior to use; all up to 1000 by default.
            seed: of the predictions; the fit's by default.
            columns: names of columns that are not identifiers, as for `fit`.
            index_base: 1 if index columns count from 1; that of the fit by default.

        Raises:
            DataError: the data do not fit the model, or a `param` would need new members.
        """
        bound = self._bound(data, columns, index_base, frozenset())
        verify_parents(self.compiled.checked.ir, bound, self._windows(), continues=True)
        found = self._predict(bound, draws, seed, identity=False)
        return self._labelled("predictions", found, bound)

    def _bound(
        self,
        data: object,
        columns: Mapping[str, Any] | None,
        index_base: int | None,
        needed: frozenset[str],
        *,
        lazily: bool = False,
    ) -> BoundData:
        """New data, members known by their labels."""
        model = self.compiled.checked.ir
        bound = bind(
            model,
            raw_data(data),
            columns=columns,
            index_base=self.settings.index_base if index_base is None else index_base,
            known=dict(self.data.labels),
            purpose="predict",
            sizes=self._kept_sizes(),
            lazily=lazily,
        )
        streamed = bound.stream.names if bound.stream is not None else ()
        absent = sorted(needed - {*bound.values, *streamed})
        if absent:
            raise DataError(
                [
                    Diagnostic("GD710", f"no values are given for `{n}`", model.variable(n).span)
                    for n in absent
                ],
                model.source,
            )
        return bound

    def _kept_sizes(self) -> dict[str, int]:
        """Sizes of axes that no input has: they stay as they were."""
        model = self.compiled.checked.ir
        return {a.name: self.data.sizes[a.name] for a in model.axes if a.kind == "dim"}

    def sample(self, draws: int, *, seed: int | None = None) -> xr.DataTree:
        """The same as `posterior_predictive`: fresh replicates of the observed variables."""
        return self.posterior_predictive(draws=draws, seed=seed)

    def evaluate(
        self,
        data: object,
        *,
        draws: int | None = None,
        seed: int | None = None,
        columns: Mapping[str, Any] | None = None,
        index_base: int | None = None,
    ) -> Evaluation:
        """The log predictive density of held-out rows, and its standard error.

        Args:
            data: as for `fit`, observed values included.
            draws: how many draws of the posterior to use; all up to 1000 by default.
            seed: for members that the fit did not know.
            columns: names of columns that are not identifiers, as for `fit`.
            index_base: 1 if index columns count from 1; that of the fit by default.

        Raises:
            DataError: the data do not fit the model, or the rows have discrete latents.
        """
        bound = self._bound(data, columns, index_base, self._observed())
        verify_parents(self.compiled.checked.ir, bound, self._windows(), continues=False)
        verify_scorable(self.compiled.checked.ir, point=self.kind == "point")
        replay = self._replay(bound, draws, seed, identity=False)
        verify_steps_known(self.compiled.checked.ir, replay.known)
        return scored(replay.run(pointwise, missing=bound.missing))

    def _windows(self) -> frozenset[str]:
        """Observed variables that depend on their own past."""
        return frozenset(n for n, _ in self.compiled.program.windows)

    def _observed(self) -> frozenset[str]:
        return frozenset(v.name for v in self.compiled.checked.ir.of_role("observed"))

    def _predict(
        self, bound: BoundData, draws: int | None, seed: int | None, *, identity: bool
    ) -> dict[str, np.ndarray]:
        count = _count(draws)
        given = frozenset() if identity else conditioned_on(self.compiled.checked.ir)
        missing = {} if identity else bound.missing
        return self._replay(bound, draws, seed, identity=identity).run(
            predictive, draws=count, given=given & set(bound.values), missing=missing
        )

    def _replay(
        self, bound: BoundData, draws: int | None, seed: int | None, *, identity: bool
    ) -> Replay:
        model = self.compiled.checked.ir
        count, seed = _count(draws), whole("seed", self.settings.seed if seed is None else seed)
        values, params = unknown_draws(model, self.tree, count)
        dtype, device = resolve_dtype(self.settings.dtype), resolve_device(self.settings.device)
        if self.kind == "point" and any(is_discrete(v.type.support) for v in _unknowns(model)):
            fitted = Replay(
                self.compiled, self.data, self.data, values, params, {}, dtype, device, seed
            )
            values = {**values, **fitted.run(recovered, draws=count)}
        known: dict[str, np.ndarray] = {}
        if not identity:
            verify_constants(model)
            verify_series(model, bound, self.data.sizes)
            verify_entries(model, self.data, bound)
            values = {v.name: values[v.name] for v in model.variables if v.name in values}
            values, known = rebased(model, values, bound)
            params = rebased_params(model, params, bound)
        return Replay(
            self.compiled,
            bound,
            self.data,
            values,
            params,
            known,
            dtype,
            device,
            seed,
            self._nets(),
        )

    def _labelled(
        self, group: str, found: Mapping[str, np.ndarray], bound: BoundData
    ) -> xr.DataTree:
        model = self.compiled.checked.ir
        supports = {v.name: str(v.type.support) for v in model.variables}
        tree = build_tree(
            {group: {n: v[None] for n, v in found.items()}},
            axes_of(model),
            coords_of(model, bound),
            {"kind": self.kind},
            supports=supports,
        )
        return up_to_ends(tree, model, bound).children[group]

    def with_predictive(self) -> Fit:
        """The same fit, its tree with replications of the data for plots and checks."""
        if "posterior_predictive" in self.tree.children:
            return self
        group = self.posterior_predictive().to_dataset()
        names = [v.name for v in self.compiled.checked.ir.of_role("observed") if v.name in group]
        tree = self.tree.copy()
        tree["posterior_predictive"] = xr.DataTree(group[names])
        return replace(self, tree=tree)

    def plot(self, kind: str = "forest", var_names: Sequence[str] | None = None) -> Figure:
        """A picture of the results.

        Args:
            kind: ``trace``, ``rank``, ``forest`` or ``predictive``.
            var_names: the variables to show.
        """
        makers = {
            "trace": plots.plot_trace,
            "rank": plots.plot_rank,
            "forest": plots.plot_forest,
            "predictive": plots.plot_predictive,
        }
        if isinstance(var_names, str):
            var_names = [var_names]
        if kind not in makers:
            raise DataError(
                [
                    Diagnostic(
                        "GD816",
                        f"no plot is called {kind!r}",
                        help=f"the plots are {', '.join(makers)}",
                    )
                ]
            )
        tree = self.with_predictive().tree if kind == "predictive" else self.tree
        return makers[kind](tree, var_names)

    def save_plots(self, folder: str | Path) -> list[Path]:
        """Write every plot that suits the fit as PNG files."""
        return plots.save_plots(self.with_predictive().tree, folder)

    def _arrays(self) -> dict[str, np.ndarray] | None:
        """Params and networks that were learned by steps."""
        return None

    def _nets(self) -> dict[str, torch.nn.Module] | None:
        """Networks, in evaluation mode."""
        return None

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the fit to a folder: model, data, results and settings; nothing is pickled.

        Raises:
            DataError: the folder holds something that is no fit, or a fit and not `overwrite`.
        """
        arguments.file_path("folder", folder)
        source = self.compiled.checked.ir.source
        plan = self.compiled.plan
        return save_run(
            folder,
            source_text=source.text,
            source_name=source.name,
            data=self.data.values,
            labels=self.data.labels,
            sizes=self.data.sizes,
            missing=self.data.missing,
            tree=self.tree,
            learned=self._arrays(),
            meta={
                "gendsl": VERSION,
                "method": plan.method,
                "options": dict(plan.options),
                "treat": dict(plan.treat),
                "carried_out": {
                    "rewrites": [[r.kind, list(r.variables), r.rule] for r in plan.rewrites],
                    "notes": list(plan.notes),
                    "noncentred": list(plan.noncentred),
                    "evaluation": plan.evaluation,
                },
                "settings": {
                    "seed": self.settings.seed,
                    "dtype": self.settings.dtype,
                    "device": self.settings.device,
                    "index_base": self.settings.index_base,
                },
            },
            overwrite=overwrite,
        )
