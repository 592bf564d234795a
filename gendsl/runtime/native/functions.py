"""A tape as a C function of its own, with its constants and its workspace inside."""

from __future__ import annotations

import re

import torch

from gendsl.runtime.native.emit import CEmitter, NotNative
from gendsl.runtime.native.loops import View, literal
from gendsl.runtime.native.steps import translate
from gendsl.runtime.tracing import Tape

__all__ = ["function_source"]

PRAGMA = re.compile(r"^#pragma .*$", re.MULTILINE)
"""Such functions are small: their loops are unrolled, which vectorised ones are not."""

MAX_STEPS = 1000
"""Longer tapes take the compiler too long."""

MAX_ROOM = 10_000
"""Numbers on the stack at most."""


def function_source(name: str, tape: Tape) -> str:
    """``static void name(const double *x, double *g)``: the gradient of a tape, a vector.

    Raises:
        NotNative: an operation has no translation, or the function would be too large.
    """
    if len(tape.steps) > MAX_STEPS:
        raise NotNative(f"{len(tape.steps)} operations are too many")
    emitter = CEmitter(tape)
    with torch.no_grad():
        emitter.run(translate)
        gradient = emitter.view(tape.gradient)
        emitter.fill(View("g", 0, gradient.shape, (1,)), gradient)
    texts = emitter.finish([View("g", 0, gradient.shape, (1,))])
    constants = emitter.constants.finished()
    if emitter.room + sum(a.size for a in constants) > MAX_ROOM:
        raise NotNative("its workspace would be too large")
    held = emitter.constants.declarations("static {type} {name}[] = {{@{place}}};")
    for place, array in enumerate(constants):
        numbers = ", ".join(literal(v) if array.dtype.kind == "f" else str(v) for v in array)
        held = [line.replace(f"{{@{place}}}", f"{{{numbers or 0}}}") for line in held]
    room = f"double w[{max(1, emitter.room)}];"
    body = PRAGMA.sub("", "\n".join([*held, room, *emitter.arrays(), *texts]))
    return (
        f"static inline void {name}(const double *restrict x, double *restrict g) {{\n{body}\n}}\n"
    )
