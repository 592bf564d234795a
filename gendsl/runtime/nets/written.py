"""Networks of emitted programs, by their text."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from gendsl.library.architectures import Port
from gendsl.runtime.nets.building import build
from gendsl.semantics.written_nets import written_net

__all__ = ["net"]


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
    inputs = [Port.of(t, sizes) for t in found.inputs]
    outputs = {name: Port.of(t, sizes) for name, t in found.outputs}
    return build(found.architecture, dict(found.options), inputs, outputs)
