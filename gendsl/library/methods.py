"""Inference methods that `infer` may name, with their options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Literal

__all__ = ["LATER", "METHODS", "TREATMENTS", "USUAL", "MethodSpec", "OptionSpec"]


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """An option of a method: a number in a range, or one of several words.

    Attributes:
        number: the option that a number in brackets behind a word sets, as in ``iwae(5)``.
        of: whether it is about all models, those with networks, those with energies whose log Z is
            owed, or others with params.
    """

    name: str
    default: float | int | str | None
    kind: Literal["whole", "real", "word"]
    lower: float
    upper: float
    meaning: str
    words: tuple[str, ...] = ()
    number: str = ""
    of: Literal["all", "nets", "params", "energies"] = "all"

    @property
    def integer(self) -> bool:
        """Whether it is a whole number."""
        return self.kind == "whole"

    @property
    def legal(self) -> str:
        """What it may be, in words."""
        if self.words:
            return f"one of {', '.join(self.words)}"
        kind = "a whole number" if self.integer else "a number"
        return f"{kind} from {self.lower:.15g} to {self.upper:.15g}"

    def accepted(self, value: object) -> float | int | str | None:
        """A value as plain Python; None if it is not legal."""
        if self.words:
            return value if isinstance(value, str) and value in self.words else None
        if isinstance(value, bool):
            return None
        number: float | int
        if isinstance(value, Integral):
            number = int(value)
        elif isinstance(value, Real) and not self.integer:
            number = float(value)
        else:
            return None
        return number if self.lower <= number <= self.upper else None


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """An inference method.

    Attributes:
        name: the word after `infer`.
        title: what messages call it.
        options: what may be set.
        answer: what its numbers are: exact, draws, or a point.
        learns: whether it takes steps on batches of rows, and can learn networks.
    """

    name: str
    title: str
    options: tuple[OptionSpec, ...]
    answer: str
    learns: bool = False

    def option(self, name: str) -> OptionSpec | None:
        """The option called `name`, if there is one."""
        return next((o for o in self.options if o.name == name), None)

    def suited(self, of: Literal["nets", "params", "energies"]) -> MethodSpec:
        """The same with the options that models of a kind have."""
        kinds = ("all", of)
        return replace(self, options=tuple(o for o in self.options if o.of in kinds))


_SEED = OptionSpec("seed", None, "whole", 0, 2**32 - 1, "seed of the random numbers")


def _words(
    name: str, default: str | None, words: tuple[str, ...], meaning: str, number: str = ""
) -> OptionSpec:
    return OptionSpec(name, default, "word", 0, 0, meaning, words, number)


_TRAINING = (
    OptionSpec(
        "epochs", None, "whole", 1, 10**7, "passes over the data; 100 in batches, else 5000"
    ),
    OptionSpec(
        "batch_size", None, "whole", 1, 10**9, "rows a step; with nets 128 by default, else all"
    ),
    OptionSpec(
        "learning_rate", None, "real", 1e-8, 10.0, "0.001 with networks by default, else 0.01"
    ),
    _words("optimiser", "adam", ("adam", "adamw", "sgd", "rmsprop", "adamax"), "of the params"),
    _words("schedule", "constant", ("constant", "linear", "cosine"), "of the learning rate"),
    OptionSpec("weight_decay", None, "real", 0.0, 1e6, "of the optimiser; its own by default"),
    OptionSpec("clip_norm", None, "real", 1e-8, 1e8, "the longest gradient that is not cut"),
    OptionSpec("average", None, "real", 0.0, 0.999999, "decay of the average of the params"),
    OptionSpec("held_out", None, "real", 0.0, 0.9, "share of rows held out to stop early"),
    OptionSpec(
        "patience", None, "whole", 1, 10**6, "epochs without progress on them; 10 by default"
    ),
)
"""Options of methods that learn by steps on batches of rows."""

_FALLING = tuple(replace(o, default="linear") if o.name == "schedule" else o for o in _TRAINING)
"""Those of methods whose gradients are noisy to the end."""

_LIKELIHOOD: Mapping[str, OptionSpec] = {
    o.name: o
    for o in (
        _words("optimiser", "adamw", ("adam", "adamw", "sgd", "rmsprop", "adamax"), "of the nets"),
        OptionSpec("epochs", None, "whole", 1, 10**7, "passes at most; 1000, or 100 to the end"),
        OptionSpec("weight_decay", None, "real", 0.0, 1e6, "of the optimiser; 0.1 of `adamw`"),
        OptionSpec("held_out", 0.1, "real", 0.0, 0.9, "share of rows held out to stop early"),
        OptionSpec("patience", 20, "whole", 1, 10**6, "epochs without progress on them"),
    )
}
"""Those of maximum likelihood that have other defaults: networks would learn the rows by heart."""

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
            "svi",
            "stochastic variational inference",
            (
                *_TRAINING,
                _words(
                    "bound",
                    "elbo",
                    ("elbo", "iwae", "renyi"),
                    "of the log likelihood, to be raised",
                    "particles",
                ),
                _words("gradient", "total", ("total", "path", "doubly"), "how it is estimated"),
                OptionSpec("particles", None, "whole", 1, 10**6, "draws of the latents a step"),
                _words(
                    "family",
                    None,
                    ("diagonal", "full"),
                    "covariance of the normal laws of automatic guides; diagonal by default",
                ),
                _words(
                    "discrete",
                    "auto",
                    ("auto", "sum", "score", "straight_through", "gumbel"),
                    "what is done with discrete latents",
                ),
                OptionSpec("temperature", None, "real", 0.01, 100.0, "of draws by `gumbel`; 0.5"),
                OptionSpec("kl_warmup", None, "whole", 0, 10**6, "epochs in which the KL grows"),
                OptionSpec("beta", 1.0, "real", 0.0, 1e6, "weight of the KL"),
                OptionSpec("kl_cycles", None, "whole", 1, 10**6, "how often it grows so"),
                OptionSpec("free_bits", None, "real", 0.0, 1e6, "nats of KL each unit has free"),
                OptionSpec(
                    "mmd", None, "real", 0.0, 1e6, "weight of the discrepancy from the prior"
                ),
                OptionSpec(
                    "total_correlation",
                    None,
                    "real",
                    0.0,
                    1e6,
                    "weight of what ties units",
                ),
                _words(
                    "codebook",
                    None,
                    ("gradient", "ema"),
                    "how it learns: by the gradient of a term, the default, or as moving averages",
                ),
                OptionSpec("ema_decay", None, "real", 0.0, 0.999999, "of these averages; 0.99"),
                OptionSpec(
                    "commitment", None, "real", 0.0, 1e6, "weight of vectors being near; 0.25"
                ),
                OptionSpec(
                    "restart", None, "real", 0.0, 1e9, "members taken less often a step begin anew"
                ),
                OptionSpec(
                    "supervision",
                    None,
                    "real",
                    0.0,
                    1e6,
                    "weight of log q of known labels, of which others are missing; 1",
                ),
                OptionSpec("alpha", None, "real", -10.0, 10.0, "order of Renyi's bound; 0.5"),
                OptionSpec("draws", 1000, "whole", 1, 10**7, "draws from the guide to report"),
                _SEED,
            ),
            "an approximate posterior, and params at the maximum of a bound",
            learns=True,
        ),
        MethodSpec(
            "mle",
            "maximum likelihood",
            (
                OptionSpec(
                    "steps", 2000, "whole", 1, 10**7, "iterations at most, of params", of="params"
                ),
                *(replace(_LIKELIHOOD.get(o.name, o), of="nets") for o in _TRAINING),
                *(replace(o, of="energies") for o in _TRAINING),
                _SEED,
            ),
            "params and networks at the maximum of the likelihood",
            learns=True,
        ),
        MethodSpec(
            "contrastive_divergence",
            "contrastive divergence",
            (
                *_FALLING,
                _words(
                    "start",
                    "chains",
                    ("chains", "data"),
                    "where samples begin: at those of the step before (persistent), or the data",
                ),
                OptionSpec("sweeps", 1, "whole", 1, 10**6, "of the chains, each step"),
                OptionSpec("chains", None, "whole", 1, 10**7, "persistent ones; 100 by default"),
                OptionSpec(
                    "anew", None, "real", 0.0, 1.0, "share of chains that begin anew each step"
                ),
                _words(
                    "sampler",
                    None,
                    ("langevin", "adjusted_langevin", "hmc"),
                    "of numbers; langevin by default; bits have Gibbs",
                ),
                OptionSpec("step", None, "real", 1e-12, 1e6, "of that sampler; 0.01"),
                _SEED,
            ),
            "params and networks by a gradient of the likelihood that chains estimate",
            learns=True,
        ),
        MethodSpec(
            "score_matching",
            "score matching",
            (
                *_FALLING,
                _words(
                    "kind",
                    None,
                    ("exact", "sliced", "finite_difference", "denoising"),
                    "how; exact up to 32 numbers a row, else sliced",
                ),
                OptionSpec("sigma", None, "real", 1e-12, 1e6, "noise of denoising; 0.1"),
                OptionSpec("directions", None, "whole", 1, 10**6, "of sliced; 1"),
                _SEED,
            ),
            "params and networks whose score is nearest to the data's",
            learns=True,
        ),
        MethodSpec(
            "noise_contrastive",
            "noise-contrastive estimation",
            (
                *_FALLING,
                OptionSpec("ratio", 1, "whole", 1, 10**4, "draws of noise for each row"),
                _SEED,
            ),
            "params, networks and log Z, by telling data from noise",
            learns=True,
        ),
        MethodSpec(
            "ratio_matching",
            "ratio matching",
            (*_FALLING, _SEED),
            "params and networks whose odds of each bit are nearest to the data's",
            learns=True,
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

USUAL: Mapping[str, str] = {
    "lr": "learning_rate",
    "bs": "batch_size",
    "num_samples": "draws",
    "num_warmup": "warmup",
    "num_particles": "particles",
    "kl_weight": "beta",
    "early_stopping": "patience",
}
"""What other libraries call options."""

LATER: Mapping[str, str] = {
    "laplace": "the Laplace approximation",
    "pathfinder": "Pathfinder",
    "smc": "sequential Monte Carlo",
    "chees": "ChEES-HMC",
    "adversarial": "adversarial training",
    "npe": "neural posterior estimation",
}
"""Methods of the language that later versions bring."""
