"""Builds the syntax tree, one node for each rule of the grammar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gendsl.diagnostics import Diagnostic
from gendsl.source import Span
from gendsl.syntax import ast
from gendsl.syntax.automaton import Action, Token
from gendsl.syntax.numerals import number_value

__all__ = ["ACTIONS", "Refused"]


class Refused(Exception):
    """The statement fits the grammar, yet is wrong."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        """Keep the finding."""
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


# Expressions


def _name(parts: list[Any], span: Span) -> ast.Name:
    return ast.Name(parts[0].text, span=span)


def _number(parts: list[Any], span: Span) -> ast.NumberExpr:
    text = parts[0].text
    return ast.NumberExpr(number_value(text), text, span=span)


def _group(parts: list[Any], span: Span) -> object:
    del span  # the parentheses are not part of what stands in them
    return parts[0]


def _list(parts: list[Any], span: Span) -> ast.ListExpr:
    return ast.ListExpr(_present(parts), span=span)


def _present(parts: list[Any]) -> tuple[Any, ...]:
    """The parts of a list; the grammar puts None for an empty one."""
    return () if parts == [None] else tuple(parts)


def _argument(parts: list[Any], span: Span) -> ast.Argument:
    return ast.Argument(None, parts[0], span=span)


def _keyword_argument(parts: list[Any], span: Span) -> ast.Argument:
    return ast.Argument(parts[0], parts[1], span=span)


def _call(parts: list[Any], span: Span) -> ast.Call:
    function, *arguments = parts
    named: ast.Argument | None = None
    for argument in arguments:
        if argument.keyword is not None:
            named = argument
        elif named is not None and named.keyword is not None:
            raise Refused(
                Diagnostic(
                    "GD022",
                    f"a positional argument stands after the named argument `{named.keyword.id}`",
                    argument.span,
                    help="write the positional arguments first, or name this one too",
                )
            )
    return ast.Call(function, tuple(arguments), span=span)


def _member(parts: list[Any], span: Span) -> ast.Member:
    return ast.Member(parts[0], parts[1], span=span)


def _index(parts: list[Any], span: Span) -> ast.IndexItem:
    return ast.IndexItem(None, parts[0], span=span)


def _named_index(parts: list[Any], span: Span) -> ast.IndexItem:
    return ast.IndexItem(parts[0], parts[1], span=span)


def _subscript(parts: list[Any], span: Span) -> ast.Subscript:
    return ast.Subscript(parts[0], tuple(parts[1:]), span=span)


def _unary(parts: list[Any], span: Span) -> ast.Unary:
    return ast.Unary(parts[0].text, parts[1], span=span)


def _negate(parts: list[Any], span: Span) -> ast.Unary:
    return ast.Unary("not", parts[0], span=span)


def _power(parts: list[Any], span: Span) -> ast.Power:
    return ast.Power(parts[0], parts[1], span=span)


def _chain(parts: list[Any], span: Span) -> ast.Chain:
    operators = [sign.text for sign in parts[1::2]]
    return ast.Chain(parts[0], tuple(zip(operators, parts[2::2], strict=True)), span=span)


def _compare(parts: list[Any], span: Span) -> ast.Compare:
    left, sign, right = parts
    return ast.Compare(sign.text, left, right, span=span)


def _all_of(parts: list[Any], span: Span) -> ast.Bool:
    return ast.Bool("and", tuple(parts), span=span)


def _any_of(parts: list[Any], span: Span) -> ast.Bool:
    return ast.Bool("or", tuple(parts), span=span)


def _conditional(parts: list[Any], span: Span) -> ast.ConditionalExpr:
    return ast.ConditionalExpr(*parts, span=span)


def _pipe(parts: list[Any], span: Span) -> ast.Pipe:
    return ast.Pipe(parts[0], tuple(parts[1:]), span=span)


# Types


def _tuple(parts: list[Any], span: Span) -> tuple[Any, ...]:
    del span
    return _present(parts)


def _named_type(parts: list[Any], span: Span) -> ast.NamedType:
    name, bounds, shape, missing = parts
    return ast.NamedType(name, bounds or (), shape or (), missing is not None, span=span)


def _tuple_type(parts: list[Any], span: Span) -> ast.TupleType:
    return ast.TupleType(tuple(parts), span=span)


def _record_type(parts: list[Any], span: Span) -> ast.RecordType:
    return ast.RecordType(tuple(parts), span=span)


def _parameter(parts: list[Any], span: Span) -> ast.Parameter:
    return ast.Parameter(parts[0], parts[1], span=span)


def _signature(parts: list[Any], span: Span) -> ast.Signature:
    domain, causal, codomain = parts
    return ast.Signature(domain, codomain, isinstance(causal, Token), span=span)


# Statements


def _target(parts: list[Any], span: Span) -> ast.Target:
    return ast.Target(parts[0], parts[1] or (), span=span)


def _model(parts: list[Any], span: Span) -> ast.ModelDecl:
    return ast.ModelDecl(parts[0], span=span)


def _plate(parts: list[Any], span: Span) -> ast.PlateDecl:
    name, owner, size = parts
    return ast.PlateDecl(name, owner, size, ordered=False, span=span)


def _sequence(parts: list[Any], span: Span) -> ast.PlateDecl:
    name, owner, size = parts
    return ast.PlateDecl(name, owner, size, ordered=True, span=span)


def _dim(parts: list[Any], span: Span) -> ast.DimDecl:
    return ast.DimDecl(*parts, span=span)


def _input(parts: list[Any], span: Span) -> ast.Input:
    return ast.Input(*parts, span=span)


def _param(parts: list[Any], span: Span) -> ast.Param:
    return ast.Param(*parts, span=span)


def _latent(parts: list[Any], span: Span) -> ast.Latent:
    return ast.Latent(*parts, span=span)


def _observe(parts: list[Any], span: Span) -> ast.Observe:
    target, type_, distribution = parts
    return ast.Observe(target, type_, distribution, None, span=span)


def _observe_value(parts: list[Any], span: Span) -> ast.Observe:
    target, type_, value = parts
    return ast.Observe(target, type_, None, value, span=span)


def _let(parts: list[Any], span: Span) -> ast.Let:
    return ast.Let(*parts, span=span)


def _net(parts: list[Any], span: Span) -> ast.Net:
    return ast.Net(*parts, span=span)


def _flow(parts: list[Any], span: Span) -> ast.Flow:
    return ast.Flow(*parts, span=span)


def _energy(parts: list[Any], span: Span) -> ast.Energy:
    return ast.Energy(*parts, span=span)


def _guide(parts: list[Any], span: Span) -> ast.Guide:
    return ast.Guide(parts[0], parts[1], None, span=span)


def _guide_value(parts: list[Any], span: Span) -> ast.Guide:
    return ast.Guide(parts[0], None, parts[1], span=span)


def _infer(parts: list[Any], span: Span) -> ast.Infer:
    return ast.Infer(*parts, span=span)


def _fn(parts: list[Any], span: Span) -> ast.Fn:
    return ast.Fn(*parts, span=span)


def _use(parts: list[Any], span: Span) -> ast.Use:
    name, type_, context = parts
    return ast.Use(name, type_, context, None, span=span)


def _use_function(parts: list[Any], span: Span) -> ast.Use:
    return ast.Use(parts[0], None, None, parts[1], span=span)


ACTIONS: Mapping[str, Action] = {
    "name": _name,
    "number": _number,
    "group": _group,
    "list": _list,
    "argument": _argument,
    "keyword_argument": _keyword_argument,
    "call": _call,
    "member": _member,
    "index": _index,
    "named_index": _named_index,
    "subscript": _subscript,
    "unary": _unary,
    "negate": _negate,
    "power": _power,
    "chain": _chain,
    "compare": _compare,
    "all_of": _all_of,
    "any_of": _any_of,
    "conditional": _conditional,
    "pipe": _pipe,
    "bounds": _tuple,
    "shape": _tuple,
    "axes": _tuple,
    "parameters": _tuple,
    "named_type": _named_type,
    "grouped_type": _group,
    "tuple_type": _tuple_type,
    "record_type": _record_type,
    "parameter": _parameter,
    "signature": _signature,
    "target": _target,
    "model": _model,
    "plate": _plate,
    "sequence": _sequence,
    "dim": _dim,
    "input": _input,
    "param": _param,
    "latent": _latent,
    "observe": _observe,
    "observe_value": _observe_value,
    "let": _let,
    "net": _net,
    "flow": _flow,
    "energy": _energy,
    "guide": _guide,
    "guide_value": _guide_value,
    "infer": _infer,
    "fn": _fn,
    "use": _use,
    "use_function": _use_function,
}
"""What builds the value of each rule, by the rule's name or alias in the grammar."""
