"""Operations that act on each entry by itself, as C expressions."""

from __future__ import annotations

from collections.abc import Callable

import torch

from gendsl.runtime.native.loops import literal
from gendsl.runtime.native.preamble import PREAMBLE
from gendsl.runtime.native.untranslated import NotNative
from gendsl.runtime.tracing import Argument, Step

__all__ = ["COMPOSITES", "ENTRYWISE", "PREAMBLE", "Compute", "template"]

Compute = Callable[..., str]
"""Computes an expression of operands, unless that was done before; the name of its result."""


def _decay(do: Compute, x: str) -> str:
    """exp(-|x|), which never overflows."""
    return do("exp(-fabs({0}))", x)


def _softplus(do: Compute, x: str) -> str:
    return do("({0} + {1})", do("({0} > 0 ? {0} : 0)", x), do("log1p({0})", _decay(do, x)))


def _log_sigmoid(do: Compute, x: str) -> str:
    return do("({0} - {1})", do("({0} < 0 ? {0} : 0)", x), do("log1p({0})", _decay(do, x)))


def _sigmoid(do: Compute, x: str) -> str:
    decay = _decay(do, x)
    share = do("(1 / (1 + {0}))", decay)
    return do("({0} < 0 ? {1} : {2})", x, do("({0} * {1})", decay, share), share)


def _reverse(do: Compute, x: str) -> str:
    """sigmoid(-x)."""
    decay = _decay(do, x)
    share = do("(1 / (1 + {0}))", decay)
    return do("({0} < 0 ? {2} : {1})", x, do("({0} * {1})", decay, share), share)


COMPOSITES: dict[str, Callable[..., str]] = {
    "@softplus": _softplus,
    "@sigmoid": _sigmoid,
    "@log_sigmoid": _log_sigmoid,
    "@softplus_backward": lambda do, g, x: do("({0} * {1})", g, _sigmoid(do, x)),
    "@log_sigmoid_backward": lambda do, g, x, *_: do("({0} * {1})", g, _reverse(do, x)),
    "@cross_entropy": lambda do, x, y, *_: do("({0} - {1} * {2})", _softplus(do, x), x, y),
    "@xlogy": lambda do, x, y: do(
        "({0} == 0 ? ({1} == {1} ? 0 : {1}) : {0} * {2})", x, y, do("log({0})", y)
    ),
}
"""Operations of several steps that others may share."""

