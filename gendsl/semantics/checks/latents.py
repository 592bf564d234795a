"""Latents that an algorithm of this version can treat."""

from __future__ import annotations

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.laws import traits_of
from gendsl.ir.traversal import references, variable_expressions
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.semantics.narrowing import narrowing
from gendsl.semantics.report import Report
from gendsl.semantics.supports import is_discrete, is_finite
from gendsl.types import BINARY, Index

__all__ = ["check", "countable", "enumerable"]


def countable(variable: ir.Variable) -> bool:
    """Whether a variable takes infinitely many whole numbers."""
    return is_discrete(variable.type.support) and not is_finite(variable.type.support)


def enumerable(variable: ir.Variable) -> bool:
    """Whether a latent is discrete with finitely many values, so that it can be summed out."""
    return (
        variable.role == "latent"
        and is_discrete(variable.type.support)
        and is_finite(variable.type.support)
    )


def check(model: ir.Model, report: Report) -> None:
    """Refuse latents that no method of this version can treat, with the alternatives."""
    for variable in model.of_role("latent"):
        _refuse_atoms(variable, report)
        if countable(variable):
            _refuse_countable(variable, model, report)
        elif is_discrete(variable.type.support) and _is_joint(variable):
            report.error(
                "GD911",
                f"`{variable.name}` is a discrete latent whose entries one law draws together; "
                "this is part of the language, but this version cannot sum it out yet",
                variable.span,
                help=f"declare a plate for its entries: `{variable.name}[entry]`",
            )
        elif is_discrete(variable.type.support):
            _check_values(variable, report)
    _check_missing(model, report)


def _is_joint(variable: ir.Variable) -> bool:
    """Whether entries of a variable are not independent draws."""
    if not variable.type.event:
        return False
    laws = [e.distribution for e in variable.equations if e.distribution is not None]
    return any(x.parts or DISTRIBUTIONS[x.name].event_dim for x in laws)


def _refuse_atoms(variable: ir.Variable, report: Report) -> None:
    """Refuse unknowns of which some values have a probability and others a density."""
    for equation in variable.equations:
        law = equation.distribution
        if law is None or not traits_of(law).atoms:
            continue
        report.error(
            "GD613",
            f"`{variable.name}` is unknown, and {law.name} gives single values of it a "
            "probability: no method here infers such an unknown",
            law.span,
            help="observe it; or draw the value, and whether it is recorded, as latents of their "
            "own",
        )


def _check_values(variable: ir.Variable, report: Report) -> None:
    """Refuse discrete latents whose values the runtime cannot list yet."""
    narrowed = any(
        e.distribution is not None
        and narrowing(variable, e.distribution).entry not in ("none", "flat", "cdf")
        for e in variable.equations
    )
    flat = not narrowed and all(
        e.distribution is None or e.distribution.name == "Flat" for e in variable.equations
    )
    listed = isinstance(variable.type.support, Index) or variable.type.support == BINARY
    if narrowed or (flat and not listed):
        report.error(
            "GD911",
            f"`{variable.name}` is a latent on `{variable.type.support}` whose values this "
            "version cannot sum over yet, though it is part of the language",
            variable.span,
            help=f"declare it `index(K)` with its probabilities: `{variable.name} ~ "
            "Categorical([...])`",
        )


def _refuse_countable(variable: ir.Variable, model: ir.Model, report: Report) -> None:
    labels: tuple[Label, ...] = ()
    name, dist = variable.name, None
    if variable.equations and variable.equations[0].distribution is not None:
        dist = variable.equations[0].distribution
        labels = (Label(dist.span, f"{dist.name} has no largest value that the text tells"),)
    if model.infer is not None and model.infer.method == "nuts":
        labels = (*labels, Label(model.infer.span, "NUTS needs continuous latents"))
    remedy = (
        f"bound it, for example `{name} ~ Binomial(20, p)`; or integrate it by hand (Poisson "
        "with a Gamma rate is NegativeBinomial); or use a continuous approximation"
    )
    if dist is not None and "total_count" in dict(dist.args):
        remedy = "bound the number of trials by its type, such as `input n: integer(0, 20)`"
    report.error(
        "GD601",
        f"`{name}` is a latent on infinitely many whole numbers: NUTS needs continuous "
        "latents, and enumeration needs finitely many values",
        variable.span,
        labels=labels,
        help=remedy,
    )


def _check_missing(model: ir.Model, report: Report) -> None:
    """Refuse missing counts on which other quantities depend: they cannot be summed out."""
    used: dict[str, ir.Expr] = {}
    for variable in model.variables:
        for name, reference in references(*variable_expressions(variable)).items():
            used.setdefault(name, reference)
    for energy in model.energies:
        for name, reference in references(energy.value).items():
            used.setdefault(name, reference)
    for variable in model.of_role("observed"):
        if variable.optional and variable.name in used and not countable(variable):
            _refuse_atoms(variable, report)
        if variable.optional and countable(variable) and variable.name in used:
            report.error(
                "GD609",
                f"values of `{variable.name}` may be missing, and others depend on them: "
                "infinitely many whole numbers cannot be summed out",
                variable.span,
                labels=(Label(used[variable.name].span, "needed here"),),
                help=f"bound it, such as `{variable.name}: integer(0, 20)?`, or drop the `?`",
            )
