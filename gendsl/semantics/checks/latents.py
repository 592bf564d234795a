"""Latents that an algorithm of this version can treat."""

from __future__ import annotations

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import references
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.semantics.report import Report
from gendsl.semantics.supports import is_discrete, is_finite
from gendsl.types import Interval

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
        if countable(variable):
            _refuse_countable(variable, model, report)
        if is_discrete(variable.type.support) and variable.type.event:
            report.error(
                "GD911",
                f"`{variable.name}` is a discrete latent with an event shape; this is part of "
                "the language, but this version cannot sum it out yet",
                variable.span,
                help="declare a plate for its entries",
            )
        _check_moving_support(variable, model, report)


def _refuse_countable(variable: ir.Variable, model: ir.Model, report: Report) -> None:
    labels: tuple[Label, ...] = ()
    if variable.equations and variable.equations[0].distribution is not None:
        dist = variable.equations[0].distribution
        labels = (Label(dist.span, f"{dist.name} has infinitely many values"),)
    asked = model.infer
    if asked is not None and asked.method == "nuts":
        labels = (*labels, Label(asked.span, "NUTS needs continuous latents"))
    report.error(
        "GD601",
        f"`{variable.name}` is a latent on infinitely many whole numbers: NUTS needs continuous "
        "latents, and enumeration needs finitely many values",
        variable.span,
        labels=labels,
        help=f"bound it, for example `{variable.name} ~ Binomial(n, p)` or `Categorical(...)`; or "
        "integrate it by hand (Poisson with a Gamma rate is NegativeBinomial); or use a "
        "continuous approximation",
    )


def _check_moving_support(variable: ir.Variable, model: ir.Model, report: Report) -> None:
    """A latent whose support moves with another unknown has no fixed bijection here."""
    if is_discrete(variable.type.support):
        return
    unknown = {v.name for v in model.of_role("latent", "param")}
    for equation in variable.equations:
        dist = equation.distribution
        if dist is None or not callable(DISTRIBUTIONS[dist.name].support):
            continue
        if not isinstance(dist.type.support, Interval):
            continue
        moving = [n for _, a in dist.args for n in _deep(model, a) if n in unknown]
        if moving:
            report.error(
                "GD910",
                f"the support of `{variable.name}` moves with the unknown `{moving[0]}`; this is "
                "part of the language, but this version cannot run it yet",
                dist.span,
                help="draw it on (0, 1) and scale it with a `let`",
            )


def _deep(model: ir.Model, expr: ir.Expr) -> list[str]:
    """Every variable that `expr` depends on, through lets."""
    found: list[str] = []
    stack = list(references(expr))
    while stack:
        name = stack.pop()
        if name in found:
            continue
        found.append(name)
        variable = model.variable(name)
        if variable.role == "let":
            for equation in variable.equations:
                if equation.value is not None:
                    stack.extend(references(equation.value))
    return found
