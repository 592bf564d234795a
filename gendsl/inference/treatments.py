"""What a caller asks to be done with single variables, in place of what the plan would do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gendsl.diagnostics import CompileError, Diagnostic, nearest
from gendsl.graph.conjugacy import refused
from gendsl.graph.facts import Facts
from gendsl.ir import nodes as ir
from gendsl.library.methods import TREATMENTS

__all__ = ["EVERY", "Treatments", "verified"]

EVERY = "*"
"""Stands for all variables that a treatment can be given to."""


@dataclass(frozen=True, slots=True)
class Treatments:
    """What was asked for, by name of the variable.

    Attributes:
        asked: the treatments.
        scaled: latents that may be centred or not; to others a form that is asked of all
            variables does not apply.
    """

    asked: Mapping[str, str]
    scaled: frozenset[str] = frozenset()

    def of(self, name: str) -> str | None:
        """What is asked of one variable; None leaves it to the plan."""
        if name in self.asked:
            return self.asked[name]
        found = self.asked.get(EVERY)
        return None if found in _FORMS and name not in self.scaled else found

    def refused(self, integrable: Iterable[tuple[str, tuple[str, ...]]], model: ir.Model) -> None:
        """Refuse what cannot be integrated out because of what is asked of others.

        Raises:
            CompileError: GD614.
        """
        gone = {n for _, names in integrable for n in names}
        wrong = [
            n for n, t in self.asked.items() if t == "marginalised" and n not in {*gone, EVERY}
        ]
        if wrong:
            raise CompileError([_tied(model.variable(n)) for n in wrong], model.source)

    def sampled(self, facts: Facts) -> frozenset[str]:
        """Continuous latents that are not to be integrated out."""
        return frozenset(n for n in facts.continuous if self.of(n) in ("sampled", *_FORMS))

    def noncentred(self, facts: Facts, gone: set[str]) -> tuple[str, ...]:
        """Latents that are non-centred, unless the data inform them.

        Of those that are integrated out, `gone`, the members with a scale: in standard variables
        the precision is well conditioned however small the scale.
        """
        able = (*facts.location_scale, *(n for n in facts.correlated if n not in gone))
        return tuple(n for n in able if self.of(n) != "centred")


_FORMS = ("centred", "noncentred")


def _tied(variable: ir.Variable) -> Diagnostic:
    message = f"`{variable.name}` cannot be marginalised: what depends on it is to be sampled"
    return Diagnostic("GD614", message, variable.span, help="leave the others to the plan")


def verified(asked: Mapping[str, object], model: ir.Model, facts: Facts) -> Treatments:
    """The treatments of a caller.

    Raises:
        CompileError: GD614, for each that cannot be given.
    """
    wrong = [d for n, t in asked.items() if (d := _problem(n, t, model, facts)) is not None]
    if wrong:
        raise CompileError(wrong, model.source)
    scaled = frozenset((*facts.location_scale, *facts.correlated))
    return Treatments({n: str(t) for n, t in asked.items()}, scaled)


def _problem(name: str, treatment: object, model: ir.Model, facts: Facts) -> Diagnostic | None:
    if not isinstance(treatment, str) or treatment not in TREATMENTS:
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
    reason = _reason(model, variable, str(treatment), facts)
    if reason is None:
        return None
    return Diagnostic(
        "GD614",
        f"`{name}` cannot be {_words(str(treatment))}: {reason[0]}",
        variable.span,
        help=reason[1],
    )


def _words(treatment: str) -> str:
    return "weighed by rows" if treatment == "rows" else treatment.replace("noncen", "non-cen")


def _reason(
    model: ir.Model, variable: ir.Variable, treatment: str, facts: Facts
) -> tuple[str, str] | None:
    """Why a variable cannot be treated so, and what would help."""
    name = variable.name
    if treatment == "rows":
        ask = "name an observed variable"
        return None if variable.role == "observed" else ("it is not observed", ask)
    if name not in facts.continuous:
        discrete = variable.role == "latent"
        what = (
            "discrete, and summed out" if discrete else f"no latent, its role is {variable.role}"
        )
        return f"it is {what}", "name a continuous latent"
    if treatment == "marginalised" and not any(name in names for _, names in facts.integrable):
        found = {r.name: r.reason for r in refused(model)}
        known = "given all else, its law is of no family that is known to be conjugate"
        return found.get(name, known), "leave it to the plan"
    if treatment == "noncentred" and name not in (*facts.location_scale, *facts.correlated):
        return (
            "it is not of a location-scale family with an unknown scale",
            "write it as a `let` of a standard variable",
        )
    return None
