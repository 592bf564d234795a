"""Steps of a tape that solve a differential equation: a call of its generated solver.

`SOLVERS` is filled by `gendsl.runtime.odes`; a key names its right-hand side by content.
"""

from __future__ import annotations

from gendsl.runtime.native.emit import CEmitter, NotNative, Operand
from gendsl.runtime.native.loops import Lazy, literal
from gendsl.runtime.native.views import Handler
from gendsl.runtime.tracing import Argument, Step

__all__ = ["INTEGRATIONS", "SOLVERS", "packed"]

SOLVERS: dict[str, str] = {}
"""The C of each solver, by key."""


def packed(c: CEmitter, value: Argument) -> str:
    """An array whose numbers lie one after the other, as a pointer."""
    view = c.view(value)
    if not view.packed:
        view = c.stored(Lazy("{0}", (view,), view.shape))
    return f"{view.buffer} + {view.offset}" if view.offset else view.buffer


def _integration(function: str) -> Handler:
    """``(key, rtol, atol, most, z0, t0, ts, p, ...)``: see `gendsl.runtime.odes.solving`."""

    def handler(c: CEmitter, step: Step, number: int) -> Operand:
        key, rtol, atol, most, *arrays = step.args
        if key not in SOLVERS:
            raise NotNative("a right-hand side that is not compiled")
        c.included[key] = SOLVERS[key]
        pointers = [packed(c, a) for a in arrays]
        batch, count = c.view(arrays[2]).shape
        options = [literal(rtol), literal(atol), str(int(most))]
        out = c.new(c.shape(number))
        call = ", ".join([str(batch), str(count), *pointers, *options, out.buffer])
        c.code.append(f"{key}_{function}({call});")
        return out

    return handler


INTEGRATIONS: dict[str, Handler] = {
    "gendsl::odeint": _integration("solve"),
    "gendsl::odeint_adjoint": _integration("adjoint"),
}
"""By the name of the operation."""
