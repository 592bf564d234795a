"""Networks whose weights have a prior: their weights are latents, their calls arithmetic of these.

``net f: real[D] -> real = mlp(hidden=[10]) ~ Normal(0, 1)`` stands for a latent for each tensor of
weights, named as torch would (``f.layers.0.weight``, outputs before inputs), each entry with that
prior, and for the expression that a call of it computes. Everything that can be done with latents
can then be done with weights.

References:
    Bayesian learning for neural networks (Neal, 1996), chapter 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.library.architectures import ARCHITECTURES, OptionValue
from gendsl.library.architectures.supports import FLOOR
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.semantics import calls
from gendsl.semantics.context import Context, Declared
from gendsl.semantics.layers import Layer, Weighted
from gendsl.semantics.scope import Declaration
from gendsl.semantics.supports import is_discrete
from gendsl.source import Span
from gendsl.syntax import ast
from gendsl.types import REAL, Index, Interval, Size, Structured, ValueType

__all__ = ["applied", "declare_weights", "owner", "verify_prior"]

ACTIVATIONS = {w: w for w in ("relu", "tanh", "sigmoid", "softplus")} | {"sine": "sin"}
"""The functions of the language that networks may have between their layers."""

SIMPLEX = Structured("simplex")

HIDDEN, LAYERS = 128, 2
"""The widths of an `mlp` that says nothing of them."""


def declare_weights(ctx: Context, declared: ast.Net, net: ir.Net) -> Weighted:
    """Declare the weights of a network as latents, in front of all other values.

    Raises:
        Poisoned: it has been reported (GD224) that these weights cannot have a prior.
    """
    assert net.architecture is not None
    options = ARCHITECTURES[net.architecture].completed(dict(net.options))
    why = _obstacle(net, options)
    if why is not None:
        assert declared.prior is not None
        raise ctx.report.error(
            "GD224",
            f"the weights of `{net.name}` cannot have a prior: {why}",
            declared.prior.span,
            labels=(Label(declared.signature.span, f"`{net.name}` is declared here"),),
            help="write an `mlp` or `linear` of numbers and vectors, with the activation "
            f"{', '.join(ACTIVATIONS)}; without `~` the weights are learned as points",
        )
    made = list(_layers(net, options))
    references = [r for _, layer in made for r in (*layer.weights, layer.bias)]
    latents = {r.name: _latent(declared, r) for r in references}
    ctx.scope.values = latents | ctx.scope.values
    for reference in references:
        ctx.declared[reference.name] = Declared((), reference.type, claimed=True)
    ctx.scope.weights[net.name] = tuple(latents)
    count = len(made) - len(net.outputs)
    hidden = tuple(layer for _, layer in made[:count])
    activation = ACTIVATIONS[str(options.get("activation", "relu"))]
    return Weighted(hidden, activation, tuple(made[count:]), options)


def _obstacle(net: ir.Net, options: dict[str, OptionValue]) -> str | None:
    """Why calls of a network cannot be written out."""
    activation = str(options.get("activation", "relu"))
    types = (*net.inputs, *(t for _, t in net.outputs))
    odd = next((t for t in types if len(t.event) > (not isinstance(t.support, Index))), None)
    linked = (t for _, t in net.outputs if not isinstance(t.support, Interval))
    unlinked = next((t for t in linked if t.support != SIMPLEX), None)
    reasons = (
        (
            net.architecture not in ("linear", "mlp"),
            f"`{net.architecture}` is not among the architectures that are written out",
        ),
        (bool(net.optional), "its arguments may be missing"),
        (net.causal, "it is causal"),
        (
            options.get("normalisation", "none") != "none",
            "its normalisation depends on other rows, or has weights of another kind",
        ),
        (
            bool(options.get("dropout")),
            "dropout is an approximation of such a prior, and not for use beside one",
        ),
        (
            "initialisation" in dict(net.options),
            "`initialisation` means nothing where weights are drawn from their prior",
        ),
        (
            options.get("embedding") is not None or bool(options.get("frequencies")),
            "embeddings and frequencies of inputs are not written out",
        ),
        (
            activation not in ACTIVATIONS,
            f"the activation `{activation}` is not among those that are written out",
        ),
        (odd is not None, f"`{odd}` is neither a number nor a vector"),
        (unlinked is not None, f"an output that is `{unlinked}` is not written out"),
    )
    return next((why for holds, why in reasons if holds), None)


# The latents


def _width(type_: ValueType) -> Size:
    """How many numbers a value is for a linear map."""
    if isinstance(type_.support, Index):
        return type_.support.size
    return type_.event[0] if type_.event else Size.of(1)


def _layers(net: ir.Net, options: dict[str, OptionValue]) -> Iterator[tuple[str, Layer]]:
    """Hidden layers, under no name, and that of each output."""
    widths = [_width(t) for t in net.inputs]
    hidden = _hidden(options) if net.architecture == "mlp" else ()
    for number, width in enumerate(hidden):
        yield "", _layer(f"{net.name}.layers.{number}", widths, Size.of(width))
        widths = [Size.of(width)]
    for name, type_ in net.outputs:
        where = name or f"layers.{len(hidden)}"
        yield name, _layer(f"{net.name}.{where}", widths, _width(type_))


def _hidden(options: dict[str, OptionValue]) -> tuple[int, ...]:
    hidden, layers = options["hidden"], options["layers"]
    widths = hidden if isinstance(hidden, tuple) else (HIDDEN,)
    if isinstance(layers, int):
        return widths * layers
    return widths if hidden is not None else widths * LAYERS


def _layer(name: str, widths: list[Size], outputs: Size) -> Layer:
    several = len(widths) > 1
    names = [f"{name}.weight" + (f".{n}" if several else "") for n in range(1, len(widths) + 1)]
    return Layer(
        tuple(
            ir.Reference(n, ValueType(event=(outputs, w)))
            for n, w in zip(names, widths, strict=True)
        ),
        ir.Reference(f"{name}.bias", ValueType(event=(outputs,))),
    )


def _latent(declared: ast.Net, reference: ir.Reference) -> Declaration:
    name = ast.Name(reference.name, span=declared.name.span)
    target = ast.Target(name, span=declared.name.span)
    return Declaration(
        reference.name, [ast.Latent(target, None, declared.prior, span=declared.span)]
    )


def owner(ctx: Context, name: str) -> str:
    """The net of which a latent is some of the weights; empty if it is none."""
    return next((net for net, weights in ctx.scope.weights.items() if name in weights), "")


def verify_prior(ctx: Context, net: str, variable: ir.Variable) -> None:
    """Weights are numbers without steps, each with the prior of the text.

    Raises:
        Poisoned: it has been reported (GD224) that they are not.
    """
    (equation,) = variable.equations if net else (None,)
    if equation is None or equation.distribution is None:
        return
    law = equation.distribution
    spec = DISTRIBUTIONS.get(law.name)
    if is_discrete(law.type.support) or (spec is not None and spec.event_dim):
        what = "whole numbers" if is_discrete(law.type.support) else "vectors or matrices"
        raise ctx.report.error(
            "GD224",
            f"the weights of `{net}` are real numbers, each with this prior, but {law.name} is a "
            f"law of {what}",
            law.span,
            labels=ctx.scope.label(net, "declared here"),
            help="write a law of one real number, such as `Normal(0, 1)` or `Laplace(0, 1)`",
        )


# Calls


def applied(
    ctx: Context,
    net: ir.Net,
    weighted: Weighted,
    args: tuple[ir.Expr, ...],
    part: str,
    span: Span,
) -> ir.Expr:
    """One value of a network, of typed arguments that suit its signature."""
    values = args
    for layer in weighted.hidden:
        values = (_call(ctx, weighted.activation, (_linear(ctx, layer, values, span),), span),)
    raw = _linear(ctx, dict(weighted.last)[part], values, span)
    out = net.output(part)
    if not out.event:
        raw = ir.Select(raw, 0, 0, ValueType(raw.type.plates), span=span)
    return _link(ctx, raw, out, weighted.options, span)


def _linear(ctx: Context, layer: Layer, values: tuple[ir.Expr, ...], span: Span) -> ir.Expr:
    terms = [_product(ctx, w, v, span) for w, v in zip(layer.weights, values, strict=True)]
    return _call(ctx, "add", (*terms, layer.bias), span)


def _product(ctx: Context, weight: ir.Reference, value: ir.Expr, span: Span) -> ir.Expr:
    """A weight times a value; of a category its column."""
    column = weight.type.event[:1]
    if isinstance(value.type.support, Index):
        return ir.Gather(weight, 1, value, ValueType(value.type.plates, column), span=span)
    if not value.type.event:
        only = ir.Select(weight, 1, 0, ValueType(event=column), span=span)
        return _call(ctx, "mul", (only, value), span)
    return _call(ctx, "matmul", (weight, value), span)


def _call(ctx: Context, function: str, args: tuple[ir.Expr, ...], span: Span) -> ir.Expr:
    return calls.apply(ctx, function, args, span)


def _link(
    ctx: Context, raw: ir.Expr, out: ValueType, options: dict[str, OptionValue], span: Span
) -> ir.Expr:
    """A real number to the support of an output, as `gendsl.runtime.nets.links` does it."""

    def number(value: float) -> ir.Expr:
        return ir.Constant(value, ValueType(support=Interval(lower=value, upper=value)), span=span)

    def call(function: str, *args: ir.Expr) -> ir.Expr:
        return _call(ctx, function, args, span)

    support = out.support
    if not isinstance(support, Interval):
        return call("softmax", raw)  # cannot touch 0 but where it underflows
    lower, upper = support.lower, support.upper
    if support == REAL:
        word = str(options["output"])
        return raw if word == "none" else call(ACTIVATIONS[word], raw)
    if isfinite(lower) and isfinite(upper):
        width = upper - lower
        inside = call("mul", number(width * (1 - 2 * FLOOR)), call("sigmoid", raw))
        return call("add", number(lower + width * FLOOR), inside)
    above = call("exp" if options["positive"] == "exp" else "softplus", raw)
    if isfinite(upper):
        return call("add", number(upper - FLOOR), call("neg", above))
    return call("add", number(lower + FLOOR), above)
