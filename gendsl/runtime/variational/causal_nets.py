"""Causal networks, verified before anything is trained with them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor, nn

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import is_autoregressive, references, variable_expressions, walk
from gendsl.library.architectures import Port
from gendsl.runtime.nets.causality import MOST, leak_of
from gendsl.runtime.nets.stepping import order_of

__all__ = ["entry_order", "verify_causal", "verify_orders"]


def verify_causal(
    nets: tuple[ir.Net, ...], modules: Mapping[str, nn.Module], sizes: Mapping[str, int]
) -> list[Diagnostic]:
    """What is wrong with nets that are declared causal (GD890), by a probe of each."""
    wrong = []
    for net in nets:
        if not net.causal:
            continue
        inputs = [Port.of(t, sizes) for t in net.inputs]
        most = MOST if net.architecture is not None else None
        leak = leak_of(modules[net.name], inputs, most)
        if leak is None:
            continue
        event = tuple(n or 0 for n in inputs[0].event)
        entry, cause = (_shown(i, event) for i in leak)
        wrong.append(
            Diagnostic(
                "GD890",
                f"`{net.name}` is not causal: entry {entry} of what it returns depends on entry "
                f"{cause} of its first argument",
                net.span,
                help="entry i may depend on the entries before i alone, its own left out: shift "
                "the argument by one, and mask what comes later",
            )
        )
    return wrong


def _shown(number: int, event: tuple[int, ...]) -> str:
    place = np.unravel_index(number, event)
    return f"[{', '.join(str(int(i)) for i in place)}]"


def _own_nets(model: ir.Model, variable: ir.Variable) -> list[str]:
    """The causal nets through which a variable reaches itself."""
    calls = (e for e in walk(*variable_expressions(variable)) if isinstance(e, ir.NetCall))
    found = (c.net for c in calls if variable.name in references(c.args[0]))
    return list(dict.fromkeys(found))


def entry_order(
    model: ir.Model, variable: ir.Variable, modules: Mapping[str, nn.Module]
) -> Tensor | None:
    """The order of the entries of a variable that reaches itself; None for row-major."""
    return order_of([modules[n] for n in _own_nets(model, variable)])


def verify_orders(model: ir.Model, modules: Mapping[str, nn.Module]) -> None:
    """Refuse nets of one variable that take its entries in different orders.

    Raises:
        DataError: GD891.
    """
    for variable in model.of_role("latent", "observed"):
        if not is_autoregressive(variable):
            continue
        names = _own_nets(model, variable)
        orders = [order_of([modules[n]]) for n in names]
        given = [None if o is None else tuple(o.tolist()) for o in orders]
        if len(set(given)) > 1:
            shown = " and ".join(f"`{n}`" for n in names)
            message = f"{shown} take the entries of `{variable.name}` in different orders"
            remedy = "give them the same order, such as `order = natural`; `random` is drawn for "
            remedy += "each net"
            raise DataError(
                [Diagnostic("GD891", message, variable.span, help=remedy)], model.source
            )
