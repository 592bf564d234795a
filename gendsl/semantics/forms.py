"""Which parameterisation of a distribution is meant, and the argument of each parameter."""

from __future__ import annotations

from dataclasses import dataclass

from gendsl.library.distributions.spec import DistributionSpec, Form, Parameter
from gendsl.semantics.aliases import parameter_aliases
from gendsl.semantics.context import Context
from gendsl.semantics.nets import parts_of
from gendsl.semantics.report import Poisoned
from gendsl.syntax import ast

__all__ = ["Given", "given_arguments"]


@dataclass(frozen=True, slots=True)
class Given:
    """A parameter and the syntax of its value."""

    param: Parameter
    value: ast.Expr


def given_arguments(ctx: Context, spec: DistributionSpec, call: ast.Call) -> list[Given]:
    """The argument of each parameter of the parameterisation that is meant."""
    if any(_calls_later(ctx, a.value) for a in call.arguments):
        ctx.all_typed(a.value for a in call.arguments)
        raise Poisoned  # the fitted model has been reported where it is declared
    call = _taken_apart(ctx, call)
    positional = [a for a in call.arguments if a.keyword is None]
    keywords = _keywords(ctx, spec, call)
    form = next((f for f in spec.forms if _fits(spec, f, len(positional), set(keywords))), None)
    if form is None:
        raise _no_form(ctx, spec, call, positional, keywords)
    values = dict(zip(form.params, (a.value for a in positional), strict=False))
    values |= {word: argument.value for word, argument in keywords.items()}
    given = []
    for name in form.params:
        param = spec.parameter(name)
        if name in values:
            given.append(Given(param, values[name]))
        elif param.default is not None:
            literal = ast.NumberExpr(param.default, f"{param.default:g}", span=call.span)
            given.append(Given(param, literal))
    return given


def _calls_later(ctx: Context, value: ast.Expr) -> bool:
    if not isinstance(value, ast.Call) or not isinstance(value.function, ast.Name):
        return False
    name = value.function.id
    return name in ctx.poisoned or isinstance(ctx.scope.callables.get(name), ast.Use)


def _taken_apart(ctx: Context, call: ast.Call) -> ast.Call:
    """``Normal(encode(x))``: the values of a net, by name, are the parameters."""
    if len(call.arguments) != 1 or call.arguments[0].keyword is not None:
        return call
    value = call.arguments[0].value
    parts = [ast.Name(part, span=value.span) for part in parts_of(ctx, value)]
    arguments = tuple(
        ast.Argument(name, ast.Member(value, name, span=value.span), span=value.span)
        for name in parts
    )
    return ast.Call(call.function, arguments, span=call.span) if parts else call


def _keywords(ctx: Context, spec: DistributionSpec, call: ast.Call) -> dict[str, ast.Argument]:
    names = {p.name for p in spec.params}
    keywords: dict[str, ast.Argument] = {}
    failed = False
    for argument in call.arguments:
        if argument.keyword is None:
            continue
        word = argument.keyword.id
        if word in keywords:
            ctx.report.error(
                "GD214",
                f"`{word}` is given twice",
                argument.keyword.span,
                help=f"it is {_signatures(spec)}",
            )
            failed = True
        elif word not in names:
            ctx.report.error(
                "GD110",
                f"`{spec.name}` has no parameter called `{word}`",
                argument.keyword.span,
                help=_keyword_remedy(ctx, spec, word, names),
            )
            failed = True
        keywords[word] = argument
    if failed:
        raise Poisoned
    return keywords


def _keyword_remedy(ctx: Context, spec: DistributionSpec, word: str, names: set[str]) -> str:
    if word in ("precision", "tau", "prec") and "scale" in names:
        return "the scale is a standard deviation: write `scale = 1 / sqrt(precision)`"
    if word in ("variance", "var", "sigma2") and "scale" in names:
        return "the scale is a standard deviation: write `scale = sqrt(variance)`"
    alias = next((a for a in parameter_aliases(word) if a in names), None)
    if alias is not None:
        return f"did you mean `{alias}` ({spec.parameter(alias).meaning})?"
    return ctx.scope.suggestion(word, names) or f"it is {_signatures(spec)}"


def _signatures(spec: DistributionSpec) -> str:
    shown = " or ".join(f"`{spec.signature(form)}`" for form in spec.forms)
    meanings = "; ".join(f"{p.name}: {p.meaning}, {p.support}" for p in spec.params)
    return f"{shown} ({meanings})" if meanings else shown


def _fits(spec: DistributionSpec, form: Form, positional: int, keywords: set[str]) -> bool:
    if positional > len(form.params):
        return False
    taken = set(form.params[:positional])
    if keywords & taken or not keywords <= set(form.params):
        return False
    missing = set(form.params) - taken - keywords
    return all(spec.parameter(m).default is not None for m in missing)


def _no_form(
    ctx: Context,
    spec: DistributionSpec,
    call: ast.Call,
    positional: list[ast.Argument],
    keywords: dict[str, ast.Argument],
) -> Poisoned:
    most = max(len(f.params) for f in spec.forms)
    first = spec.forms[0].params
    doubled = [k for k in keywords if k in first[: len(positional)]]
    missing = [
        p
        for p in first[len(positional) :]
        if p not in keywords and spec.parameter(p).default is None
    ]
    if len(positional) > most:
        message = f"`{spec.name}` takes {_count(most)}, but {len(positional)} are given"
    elif doubled:
        message = f"`{doubled[0]}` is given twice, by position and by name"
    elif set(keywords) <= set(first) and missing:
        message = f"`{spec.name}` lacks its {' and its '.join(missing)}"
    else:
        words = [*(f"argument {i + 1}" for i in range(len(positional))), *keywords]
        message = f"`{spec.name}` does not take these together: {', '.join(words)}"
    return ctx.report.error("GD214", message, call.span, help=f"it is {_signatures(spec)}")


def _count(number: int) -> str:
    if number == 0:
        return "no arguments"
    return f"{number} argument{'s' if number > 1 else ''}"
