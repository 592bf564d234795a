"""The plan: which algorithm runs, why, and what was ruled out for what reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from gendsl.ir import nodes as ir

__all__ = [
    "Candidate",
    "Competence",
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
class GuideModel:
    """A guide as a model of the latents given everything else.

    Attributes:
        model: its variables are inputs (those that are observed among them), params, lets, and
            latents in the order in which they are drawn, each with the law of its guide.
        carried: latents whose law is that of their coordinates without bounds.
        words: how each latent is inferred.
        amortised: latents whose law is computed from data, row by row.
    """

    model: ir.Model
    carried: frozenset[str]
    words: tuple[tuple[str, str], ...]
    amortised: frozenset[str]


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

    def __str__(self) -> str:
        """As ``gendsl show --stage=plan`` prints it."""
        lines = [f"inference: {self.method or 'none'}, giving {self.answer}"]
        if self.options:
            shown = ", ".join(f"{k}={v}" for k, v in self.options.items() if v is not None)
            lines.append(f"options: {shown}")
        lines += [f"  {name}: {what}" for name, what in self.treatment.items()]
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
