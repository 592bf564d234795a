"""What ranks say: a row a quantity, one probability for all, and a verdict in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gendsl.runtime.calibration.quantities import Quantity
from gendsl.runtime.calibration.records import Record
from gendsl.runtime.calibration.replication import R_HAT_BAD
from gendsl.runtime.calibration.uniformity import Coverage, uniformity
from gendsl.runtime.verdict import Finding, Status, Verdict

__all__ = ["LEVELS", "Found", "ranks_of", "summarised"]

LEVELS = (0.5, 0.9)
"""The probabilities of the central intervals whose coverage is counted."""

SUSPICIOUS, BAD = 0.05, 0.001
"""Probabilities of deviations at least this large, were everything right."""

FEW = 50
"""So few replications show gross mistakes only."""

SHARE_OF_FAILURES = 0.05
SHARE_OF_WARNINGS = 0.05
NAMED = 3
UNCLEAR = 2.0
"""Standard errors below which nothing is said about the direction of a deviation."""

ORDER: tuple[Status, ...] = ("do not trust", "caution", "good")


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The results of a calibration.

    Attributes:
        table: a row a quantity.
        p_value: the probability that a correct method shows a deviation as large as the largest
            here in any quantity, at most.
        verdict: whether the method is calibrated, in words.
    """

    table: pd.DataFrame
    p_value: float
    verdict: Verdict


def ranks_of(records: Sequence[Record], quantities: int) -> NDArray[np.int64]:
    """``(replication, quantity)`` of those that are done."""
    rows = [r.ranks for r in records if r.state == "done"]
    return np.array(rows, dtype=np.int64).reshape(len(rows), quantities)


def summarised(
    quantities: Sequence[Quantity],
    records: Sequence[Record],
    kept: int,
    asked: int,
) -> Found:
    """Test, count and judge.

    Args:
        quantities: what was ranked.
        records: of the replications so far.
        kept: how many thinned draws the truth was ranked among.
        asked: how many replications were wanted.
    """
    ranks = ranks_of(records, len(quantities))
    table = _table(quantities, records, ranks, kept)
    tested = table.p_value.dropna()
    p_value = min(1.0, float(tested.min()) * len(tested)) if len(tested) else float("nan")
    findings = [
        *_uniform(table, ranks, kept, p_value),
        *_failures(records, asked),
        *_warnings(records, kept),
    ]
    findings.sort(key=lambda f: ORDER.index(f.status))
    status = findings[0].status if findings else "good"
    sentences = [f.sentence for f in findings]
    if status == "good":
        sentences.insert(0, _agreed(table, len(ranks), p_value))
    return Found(table, p_value, Verdict(status, tuple(sentences)))


def _table(
    quantities: Sequence[Quantity],
    records: Sequence[Record],
    ranks: NDArray[np.int64],
    kept: int,
) -> pd.DataFrame:
    done = [r for r in records if r.state == "done"]
    truth, mean, sd = (
        np.array([getattr(r, name) for r in done], dtype=np.float64)
        for name in ("truth", "mean", "sd")
    )
    rows = {}
    for k, q in enumerate(quantities):
        row: dict[str, float] = {"p_value": uniformity(ranks[:, k], kept)}
        for level in LEVELS:
            covered = Coverage(level, kept)
            name = f"covered_{100 * level:g}%"
            row[name] = covered.share(ranks[:, k]) if len(done) else float("nan")
        row |= _scores(q, truth, mean, sd, k) if len(done) > 1 and sd.size else {}
        rows[q.label] = row
    columns = ["p_value", *(f"covered_{100 * level:g}%" for level in LEVELS)]
    return pd.DataFrame.from_dict(rows, orient="index").reindex(
        columns=[*columns, "z_mean", "z_sd", "contraction"]
    )


def _scores(
    quantity: Quantity,
    truth: NDArray[np.float64],
    mean: NDArray[np.float64],
    sd: NDArray[np.float64],
    k: int,
) -> dict[str, float]:
    """Posterior z-scores, and how much the posterior is narrower than the prior.

    Those of Betancourt (2018), "Calibrating Model-Based Inferences and Decisions". Densities
    have no prior to compare with: their true values depend on the data.
    """
    usable = sd[:, k] > 0
    if not usable.any():
        return {}
    z = (mean[usable, k] - truth[usable, k]) / sd[usable, k]
    found = {"z_mean": float(z.mean()), "z_sd": float(z.std())}
    prior = float(truth[:, k].var(ddof=1))
    if quantity.variable and prior > 0:
        found["contraction"] = float(1 - np.median(sd[:, k] ** 2) / prior)
    return found


