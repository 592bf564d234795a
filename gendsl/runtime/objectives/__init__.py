"""Objectives of amortised inference: bounds, their gradients, and evaluation."""

from gendsl.runtime.objectives.aggregated import (
    MaximumMeanDiscrepancy,
    TotalCorrelation,
    beta_tc_vae,
)
from gendsl.runtime.objectives.elbo import Elbo, Likelihood, info_vae
from gendsl.runtime.objectives.evaluation import Draw, Estimate, Evaluation, evaluate
from gendsl.runtime.objectives.multisample import Iwae, Renyi
from gendsl.runtime.objectives.quantised import (
    CodebookTerm,
    MovingCodebooks,
    Perplexity,
    perplexity,
)
from gendsl.runtime.objectives.schedules import START, Clock, Constant, Cyclic, Ramp, Schedule
from gendsl.runtime.objectives.sites import Gate, Layout, ObjectiveError, Site, Sites
from gendsl.runtime.objectives.terms import (
    FreeBits,
    GuideLikelihood,
    Memory,
    Objective,
    Outcome,
    Penalty,
)

__all__ = [
    "START",
    "Clock",
    "CodebookTerm",
    "Constant",
    "Cyclic",
    "Draw",
    "Elbo",
    "Estimate",
    "Evaluation",
    "FreeBits",
    "Gate",
    "GuideLikelihood",
    "Iwae",
    "Layout",
    "Likelihood",
    "MaximumMeanDiscrepancy",
    "Memory",
    "MovingCodebooks",
    "Objective",
    "ObjectiveError",
    "Outcome",
    "Penalty",
    "Perplexity",
    "Ramp",
    "Renyi",
    "Schedule",
    "Site",
    "Sites",
    "TotalCorrelation",
    "beta_tc_vae",
    "evaluate",
    "info_vae",
    "perplexity",
]
