"""Guides of missing labels as classifiers, which learn from the labels that are known."""

from __future__ import annotations

from collections.abc import Mapping

from gendsl.inference.plan import GuideModel, OptionValue
from gendsl.semantics.supports import is_discrete

__all__ = ["SUPERVISION", "supervised", "supervision_notes"]

SUPERVISION = 1.0
"""Each row adds as much as a labelled one has in the mean.

The 0.1 of Kingma et al. (2014) is for far longer trainings.
"""


def supervised(guide: GuideModel) -> tuple[str, ...]:
    """The discrete variables whose guide learns from their known values."""
    return tuple(n for n in guide.completed if is_discrete(guide.model.variable(n).type.support))


def supervision_notes(guide: GuideModel, options: Mapping[str, OptionValue]) -> tuple[str, ...]:
    """What known labels do beside the bound."""
    weight = options.get("supervision")
    weight = SUPERVISION if weight is None else weight
    if not weight or options.get("bound") != "elbo":
        return ()
    what = f"its guide learns from it as a classifier (supervision = {weight:g})"
    return tuple(f"where `{n}` is known {what}, beside the bound" for n in supervised(guide))