def _uniform(
    table: pd.DataFrame, ranks: NDArray[np.int64], kept: int, p_value: float
) -> Iterator[Finding]:
    """What is not uniform, and what that means."""
    if not p_value < SUSPICIOUS:
        return
    worst = table.p_value.sort_values(kind="stable")
    limit = SUSPICIOUS / max(1, len(worst.dropna()))
    named = [label for label, p in worst.items() if p < limit][:NAMED]
    places = {label: k for k, label in enumerate(table.index)}
    told = "; ".join(f"{label} ({_direction(ranks[:, places[label]], kept)})" for label in named)
    status: Status = "do not trust" if p_value < BAD else "caution"
    more = int((worst < limit).sum()) - len(named)
    rest = f" and {more} more" if more > 0 else ""
    yield Finding(
        status,
        f"ranks are not uniform: {told}{rest}. A correct method shows such deviations with a "
        f"probability of at most {_chance(p_value)}",
    )


def _direction(ranks: NDArray[np.int64], kept: int) -> str:
    """How posteriors differ from what they should be, by the mean and the spread of ranks."""
    places = (ranks + 0.5) / (kept + 1) - 0.5
    shift = float(places.mean()) * sqrt(12 * len(ranks))
    spread = (float((places**2).mean()) * 12 - 1) * sqrt(len(ranks) * 5 / 4)
    if abs(shift) > max(UNCLEAR, abs(spread)):
        return "posteriors lie too low" if shift > 0 else "posteriors lie too high"
    if abs(spread) > UNCLEAR:
        return "posteriors are too narrow" if spread > 0 else "posteriors are too wide"
    return "of another shape"


def _chance(p: float) -> str:
    return "1e-12" if p < 1e-12 else f"{p:.2g}"


def _failures(records: Sequence[Record], asked: int) -> Iterator[Finding]:
    """Replications without ranks, and those that were never run."""
    failed = [r for r in records if r.state == "failed"]
    if failed:
        reasons = Counter(r.reason for r in failed)
        reason, times = reasons.most_common(1)[0]
        often = "" if len(reasons) == 1 else f" ({times} times)"
        bad = len(failed) > SHARE_OF_FAILURES * len(records)
        yield Finding(
            "do not trust" if bad else "caution",
            f"{len(failed)} of {len(records)} replications failed and have no ranks; what is "
            f"left may look better than it is. {reason}{often}",
        )
    done = len(records) - len(failed)
    if len(records) < asked:
        yield Finding("caution", f"stopped after {len(records)} of {asked} replications")
    if done < FEW:
        yield Finding("caution", f"{done} replications show gross mistakes only")


def _warnings(records: Sequence[Record], kept: int) -> Iterator[Finding]:
    """What the sampler said of itself. These replications are ranked like all others."""
    done = [r for r in records if r.state == "done"]
    short = [r for r in done if r.effective is not None and not r.effective >= kept]
    wide = [r for r in done if r.r_hat is not None and not r.r_hat <= R_HAT_BAD]
    lost = [r for r in done if r.divergences]
    told = (
        (short, f"had fewer than {kept} independent draws after all: their ranks are not exact"),
        (wide, f"have an R-hat above {R_HAT_BAD}: their chains disagree"),
        (lost, "had divergent transitions"),
    )
    for found, what in told:
        if found:
            often = len(found) > SHARE_OF_WARNINGS * len(done)
            yield Finding(
                "caution" if often else "good", f"{len(found)} of {len(done)} replications {what}"
            )


def _agreed(table: pd.DataFrame, count: int, p_value: float) -> str:
    return (
        f"ranks are uniform as far as {count} replications tell: a correct method shows larger "
        f"deviations in some of the {len(table)} quantities with a probability of "
        f"{'1' if p_value >= 1 else f'{p_value:.2g}'}"
    )