ENTRYWISE: dict[str, str] = {
    "add": "({0} + {1})",
    "sub": "({0} - {1})",
    "rsub": "({1} - {0})",
    "mul": "({0} * {1})",
    "div": "({0} / {1})",
    "neg": "(-{0})",
    "exp": "exp({0})",
    "log": "log({0})",
    "log1p": "log1p({0})",
    "expm1": "expm1({0})",
    "log2": "log2({0})",
    "log10": "log10({0})",
    "sqrt": "sqrt({0})",
    "rsqrt": "(1 / sqrt({0}))",
    "reciprocal": "(1 / {0})",
    "abs": "fabs({0})",
    "sin": "sin({0})",
    "cos": "cos({0})",
    "tan": "tan({0})",
    "atan": "atan({0})",
    "sinh": "sinh({0})",
    "cosh": "cosh({0})",
    "tanh": "tanh({0})",
    "erf": "erf({0})",
    "erfc": "erfc({0})",
    "floor": "floor({0})",
    "ceil": "ceil({0})",
    "lgamma": "gen_lgamma({0})",
    "digamma": "gen_digamma({0})",
    "special_log_ndtr": "gen_log_ndtr({0})",
    "special_erfcx": "gen_erfcx({0})",
    "sgn": "({0} > 0 ? 1.0 : ({0} < 0 ? -1.0 : {0}))",
    "sign": "({0} > 0 ? 1.0 : ({0} < 0 ? -1.0 : {0}))",
    "sigmoid": "@sigmoid",
    "relu": "({0} <= 0 ? 0 : {0})",
    "maximum": "gen_max({0}, {1})",
    "minimum": "gen_min({0}, {1})",
    "pow": "pow({0}, {1})",
    "square": "({0} * {0})",
    "where": "({0} != 0 ? {1} : {2})",
    "masked_fill": "({1} != 0 ? {2} : {0})",
    "ge": "({0} >= {1} ? 1.0 : 0.0)",
    "gt": "({0} > {1} ? 1.0 : 0.0)",
    "le": "({0} <= {1} ? 1.0 : 0.0)",
    "lt": "({0} < {1} ? 1.0 : 0.0)",
    "eq": "({0} == {1} ? 1.0 : 0.0)",
    "ne": "({0} != {1} ? 1.0 : 0.0)",
    "logical_and": "(({0} != 0 ? 1.0 : 0.0) * ({1} != 0 ? 1.0 : 0.0))",
    "logical_or": "(1 - ({0} != 0 ? 0.0 : 1.0) * ({1} != 0 ? 0.0 : 1.0))",
    "logical_not": "({0} == 0 ? 1.0 : 0.0)",
    "isnan": "({0} != {0} ? 1.0 : 0.0)",
    "isinf": "(fabs({0}) == INFINITY ? 1.0 : 0.0)",
    "xlogy": "@xlogy",
    "softplus": "@softplus",
    "sigmoid_backward": "({0} * {1} * (1 - {1}))",
    "tanh_backward": "({0} * (1 - {1} * {1}))",
    "log_sigmoid_backward": "@log_sigmoid_backward",
    "threshold_backward": "({1} <= {2} ? 0 : {0})",
    "binary_cross_entropy_with_logits": "@cross_entropy",
    "softplus_backward": "@softplus_backward",
    "log_sigmoid_forward:0": "@log_sigmoid",
    "log_sigmoid_forward:1": "0",
    "remainder": "({0} - floor({0} / {1}) * {1})",
    "trunc": "trunc({0})",
    "round": "nearbyint({0})",
    "fmod": "fmod({0}, {1})",
    "atan2": "atan2({0}, {1})",
    "asin": "asin({0})",
    "acos": "acos({0})",
    "asinh": "asinh({0})",
    "acosh": "acosh({0})",
    "atanh": "atanh({0})",
    "exp2": "exp2({0})",
    "hypot": "hypot({0}, {1})",
    "i0": "(gen_bessel({0}, 0) * exp(fabs({0})))",
    "special_i0e": "gen_bessel({0}, 0)",
    "special_i1": "(gen_bessel({0}, 1) * exp(fabs({0})))",
    "special_i1e": "gen_bessel({0}, 1)",
}
"""By the name of the ATen operation; arguments in its order."""


BOUNDS = ("gen_max", "gen_min")
POWERS = {
    0.5: "sqrt({0})",
    2: "({0} * {0})",
    3: "({0} * {0} * {0})",
    4: "(({0} * {0}) * ({0} * {0}))",
    -0.5: "(1 / sqrt({0}))",
    -1: "(1 / {0})",
    -2: "(1 / ({0} * {0}))",
    -3: "(1 / ({0} * {0} * {0}))",
}


def template(name: str, step: Step) -> tuple[str, list[Argument]]:
    """The expression of an operation and its operands, special arguments taken into account.

    Raises:
        NotNative: they have no translation.
    """
    if step.kwargs.get("alpha", 1) != 1 or (name in ("add", "sub") and len(step.args) > 2):
        raise NotNative(f"{name} with a factor")
    if name == "div" and step.kwargs.get("rounding_mode") is not None:
        return _rounded(step.kwargs["rounding_mode"]), list(step.args[:2])
    if name in ("softplus", "softplus_backward") and any(
        a not in (1, 20) for a in step.args[1 if name == "softplus" else 2 :]
    ):
        raise NotNative("softplus with parameters")
    if name == "clamp":
        return _clamp(step)
    args = [a for a in step.args if a is not None and not isinstance(a, (torch.dtype, str))]
    if name == "pow" and isinstance(args[1], (int, float)) and args[1] in POWERS:
        return POWERS[args[1]], args[:1]
    if name == "softplus_backward":
        return ENTRYWISE[name], args[:2]
    if name == "softplus":
        return ENTRYWISE[name], args[:1]
    return ENTRYWISE[name], args


def _rounded(mode: str) -> str:
    return {"floor": "floor({0} / {1})", "trunc": "trunc({0} / {1})"}[mode]


def _clamp(step: Step) -> tuple[str, list[Argument]]:
    low, high = (*step.args[1:], None, None)[:2]
    bounds = (step.kwargs.get("min", low), step.kwargs.get("max", high))
    code, args = "{0}", [step.args[0]]
    for bound, function in zip(bounds, BOUNDS, strict=True):
        if isinstance(bound, (int, float)):
            code = f"{function}({code}, {literal(bound)})"
        elif bound is not None:
            code = f"{function}({code}, {{{len(args)}}})"
            args.append(bound)
    return code, args
