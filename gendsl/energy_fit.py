"""`EnergyFit`: a fit of an unnormalised model, whose log Z has to be accounted for."""

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
from gendsl.prepared_fit import Prepared
from gendsl.runtime.backend import resolve_device, resolve_dtype, tensors
from gendsl.runtime.data import BoundData
from gendsl.runtime.energies.exact import summed_bits
from gendsl.runtime.energies.fitting import task_of
from gendsl.runtime.energies.kernels import kernel_of
from gendsl.runtime.energies.task import Task
from gendsl.runtime.energies.tempering import annealed_samples
from gendsl.runtime.energies.using import (
    Constant,
    annealed,
    exact_constant,
    log_weights,
    samples,
)
from gendsl.runtime.evaluation import Evaluation
from gendsl.runtime.failures import in_words
from gendsl.runtime.labelling import coords_of
from gendsl.runtime.program import executable
from gendsl.runtime.variational.learning import unvalidated

__all__ = ["EnergyFit"]

SWEEPS = 1000
"""Of the chains that draw samples, unless told otherwise."""

COPIES = 10
"""Replications of the data, unless told otherwise."""

CHAINS, STEPS = 100, 1000
"""Of annealing, unless told otherwise."""

SUMMED_BITS = 20
"""Up to so many bits log Z is a sum over all states, unless told otherwise."""


