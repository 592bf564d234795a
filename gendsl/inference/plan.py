"""The plan: which algorithm runs, why, and what was ruled out for what reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from gendsl.inference.training_words import energy_words, training_words
from gendsl.ir import nodes as ir

__all__ = [
    "Candidate",
    "Competence",
    "Discrete",
    "GuideModel",
    "Marginal",
    "OptionValue",
    "Plan",
    "Rating",
    "Rewrite",
]


OptionValue = float | int | str | None
"""Of an option of a method: a number, a word, or nothing."""


class Competence(IntEnum):
    """How well an algorithm suits a model."""

    INCOMPATIBLE = 0
    """It cannot give the answer at all."""
    COMPATIBLE = 1
    """It runs, but must be asked for."""
    PREFERRED = 2
    """A good choice."""
    IDEAL = 3
    """Nothing can be better: it is exact."""


@dataclass(frozen=True, slots=True)
class Rating:
    """An algorithm's view of a model, with a sentence that says why."""

    competence: Competence
    reason: str
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """An algorithm and its rating."""

    name: str
    title: str
    rating: Rating


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A change of the model that leaves its meaning alone, and the rule that allows it."""

    kind: str
    variables: tuple[str, ...]
    rule: str

    def __str__(self) -> str:
        """As ``gendsl show --stage=plan`` prints it."""
        return f"{' '.join((self.kind, ', '.join(self.variables))).strip()}: {self.rule}"


@dataclass(frozen=True, slots=True)
class Marginal:
    """Latents that are integrated out together.

    Attributes:
        family: of their law given all that remains: ``gaussian``, ``beta``, ``gamma``,
            ``inverse_gamma`` or ``dirichlet``.
        variables: their names.
    """

    family: str
    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Discrete:
    """What is done with discrete latents under a guide.

    Attributes:
        ways: of each: "model", summed out of the model; "sum", summed out under its guide; drawn,
            with the gradient "score", or a relaxed one, "straight_through" or "gumbel".
    """

    ways: tuple[tuple[str, str], ...] = ()

    def of(self, *ways: str) -> tuple[str, ...]:
        """The latents that are treated in one of these ways."""
        return tuple(n for n, way in self.ways if way in ways)


@dataclass(frozen=True, slots=True)
class GuideModel:
    """A guide as a model of the latents given everything else.

    Attributes:
        model: its variables are inputs (those that are observed among them), params, lets, and
            latents in the order in which they are drawn, each with the law of its guide.
        carried: latents whose law is that of their coordinates without bounds.
        words: how each latent is inferred.
        amortised: latents whose law is computed from data, row by row.
        gaps: data that it uses and that may be missing there, and for each how many of its last
            axes are one value.
        discrete: what is done with latents that have finitely many values.
        scattered: params that begin at random points, since equal units of a network would stay
            equal.
    """

    model: ir.Model
    carried: frozenset[str]
    words: tuple[tuple[str, str], ...]
    amortised: frozenset[str]
    gaps: tuple[tuple[str, int], ...] = ()
    discrete: Discrete = Discrete()
    scattered: frozenset[str] = frozenset()

    @property
    def completed(self) -> tuple[str, ...]:
        """The observed variables of which it draws missing values, on which others depend."""
        return tuple(v.name for v in self.model.of_role("observed"))


@dataclass(frozen=True, slots=True)
class Plan:
    """The chosen inference.

    Attributes:
        method: the algorithm; None when there is nothing to infer.
        answer: what its numbers are.
        candidates: every algorithm with its rating, best first.
        rewrites: what was done to the model first.
        options: the options of the method, defaults filled in.
        enumerated: discrete latents that are summed out.
        noncentred: latents written as location plus scale times a standard variable.
        triangular: those of them whose scale is a triangular matrix.
        marginals: what is integrated out, in this order.
        treat: what was asked to be done with single variables.
        requested: whether the method was asked for rather than chosen.
        treatment: for every unknown, what happens to it.
        notes: further remarks.
        evaluation: how the density was evaluated, once a fit has been made.
        guide: among which laws variational inference seeks the posterior.
        by_steps: whether it is carried out by steps on batches of rows.
        constant: of an energy that is learned, what its log Z depends on; else empty.
        nets: the networks of an energy that is learned.
    """

    method: str | None
    answer: str
    candidates: tuple[Candidate, ...]
    rewrites: tuple[Rewrite, ...]
    options: Mapping[str, OptionValue]
    enumerated: tuple[str, ...] = ()
    noncentred: tuple[str, ...] = ()
    requested: bool = False
    treatment: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    triangular: tuple[str, ...] = ()
    marginals: tuple[Marginal, ...] = ()
    treat: Mapping[str, str] = field(default_factory=dict)
    evaluation: str = ""
    guide: GuideModel | None = None
    by_steps: bool = False
    constant: str = ""
    nets: tuple[str, ...] = ()

    @property
    def training(self) -> tuple[str, ...]:
        """How long it learns, and which networks, where it learns by steps."""
        if not self.by_steps or self.method is None:
            return ()
        if self.constant:
            return tuple(energy_words(self.options, self.constant, self.nets))
        guide = self.guide.model if self.guide is not None else None
        return tuple(training_words(self.method, self.options, guide))

    def __str__(self) -> str:
        """As ``gendsl show --stage=plan`` prints it."""
        lines = [f"inference: {self.method or 'none'}, giving {self.answer}"]
        if self.options:
            shown = ", ".join(f"{k}={v}" for k, v in self.options.items() if v is not None)
            lines.append(f"options: {shown}")
        lines += [f"  {name}: {what}" for name, what in self.treatment.items()]
        lines += self.training
        if self.evaluation:
            lines.append(f"density: {self.evaluation}")
        if self.rewrites:
            lines.append("rewrites:")
            lines += [f"  {r}" for r in self.rewrites]
        lines.append("candidates:")
        for c in self.candidates:
            chosen = "*" if c.name == self.method else " "
            word = c.rating.competence.name.lower()
            lines.append(f"{chosen} {c.name:<12} {word:<13} {c.rating.reason}")
        lines += [f"note: {n}" for n in self.notes]
        return "\n".join(lines)
