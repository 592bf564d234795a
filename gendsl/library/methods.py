"""Inference methods that `infer` may name, with their options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["LATER", "METHODS", "TREATMENTS", "MethodSpec", "OptionSpec"]


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """An option of a method: a number in a range."""

    name: str
    default: float | int | None
    kind: Literal["whole", "real"]
    lower: float
    upper: float
    meaning: str

    @property
    def integer(self) -> bool:
        """Whether it is a whole number."""
        return self.kind == "whole"


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """An inference method.

    Attributes:
        name: the word after `infer`.
        title: what messages call it.
        options: what may be set.
        answer: what its numbers are: exact, draws, or a point.
    """

    name: str
    title: str
    options: tuple[OptionSpec, ...]
    answer: str

    def option(self, name: str) -> OptionSpec | None:
        """The option called `name`, if there is one."""
        return next((o for o in self.options if o.name == name), None)


_SEED = OptionSpec("seed", None, "whole", 0, 2**32 - 1, "seed of the random numbers")

METHODS: Mapping[str, MethodSpec] = {
    spec.name: spec
    for spec in (
        MethodSpec(
            "nuts",
            "the No-U-Turn sampler",
            (
                OptionSpec("chains", 4, "whole", 1, 256, "independent chains"),
                OptionSpec("draws", 1000, "whole", 1, 10**7, "draws kept in each chain"),
                OptionSpec("warmup", 1000, "whole", 0, 10**7, "adaptation steps before them"),
                OptionSpec("target_accept_prob", 0.8, "real", 0.05, 0.9999, "acceptance aimed at"),
                OptionSpec("max_tree_depth", 10, "whole", 1, 20, "doublings of a trajectory"),
                OptionSpec(
                    "thin",
                    None,
                    "whole",
                    1,
                    1000,
                    "transitions to each draw; by default up to 10, as many as cost little",
                ),
                _SEED,
            ),
            "draws from the posterior",
        ),
        MethodSpec(
            "enumeration",
            "exact enumeration",
            (OptionSpec("draws", 1000, "whole", 1, 10**7, "independent draws to report"), _SEED),
            "the exact posterior",
        ),
        MethodSpec(
            "exact",
            "exact integration",
            (OptionSpec("draws", 1000, "whole", 1, 10**7, "independent draws to report"), _SEED),
            "the exact posterior",
        ),
        MethodSpec(
            "mle",
            "maximum likelihood",
            (OptionSpec("steps", 2000, "whole", 1, 10**7, "iterations at most"), _SEED),
            "a point estimate of the params",
        ),
        MethodSpec(
            "map",
            "the posterior mode (MAP)",
            (OptionSpec("steps", 2000, "whole", 1, 10**7, "iterations at most"), _SEED),
            "a point estimate: the mode of the density on the constrained scale",
        ),
    )
}
"""The methods that this version runs."""

TREATMENTS: Mapping[str, str] = {
    "marginalised": "integrated out exactly, and recovered afterwards",
    "sampled": "not integrated out",
    "centred": "sampled as it is written",
    "noncentred": "sampled as a standard variable that is moved and scaled",
    "rows": "every row of the data is weighed: no sufficient statistics",
}
"""What a caller may ask to be done with single variables."""

LATER: Mapping[str, str] = {
    "svi": "stochastic variational inference",
    "laplace": "the Laplace approximation",
    "pathfinder": "Pathfinder",
    "smc": "sequential Monte Carlo",
    "chees": "ChEES-HMC",
    "adversarial": "adversarial training",
    "npe": "neural posterior estimation",
    "score_matching": "score matching",
    "contrastive_divergence": "contrastive divergence",
}
"""Methods of the language that later versions bring."""
