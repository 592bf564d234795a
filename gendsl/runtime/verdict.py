"""Verdicts: whether a result may be used, in words, with the facts that decide it.

Thresholds on R-hat and ESS are those of Vehtari et al. (2021); unknown facts count against.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil, isfinite, isnan
from typing import Any, Literal

import pandas as pd

from gendsl.runtime.diagnosis import Diagnosis, SamplerFacts

__all__ = [
    "Finding",
    "Status",
    "Verdict",
    "conclude",
    "judge_draws",
    "judge_exact",
    "judge_point",
]

Status = Literal["good", "caution", "do not trust"]

R_HAT_CAUTION, R_HAT_BAD = 1.01, 1.05
ESS_PER_CHAIN, ESS_PER_CHAIN_BAD = 100, 10
BFMI_LOW = 0.3
DIVERGENT_BAD = 0.01
MAX_DEPTH_CAUTION = 0.05
GRADIENT_LARGE = 1e-3
NAMED = 3
"""How many of the worst quantities a sentence names."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to use a result.

    Attributes:
        status: ``good``, ``caution`` or ``do not trust``.
        sentences: why, the gravest first.
    """

    status: Status
    sentences: tuple[str, ...]

    @property
    def exit_status(self) -> int:
        """What a command exits with: 3 for a result that must not be trusted, else 0."""
        return 3 if self.status == "do not trust" else 0

    def __str__(self) -> str:
        """The status and a line a sentence."""
        return "\n".join([f"verdict: {self.status}", *(f"  - {s}" for s in self.sentences)])


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact and how far it decides."""

    status: Status
    sentence: str


ORDER: tuple[Status, ...] = ("do not trust", "caution", "good")


def conclude(findings: Iterable[Finding], otherwise: str) -> Verdict:
    """The verdict of findings; `otherwise` stands first where all of them are good."""
    ranked = sorted(findings, key=lambda f: ORDER.index(f.status))
    status = ranked[0].status if ranked else "good"
    sentences = [f.sentence for f in ranked]
    if status == "good":
        sentences = [otherwise, *sentences]
    return Verdict(status, tuple(sentences))


def _percent(part: float) -> str:
    return f"{100 * part:.2g} %" if part < 0.1 else f"{100 * part:.0f} %"


def _worst(rows: pd.DataFrame, column: str, digits: str, *, largest: bool) -> str:
    ranked = rows.sort_values(column, ascending=not largest, kind="stable").head(NAMED)
    named = (f"{r.label} ({getattr(r, column):{digits}})" for r in ranked.itertuples())
    return ", ".join(named)


def _some(labels: pd.Series) -> str:
    shown = ", ".join(labels.head(NAMED))
    return shown if len(labels) <= NAMED else f"{shown} and {len(labels) - NAMED} more"


def judge_draws(found: Diagnosis, facts: SamplerFacts) -> Verdict:
    """Judge the draws of a Markov chain."""
    findings = [
        *_entries(found),
        *_chains(found),
        *_divergences(facts),
        *_agreement(found),
        *_precision(found),
        *_energy(facts),
        *_notes(found),
    ]
    return conclude(findings, _agreed(found, facts))


def _entries(found: Diagnosis) -> Iterator[Finding]:
    table = found.table
    broken = table[table.state == "non-finite"]
    if len(broken):
        yield Finding(
            "do not trust",
            f"Some draws of {_some(broken.label)} are not finite numbers: the density overflows "
            "or is undefined there.",
        )
    still = table[table.state == "constant"]
    if len(still):
        yield Finding(
            "do not trust",
            f"{_some(still.label)} had the same value in every draw: the sampler never moved.",
        )
    for chain, label in found.stuck.items():
        yield Finding(
            "do not trust",
            f"Chain {chain} never moved ({label} is constant in it), while others did.",
        )


def _chains(found: Diagnosis) -> Iterator[Finding]:
    if found.draws < 8:
        yield Finding(
            "do not trust",
            f"{found.draws} draws a chain are too few to judge anything: R-hat and effective "
            "sample sizes need at least 8.",
        )
    if found.chains == 1:
        yield Finding(
            "caution",
            "There is one chain, so nothing shows whether another start would have led "
            "elsewhere (R-hat compares its four quarters). Run 4.",
        )


