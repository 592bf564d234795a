"""Latents that an algorithm of this version can treat."""

from __future__ import annotations

from collections.abc import Mapping

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import equation_expressions, references
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.semantics.narrowing import narrowing
from gendsl.semantics.report import Report
from gendsl.semantics.supports import is_discrete, is_finite
from gendsl.types import BINARY, Index, Interval

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
    variables = {v.name: v for v in model.variables}
    for variable in model.of_role("latent"):
        if countable(variable):
            _refuse_countable(variable, model, report)
        elif is_discrete(variable.type.support) and variable.type.event:
            report.error(
                "GD911",
                f"`{variable.name}` is a discrete latent with an event shape; this is part of "
                "the language, but this version cannot sum it out yet",
                variable.span,
                help=f"declare a plate for its entries: `{variable.name}[entry]`",
            )
        elif is_discrete(variable.type.support):
            _check_values(variable, report)
        _check_moving_support(variable, variables, report)
    _check_missing(model, report)


def _check_values(variable: ir.Variable, report: Report) -> None:
    """Refuse discrete latents whose values the runtime cannot list yet."""
    narrowed = any(
        e.distribution is not None
        and narrowing(variable, e.distribution).entry not in ("none", "flat")
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
        for equation in variable.equations:
            for name, reference in references(*equation_expressions(equation)).items():
                used.setdefault(name, reference)
    for energy in model.energies:
        for name, reference in references(energy.value).items():
            used.setdefault(name, reference)
    for variable in model.of_role("observed"):
        if variable.optional and countable(variable) and variable.name in used:
            report.error(
                "GD609",
                f"values of `{variable.name}` may be missing, and others depend on them: "
                "infinitely many whole numbers cannot be summed out",
                variable.span,
                labels=(Label(used[variable.name].span, "needed here"),),
                help=f"bound it, such as `{variable.name}: integer(0, 20)?`, or drop the `?`",
            )


def _check_moving_support(
    variable: ir.Variable, variables: Mapping[str, ir.Variable], report: Report
) -> None:
    """A latent whose support moves with another unknown has no fixed bijection here."""
    if is_discrete(variable.type.support):
        return
    for equation in variable.equations:
        dist = equation.distribution
        if dist is None or not callable(DISTRIBUTIONS[dist.name].support):
            continue
        if not isinstance(dist.type.support, Interval):
            continue
        unknown = _unknown([a for _, a in dist.args], variables)
        if unknown is not None:
            report.error(
                "GD910",
                f"the support of `{variable.name}` moves with the unknown `{unknown}`; this is "
                "part of the language, but this version cannot run it yet",
                dist.span,
                help="draw it on (0, 1) and scale it with a `let`",
            )


def _unknown(exprs: list[ir.Expr], variables: Mapping[str, ir.Variable]) -> str | None:
    """A latent or param that expressions depend on, directly or through lets."""
    seen: set[str] = set()
    stack = list(reversed(references(*exprs)))
    while stack:
        name = stack.pop()
        variable = variables[name]
        if variable.role in ("latent", "param"):
            return name
        if name not in seen and variable.role == "let":
            for equation in variable.equations:
                stack.extend(references(*equation_expressions(equation)))
        seen.add(name)
    return None
