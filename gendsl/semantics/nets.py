"""Networks: their signatures, their architectures, and their calls."""

from __future__ import annotations

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.printer import format_option
from gendsl.library.architectures import ARCHITECTURES
from gendsl.library.architectures.ports import Port
from gendsl.library.architectures.spec import ArchitectureOption, ArchitectureSpec
from gendsl.semantics.context import Context
from gendsl.semantics.declared import value_type
from gendsl.semantics.functions import accepts
from gendsl.semantics.remedies import support_remedy
from gendsl.semantics.report import Poisoned
from gendsl.semantics.supports import found
from gendsl.semantics.weights import applied, declare_weights
from gendsl.source import Span
from gendsl.syntax import ast
from gendsl.types import Size, ValueType

__all__ = [
    "declare_nets",
    "learned_value",
    "net_option",
    "parts_of",
    "type_net_call",
    "type_part",
    "verify_argument",
    "verify_count",
]


def declare_nets(ctx: Context) -> tuple[ir.Net, ...]:
    """Every net, its signature and architecture verified; those that are wrong are poisoned."""
    for name, declared in ctx.scope.callables.items():
        if not isinstance(declared, ast.Net):
            continue
        try:
            net = _net(ctx, declared)
            if declared.prior is not None:
                ctx.weighted[name] = declare_weights(ctx, declared, net)
            ctx.nets[name] = net
        except Poisoned:
            ctx.poisoned.add(name)
    return tuple(ctx.nets.values())


def _net(ctx: Context, declared: ast.Net) -> ir.Net:
    signature = declared.signature
    domain = _values(ctx, signature.domain, declared)
    inputs = tuple(learned_value(ctx, t, gaps=True) for t in domain)
    optional = frozenset(i for i, t in enumerate(domain) if t.optional)
    codomain = signature.codomain
    if isinstance(codomain, ast.RecordType):
        outputs = _record(ctx, codomain)
    else:
        outputs = tuple(
            ("", learned_value(ctx, t)) for t in _values(ctx, codomain, declared, single=True)
        )
    name, span, causal = declared.name.id, declared.name.span, signature.causal
    if declared.body is None:
        _verify_supplied(ctx, declared)
        return ir.Net(name, inputs, outputs, None, (), optional, causal, span=span)
    spec, options = _architecture(ctx, declared.body)
    named = {n: ctx.sizes.known(Size.named(n)) for n in ctx.scope.axes}
    sizes = {n: size for n, size in named.items() if size is not None}
    ports = {n: Port.of(t, sizes) for n, t in outputs}
    given = [Port.of(t, sizes, optional=i in optional) for i, t in enumerate(inputs)]
    why = spec.refusal(given, ports, dict(options), causal=signature.causal)
    if why is not None:
        raise ctx.report.error(
            "GD222",
            f"the signature of `{name}` does not suit `{spec.name}`: {why}",
            declared.signature.span,
            labels=(Label(declared.body.span, spec.title),),
        )
    return ir.Net(name, inputs, outputs, spec.name, options, optional, causal, span=span)


def _verify_supplied(ctx: Context, declared: ast.Net) -> None:
    """A net that comes from Python brings its weights."""
    if declared.prior is not None:
        raise ctx.report.error(
            "GD224",
            f"the weights of `{declared.name.id}` cannot have a prior: it has no architecture, so "
            "nothing is known of them here",
            declared.prior.span,
            help="give it one: `= mlp(hidden=[10]) ~ Normal(0, 1)`",
        )


def _values(
    ctx: Context, type_: ast.TypeExpr, declared: ast.Net, *, single: bool = False
) -> tuple[ast.NamedType, ...]:
    match type_:
        case ast.NamedType():
            return (type_,)
        case ast.TupleType(items=items) if not single:
            return items
    raise ctx.report.error(
        "GD204",
        "several values of a net have names" if single else "the arguments of a net have no names",
        type_.span,
        help=f"write `net {declared.name.id}: (A, B) -> (loc: C, scale: D)`",
    )