def _divergences(facts: SamplerFacts) -> Iterator[Finding]:
    if not facts.divergences:
        return
    share = facts.divergences / max(1, facts.transitions)
    yield Finding(
        "do not trust" if share >= DIVERGENT_BAD else "caution",
        f"{facts.divergences} of {facts.transitions} transitions diverged ({_percent(share)}): "
        "the sampler could not follow the posterior where it curves sharply, and the draws may "
        "leave that part out. Raise target_accept_prob (to 0.95, then 0.99); scales of groups "
        "that the data hardly determine need priors that keep them from 0 and from infinity.",
    )


def _agreement(found: Diagnosis) -> Iterator[Finding]:
    if found.draws < 8:
        return
    table = found.table
    high = table[table.r_hat > R_HAT_CAUTION]
    known = int(table.r_hat.notna().sum())
    if len(high):
        worst = float(high.r_hat.max())
        yield Finding(
            "do not trust" if worst > R_HAT_BAD else "caution",
            f"R-hat exceeds {R_HAT_CAUTION} for {len(high)} of {known} quantities, most for "
            f"{_worst(high, 'r_hat', '.3f', largest=True)}: the chains have not come to agree. "
            "Run longer; if one chain stays apart, the posterior has several modes or the model "
            "leaves something undetermined.",
        )
    if found.examined > known:
        yield Finding(
            "caution", f"R-hat is undefined for {found.examined - known} quantities that vary."
        )


def _precision(found: Diagnosis) -> Iterator[Finding]:
    needed = ESS_PER_CHAIN * found.chains
    ess = found.table[["ess_bulk", "ess_tail"]].min(axis=1)
    rows = found.table.assign(ess=ess)
    low = rows[rows.ess < needed]
    if not len(low):
        return
    least = float(low.ess.min())
    bad = float(low.ess_bulk.min()) < ESS_PER_CHAIN_BAD * found.chains
    factor = ceil(needed / max(least, 1.0))
    yield Finding(
        "do not trust" if bad else "caution",
        f"The effective sample size is below {needed} ({ESS_PER_CHAIN} a chain) for {len(low)} "
        f"of {int(ess.notna().sum())} quantities, least for "
        f"{_worst(low, 'ess', '.0f', largest=False)}: their means and intervals are imprecise. "
        f"About {factor} times as many draws would do.",
    )


def _energy(facts: SamplerFacts) -> Iterator[Finding]:
    low = [(i, b) for i, b in enumerate(facts.bfmi or ()) if b < BFMI_LOW]
    if low:
        chains = ", ".join(str(i) for i, _ in low)
        plural = "s" if len(low) > 1 else ""
        yield Finding(
            "caution",
            f"E-BFMI is below {BFMI_LOW} in chain{plural} {chains} (least "
            f"{min(b for _, b in low):.2f}): the chains drift slowly between levels of the "
            "density and may miss its tails. Heavy tails or a funnel are the usual cause.",
        )
    if any(isnan(b) for b in facts.bfmi or ()):
        yield Finding("do not trust", "The energy never changed in some chain: it did not move.")
    if facts.max_depth_hits:
        share = facts.max_depth_hits / max(1, facts.transitions)
        yield Finding(
            "caution" if share > MAX_DEPTH_CAUTION else "good",
            f"{facts.max_depth_hits} of {facts.transitions} trajectories ({_percent(share)}) "
            "were cut at the maximum tree depth: slow, not wrong. Strongly correlated or badly "
            "scaled quantities are the usual cause; max_tree_depth can be raised.",
        )


def _notes(found: Diagnosis) -> Iterator[Finding]:
    certain = found.table[found.table.state == "certain"]
    if len(certain):
        yield Finding(
            "good",
            f"{_some(certain.label)} had one value in every draw. A discrete quantity may be "
            "that certain; R-hat is undefined for it, which is no alarm.",
        )
    varying = int((found.table.state == "varies").sum())
    if 0 < found.examined < varying:
        yield Finding(
            "good",
            f"R-hat and effective sample sizes were computed for {found.examined} of {varying} "
            "quantities, evenly spaced.",
        )


