"""Flows: their declarations, pipes of them, and what stands between data and a flow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.laws import depends_on_numbers_only
from gendsl.ir.traversal import called_nets, equation_expressions, variable_expressions
from gendsl.library.architectures.ports import Port
from gendsl.library.architectures.spec import ArchitectureOption
from gendsl.library.transforms import SCALAR_MAPS, TRANSFORMS, MapSpec, TransformSpec, flow_design
from gendsl.semantics.context import Context
from gendsl.semantics.nets import learned_value, net_option, verify_argument, verify_count
from gendsl.semantics.report import Poisoned
from gendsl.semantics.supports import shown
from gendsl.syntax import ast
from gendsl.types import REAL, Size, ValueType, describe_event

__all__ = ["declare_flows", "not_applied", "oriented", "standardised", "type_pipe"]

Options = tuple[tuple[str, ir.NetOption], ...]
Typing = Callable[[Context, ast.Expr, ValueType | None], ir.Distribution]


def declare_flows(ctx: Context) -> None:
    """Every flow, its type and transform verified; those that are wrong are poisoned."""
    for name, declared in ctx.scope.callables.items():
        if not isinstance(declared, ast.Flow):
            continue
        try:
            ctx.nets[name] = _flow(ctx, declared)
        except Poisoned:
            ctx.poisoned.add(name)


def _flow(ctx: Context, declared: ast.Flow) -> ir.Net:
    name = declared.name.id
    if declared.body is None:
        raise ctx.report.error(
            "GD902",
            "flows that come from Python (without a transform) are part of the language, but this "
            "version cannot run them yet",
            declared.span,
            help=f"give it one of {', '.join(TRANSFORMS)}",
        )
    event = _event(ctx, declared)
    contexts = tuple(learned_value(ctx, t) for t in _contexts(ctx, declared))
    spec, scalar, options, inner = _body(ctx, declared.body)
    named = {n: ctx.sizes.known(Size.named(n)) for n in ctx.scope.axes}
    sizes = {n: size for n, size in named.items() if size is not None}
    ports = tuple(Port.of(t, sizes) for t in contexts)
    map_name = scalar.name if scalar is not None else ""
    design = flow_design(
        spec.name, dict(options), map_name, dict(inner), Port.of(event, sizes), ports
    )
    why = spec.objection(design)
    if why is not None:
        raise ctx.report.error(
            "GD222",
            f"the type of `{name}` does not suit `{spec.name}`: {why}",
            declared.type.span,
            labels=(Label(declared.body.span, spec.title),),
        )
    body = ir.FlowBody(map_name, inner)
    span = declared.name.span
    return ir.Net(name, contexts, (("", event),), spec.name, options, flow=body, span=span)


def _event(ctx: Context, declared: ast.Flow) -> ValueType:
    """The type that a flow maps: real numbers."""
    type_ = declared.type
    if isinstance(type_, ast.NamedType) and not type_.optional:
        event = learned_value(ctx, type_)
        if event.support == REAL:
            return event
    raise ctx.report.error(
        "GD226",
        f"`{declared.name.id}` maps values of one type to one another, and these are real numbers",
        type_.span,
        help="write `real` with an event shape: `flow f: real[D] = ...`; what it is conditional "
        "on stands behind a bar: `flow f: real[D] | real[C] = ...`",
    )


def _contexts(ctx: Context, declared: ast.Flow) -> tuple[ast.NamedType, ...]:
    match declared.context:
        case None:
            return ()
        case ast.NamedType() as single:
            return (single,)
        case ast.TupleType(items=items):
            return items
        case other:
            raise ctx.report.error(
                "GD204",
                "what a flow is conditional on has no names",
                other.span,
                help=f"write `flow {declared.name.id}: real[D] | (A, B) = ...`",
            )


# Transforms


def _body(ctx: Context, body: ast.Expr) -> tuple[TransformSpec, MapSpec | None, Options, Options]:
    """A transform, its scalar map, and the options of both."""
    head = body.function if isinstance(body, ast.Call) else body
    word = head.id if isinstance(head, ast.Name) else ""
    if word not in TRANSFORMS:
        raise ctx.report.error(
            "GD220",
            f"no transform is called `{word}`" if word else "a transform is expected here",
            head.span,
            help=(ctx.scope.suggestion(word, TRANSFORMS) if word else None)
            or f"the transforms are {', '.join(TRANSFORMS)}",
        )
    spec = TRANSFORMS[word]
    arguments = list(body.arguments) if isinstance(body, ast.Call) else []
    inner: Options = ()
    scalar = SCALAR_MAPS[spec.default_map] if spec.default_map else None
    if arguments and arguments[0].keyword is None and spec.default_map:
        scalar, inner = _map(ctx, spec, arguments.pop(0).value)
    return spec, scalar, _options(ctx, spec.name, spec.options, arguments), inner


def _map(ctx: Context, spec: TransformSpec, expr: ast.Expr) -> tuple[MapSpec, Options]:
    head = expr.function if isinstance(expr, ast.Call) else expr
    word = head.id if isinstance(head, ast.Name) else ""
    if word not in SCALAR_MAPS:
        raise ctx.report.error(
            "GD220",
            f"no scalar map is called `{word}`" if word else "a scalar map is expected here",
            head.span,
            help=(ctx.scope.suggestion(word, SCALAR_MAPS) if word else None)
            or f"`{spec.name}` takes one of {', '.join(SCALAR_MAPS)}",
        )
    found = SCALAR_MAPS[word]
    given = list(expr.arguments) if isinstance(expr, ast.Call) else []
    return found, _options(ctx, word, found.options, given)


def _options(
    ctx: Context, title: str, known: tuple[ArchitectureOption, ...], given: list[ast.Argument]
) -> Options:
    options: dict[str, ir.NetOption] = {}
    failed = False
    for argument in given:
        try:
            name, value = net_option(ctx, title, known, argument)
        except Poisoned:
            failed = True
            continue
        if name in options:
            raise ctx.report.error("GD211", f"`{name}` is given twice", argument.span)
        options[name] = value
    if failed:
        raise Poisoned
    return tuple(options.items())


# Pipes


def type_pipe(
    ctx: Context, expr: ast.Pipe, target: ValueType | None, typing: Typing
) -> ir.Distribution:
    """``Normal(0, 1) |> f |> g(c)``: the base takes the event shape that the flows map."""
    calls: list[ir.NetCall] = []
    failed = False
    for stage in expr.stages:
        try:
            calls.append(_stage(ctx, stage))
        except Poisoned:
            failed = True
    if failed:
        with ctx.report.containing():
            typing(ctx, expr.base, target)
        raise Poisoned
    event = calls[0].type.event
    for call in calls[1:]:
        _verify_agree(ctx, call, event, f"`{calls[0].net}` maps {_shape(event)}")
    if target is not None:
        _verify_agree(ctx, calls[-1], target.event, f"the value is {_shape(target.event)}")
    base = typing(ctx, expr.base, ValueType(frozenset(), event, REAL))
    if base.type.support != REAL:
        raise ctx.report.error(
            "GD227",
            f"the base of a flow has values on all of the real line, but a draw of {base.name} is "
            f"{shown(base.type.support)}",
            expr.base.span,
            labels=ctx.scope.label(calls[0].net, "it maps real numbers"),
            help="write `Normal(0, 1) |> ...`",
        )
    plates = frozenset[str]().union(base.type.plates, *(c.type.plates for c in calls))
    type_ = ValueType(plates, event, REAL)
    return ir.Distribution("Pipe", (), type_, (base,), maps=tuple(calls), span=expr.span)


def _stage(ctx: Context, stage: ast.Expr) -> ir.NetCall:
    """A flow, with its context if it has one."""
    head = stage.function if isinstance(stage, ast.Call) else stage
    arguments = stage.arguments if isinstance(stage, ast.Call) else ()
    if not isinstance(head, ast.Name) or not isinstance(
        ctx.scope.callables.get(head.id), ast.Flow
    ):
        with ctx.report.containing():
            ctx.all_typed(a.value for a in arguments)
        raise _no_flow(ctx, head)
    given = ctx.all_typed(a.value for a in arguments)
    if head.id in ctx.poisoned:
        raise Poisoned
    flow = ctx.nets[head.id]
    verify_count(ctx, flow, arguments, stage.span)
    for number, (wanted, arg) in enumerate(zip(flow.inputs, given, strict=True), start=1):
        verify_argument(ctx, flow, number, wanted, arg)
    plates = frozenset[str]().union(*(a.type.plates for a in given))
    event = flow.output("")
    return ir.NetCall(flow.name, given, "", replace(event, plates=plates), span=stage.span)


def _no_flow(ctx: Context, head: ast.Expr) -> Poisoned:
    word = head.id if isinstance(head, ast.Name) else ""
    flows = [n for n, d in ctx.scope.callables.items() if isinstance(d, ast.Flow)]
    kind = ctx.scope.kind(word) if word else None
    remedy = ctx.scope.suggestion(word, flows) if word else None
    name = word if word and kind is None else "f"
    declare = f"declare one: `flow {name}: real[D] = coupling(spline)`"
    if word in TRANSFORMS:
        declare = f"give it a name: `flow f: real[D] = {word}(...)`, and write `|> f`"
    return ctx.report.unknown(
        "GD227",
        f"behind `|>` stands a flow, and `{word}` is {kind}"
        if kind is not None
        else f"no flow is called `{word}`"
        if word
        else "behind `|>` stands a flow",
        word,
        head.span,
        remedy or declare,
    )


def _verify_agree(ctx: Context, call: ir.NetCall, event: tuple[Size, ...], other: str) -> None:
    if ctx.agree(call.type.event, event):
        return
    raise ctx.report.error(
        "GD227",
        f"`{call.net}` maps {_shape(call.type.event)}, but {other}",
        call.span,
        labels=ctx.scope.label(call.net, "declared here"),
        help="shapes agree by the names of their sizes",
    )


def _shape(event: tuple[Size, ...]) -> str:
    return f"real{describe_event(event)}"


def not_applied(ctx: Context, expr: ast.Call) -> Poisoned:
    """A flow called like a function."""
    assert isinstance(expr.function, ast.Name)
    name = expr.function.id
    ctx.all_typed(a.value for a in expr.arguments)
    if name in ctx.poisoned:
        return Poisoned()
    return ctx.report.error(
        "GD227",
        f"`{name}` is a flow, which a distribution is pushed through, and no function of values",
        expr.span,
        labels=ctx.scope.label(name, "declared here"),
        help=f"write `~ Normal(0, 1) |> {name}`, or declare a `net`",
    )


# Between data and flows


def standardised(
    variables: tuple[ir.Variable, ...], nets: tuple[ir.Net, ...]
) -> tuple[tuple[ir.Variable, ...], tuple[ir.Net, ...]]:
    """Observed variables behind flows standardised, by one more bijection that is not learned.

    Data on a scale of their own would lie outside of what flows begin with. The bijection is part
    of the law, so that densities are those of the data as they are given. A base that depends on
    anything but numbers has a scale of its own, and is left alone.
    """
    known = {n.name: n for n in nets}
    taken = {v.name for v in variables} | known.keys()
    done, added = [], list(nets)
    for variable in variables:
        law = variable.equations[0].distribution if len(variable.equations) == 1 else None
        if variable.role != "observed" or law is None or not law.maps or not variable.axes:
            done.append(variable)
            continue
        last = TRANSFORMS[known[law.maps[-1].net].architecture or ""]
        if last.fitted or not depends_on_numbers_only(law.parts[0]):
            done.append(variable)
            continue
        name = f"{variable.name}_standardise"
        while name in taken:
            name += "_"
        taken.add(name)
        event = ValueType(frozenset(), law.type.event, REAL)
        flow = ir.Net(name, (), (("", event),), "standardise", flow=ir.FlowBody(), span=law.span)
        added.append(flow)
        call = ir.NetCall(name, (), "", event, span=law.span)
        law = replace(law, maps=(*law.maps, call))
        equation = replace(variable.equations[0], distribution=law)
        done.append(replace(variable, equations=(equation,)))
    return tuple(done), tuple(added)


def oriented(
    variables: tuple[ir.Variable, ...], guides: tuple[ir.Guide, ...], nets: tuple[ir.Net, ...]
) -> tuple[ir.Net, ...]:
    """The nets, flows of guides alone such that draws are their cheap direction."""
    weighed = set(called_nets(*(x for v in variables for x in variable_expressions(v))))
    drawn = set(
        called_nets(*(x for g in guides for e in g.equations for x in equation_expressions(e)))
    )
    return tuple(
        replace(n, flow=replace(n.flow, sampling=True))
        if n.flow is not None and n.name in drawn - weighed
        else n
        for n in nets
    )