def _record(ctx: Context, type_: ast.RecordType) -> tuple[tuple[str, ValueType], ...]:
    outputs: dict[str, ValueType] = {}
    for parameter in type_.fields:
        name = parameter.name.id
        if name in outputs:
            raise ctx.report.error(
                "GD101", f"the value `{name}` is declared twice", parameter.name.span
            )
        outputs[name] = learned_value(ctx, parameter.type)
    return tuple(outputs.items())


def learned_value(ctx: Context, type_: ast.NamedType, *, gaps: bool = False) -> ValueType:
    """An argument or a value of a net; with `gaps` entries of it may be missing."""
    value, low, high = value_type(ctx, type_, learned=True)
    if low is not None or high is not None:
        raise ctx.report.error("GD202", "the bounds of a net's types are numbers", type_.span)
    if type_.optional and not gaps:
        raise ctx.report.error(
            "GD205",
            "`?` (values may be missing) stands on the arguments of a net, not on what it gives",
            type_.span,
        )
    return value


# Architectures


def _architecture(
    ctx: Context, body: ast.Expr
) -> tuple[ArchitectureSpec, tuple[tuple[str, ir.NetOption], ...]]:
    head = body.function if isinstance(body, ast.Call) else body
    if not isinstance(head, ast.Name) or head.id not in ARCHITECTURES:
        word = head.id if isinstance(head, ast.Name) else ""
        remedy = ctx.scope.suggestion(word, ARCHITECTURES) if word else None
        raise ctx.report.error(
            "GD220",
            f"no architecture is called `{word}`" if word else "an architecture is expected here",
            head.span,
            help=remedy or f"the architectures are {', '.join(ARCHITECTURES)}",
        )
    spec = ARCHITECTURES[head.id]
    options: dict[str, ir.NetOption] = {}
    failed = False
    for argument in body.arguments if isinstance(body, ast.Call) else ():
        try:
            name, value = net_option(ctx, spec.name, spec.options, argument)
        except Poisoned:
            failed = True
            continue
        if name in options:
            raise ctx.report.error("GD211", f"`{name}` is given twice", argument.span)
        options[name] = value
    if failed:
        raise Poisoned
    return spec, tuple(options.items())


def net_option(
    ctx: Context, title: str, known: tuple[ArchitectureOption, ...], argument: ast.Argument
) -> tuple[str, ir.NetOption]:
    """An option of what is called `title`, by name, with its value."""
    names = [o.name for o in known]
    word = argument.keyword.id if argument.keyword is not None else ""
    option = next((o for o in known if o.name == word), None)
    if option is None:
        raise ctx.report.error(
            "GD221",
            f"`{title}` has no option called `{word}`"
            if word
            else f"options of `{title}` are given by name",
            (argument.keyword or argument.value).span,
            help=ctx.scope.suggestion(word, names)
            or f"its options are {', '.join(names) or 'none'}",
        )
    value = _literal(argument.value)
    if value is None or not option.accepts(value):
        default = option.default
        labels: tuple[Label, ...] = ()
        if default is not None:
            labels = (Label(argument.span, f"the default is {format_option(default)}"),)
        raise ctx.report.error(
            "GD221",
            f"`{option.name}` ({option.meaning}) is {option.expected}",
            argument.value.span,
            labels=labels,
        )
    return option.name, value


def _literal(expr: ast.Expr) -> ir.NetOption | None:
    """A number, a word or a list of whole numbers; None if it is none of them."""
    match expr:
        case ast.NumberExpr(value=value):
            return value
        case ast.Unary(op="-", operand=ast.NumberExpr(value=value)):
            return -value
        case ast.Name(id=word):
            return word
        case ast.ListExpr(items=items):
            found = [i.value for i in items if isinstance(i, ast.NumberExpr)]
            whole = [v for v in found if isinstance(v, int)]
            return tuple(whole) if len(whole) == len(items) else None
        case _:
            return None


# Calls


def parts_of(ctx: Context, expr: ast.Expr) -> tuple[str, ...]:
    """The names of the values that a call gives, if it is one of a net that gives several."""
    if not isinstance(expr, ast.Call) or not isinstance(expr.function, ast.Name):
        return ()
    net = ctx.nets.get(expr.function.id)
    return tuple(name for name, _ in net.outputs if name) if net is not None else ()


