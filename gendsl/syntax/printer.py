"""The canonical form of a program, as `gendsl fmt` writes it."""

from __future__ import annotations

from typing import assert_never

from gendsl.syntax import ast
from gendsl.syntax.layout import arranged

__all__ = ["format_expr", "format_program", "format_statement", "format_type"]

# How strongly each form binds; an operand that binds more weakly than its place needs parentheses.
PIPE, CONDITIONAL, OR, AND, NOT, COMPARE, SUM, PRODUCT, SIGN, POWER, OPERAND = range(11)


def format_program(program: ast.Program) -> str:
    """The canonical text of `program`, which parses to an equal program."""
    return arranged(program, [format_statement(s) for s in program.statements])


def format_expr(expr: ast.Expr) -> str:
    """The canonical text of an expression, with no more parentheses than it needs."""
    return _expr(expr)[0]


def _at(level: int, expr: ast.Expr) -> str:
    """The expression as an operand that must bind as strongly as `level`."""
    text, own = _expr(expr)
    return text if own >= level else f"({text})"


def _expr(expr: ast.Expr) -> tuple[str, int]:
    """The text of an expression, and how strongly it binds."""
    match expr:
        case ast.NumberExpr(text=text):
            return text, OPERAND
        case ast.Name(id=name):
            return name, OPERAND
        case ast.ListExpr(items=items):
            return f"[{_joined(items)}]", OPERAND
        case ast.Call(function=function, arguments=arguments):
            return f"{_at(OPERAND, function)}({', '.join(map(_argument, arguments))})", OPERAND
        case ast.Member(value=value, name=member):
            return f"{_base(value)}.{member.id}", OPERAND
        case ast.Subscript(value=value, items=entries):
            return f"{_base(value)}[{', '.join(map(_index, entries))}]", OPERAND
        case _:
            return _operation(expr)


def _operation(
    expr: ast.Unary
    | ast.Chain
    | ast.Power
    | ast.Compare
    | ast.Bool
    | ast.ConditionalExpr
    | ast.Pipe,
) -> tuple[str, int]:
    match expr:
        case ast.Unary(op="not", operand=operand):
            return f"not {_at(NOT, operand)}", NOT
        case ast.Unary(op=op, operand=operand):
            return f"{op}{_at(SIGN, operand)}", SIGN
        case ast.Power(base=base, exponent=exponent):
            return f"{_at(OPERAND, base)} ** {_at(SIGN, exponent)}", POWER
        case ast.Chain(first=first, rest=rest):
            own = SUM if rest[0][0] in ("+", "-") else PRODUCT
            terms = [f" {op} {_at(own + 1, term)}" for op, term in rest]
            return _at(own + 1, first) + "".join(terms), own
        case ast.Compare(op=op, left=left, right=right):
            return f"{_at(SUM, left)} {op} {_at(SUM, right)}", COMPARE
        case ast.Bool(op=op, operands=operands):
            own = AND if op == "and" else OR
            return f" {op} ".join([_at(own + 1, operand) for operand in operands]), own
        case ast.ConditionalExpr(then=then, condition=condition, otherwise=otherwise):
            text = f"{_at(OR, then)} if {_at(OR, condition)} else {_at(CONDITIONAL, otherwise)}"
            return text, CONDITIONAL
        case ast.Pipe(base=base, stages=stages):
            parts = [_at(CONDITIONAL, part) for part in (base, *stages)]
            return " |> ".join(parts), PIPE
        case _:
            assert_never(expr)


def _base(expr: ast.Expr) -> str:
    """What a subscript or a member is taken of; a number would swallow the dot."""
    return f"({expr.text})" if isinstance(expr, ast.NumberExpr) else _at(OPERAND, expr)


def _joined(items: tuple[ast.Expr, ...]) -> str:
    return ", ".join([format_expr(item) for item in items])


def _argument(argument: ast.Argument) -> str:
    value = format_expr(argument.value)
    return value if argument.keyword is None else f"{argument.keyword.id}={value}"


def _index(item: ast.IndexItem) -> str:
    match item.value:
        case ast.Chain(first=ast.Name(id=name), rest=((op, ast.NumberExpr(text=step)),)):
            value = f"{name}{op}{step}"  # a lag is written without spaces: z[t-1]
        case _:
            value = format_expr(item.value)
    return value if item.axis is None else f"{item.axis.id}={value}"


