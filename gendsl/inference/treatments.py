"""What a caller asks to be done with single variables, in place of what the plan would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gendsl.diagnostics import CompileError, Diagnostic, nearest
from gendsl.graph.facts import Facts
from gendsl.ir import nodes as ir
from gendsl.library.methods import TREATMENTS

__all__ = ["EVERY", "Treatments", "verified"]

EVERY = "*"
"""Stands for all variables that a treatment can be given to."""


@dataclass(frozen=True, slots=True)
class Treatments:
    """What was asked for, by name of the variable."""

    asked: Mapping[str, str]

    def of(self, name: str) -> str | None:
        """What is asked of one variable; None leaves it to the plan."""
        return self.asked.get(name, self.asked.get(EVERY))

    def sampled(self, facts: Facts) -> frozenset[str]:
        """Continuous latents that are not to be integrated out."""
        kept = ("sampled", "centred", "noncentred")
        return frozenset(n for n in facts.continuous if self.of(n) in kept)

    def noncentred(self, facts: Facts, gone: set[str]) -> tuple[str, ...]:
        """Latents that are non-centred, unless the data inform them.

        Of those that are integrated out, `gone`, the members with a scale: in standard variables
        the precision is well conditioned however small the scale.
        """
        able = (*facts.location_scale, *(n for n in facts.correlated if n not in gone))
        return tuple(n for n in able if self.of(n) != "centred")


def verified(asked: Mapping[str, object], model: ir.Model, facts: Facts) -> Treatments:
    """The treatments of a caller.

    Raises:
        CompileError: GD614, for each that cannot be given.
    """
    wrong = [d for n, t in asked.items() if (d := _problem(n, t, model, facts)) is not None]
    if wrong:
        raise CompileError(wrong, model.source)
    return Treatments({n: str(t) for n, t in asked.items()})


def _problem(name: str, treatment: object, model: ir.Model, facts: Facts) -> Diagnostic | None:
    if treatment not in TREATMENTS:
        near = nearest(str(treatment), TREATMENTS)
        hint = f"did you mean `{near}`?" if near else f"there are {', '.join(TREATMENTS)}"
        return Diagnostic("GD614", f"no treatment is called `{treatment}`", help=hint)
    if name == EVERY:
        return None
    variable = next((v for v in model.variables if v.name == name), None)
    if variable is None:
        near = nearest(name, [v.name for v in model.variables])
        hint = f"did you mean `{near}`?" if near else "a treatment is that of a latent"
        return Diagnostic("GD614", f"the model has no variable `{name}`", help=hint)
    reason = _reason(variable, str(treatment), facts)
    if reason is None:
        return None
    return Diagnostic(
        "GD614",
        f"`{name}` cannot be {_words(str(treatment))}: {reason[0]}",
        (variable.span),
        help=reason[1],
    )


def _words(treatment: str) -> str:
    return "weighed by rows" if treatment == "rows" else treatment.replace("noncen", "non-cen")


def _reason(variable: ir.Variable, treatment: str, facts: Facts) -> tuple[str, str] | None:
    """Why a variable cannot be treated so, and what would help."""
    name = variable.name
    if treatment == "rows":
        ask = "name an observed variable"
        return None if variable.role == "observed" else ("it is not observed", ask)
    if name not in facts.continuous:
        return f"it is no continuous latent, but {variable.role}", "name a continuous latent"
    if treatment == "marginalised" and not any(name in names for _, names in facts.integrable):
        return (
            "given all else, its law is of no family that is known to be conjugate",
            "leave it to the plan",
        )
    if treatment == "noncentred" and name not in (*facts.location_scale, *facts.correlated):
        return (
            "it is not of a location-scale family with an unknown scale",
            "write it as a `let` of a standard variable",
        )
    return None
