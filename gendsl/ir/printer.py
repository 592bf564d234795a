"""The typed model as text, for ``gendsl show --stage=ir``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import assert_never

from gendsl.ir import nodes as ir
from gendsl.library.functions import OPERATOR_FUNCTIONS
from gendsl.types import Structured, ValueType

__all__ = [
    "format_architecture",
    "format_distribution",
    "format_ir",
    "format_ir_expr",
    "format_option",
    "format_signature",
]

CONDITIONAL, OR, AND, NOT, COMPARE, SUM, PRODUCT, SIGN, POWER, OPERAND = range(10)

BINDING: Mapping[str, int] = {
    "if": CONDITIONAL,
    "or": OR,
    "and": AND,
    "not": NOT,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), COMPARE),
    "+": SUM,
    "*": PRODUCT,
    "@": PRODUCT,
    "**": POWER,
}
"""How strongly each operator binds."""

TOKENS = {s.name: s.operator for s in OPERATOR_FUNCTIONS if s.operator}


def format_ir(model: ir.Model) -> str:
    """A model with every name resolved and every type written out."""
    lines = [f"model {model.name}", ""]
    lines += [_axis(axis) for axis in model.axes]
    lines += [_net(net) for net in model.nets]
    lines += [f"{_net(net)}, its weights latents" for net in model.weighted]
    for variable in model.variables:
        lines += _variable(variable)
    lines += [f"energy {format_ir_expr(e.value)} : {e.value.type}" for e in model.energies]
    for guide in model.guides:
        for equation in guide.equations:
            step = "" if equation.step is None else f"[{equation.step}]"
            lines.append(f"guide {guide.name}{step} {_right(equation)}")
    if model.infer is not None:
        options = ", ".join(f"{name}={value}" for name, value in model.infer.options)
        lines.append(f"infer {model.infer.method}({options})")
    return "\n".join(lines) + "\n"


def _axis(axis: ir.Axis) -> str:
    owner = f"[{axis.owner}]" if axis.owner else ""
    size = "size from data" if axis.size is None else f"size {axis.size}"
    return f"{axis.kind} {axis.name}{owner} : {size}"


def _net(net: ir.Net) -> str:
    architecture = format_architecture(net)
    body = f" = {architecture}" if architecture else ""
    if net.flow is not None:
        way = " # its draws are cheap" if net.flow.sampling else ""
        return f"flow {net.name} : {format_signature(net)}{body}{way}"
    return f"net {net.name} : {format_signature(net)}{body}"


def format_signature(net: ir.Net) -> str:
    """The signature of a net as the language writes it."""
    marks = ("?" if i in net.optional else "" for i in range(len(net.inputs)))
    inputs = ", ".join(f"{_written(t)}{m}" for t, m in zip(net.inputs, marks, strict=True))
    outputs = ", ".join(f"{n}: {_written(t)}" if n else _written(t) for n, t in net.outputs)
    domain = inputs if len(net.inputs) == 1 else f"({inputs})"
    if net.flow is not None:
        return f"{outputs} | {domain}" if net.inputs else outputs
    codomain = outputs if [n for n, _ in net.outputs] == [""] else f"({outputs})"
    return f"{domain} -> {'causal ' if net.causal else ''}{codomain}"


def _written(type_: ValueType) -> str:
    """A type as the language writes it: matrices of a structured kind by one size."""
    square = isinstance(type_.support, Structured) and type_.support.event_dim == 2
    return str(replace(type_, event=type_.event[:-1]) if square else type_)


def format_architecture(net: ir.Net) -> str:
    """The architecture of a net as the language writes it; empty where there is none."""
    given = [f"{n}={format_option(v)}" for n, v in net.options]
    if net.flow is not None and net.flow.map:
        inner = ", ".join(f"{n}={format_option(v)}" for n, v in net.flow.map_options)
        given.insert(0, f"{net.flow.map}({inner})" if inner else net.flow.map)
    return "" if net.architecture is None else f"{net.architecture}({', '.join(given)})"


def format_option(value: ir.NetOption) -> str:
    """An option of a net as the language writes it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return value if isinstance(value, str) else repr(value)


def _variable(variable: ir.Variable) -> Iterator[str]:
    axes = f"[{', '.join(variable.axes)}]" if variable.axes else ""
    missing = ", entries may be missing" if variable.optional else ""
    head = f"{variable.role} {variable.name}{axes} : {variable.type}{missing}"
    for word, bound in (("above", variable.lower), ("below", variable.upper)):
        head += f", {word} {format_ir_expr(bound)}" if bound is not None else ""
    if variable.initial is not None:
        head += f", starting at {format_ir_expr(variable.initial)}"
    yield head
    for equation in variable.equations:
        where = ""
        if equation.step is not None:
            where = f"at step {equation.step}: "
        elif equation.first:
            where = f"from step {equation.first}: "
        yield f"  {where}{_right(equation)}"
    if variable.random and not variable.equations:
        yield "  undirected"


def _right(equation: ir.Equation) -> str:
    if equation.distribution is not None:
        drawn = equation.distribution
        return f"~ {format_distribution(drawn)} : {drawn.type}"
    assert equation.value is not None
    return f"= {format_ir_expr(equation.value)} : {equation.value.type}"


