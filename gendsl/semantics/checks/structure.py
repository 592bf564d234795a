"""The model as a whole: something is random, everything matters, every step is covered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import (
    called_nets,
    equation_expressions,
    references,
    variable_expressions,
    walk,
)
from gendsl.semantics.report import Report
from gendsl.source import Span

__all__ = ["check"]


def check(model: ir.Model, report: Report) -> None:
    """Report structural mistakes of a model, and latents that nothing observes."""
    if not model.of_role("latent", "observed"):
        report.error(
            "GD507",
            f"the model `{model.name}` declares nothing random",
            model.span,
            help="declare what is observed: `observe y[n] ~ Normal(mu, sigma)`",
        )
        return
    needs = {v.name: set(_needs(v)) for v in model.variables}
    _check_sequences(model, needs, report)
    _check_steps(model, needs, report)
    _check_reach(model, needs, report)
    _unused_nets(model, report)


def _needs(variable: ir.Variable) -> Iterator[str]:
    """The variables that a variable's equations and bounds mention."""
    bounds = [b for b in (variable.lower, variable.upper) if b is not None]
    yield from references(*bounds)
    for equation in variable.equations:
        yield from references(*equation_expressions(equation))


def _check_sequences(model: ir.Model, needs: dict[str, set[str]], report: Report) -> None:
    """What depends on its own past, or differs from step to step, does so along one sequence."""
    if sum(a.kind == "sequence" for a in model.axes) < 2:
        return
    below = {name: _reached(list(needs[name]), needs) for name in needs}
    for variable in model.variables:
        if not variable.equations:
            continue
        name = variable.name
        circle = {n for n in below[name] if name in below[n]} | {name}
        members = [v for v in model.variables if v.name in circle]
        equations = [e for v in members for e in v.equations]
        found = {e.sequence: e.span for e in equations if e.sequence is not None}
        found |= _lagged(x for e in equations for x in equation_expressions(e))
        if members[0] is variable:
            _verify_one(found, f"the equations of `{name}` differ", report)
    for energy in model.energies:
        _verify_one(_lagged([energy.value]), "the steps of an energy differ", report)


def _lagged(exprs: Iterable[ir.Expr]) -> dict[str, Span]:
    """The sequences along which expressions refer back, and where."""
    return {e.sequence: e.span for e in walk(*exprs) if isinstance(e, ir.Lag)}


def _verify_one(found: dict[str, Span], what: str, report: Report) -> None:
    if len(found) < 2:
        return
    (first, _), (second, span) = list(found.items())[:2]
    report.error(
        "GD919",
        f"{what} along `{first}` and along `{second}`; this version runs recursions along "
        "one sequence at a time",
        span,
        help="declare one of the two as a `plate`",
    )


def _check_steps(model: ir.Model, needs: dict[str, set[str]], report: Report) -> None:
    """A latent or a used let has an equation at every step of its sequence."""
    used = set[str]().union(*needs.values(), *(references(e.value) for e in model.energies))
    for variable in model.of_role("latent", "let"):
        if variable.role == "let" and variable.name not in used:
            continue
        literal = {e.step for e in variable.equations if e.step is not None}
        for equation in variable.equations:
            lacking = (s for s in range(equation.first) if s not in literal)
            missing = list(islice(lacking, 3))  # a lag may be astronomical
            if equation.step is None and missing:
                steps = ", ".join(str(s) for s in missing)
                report.error(
                    "GD508",
                    f"`{variable.name}` has no equation at step {steps}, where its lags have "
                    "nothing to refer to",
                    equation.span,
                    labels=(Label(variable.span, "declared here"),),
                    help=_base_case(variable, missing[0]),
                )


def _base_case(variable: ir.Variable, step: int) -> str:
    word = "latent" if variable.role == "latent" else "let"
    sign = "~" if variable.role == "latent" else "="
    others = ", ".join([*variable.axes[:-1], str(step)])
    return f"add a base case: `{word} {variable.name}[{others}] {sign} ...`"


def _check_reach(model: ir.Model, needs: dict[str, set[str]], report: Report) -> None:
    """Warn of what the observations do not depend on: latents, params, inputs."""
    observed = [v.name for v in model.of_role("observed")]
    mentioned = [n for e in model.energies for n in references(e.value)]
    latents = {v.name for v in model.of_role("latent")}
    guiding = [
        n for g in model.guides for e in g.equations for n in references(*equation_expressions(e))
    ]
    mentioned += [n for n in guiding if n not in latents]
    reached = _reached([*observed, *mentioned], needs)
    used = _reached([v.name for v in model.variables if v.role != "input"], needs)
    used |= set(mentioned) | {a.lengths for a in model.axes if a.lengths is not None}
    prefixed = {f"{net.name}.": net for net in model.weighted}
    weights = {n: net for n in needs for p, net in prefixed.items() if n.startswith(p)}
    for variable in model.of_role("latent", "param") if observed else ():
        if variable.role == "latent" and not variable.equations:
            continue
        if variable.name not in reached and variable.name in weights:
            net = weights[variable.name]
            report.warning(  # once: findings are kept once
                "GD509",
                f"no observation depends on the weights of `{net.name}`: their posterior is their "
                "prior",
                net.span,
            )
        elif variable.name not in reached:
            effect = "its posterior is its prior"
            if variable.role == "param":
                effect = "it cannot be learned"
            report.warning(
                "GD509",
                f"no observation depends on the {variable.role} `{variable.name}`: {effect}",
                variable.span,
            )
    for variable in model.of_role("input"):
        if variable.name not in used:
            report.warning(
                "GD510",
                f"nothing in the model uses the input `{variable.name}`",
                variable.span,
                help="use it, or delete it",
            )


def _unused_nets(model: ir.Model, report: Report) -> None:
    """Networks that nothing calls."""
    exprs = [x for v in model.variables for x in variable_expressions(v)]
    exprs += [x for g in model.guides for e in g.equations for x in equation_expressions(e)]
    called = called_nets(*exprs, *(e.value for e in model.energies))
    for net in model.nets:
        if net.name not in called:
            remedy = "call it, if it is an encoder in a guide, `guide z ~ Normal(encode(x))`"
            if net.flow is not None:
                remedy = f"push a distribution through it, `Normal(0, 1) |> {net.name}`"
            report.warning(
                "GD510",
                f"nothing in the model uses the {'flow' if net.flow else 'net'} `{net.name}`",
                net.span,
                help=f"{remedy}, or delete it",
            )


def _reached(start: list[str], needs: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    stack = list(start)
    while stack:
        name = stack.pop()
        if name not in reached:
            reached.add(name)
            stack.extend(needs[name])
    return reached