@dataclass(frozen=True, eq=False, repr=False)
class EnergyFit(Prepared):
    """A fit whose density is known up to log Z."""

    def log_weight(
        self, data: object = None, *, columns: Mapping[str, Any] | None = None
    ) -> xr.DataArray:
        """The unnormalised log density of each row, in nats: differences of them mean something.

        Binary latents of the energy are summed out.

        Args:
            data: as for `fit`; the data of the fit by default.
            columns: names of columns that are not identifiers, as for `fit`.

        Raises:
            DataError: the data do not fit the model.
        """
        bound = self._given(data, columns, self._observed())
        with self._task(bound) as task:
            values = log_weights(task)
        return self._of_rows(values, bound, "log_weight")

    def log_z(
        self,
        how: str = "auto",
        *,
        chains: int = CHAINS,
        steps: int = STEPS,
        seed: int | None = None,
    ) -> Constant:
        """Log Z, in nats: the number says whether it is exact, learned, or an estimate.

        Args:
            how: ``exact``, a sum over all states or that of a normal law; ``annealed``, by
                annealed importance sampling (Neal 2001), whose expectation is below log Z, and
                backwards from the chains of the training where there are some; ``learned``, the
                param of noise-contrastive estimation; or ``auto``, the first that can be had.
            chains: of annealing.
            steps: densities on its way.
            seed: of the draws; the fit's by default.

        Raises:
            DataError: GD886, it cannot be had so.
        """
        counts = whole("chains", chains), whole("steps", steps)
        with self._task(self.data, seed) as task:
            chosen = self._how(how, task)
            if task.conditional:
                raise self._refused("rows have inputs of their own, and constants of their own")
            if chosen == "exact":
                return Constant(float(self._exact(task)[0]), None, "exact")
            assert self.learned is not None
            if chosen == "learned":
                return Constant(float(self.learned.state["log_z"]), None, "learned")
            kept = {n: self.learned.state.get(f"chains {n}") for n in task.visible}
            back = {n: v for n, v in kept.items() if v is not None}
            own = len(next(iter(back.values()))) if back else counts[0]
            forward, backward = annealed(
                task,
                self.plan.options,
                chains=own if back else counts[0],
                steps=counts[1],
                model_samples=back or None,
            )
        upper = None if backward is None else backward.log_z
        error = forward.standard_error
        return Constant(forward.log_z, error, "annealed", upper, forward.effective)

    def _how(self, how: str, task: Task) -> str:
        facts = task.facts
        summable = facts.quadratic or (facts.binary and self._bits(task) <= SUMMED_BITS)
        learned = self.learned is not None and "log_z" in self.learned.state
        able = {"exact": summable, "learned": learned, "annealed": True}
        if how == "auto":
            return next(n for n, can in able.items() if can)
        if how not in able:
            raise self._refused(f"there is no way {how!r}; ask for auto, {', '.join(able)}")
        if how == "exact" and not summable:
            raise self._refused("it is neither a sum over few states nor that of a normal law")
        if how == "learned" and not learned:
            raise self._refused("only `noise_contrastive` learns it")
        return how

    def _exact(self, task: Task) -> np.ndarray:
        found = exact_constant(task)
        if not np.isfinite(found).all():
            raise self._refused("it is not finite, as the precision is not positive definite")
        return found

    @staticmethod
    def _bits(task: Task) -> int:
        given, _ = task.rows.spaced(1)
        return summed_bits(task, task.arguments_of(given))

    @staticmethod
    def _refused(why: str) -> DataError:
        return DataError([Diagnostic("GD886", f"log Z cannot be had: {why}")])

    def log_prob(
        self,
        data: object = None,
        *,
        log_z: Constant | None = None,
        columns: Mapping[str, Any] | None = None,
    ) -> xr.DataArray:
        """The log density of each row, in nats: `log_weight` less log Z.

        Args:
            data: as for `fit`; the data of the fit by default.
            log_z: what `log_z` gave, to use it again; it is computed by default.
            columns: names of columns that are not identifiers, as for `fit`.

        Returns:
            The attributes ``log_z``, ``kind`` and ``standard_error`` say what it rests on.

        Raises:
            DataError: the data do not fit; GD886, log Z cannot be had.
        """
        bound = self._given(data, columns, self._observed())
        with self._task(bound) as task:
            values = log_weights(task)
            if task.conditional:
                if self._how("auto", task) != "exact":
                    raise self._refused("rows have constants of their own, which are not sums")
                found = self._of_rows(values - self._exact(task), bound, "log_prob")
                return found.assign_attrs(kind="exact")
        constant = self.log_z() if log_z is None else log_z
        found = self._of_rows(values - constant.value, bound, "log_prob")
        attrs: dict[str, Any] = {"log_z": constant.value, "kind": constant.kind}
        if constant.standard_error is not None:
            attrs["standard_error"] = constant.standard_error
        return found.assign_attrs(attrs)

    def evaluate(
        self,
        data: object,
        *,
        draws: int | None = None,
        seed: int | None = None,
        columns: Mapping[str, Any] | None = None,
        index_base: int | None = None,
    ) -> Evaluation:
        """The log density of held-out rows.

        Args:
            data: as for `fit`, observed values included.
            draws: chains of annealing, where log Z is not exact.
            seed: of these.
            columns: names of columns that are not identifiers, as for `fit`.
            index_base: 1 if index columns count from 1; that of the fit by default.

        Raises:
            DataError: the data do not fit; GD886, log Z cannot be had.
        """
        del index_base
        constant = self.log_z(chains=draws or CHAINS, seed=seed)
        values = self.log_prob(data, log_z=constant, columns=columns).to_numpy().reshape(-1)
        count = len(values)
        over_rows = float(values.std(ddof=1)) * count**0.5 if count > 1 else float("nan")
        error = (over_rows**2 + (count * (constant.standard_error or 0.0)) ** 2) ** 0.5
        kind = {
            "exact": "exact",
            "learned": "an estimate: log Z is a learned param",
            "annealed": "an estimate, too high rather than too low: log Z by annealing",
        }[constant.kind]
        return Evaluation(float(values.sum()), error, count, {}, kind)

    def generate(
        self,
        rows: int,
        *,
        sweeps: int = SWEEPS,
        anew: bool = True,
        anneal: int | None = None,
        step: float | None = None,
        seed: int | None = None,
    ) -> xr.Dataset:
        """New rows, each the end of a Markov chain of its own.

        Where the members of no plate are rows, as those of a lattice, these are new values of
        everything, along `draw`.

        Args:
            rows: how many.
            sweeps: of each chain: the budget; chains that are too short remember their start.
            anew: begin at noise; else at the chains that the training left.
            anneal: instead of sweeps, so many densities between noise and the model, with
                resampling on the way: modes far from each other get their weights.
            step: of chains of numbers; that of the training, or 0.01.
            seed: of the draws; the fit's by default.

        Raises:
            DataError: GD886, the energy has inputs of rows, or there are no chains to go on with.
        """
        count, length = whole("rows", rows), whole("sweeps", sweeps)
        with self._task(self.data, seed) as task:
            if task.conditional:
                raise self._refused("rows have inputs of their own, which chains would need")
            options = {**self.plan.options, **({} if step is None else {"step": step})}
            if anneal is not None:
                found = annealed_samples(task, options, count, whole("anneal", anneal))
            else:
                start = None if anew else self._kept(task, count)
                found = samples(task, kernel_of(task, options), count, length, start)
            if task.rows.plate is None:
                return self._stacked(task, found)
            arrays = {n: self._natural(task, n, v) for n, v in found.items()}
        return self._dataset(arrays, self._sized({}, None, rows=count))

    def _stacked(self, task: Task, found: Mapping[str, torch.Tensor]) -> xr.Dataset:
        """Values of whole chains, where no plate has rows: over draws and their axes."""
        arrays = {n: [self._natural(task, n, x) for x in v] for n, v in found.items()}
        one = self._dataset({n: parts[0] for n, parts in arrays.items()}, self.data)
        stacked = {n: (("draw", *one[n].dims), np.stack(parts)) for n, parts in arrays.items()}
        return xr.Dataset(stacked, one.coords)

    def posterior_predictive(
        self, *, draws: int | None = None, seed: int | None = None
    ) -> xr.DataTree:
        """Replications of the data: for each as many new rows as they have, by `generate`.

        Args:
            draws: how many replications; 10 by default.
            seed: of the chains; the fit's by default.

        Raises:
            DataError: GD886, the energy has inputs of rows.
        """
        count = whole("draws", COPIES if draws is None else draws)
        plate = self._rows_of
        rows = 1 if plate is None else int(self.data.sizes[plate])
        made = self.generate(rows * count, seed=seed)
        model, found = self.compiled.checked.ir, {}
        for variable in model.of_role("observed"):
            values = made[variable.name].to_numpy()
            if plate is None:
                found[variable.name] = values
                continue
            at = variable.axes.index(plate) if plate in variable.axes else 0
            values = np.moveaxis(values, at, 0)
            values = values.reshape(count, rows, *values.shape[1:])
            found[variable.name] = np.moveaxis(values, 1, at + 1)
        return self._labelled("posterior_predictive", found, self.data)

    def _kept(self, task: Task, rows: int) -> dict[str, torch.Tensor]:
        assert self.learned is not None
        state = {n: self.learned.state.get(f"chains {n}") for n in task.visible}
        if any(v is None for v in state.values()):
            raise DataError([Diagnostic("GD886", "this training left no chains to go on with")])
        pick = torch.arange(rows)
        return {n: v[pick % len(v)] for n, v in state.items() if v is not None}

    def _natural(self, task: Task, name: str, value: torch.Tensor) -> np.ndarray:
        """Values in the layout of the program, over axes in declared order and the event."""
        model = self.compiled.checked.ir
        variable, depths = model.variable(name), task.weigher.depths
        event = task.event(name)
        order = [value.ndim - event - depths[a] for a in variable.axes]
        order += list(range(value.ndim - event, value.ndim))
        rest = [d for d in range(value.ndim) if d not in order]
        moved = value.permute(*order, *rest)
        found: np.ndarray = moved.reshape(moved.shape[: len(order)]).cpu().numpy()
        return found

    def _of_rows(self, values: np.ndarray, bound: BoundData, name: str) -> xr.DataArray:
        plate = self._rows_of
        if plate is None:
            return xr.DataArray(float(values.sum()), name=name)
        coords = coords_of(self.compiled.checked.ir, bound)
        own = {plate: coords[plate]} if plate in coords else {}
        return xr.DataArray(values, own, [plate], name)

    @contextmanager
    def _task(self, bound: BoundData, seed: int | None = None) -> Iterator[Task]:
        """The block with data, networks in evaluation mode."""
        model, learned = self.compiled.checked.ir, self.learned
        assert learned is not None
        dtype, device = resolve_dtype(self.settings.dtype), resolve_device(self.settings.device)
        chosen = self.settings.seed if seed is None else seed
        program = self.compiled.program
        with (
            tensors(dtype, device, whole("seed", chosen)),
            in_words(model),
            torch.no_grad(),
            unvalidated(),
        ):
            ready = executable(program, model, bound, dtype, device, nets=learned.nets)
            yield task_of(ready, model, learned)