def format_distribution(distribution: ir.Distribution) -> str:
    """``Normal(loc=mu, scale=tau)``; ``Mixture(Normal(...), weights=w, over component)``."""
    if distribution.maps:
        calls = (c.net if not c.args else format_ir_expr(c) for c in distribution.maps)
        return " |> ".join([format_distribution(distribution.parts[0]), *calls])
    given = [format_distribution(part) for part in distribution.parts]
    given += [f"{name}={format_ir_expr(arg)}" for name, arg in distribution.args]
    given += [f"over {distribution.over}"] if distribution.over is not None else []
    return f"{distribution.name}({', '.join(given)})"


def format_ir_expr(expr: ir.Expr) -> str:
    """An expression as the language writes it, but for axes: each is named."""
    return _expr(expr)[0]


def _at(level: int, expr: ir.Expr) -> str:
    text, own = _expr(expr)
    return text if own >= level else f"({text})"


def _expr(expr: ir.Expr) -> tuple[str, int]:
    """The text, and how strongly it binds."""
    match expr:
        case ir.Constant(value=value):
            return repr(value), OPERAND if value >= 0 else SIGN
        case ir.Reference(name=name) | ir.MemberNumber(plate=name):
            return name, OPERAND
        case ir.SizeNumber(size=size):
            return f"size({size})", OPERAND
        case ir.Stack(items=items):
            return f"[{', '.join(map(format_ir_expr, items))}]", OPERAND
        case ir.LogProb(distribution=distribution, value=value):
            what = format_distribution(distribution)
            return f"log_prob({what}, {format_ir_expr(value)})", OPERAND
        case ir.OdeInt():
            return _solution(expr), OPERAND
        case ir.NetCall(net=net, args=args, part=part):
            given = ", ".join(map(format_ir_expr, args))
            return f"{net}({given})" + (f".{part}" if part else ""), OPERAND
        case ir.Apply():
            return _applied(expr)
        case _:
            return _along(expr), OPERAND


def _solution(expr: ir.OdeInt) -> str:
    """``odeint(fn(t, z, k) = -k * z, z0, 0, ts, k)``."""
    names = ", ".join(p.name for p in expr.function.params)
    body = format_ir_expr(expr.function.body)
    args = [format_ir_expr(a) for a in (expr.state, expr.start, expr.times, *expr.args)]
    args += [f"{name}={value!r}" for name, value in expr.options]
    return f"odeint(fn({names}) = {body}, {', '.join(args)})"


def _along(expr: ir.Reduce | ir.Gather | ir.Select | ir.Lag | ir.Spread | ir.Collect) -> str:
    """What is done along an axis."""
    match expr:
        case ir.Reduce(function=function, value=value, axis=axis):
            over = "" if axis is None else f", {_axis_name(axis)}"
            return f"{function}({format_ir_expr(value)}{over})"
        case ir.Gather(value=value, axis=axis, index=index):
            return f"{_at(OPERAND, value)}[{_axis_name(axis)} = {format_ir_expr(index)}]"
        case ir.Select(value=value, axis=axis, at=at):
            return f"{_at(OPERAND, value)}[{_axis_name(axis)} = {at}]"
        case ir.Lag(value=value, sequence=sequence, steps=steps):
            return f"{_at(OPERAND, value)}[{sequence}-{steps}]"
        case ir.Spread(value=value, axis=axis, plate=plate):
            return f"{_at(OPERAND, value)}[{_axis_name(axis)} over {plate}]"
        case ir.Collect(value=value, plate=plate):
            return f"collect({format_ir_expr(value)}, {plate})"
        case _:
            assert_never(expr)


def _axis_name(axis: str | int) -> str:
    return axis if isinstance(axis, str) else f"axis {axis}"


def _applied(expr: ir.Apply) -> tuple[str, int]:
    """A function or operator; sums and products read as they were written."""
    name, args = expr.function, expr.args
    token = TOKENS.get(name)
    match name:
        case "neg":
            return f"-{_at(SIGN, args[0])}", SIGN
        case "reciprocal":
            return f"1 / {_at(PRODUCT + 1, args[0])}", PRODUCT
        case "not":
            return f"not {_at(NOT, args[0])}", NOT
        case "where":
            condition, then, otherwise = (_at(OR, arg) for arg in args)
            return f"{then} if {condition} else {otherwise}", CONDITIONAL
        case "add":
            return _chain(args, "neg", " + ", " - ", SUM), SUM
        case "mul":
            return _chain(args, "reciprocal", " * ", " / ", PRODUCT), PRODUCT
        case "pow":
            return f"{_at(OPERAND, args[0])} ** {_at(SIGN, args[1])}", POWER
    if token is None:
        return f"{name}({', '.join(map(format_ir_expr, args))})", OPERAND
    own = BINDING[token]
    return f" {token} ".join([_at(own + 1, arg) for arg in args]), own


def _chain(args: tuple[ir.Expr, ...], inverse: str, plain: str, inverted: str, own: int) -> str:
    text = _at(own + 1, args[0])
    for arg in args[1:]:
        if isinstance(arg, ir.Apply) and arg.function == inverse:
            text += inverted + _at(own + 1, arg.args[0])
        else:
            text += plain + _at(own + 1, arg)
    return text
