"""One replication: parameters and data from the model, a fit to the data, ranks of the truth.

Draws of a Markov chain are not independent, so that ranks among all of them are not uniform. They
are thinned to a number that the effective sample size covers; where it does not, the fit is
repeated with more draws.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gendsl.compiler import Compiled
from gendsl.diagnostics import DataError
from gendsl.ir import nodes as ir
from gendsl.runtime.backend import resolve_device, resolve_dtype, tensors
from gendsl.runtime.calibration.mixing import effective, worst_r_hat
from gendsl.runtime.calibration.quantities import Quantity, log_densities, of_draws
from gendsl.runtime.calibration.records import Record
from gendsl.runtime.calibration.uniformity import rank
from gendsl.runtime.data import BoundData, bind, raw_data
from gendsl.runtime.draws import Batch
from gendsl.runtime.failures import in_words
from gendsl.runtime.generation import drawn
from gendsl.runtime.program import Executable, executable
from gendsl.runtime.results import name_in_model
from gendsl.runtime.running import FitSettings, run_engine

__all__ = ["Source", "Study", "replicate", "seeds_of"]

MARGIN = 1.2
"""How many times the kept draws the effective sample size should be, so that thinning suffices."""

LONGEST = 8
"""A fit is repeated with at most so many times the draws."""

R_HAT_BAD = 1.05

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Source:
    """Where parameters and data come from: a model and its inputs.

    Attributes:
        compiled: the model.
        inputs: what is known, and where observed values are missing.
    """

    compiled: Compiled
    inputs: BoundData

    @property
    def model(self) -> ir.Model:
        """The model."""
        return self.compiled.checked.ir

    @cached_property
    def _free(self) -> Executable:
        dtype, device = resolve_dtype("float64"), resolve_device("cpu")
        ready = executable(self.compiled.program, self.model, self.inputs, dtype, device)
        return ready.without(frozenset(v.name for v in self.model.of_role("observed")))

    def draw(self, seed: int) -> Arrays:
        """One draw of everything that is random, natural values by name.

        Raises:
            DataError: the draw left the support of a distribution, or overflowed.
        """
        names = [v.name for v in self.model.of_role("latent", "observed", "let")]
        with tensors(resolve_dtype("float64"), resolve_device("cpu"), seed), in_words(self.model):
            found = drawn(Batch(self._free), names, 1)
        return {n: v[0] for n, v in found.items()}

    def bound(self, values: Mapping[str, np.ndarray]) -> BoundData:
        """The inputs with drawn values of the observed variables, as data.

        Raises:
            DataError: what was drawn is not legal data, such as a count that overflowed.
        """
        data: dict[str, object] = {}
        for variable in self.model.of_role("input", "observed"):
            if variable.role == "input":
                data[variable.name] = self.inputs.values[variable.name]
                continue
            whole = values[variable.name]
            gaps = self.inputs.missing.get(variable.name)
            if gaps is not None:
                gaps = gaps.reshape(gaps.shape + (1,) * (whole.ndim - gaps.ndim))
                whole = np.where(gaps, np.nan, whole)
            data[variable.name] = whole
        sizes = {a.name: self.inputs.sizes[a.name] for a in self.model.axes if a.size is None}
        return bind(self.model, raw_data(data), sizes=sizes)


@dataclass(frozen=True)
class Study:
    """What all replications share.

    Attributes:
        source: where parameters and data come from.
        compiled: the model with the plan that is calibrated.
        quantities: what is ranked.
        kept: how many thinned draws the truth is ranked among.
        seed: with the number of a replication it determines everything about it.
        dtype: of the fits.
        device: of the fits.
    """

    source: Source
    compiled: Compiled
    quantities: tuple[Quantity, ...]
    kept: int
    seed: int
    dtype: str = "float64"
    device: str = "cpu"


@dataclass(frozen=True)
class _Posterior:
    """One fit's draws.

    Attributes:
        values: ``(draw, ...)`` of every latent, imputed entry and let, chain after chain.
        chains: how many chains there are.
        independent: whether draws are independent by construction.
        divergences: divergent transitions.
        lp: the log density that the sampler saw, ``(chain, draw)``, where there is one.
    """

    values: Arrays
    chains: int
    independent: bool
    divergences: int
    lp: np.ndarray | None

    @property
    def count(self) -> int:
        return len(next(iter(self.values.values())))


def seeds_of(seed: int, number: int) -> tuple[int, int, int]:
    """The seeds of a replication: of its data, its fit and its ties."""
    states = np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(3, np.uint32)
    return int(states[0]), int(states[1]), int(states[2])


def replicate(study: Study, number: int) -> Record:
    """Draw, fit and rank; what goes wrong is told in the record."""
    started = time.process_time()
    try:
        record = _attempt(study, number)
    except DataError as error:
        first = error.diagnostics[0]
        record = Record(number, "failed", f"{first.code}: {first.message}")
    except Exception as error:
        said = (str(error).strip().splitlines() or ["no message"])[0][:200]
        record = Record(number, "failed", f"{type(error).__name__}: {said}")
    return replace(record, seconds=round(time.process_time() - started, 3))


def _attempt(study: Study, number: int) -> Record:
    of_data, of_fit, of_ties = seeds_of(study.seed, number)
    truth = study.source.draw(of_data)
    bound = study.source.bound(truth)
    found, lengthened = _fitted(study, bound, of_fit)
    count = found.count
    places = ((np.arange(study.kept) + 0.5) * count / study.kept).astype(np.int64)
    model = study.compiled.checked.ir
    unknown = {n for n, v in found.values.items() if n not in _lets(model)}
    exact = _truth_of(study, truth, bound, unknown)
    together = {
        n: np.concatenate([exact[n][None], found.values[n][places]]) for n in sorted(unknown)
    }
    densities = _densities(study, bound, together)
    true_values = {n: v[None] for n, v in truth.items()}
    true = of_draws(study.quantities, true_values, {n: d[:1] for n, d in densities.items()}, 1)[0]
    thinned = {n: v[places] for n, v in found.values.items()}
    rows = {n: d[1:] for n, d in densities.items()}
    draws = of_draws(study.quantities, thinned, rows, study.kept)
    if not (np.isfinite(true).all() and not np.isnan(draws).any()):
        return Record(number, "failed", "a quantity is not a finite number")
    worth, r_hat = _mixing(study, found)
    return Record(
        number,
        "done",
        "",
        tuple(int(r) for r in rank(true, draws, np.random.default_rng(of_ties))),
        tuple(float(x) for x in true),
        tuple(float(x) for x in draws.mean(axis=0)),
        tuple(float(x) for x in draws.std(axis=0, ddof=1)) if study.kept > 1 else (),
        count,
        worth,
        r_hat,
        found.divergences,
        lengthened,
    )


def _lets(model: ir.Model) -> set[str]:
    return {v.name for v in model.of_role("let")}


def _truth_of(study: Study, truth: Arrays, bound: BoundData, unknown: set[str]) -> Arrays:
    """The true values of all that is unknown, imputed entries included."""
    found = {}
    for name in unknown:
        if name in truth:
            found[name] = truth[name]
            continue
        variable = name.removesuffix("_missing")
        found[name] = truth[variable][np.asarray(bound.missing[variable], dtype=bool)]
    return found


def _densities(study: Study, bound: BoundData, draws: Arrays) -> Arrays:
    dtype, device = resolve_dtype(study.dtype), resolve_device(study.device)
    model = study.compiled.checked.ir
    if not any(not q.variable for q in study.quantities):
        return {}
    with tensors(dtype, device, 0), in_words(model):
        ready = executable(study.compiled.program, model, bound, dtype, device)
        return log_densities(ready, draws)


def _fitted(study: Study, bound: BoundData, seed: int) -> tuple[_Posterior, int]:
    """Fit, again with more draws where too few of them are independent."""
    lengthened = 1
    found = _fit(study, bound, seed, lengthened)
    while not found.independent and lengthened < LONGEST:
        worth, r_hat = _mixing(study, found)
        assert worth is not None
        assert r_hat is not None
        wanted = MARGIN * study.kept / (worth if worth >= 1 else 1.0)  # NaN: too few to tell
        if wanted <= 1 and not r_hat > R_HAT_BAD:
            break
        factor = 2 ** int(np.ceil(np.log2(max(wanted, 2.0))))
        lengthened = min(LONGEST, lengthened * factor)
        found = _fit(study, bound, seed, lengthened)
    return found, lengthened


def _fit(study: Study, bound: BoundData, seed: int, times: int) -> _Posterior:
    compiled = study.compiled
    if times > 1:
        draws = int(compiled.plan.options["draws"] or 0) * times
        plan = replace(compiled.plan, options={**compiled.plan.options, "draws": draws})
        compiled = replace(compiled, plan=plan)
    settings = FitSettings(seed, study.dtype, study.device, 1, progress=False)
    _, tree, _ = run_engine(compiled, bound, settings)
    posterior = tree["posterior"].to_dataset()
    chains, draws = posterior.sizes["chain"], posterior.sizes["draw"]
    values = {
        name_in_model(str(n)): np.asarray(a.to_numpy()).reshape(chains * draws, *a.shape[2:])
        for n, a in posterior.data_vars.items()
    }
    stats = tree["sample_stats"].to_dataset() if "sample_stats" in tree.children else {}
    diverging = int(stats["diverging"].sum()) if "diverging" in stats else 0
    lp = np.asarray(stats["lp"].to_numpy()) if "lp" in stats else None
    return _Posterior(values, chains, tree.attrs["kind"] == "exact", diverging, lp)


def _mixing(study: Study, found: _Posterior) -> tuple[float | None, float | None]:
    """The least effective sample size and the largest R-hat of the quantities."""
    if found.independent:
        return None, None
    own = [q for q in study.quantities if q.variable]
    whole = of_draws(own, found.values, {}, found.count)
    draws = whole.reshape(found.chains, found.count // found.chains, len(own))
    if found.lp is not None:
        draws = np.concatenate([draws, found.lp[:, :, None]], axis=-1)
    if not draws.shape[-1]:
        return float(found.count), 1.0
    return float(np.min(effective(draws))), worst_r_hat(draws)
