"""Networks of emitted programs, by their text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from gendsl.library.architectures import Port
from gendsl.runtime.nets.building import build
from gendsl.runtime.nets.supplied import Supplied
from gendsl.semantics.written_nets import written_net

__all__ = ["net", "supplied"]


def net(signature: str, architecture: str, sizes: Mapping[str, int]) -> nn.Module:
    """A network with new weights: ``net("real[L] -> real[D]", "mlp()", {"L": 2, "D": 3})``.

    Args:
        signature: its types, as the language writes them.
        architecture: and its options.
        sizes: of the axes that the signature names.

    Raises:
        CompileError: the text is wrong.
        NetError: the signature does not suit the architecture.
    """
    found = written_net(f"{signature} = {architecture}", sizes)
    assert found.architecture is not None
    given = enumerate(found.inputs)
    inputs = [Port.of(t, sizes, optional=i in found.optional) for i, t in given]
    outputs = {name: Port.of(t, sizes) for name, t in found.outputs}
    options = dict(found.options)
    return build(found.architecture, options, inputs, outputs, causal=found.causal)


def supplied(
    name: str, module: Callable[..., Any] | None, signature: str, sizes: Mapping[str, int]
) -> nn.Module:
    """The module of a net without an architecture, which takes one batch axis.

    Args:
        name: of the net.
        module: what computes it.
        signature: its types, as the language writes them.
        sizes: of the axes that the signature names.

    Raises:
        SystemExit: there is none yet.
        CompileError: the text is wrong.
    """
    if module is None:
        raise SystemExit(f"`{name}` comes from Python: put its module in the place of None")
    found = written_net(signature, sizes)
    given = enumerate(found.inputs)
    inputs = [Port.of(t, sizes, optional=i in found.optional) for i, t in given]
    return Supplied(module, inputs, {n: Port.of(t, sizes) for n, t in found.outputs})
