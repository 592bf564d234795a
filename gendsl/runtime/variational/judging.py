"""The verdict on an approximate posterior, and on what was learned with it.

Thresholds on the Pareto k are those of Yao et al. (2018); unknown facts count against.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from gendsl.runtime.verdict import Finding, Verdict, conclude

__all__ = [
    "EVEN",
    "LIKELIHOOD",
    "PARETO_BAD",
    "PARETO_HIGH",
    "in_bounds",
    "judge_variational",
]

PARETO_HIGH, PARETO_BAD = 0.7, 1.0
"""Above the first importance weighting cannot correct a guide; above the second it is far off."""

EVEN = 0.95
"""From this share of effective draws on ratios hardly vary, and the Pareto k says nothing."""

HIGH_SHARE = 0.1
"""Among rows that are weighted by themselves so many may have a high Pareto k."""

TREND = 0.01
"""A p-value of the trend of the bound below this is a trend."""

LEAST_RISE = 0.01
"""A trend of fewer nats, of all data, changes no answer."""

COLLAPSED = 0.05
"""Nats a row below which a divergence is that of a posterior that has collapsed."""

LIKELIHOOD = (("elbo", "log_likelihood"), ("bound", "log_likelihood_course"))
"""What facts of bounds are called, and those of likelihoods."""


ELSEWHERE = "`nuts` draws from the posterior itself, where nothing is learned as a point"


def judge_variational(attrs: Mapping[Any, Any]) -> Verdict:
    """Judge an approximate posterior, and what was learned with it.

    Args:
        attrs: the facts of the fit: ``elbo``, ``elbo_rows``, the course of the bound and the
            Pareto k of the guide (`gendsl.runtime.variational.quality`), ``stopped``,
            ``skipped_steps``, and of each latent ``units``, ``active`` and ``elbo kl.``, or
            ``information`` (`gendsl.runtime.variational.informing`).
    """
    bound, word = float(attrs.get("elbo", float("nan"))), _word(attrs)
    findings = []
    if not isfinite(bound):
        findings.append(Finding("do not trust", f"The {word} at the end is not a finite number."))
    if "flow_violation" in attrs:
        findings.append(Finding("do not trust", f"On the data {attrs['flow_violation']}."))
    findings += [*_course(attrs), *_guide(attrs), *_codes(attrs), *_collapsed(attrs)]
    findings += _relaxed(attrs)
    if attrs.get("note"):
        findings.append(Finding("good", f"Note: {attrs['note']}."))
    error = attrs.get("elbo_standard_error")
    known = f" (standard error {float(error):.2g} over rows)" if error is not None else ""
    what = "evidence lower bound"
    if not int(attrs.get("latents", 1)):
        what = "log likelihood" if "best_epoch" not in attrs else "log likelihood of all rows"
    return conclude(
        findings,
        f"The {what} is {_number(bound)} nats{_each(attrs)}{known} after "
        f"{attrs.get('steps', 0)} steps, and was no longer rising.",
    )


def _number(value: float) -> str:
    """Six digits; large numbers with commas."""
    return f"{value:,.0f}" if 1e5 <= abs(value) < 1e15 else f"{value:.6g}"


def in_bounds(attrs: Mapping[Any, Any]) -> dict[Any, Any]:
    """The same facts under the names that the verdict reads."""
    found = dict(attrs)
    for old, new in LIKELIHOOD:
        for key in [k for k in map(str, attrs) if k == new or k.startswith(f"{new}_")]:
            found.setdefault(old + key.removeprefix(new), attrs[key])
    return found


def _word(attrs: Mapping[Any, Any]) -> str:
    return "bound" if int(attrs.get("latents", 1)) else "log likelihood"


def _each(attrs: Mapping[Any, Any]) -> str:
    return f" a row of `{attrs['rows_of']}`" if "rows_of" in attrs else ""


def _course(attrs: Mapping[Any, Any]) -> Iterator[Finding]:
    """What the course of the bound says."""
    word = _word(attrs)
    if attrs.get("stopped") == "interrupted":
        yield Finding("do not trust", "The training was interrupted before its end.")
    yield from _ruin(attrs)
    if "best_epoch" in attrs:  # what the rows that were learned from say does not decide
        best = f"epoch {attrs['best_epoch']}, at which the {word} of rows held out was best"
        score, ended = attrs.get("held_out_log_likelihood"), ""
        if score is not None:
            best += f", {float(score):.6g} nats{_each(attrs)}"
        if attrs.get("stopped") == "patience":
            ended = f"Training ended after epoch {attrs['epochs']}, as that {word} rose no more. "
        last = score is not None and not ended and attrs["best_epoch"] == attrs.get("epochs")
        yield Finding("good", f"{ended}The weights are those of {best}.")
        if last:
            what = f"The {word} of rows held out"
            yield Finding("caution", f"{what} was still rising: train longer.")
        return
    rise = attrs.get("bound_rise")
    if rise is None:
        yield Finding(
            "caution", f"There were too few epochs to tell whether the {word} was still rising."
        )
    elif float(attrs["bound_trend_p"]) < TREND and abs(float(rise)) * _rows(attrs) > LEAST_RISE:
        amount = f"by {abs(float(rise)):.2g} nats{_each(attrs)} over the last "
        amount += f"{int(attrs['bound_epochs'])} epochs"
        if rise > 0:
            yield Finding("caution", f"The {word} was still rising, {amount}: train longer.")
        else:
            remedy = "a lower learning_rate, or a schedule that lowers it, helps"
            yield Finding("caution", f"The {word} was falling at the end, {amount}: {remedy}.")
    skipped = int(attrs.get("skipped_steps", 0))
    if skipped:
        steps = "1 step was" if skipped == 1 else f"{skipped} steps were"
        yield Finding("caution", f"{steps} left out: gradients were not finite.")


RUIN = 0.5
"""A bound that ends below its best by this share of it, and by a nat, has been lost."""


def _ruin(attrs: Mapping[Any, Any]) -> Iterator[Finding]:
    """Whether steps that were too long have thrown the training back."""
    best, bound = attrs.get("bound_best"), float(attrs.get("elbo", float("nan")))
    if best is None or not isfinite(bound):
        return
    lost = float(best) - bound
    if lost > max(1.0, RUIN * abs(float(best))):
        yield Finding(
            "do not trust",
            f"The {_word(attrs)} at the end is {lost:.3g} nats{_each(attrs)} below the best that "
            "an epoch had: steps were too long. Lower learning_rate.",
        )


def _rows(attrs: Mapping[Any, Any]) -> int:
    """How many rows the data have of which the bound is the mean."""
    return int(attrs.get("rows", 1))


def _guide(attrs: Mapping[Any, Any]) -> Iterator[Finding]:
    """How far the guide is from the posterior."""
    if not int(attrs.get("latents", 1)):
        return
    if "points" in attrs:
        yield Finding(
            "caution",
            f"The guide of {attrs['points']} is a point: its draws are all the same, and the "
            "number that is called a bound is none.",
        )
    elif "choices" in attrs:
        yield Finding(
            "good",
            f"The guide of {attrs['choices']} is one value for each member: the bound is one, and "
            "its gap is what other values would add.",
        )
    elif "pareto_k" not in attrs:
        yield Finding(
            "caution",
            "How far the guide is from the posterior is not known: there are too many numbers to "
            "weigh. `fit.score` with more particles bounds the log likelihood more tightly.",
        )
    elif "pareto_rows" in attrs:
        yield from _guide_of_rows(attrs)
    else:
        yield _joint_guide(float(attrs["pareto_k"]), float(attrs["effective_share"]))


def _joint_guide(k: float, share: float) -> Finding:
    if share >= EVEN:
        return Finding(
            "good",
            "The guide is near the posterior: its importance ratios hardly vary (their effective "
            f"number of draws is {100 * share:.0f} %).",
        )
    if k > PARETO_BAD:
        return Finding(
            "do not trust",
            "The guide is far from the posterior: the Pareto k of its importance ratios, "
            f"{k:.2f}, exceeds {PARETO_BAD:g}. {ELSEWHERE}; else write a guide that suits the "
            "posterior.",
        )
    if k > PARETO_HIGH:
        return Finding(
            "caution",
            f"Do not take intervals for those of the posterior: the Pareto k of the guide's "
            f"importance ratios, {k:.2f}, exceeds {PARETO_HIGH:g}. {ELSEWHERE}.",
        )
    return Finding(
        "good",
        f"The guide is near the posterior: the Pareto k of its importance ratios is {k:.2f}, at "
        f"most {PARETO_HIGH:g}.",
    )


def _guide_of_rows(attrs: Mapping[Any, Any]) -> Iterator[Finding]:
    """The same for rows that have ratios of their own."""
    high, rows = int(attrs["pareto_rows_high"]), int(attrs["pareto_rows"])
    where = f"for {high} of {rows} rows"
    if high > HIGH_SHARE * rows:
        yield Finding(
            "caution",
            "Do not take the intervals of latents for those of the posterior: the Pareto k of the "
            f"guide's importance ratios exceeds {PARETO_HIGH:g} {where} (median "
            f"{float(attrs['pareto_k']):.2f}).",
        )
    else:
        yield Finding(
            "good",
            "The guide is near the posterior of the latents, given what was learned: the Pareto k "
            f"of its importance ratios exceeds {PARETO_HIGH:g} {where}.",
        )


def _relaxed(attrs: Mapping[Any, Any]) -> Iterator[Finding]:
    """Whether gradients were those of another model."""
    if "biased" in attrs:
        yield Finding(
            "caution",
            f"Gradients of the guide of {attrs['biased']} were biased: draws were relaxed in "
            "training. The bound is that of the model as it is; `discrete = score` has no bias.",
        )


def _codes(attrs: Mapping[Any, Any]) -> Iterator[Finding]:
    """How many members of a codebook are used."""
    for key in map(str, attrs):
        name = key.removeprefix("codes ")
        if name == key:
            continue
        codes, used = int(attrs[key]), int(attrs[f"codes_used {name}"])
        evenly = f"(perplexity {float(attrs[f'perplexity {name}']):.3g})"
        if used <= 1 < codes:
            yield Finding(
                "caution",
                f"All of `{name}` is one of {codes} codes, so it says nothing. codebook = ema "
                "with restart, or a smaller codebook, helps.",
            )
        else:
            yield Finding("good", f"{used} of {codes} codes of `{name}` are used {evenly}.")


def _collapsed(attrs: Mapping[Any, Any]) -> Iterator[Finding]:
    """Latents that the model does not use, and units of latents."""
    for key in map(str, attrs):
        name = key.removeprefix("information ")
        if name != key and float(attrs[key]) < COLLAPSED and _rows(attrs) > 1:
            yield Finding(
                "caution",
                f"The posterior of `{name}` has collapsed: it is the same for all rows, so "
                f"`{name}` says nothing of them. Another `seed`, or a weaker decoder, may help.",
            )
        name = key.removeprefix("units ")
        if name == key or f"active {name}" not in attrs:
            continue
        units, active = int(attrs[key]), int(attrs[f"active {name}"])
        if active == 0 < units and float(attrs.get(f"elbo kl.{name}", 0.0)) < COLLAPSED:
            yield Finding(
                "caution",
                f"The posterior of `{name}` has collapsed: it is the same for all rows, so "
                f"`{name}` says nothing of them. kl_warmup or free_bits, or a weaker decoder, "
                "help.",
            )
        elif 0 < active < units:
            yield Finding("good", f"{active} of {units} units of `{name}` are active.")