def type_net_call(ctx: Context, expr: ast.Call, part: ast.Name | None = None) -> ir.Expr:
    """``decode(z)``, or one value of it, ``encode(x).loc``."""
    assert isinstance(expr.function, ast.Name)
    name = expr.function.id
    given = ctx.all_typed(a.value for a in expr.arguments)
    if name in ctx.poisoned:
        raise Poisoned
    net = ctx.nets[name]
    verify_count(ctx, net, expr.arguments, expr.span)
    for number, (wanted, arg) in enumerate(zip(net.inputs, given, strict=True), start=1):
        verify_argument(ctx, net, number, wanted, arg)
    word = _part(ctx, net, expr, part)
    if name in ctx.weighted:
        return applied(ctx, net, ctx.weighted[name], given, word, expr.span)
    plates = frozenset[str]().union(*(a.type.plates for a in given))
    out = net.output(word)
    type_ = ValueType(plates, out.event, out.support)
    return ir.NetCall(name, given, part.id if part is not None else "", type_, span=expr.span)


def type_part(ctx: Context, expr: ast.Member) -> ir.Expr | None:
    """``encode(x).loc``; None if it is no value of a net."""
    call = expr.value
    if not isinstance(call, ast.Call) or not isinstance(call.function, ast.Name):
        return None
    if not isinstance(ctx.scope.callables.get(call.function.id), ast.Net):
        return None
    return type_net_call(ctx, call, expr.name)


def verify_count(
    ctx: Context, net: ir.Net, arguments: tuple[ast.Argument, ...], span: Span
) -> None:
    """Verify that a call of a net has as many arguments as its signature, without names."""
    named = next((a.keyword for a in arguments if a.keyword is not None), None)
    count, given = len(net.inputs), len(arguments)
    if named is None and count == given:
        return
    shown = ", ".join(str(t) for t in net.inputs) or "nothing"
    raise ctx.report.error(
        "GD211",
        f"arguments of `{net.name}` have no names"
        if named is not None
        else f"`{net.name}` takes {count or 'no'} argument{'s' if count > 1 else ''}, but "
        f"{given or 'none'} {'is' if given < 2 else 'are'} given",
        named.span if named is not None else span,
        labels=ctx.scope.label(net.name, f"it takes {shown}"),
    )


def verify_argument(
    ctx: Context, net: ir.Net, number: int, wanted: ValueType, arg: ir.Expr
) -> None:
    """Verify that an argument of a net has the type of its signature."""
    same = ctx.agree(arg.type.event, wanted.event)
    if same and accepts(ctx, wanted.support, arg):
        return
    given = ValueType(frozenset(), arg.type.event, arg.type.support)
    which = f"argument {number} of" if len(net.inputs) > 1 else "the argument of"
    raise ctx.report.error(
        "GD212",
        f"{which} `{net.name}` is {wanted}, but {found(arg) if same else f'this is {given}'}",
        arg.span,
        labels=(
            *ctx.scope.label(net.name, f"`{net.name}` is declared here"),
            *ctx.label(arg, "declared here"),
        ),
        help=support_remedy(ctx, arg, wanted.support) if same else None,
    )


def _part(ctx: Context, net: ir.Net, expr: ast.Call, part: ast.Name | None) -> str:
    names = [n for n, _ in net.outputs]
    if part is None and names == [""]:
        return ""
    if part is not None and part.id in names:
        return part.id
    if names == [""]:
        assert part is not None
        raise ctx.report.error(
            "GD223",
            f"`{net.name}` gives one value, which has no parts",
            part.span,
            labels=ctx.scope.label(net.name, "declared here"),
            help=f"write `{net.name}(...)`",
        )
    shown = " or ".join(f"`{net.name}(...).{n}`" for n in names)
    raise ctx.report.error(
        "GD223",
        f"`{net.name}` gives several values: {', '.join(names)}"
        if part is None
        else f"`{net.name}` gives no value called `{part.id}`",
        expr.span if part is None else part.span,
        labels=ctx.scope.label(net.name, "declared here"),
        help=f"take one of them, {shown}; all of them together are the parameters of a "
        f"distribution: `Normal({net.name}(...))`",
    )
