"""Networks that come from Python: what stands around a module of the caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gendsl.library.architectures import Port
from gendsl.runtime.nets.arguments import Given, NetError
from gendsl.runtime.variational.relaxed import soft_of

__all__ = ["Supplied", "shapes_differ"]


class Supplied(nn.Module):
    """A module, or a function without weights, behind the signature of a net.

    It is called with one batch axis, `(rows, *event)`, whatever the batch of the call is; of an
    input that may be missing with a pair, its values and which of them are known.

    Attributes:
        module: the module; None for a function.
        inputs: of the signature.
        outputs: of the signature, by name; a single one has the empty name.
    """

    def __init__(
        self, called: Callable[..., Any], inputs: Sequence[Port], outputs: Mapping[str, Port]
    ) -> None:
        super().__init__()
        self.module = called if isinstance(called, nn.Module) else None
        self._called = (called,)  # in a tuple: a module that is set is registered twice
        self.inputs, self.outputs = tuple(inputs), dict(outputs)

    def forward(self, *inputs: Given) -> Tensor | dict[str, Tensor]:
        """The outputs, of shape `batch + event`, of inputs of such shapes.

        Raises:
            NetError: it gives other values than its signature says.
        """
        if any(soft_of(v) is not None for v in inputs if isinstance(v, Tensor)):
            raise NetError("a module from Python takes categories, not weights of them")
        tensors = [_shown(value) for value in inputs]
        ranks = [len(port.event) for port in self.inputs]
        batches = [t.shape[: t.ndim - r] for t, r in zip(tensors, ranks, strict=True)]
        batch = torch.broadcast_shapes(*batches)

        def rows(tensor: Tensor, rank: int) -> Tensor:
            event = tensor.shape[tensor.ndim - rank :]
            return tensor.expand(*batch, *event).reshape(batch.numel(), *event)

        given = [
            rows(v, r) if isinstance(v, Tensor) else tuple(rows(part, r) for part in v)
            for v, r in zip(inputs, ranks, strict=True)
        ]
        (called,) = self._called if self.module is None else (self.module,)
        found = called(*given)
        wrong = shapes_differ(found, self.outputs, batch.numel())
        if wrong:
            raise NetError("; ".join(wrong))
        if isinstance(found, Tensor):
            return found.reshape(*batch, *found.shape[1:])
        return {n: t.reshape(*batch, *t.shape[1:]) for n, t in found.items()}


def _shown(value: Given) -> Tensor:
    return value if isinstance(value, Tensor) else value[0]


def shapes_differ(found: object, outputs: Mapping[str, Port], rows: int) -> list[str]:
    """How what a module gives for `rows` differs from its signature, in words."""
    if list(outputs) == [""]:
        if not isinstance(found, Tensor):
            return [f"it gives {_kind(found)}, not a tensor"]
        return _shape_differs("it gives", found, outputs[""], rows)
    if not isinstance(found, Mapping):
        names = ", ".join(f'"{n}": ...' for n in outputs)
        return [f"it gives {_kind(found)}, not a dict {{{names}}}"]
    wrong = [f"it gives no `{n}`" for n in outputs if n not in found]
    wrong += [f"it gives `{n}`, which the signature has not" for n in found if n not in outputs]
    for name, port in outputs.items():
        if name in found and not isinstance(found[name], Tensor):
            wrong.append(f"`{name}` is {_kind(found[name])}, not a tensor")
        elif name in found:
            wrong += _shape_differs(f"`{name}` is", found[name], port, rows)
    return wrong


def _shape_differs(subject: str, found: Tensor, port: Port, rows: int) -> list[str]:
    wanted = (rows, *port.event)
    if tuple(found.shape) == wanted:
        return []
    axes = ", ".join(["rows", *map(str, port.axes)])
    return [f"{subject} of shape {tuple(found.shape)}, not {wanted} ({axes})"]


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
