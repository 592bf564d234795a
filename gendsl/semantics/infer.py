"""Checking `infer`: a known method with known options."""

from __future__ import annotations

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.library.methods import LATER, METHODS, MethodSpec, OptionSpec
from gendsl.semantics.context import Context
from gendsl.syntax import ast

__all__ = ["infer_request"]


def infer_request(ctx: Context) -> ir.InferRequest | None:
    """The method that the file asks for."""
    if not ctx.scope.infers:
        return None
    statement = ctx.scope.infers[0]
    method = statement.method
    head = method.function if isinstance(method, ast.Call) else method
    if not isinstance(head, ast.Name):
        ctx.report.error("GD605", "`infer` names a method", method.span)
        return None
    if head.id not in METHODS:
        _unknown(ctx, head)
        return None
    options: list[tuple[str, float | int | str]] = []
    for argument in method.arguments if isinstance(method, ast.Call) else ():
        option = _option(ctx, METHODS[head.id], argument)
        if option is not None:
            options.append(option)
    return ir.InferRequest(head.id, tuple(options), span=statement.span)


def _unknown(ctx: Context, head: ast.Name) -> None:
    if head.id in LATER:
        ctx.report.error(
            "GD909",
            f"{LATER[head.id]} (`{head.id}`) is part of the language, but this version cannot "
            "run it yet",
            head.span,
            help=f"this version has {', '.join(METHODS)}; or leave `infer` out",
        )
        return
    ctx.report.error(
        "GD605",
        f"no inference method is called `{head.id}`",
        head.span,
        help=ctx.scope.suggestion(head.id, [*METHODS, *LATER])
        or f"the methods are {', '.join(METHODS)}",
    )


def _option(
    ctx: Context, method: MethodSpec, argument: ast.Argument
) -> tuple[str, float | int] | None:
    names = [o.name for o in method.options]
    option = method.option(argument.keyword.id) if argument.keyword is not None else None
    if option is None:
        word = argument.keyword.id if argument.keyword is not None else ""
        ctx.report.error(
            "GD606",
            f"`{method.name}` has no option called `{word}`"
            if word
            else f"options of `{method.name}` are given by name",
            (argument.keyword or argument.value).span,
            help=ctx.scope.suggestion(word, names) or f"its options are {', '.join(names)}",
        )
        return None
    value = argument.value.value if isinstance(argument.value, ast.NumberExpr) else None
    if value is None or not _legal(option, value):
        kind = "a whole number" if option.integer else "a number"
        ctx.report.error(
            "GD607",
            f"`{option.name}` ({option.meaning}) is {kind} from {option.lower} to {option.upper}",
            argument.value.span,
            labels=(Label(argument.span, f"the default is {option.default}"),),
        )
        return None
    return option.name, value


def _legal(option: OptionSpec, value: float | int) -> bool:
    whole = isinstance(value, int) or not option.integer
    return whole and option.lower <= value <= option.upper