def _agreed(found: Diagnosis, facts: SamplerFacts) -> str:
    table = found.table
    size = f"{found.chains} chains of {found.draws} draws"
    if not table.r_hat.notna().any():
        return f"{size}, in which nothing varies."
    ess = table[["ess_bulk", "ess_tail"]].min(axis=1)
    top, least = table.r_hat.idxmax(), ess.idxmin()
    diverged = {None: "", 0: "; no divergences"}.get(facts.divergences, "")
    error = float((table.mcse_mean / table.sd).max())
    return (
        f"{size} agree: the largest R-hat is {table.r_hat[top]:.3f} ({table.label[top]}), the "
        f"smallest effective sample size {ess[least]:.0f} ({table.label[least]}){diverged}. "
        f"The Monte Carlo error of every mean is at most {_percent(error)} of that quantity's "
        "posterior standard deviation."
    )


def judge_exact(found: Diagnosis | None, attrs: Mapping[Any, Any]) -> Verdict:
    """Judge exact probabilities, or independent draws from the exact posterior."""
    findings = [] if found is None else [f for f in _entries(found) if "finite" in f.sentence]
    evidence = attrs.get("log_evidence")
    tail = ""
    if evidence is not None:
        tail = f" The log evidence, {float(evidence):.6g}, is exact too."
        if not isfinite(float(evidence)):
            findings.append(
                Finding("do not trust", "The data have probability zero under the model.")
            )
    if found is None:
        return conclude(
            findings,
            "The probabilities are exact: every case was summed, nothing was sampled, and "
            "rounding is the only error." + tail,
        )
    error = float((found.table.mcse_mean / found.table.sd).max())
    known = "" if isnan(error) else f" (for means at most {_percent(error)} of the sd)"
    return conclude(
        findings,
        f"{found.chains * found.draws} independent draws from the exact posterior: there is no "
        f"convergence to doubt, only the Monte Carlo error that the table states{known}." + tail,
    )


def judge_point(table: pd.DataFrame, attrs: Mapping[Any, Any]) -> Verdict:
    """Judge an optimum by what the optimiser says of it."""
    findings = list(_optimum(attrs))
    broken = table[~table.estimate.map(isfinite)]
    if len(broken):
        labels = pd.Series(broken.index.astype(str))
        findings.append(
            Finding("do not trust", f"The estimate of {_some(labels)} is not a finite number.")
        )
    steps = f" after {attrs['iterations']} iterations" if "iterations" in attrs else ""
    gradient = f" (gradient norm {attrs['gradient_norm']:.2g})" if "gradient_norm" in attrs else ""
    return conclude(
        findings,
        f"The optimiser converged{steps}{gradient} to a maximum: the observed information is "
        "positive definite there. Other maxima elsewhere are not ruled out.",
    )


def _optimum(attrs: Mapping[Any, Any]) -> Iterator[Finding]:
    gradient = float(attrs.get("gradient_norm", 0.0))
    if not attrs.get("converged", 0):
        yield Finding(
            "do not trust",
            f"The optimiser did not converge (gradient norm {gradient:.2g}): the numbers are "
            "where it stopped, not a maximum. Allow more iterations, or check that the data "
            "determine every quantity.",
        )
    elif not isfinite(gradient) or gradient > GRADIENT_LARGE:
        yield Finding(
            "caution",
            f"The gradient norm, {gradient:.2g}, is large for a maximum: the last digits of the "
            "estimates are uncertain.",
        )
    definite = attrs.get("hessian_positive_definite")
    if definite is None:
        yield Finding("caution", "The curvature at the estimate was not computed.")
    elif not definite:
        yield Finding(
            "caution",
            "The observed information is not positive definite: some direction is flat, or the "
            "estimate lies on a boundary. There are no standard errors, and other values may "
            "fit as well.",
        )
