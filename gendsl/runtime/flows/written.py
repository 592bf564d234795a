"""Flows of emitted programs, by their text."""

from __future__ import annotations

from collections.abc import Mapping

from gendsl.ir import nodes as ir
from gendsl.library.architectures import Port
from gendsl.runtime.flows.building import build_flow
from gendsl.runtime.flows.flow import Flow
from gendsl.semantics.written_nets import written_flow

__all__ = ["flow", "flow_of"]


def flow(
    signature: str, transform: str, sizes: Mapping[str, int], *, sampling: bool = False
) -> Flow:
    """A flow with new weights: ``flow("real[D]", "coupling(spline)", {"D": 3})``.

    Args:
        signature: the type that it maps, and behind a bar its context.
        transform: and its options, as the language writes them.
        sizes: of the axes that the signature names.
        sampling: draws are its cheap direction, not densities.

    Raises:
        CompileError: the text is wrong.
        NetError: the type does not suit the transform.
    """
    return flow_of(written_flow(f"{signature} = {transform}", sizes), sizes, sampling=sampling)


def flow_of(net: ir.Net, sizes: Mapping[str, int], *, sampling: bool = False) -> Flow:
    """A flow with new weights, with these sizes.

    Raises:
        NetError: the type does not suit the transform.
    """
    assert net.flow is not None
    assert net.architecture is not None
    return build_flow(
        net.architecture,
        dict(net.options),
        Port.of(net.output(""), sizes),
        [Port.of(t, sizes) for t in net.inputs],
        scalar=net.flow.map,
        map_options=dict(net.flow.map_options),
        sampling=sampling or net.flow.sampling,
    )