def format_type(type_: ast.TypeExpr) -> str:
    """The canonical text of a type."""
    match type_:
        case ast.NamedType(name=name, arguments=arguments, shape=shape, optional=optional):
            bounds = f"({_joined(arguments)})" if arguments else ""
            axes = f"[{_joined(shape)}]" if shape else ""
            return f"{name.id}{bounds}{axes}{'?' if optional else ''}"
        case ast.TupleType(items=items):
            return f"({', '.join(map(format_type, items))})"
        case ast.RecordType(fields=fields):
            return f"({', '.join(map(_parameter, fields))})"
        case _:
            assert_never(type_)


def _parameter(parameter: ast.Parameter) -> str:
    return f"{parameter.name.id}: {format_type(parameter.type)}"


def _signature(signature: ast.Signature) -> str:
    causal = "causal " if signature.causal else ""
    return f"{format_type(signature.domain)} -> {causal}{format_type(signature.codomain)}"


def _target(target: ast.Target) -> str:
    axes = f"[{_joined(target.subscripts)}]" if target.subscripts else ""
    return f"{target.name.id}{axes}"


def _typed(type_: ast.TypeExpr | None) -> str:
    return "" if type_ is None else f": {format_type(type_)}"


def _given(sign: str, value: ast.Expr | None) -> str:
    return "" if value is None else f" {sign} {format_expr(value)}"


def _context(type_: ast.TypeExpr | None) -> str:
    return "" if type_ is None else f" | {format_type(type_)}"


def format_statement(statement: ast.Statement) -> str:
    """The canonical text of a statement, on one line."""
    match statement:
        case ast.ModelDecl(name=name):
            return f"model {name.id}"
        case ast.PlateDecl(name=name, owner=owner, size=size, ordered=ordered):
            keyword = "sequence" if ordered else "plate"
            within = "" if owner is None else f"[{owner.id}]"
            return f"{keyword} {name.id}{within}{_given('=', size)}"
        case ast.DimDecl(name=name, size=size):
            return f"dim {name.id}{_given('=', size)}"
        case ast.Energy(value=value):
            return f"energy {format_expr(value)}"
        case ast.Infer(method=method):
            return f"infer {format_expr(method)}"
        case ast.Net() | ast.Flow() | ast.Fn() | ast.Use():
            return _function(statement)
        case _:
            return _quantity(statement)


def _quantity(
    statement: ast.Input | ast.Param | ast.Latent | ast.Observe | ast.Let | ast.Guide,
) -> str:
    match statement:
        case ast.Input(target=target, type=type_):
            return f"input {_target(target)}{_typed(type_)}"
        case ast.Param(target=target, type=type_, initial=initial):
            return f"param {_target(target)}{_typed(type_)}{_given('=', initial)}"
        case ast.Latent(target=target, type=type_, distribution=distribution):
            return f"latent {_target(target)}{_typed(type_)}{_given('~', distribution)}"
        case ast.Observe(target=target, type=type_, distribution=distribution, value=value):
            right = _given("~", distribution) + _given("=", value)
            return f"observe {_target(target)}{_typed(type_)}{right}"
        case ast.Let(target=target, type=type_, value=value):
            return f"let {_target(target)}{_typed(type_)}{_given('=', value)}"
        case ast.Guide(target=target, distribution=distribution, value=value):
            return f"guide {_target(target)}{_given('~', distribution)}{_given('=', value)}"
        case _:
            assert_never(statement)


def _function(statement: ast.Net | ast.Flow | ast.Fn | ast.Use) -> str:
    match statement:
        case ast.Net(name=name, signature=signature, body=body, prior=prior):
            right = _given("=", body) + _given("~", prior)
            return f"net {name.id}: {_signature(signature)}{right}"
        case ast.Flow(name=name, type=type_, context=context, body=body):
            return f"flow {name.id}: {format_type(type_)}{_context(context)}{_given('=', body)}"
        case ast.Fn(name=name, parameters=parameters, result=result, value=value):
            arguments = ", ".join(map(_parameter, parameters))
            return f"fn {name.id}({arguments}){_typed(result)}{_given('=', value)}"
        case ast.Use(name=name, type=type_, context=context, signature=signature):
            if signature is not None:
                return f"use {name.id}: {_signature(signature)}"
            return f"use {name.id}{_typed(type_)}{_context(context)}"
        case _:
            assert_never(statement)
