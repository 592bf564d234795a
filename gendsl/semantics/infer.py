"""Checking `infer`: a known method with known options."""

from __future__ import annotations

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.library.bounds import clash
from gendsl.library.methods import LATER, METHODS, USUAL, MethodSpec
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
    options: dict[str, float | int | str] = {}
    given = method.arguments if isinstance(method, ast.Call) else ()
    for argument in (a for g in given for a in _apart(METHODS[head.id], g)):
        option = _option(ctx, METHODS[head.id], argument)
        if option is not None and option[0] in options:
            ctx.report.error("GD211", f"`{option[0]}` is given twice", argument.span)
        elif option is not None:
            options[option[0]] = option[1]
    why = clash(options) if head.id == "svi" else None
    if why is not None:
        message = f"the options of `svi` do not go together: {why}"
        ctx.report.error("GD865", message, statement.span)
    return ir.InferRequest(head.id, tuple(options.items()), span=statement.span)


def _apart(method: MethodSpec, argument: ast.Argument) -> tuple[ast.Argument, ...]:
    """``bound = iwae(5)`` as ``bound = iwae, particles = 5``."""
    option = method.option(argument.keyword.id) if argument.keyword is not None else None
    match argument.value:
        case ast.Call(function=ast.Name() as word, arguments=(ast.Argument(keyword=None) as one,)):
            if option is not None and option.number:
                name = ast.Name(option.number, span=one.span)
                number = ast.Argument(name, one.value, span=one.span)
                return (ast.Argument(argument.keyword, word, span=argument.span), number)
    return (argument,)


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
) -> tuple[str, float | int | str] | None:
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
            help=ctx.scope.suggestion(USUAL.get(word, word), names)
            or f"its options are {', '.join(names)}",
        )
        return None
    value = option.accepted(_literal(argument.value))
    if value is None:
        ctx.report.error(
            "GD607",
            f"`{option.name}` ({option.meaning}) is {option.legal}",
            argument.value.span,
            labels=(Label(argument.span, f"the default is {option.default}"),)
            if option.default is not None
            else (),
        )
        return None
    return option.name, value


def _literal(expr: ast.Expr) -> float | int | str | None:
    match expr:
        case ast.NumberExpr(value=value):
            return value
        case ast.Name(id=word):
            return word
        case _:
            return None
