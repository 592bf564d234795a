"""The verdict on an energy that was trained, from the facts of its training and its chains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from gendsl.runtime.verdict import Finding, Verdict, conclude

__all__ = ["energy_caption", "judge_energy"]

TREND = 0.01
"""A p-value of the trend of an objective below this is a trend."""

LEAST_FALL, LEAST_RISE = 0.01, 0.01
"""A trend of a smaller share of an objective, or of fewer nats a row, changes no answer."""

APART, WORST = 0.1, 5.0
"""Moments that differ by more, in standard deviations of the data beyond what sampling makes of
it, or in standard errors, are not those of the data."""

R_HAT = 1.1
"""Chains of samples with a larger one have not forgotten where they began."""


APART = 0.25
"""Nats between a learned log Z and the exact one from which on a training has failed."""


def energy_caption(attrs: Mapping[Any, Any]) -> str:
    """What the numbers are, in words."""
    text = (
        f"Energy, trained by {attrs.get('objective', 'an objective')}: params are points. "
        f"Densities are unnormalised (`fit.log_weight`); log Z is {attrs.get('constant')}"
    )
    if "log_z" in attrs:
        text += f", {float(attrs['log_z']):.6g} nats"
    return f"{text}."


def judge_energy(attrs: Mapping[Any, Any]) -> Verdict:
    """Judge a trained energy.

    Args:
        attrs: the facts of the fit: ``final_loss``, ``stopped``, ``skipped_steps``,
            ``least_precision``, of a likelihood ``log_likelihood`` and its course, of other
            objectives theirs, and of chains what `gendsl.runtime.energies.checking` gives.
    """
    findings = [*_ended(attrs), *_law(attrs), *_course(attrs), *_chains(attrs)]
    if attrs.get("note"):
        findings.append(Finding("good", f"Note: {attrs['note']}."))
    steps = f"after {attrs.get('steps', 0)} steps"
    if "log_likelihood" in attrs:
        each = f" a row of `{attrs['rows_of']}`" if "rows_of" in attrs else ""
        return conclude(
            findings,
            f"The log likelihood is {float(attrs['log_likelihood']):.6g} nats{each} {steps}, and "
            "was no longer rising.",
        )
    if "chain_sweeps" in attrs:
        return conclude(
            findings, f"Training ended {steps}, and chains that go on keep the data's moments."
        )
    return conclude(
        findings,
        f"The objective is {float(attrs.get('final_loss', float('nan'))):.6g} {steps}, and was no "
        "longer falling.",
    )


def _ended(attrs: Mapping[Any, Any]) -> Iterator[Finding]:
    if attrs.get("stopped") == "interrupted":
        yield Finding("do not trust", "The training was interrupted before its end.")
    if not isfinite(float(attrs.get("final_loss", float("nan")))):
        yield Finding("do not trust", "The objective at the end is not a finite number.")
    if not isfinite(float(attrs.get("log_likelihood", 0.0))):
        yield Finding("do not trust", "The log likelihood at the end is not a finite number.")
    if "log_z_exact" in attrs:
        learned, exact = float(attrs["log_z"]), float(attrs["log_z_exact"])
        if not abs(learned - exact) < APART:
            yield Finding(
                "do not trust",
                f"The learned log Z is {learned:.4g}, but that of the learned energy {exact:.4g}: "
                "the training did not come to the optimum.",
            )
    skipped = int(attrs.get("skipped_steps", 0))
    if skipped:
        steps = "1 step was" if skipped == 1 else f"{skipped} steps were"
        yield Finding("caution", f"{steps} left out: gradients were not finite.")


def _law(attrs: Mapping[Any, Any]) -> Iterator[Finding]:
    least = attrs.get("least_precision")
    if least is not None and float(least) <= 0:
        yield Finding(
            "do not trust",
            f"The energy has no finite constant: its precision has the eigenvalue "
            f"{float(least):.3g}, and no law is so.",
        )


def _course(attrs: Mapping[Any, Any]) -> Iterator[Finding]:
    if "bound_rise" in attrs:
        rise = float(attrs["bound_rise"])
        if float(attrs["bound_trend_p"]) < TREND and rise > LEAST_RISE:
            yield Finding(
                "caution",
                f"The log likelihood was still rising, by {rise:.2g} nats over the last "
                f"{attrs['bound_epochs']} epochs: train longer.",
            )
    if "loss_rise" in attrs:
        rise, loss = float(attrs["loss_rise"]), abs(float(attrs.get("final_loss", 1.0)))
        if float(attrs["loss_trend_p"]) < TREND and -rise > LEAST_FALL * max(loss, 1.0):
            yield Finding(
                "caution",
                f"The objective was still falling, by {-rise:.2g} over the last "
                f"{attrs['loss_epochs']} epochs: train longer.",
            )


def _chains(attrs: Mapping[Any, Any]) -> Iterator[Finding]:
    apart = attrs.get("moments_apart")
    if apart is None:
        return
    apart, expected = float(apart), float(attrs["moments_expected"])
    worst, sweeps = float(attrs["moments_worst"]), attrs["chain_sweeps"]
    beyond = max(apart**2 - expected**2, 0.0) ** 0.5
    text = (
        f"after {sweeps} more sweeps the moments of chains are {apart:.2g} standard deviations "
        f"from the data's (root mean square; sampling makes {expected:.2g} of it), and "
        f"{worst:.2g} standard errors at the most"
    )
    if not isfinite(apart):
        yield Finding("do not trust", f"The chains ran away within {sweeps} sweeps.")
    elif beyond > 10 * APART:
        yield Finding(
            "do not trust",
            f"The chains leave the data: {text}. What they left with is another law than the "
            "energy's: more sweeps, smaller steps, or an energy that grows far out may help.",
        )
    elif beyond > APART and worst > WORST:
        yield Finding(
            "caution",
            f"The samples are not yet those of the data: {text}. Train longer, with a rate that "
            "falls, or with more sweeps.",
        )
    else:
        yield Finding("good", f"Of the model's samples: {text}.")
    r_hat = attrs.get("chain_r_hat")
    if r_hat is not None and float(r_hat) > R_HAT:
        yield Finding(
            "caution",
            f"The chains forget slowly (R-hat {float(r_hat):.2f} of their log density over "
            f"{sweeps} sweeps): samples need more sweeps than that.",
        )
