"""The step of a training as a list of tensor operations, gradients included.

A step of many small operations spends much of its time in Python: in modules, distributions and
the bookkeeping of terms. It is recorded once for a shape of batch, forward and backward, as
operations of ATen, which are then run one after the other. Random numbers are operations too and
are drawn anew. A recording is compared with the step itself, on another batch, before it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from gendsl.runtime.training.settings import Losses

__all__ = ["Recorded", "recordable"]

RTOL = 1e-5

Step = Callable[[Mapping[str, Tensor]], Losses]


def recordable(nets: Mapping[str, nn.Module]) -> bool:
    """Whether a step changes nothing but its results: batch normalisation counts as it goes."""
    modules = [m for net in nets.values() for m in net.modules()]
    return not any(isinstance(m, nn.modules.batchnorm._NormBase) for m in modules)


class _Given(torch.autograd.Function):
    """A loss whose gradients are known already."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        loss: Tensor,
        gradients: Sequence[Tensor | None],
        *parameters: Tensor,
    ) -> Tensor:
        """The loss; `parameters` are what the gradients are of."""
        del parameters
        ctx.gradients = gradients
        return loss

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> Any:  # noqa: ANN401
        """The gradients, which are those of the loss itself."""
        del outer  # 1: the loss is what is minimised
        return None, None, *ctx.gradients


class Recorded:
    """A step for batches of one shape.

    Args:
        step: from a batch to losses.
        batch: of the shape.
        parameters: leaves, whose entries change in place.

    Raises:
        ValueError: the recording does not agree with the step.
    """

    def __init__(
        self, step: Step, batch: Mapping[str, Tensor], parameters: Sequence[Tensor]
    ) -> None:
        self.parameters = list(parameters)
        self.names = tuple(batch)
        self.terms: tuple[str, ...] = ()
        with torch.random.fork_rng():
            graph = make_fx(self._both(step))(*batch.values())
        graph.graph.eliminate_dead_code()
        graph.recompile()
        self.graph = graph
        self._verify(step, batch)

    def _both(self, step: Step) -> Callable[..., list[Tensor | None]]:
        """Loss, terms and gradients of the arrays of a batch."""

        def both(*arrays: Tensor) -> list[Tensor | None]:
            losses = step(dict(zip(self.names, arrays, strict=True)))
            self.terms = tuple(losses.terms)
            gradients = torch.autograd.grad(losses.total, self.parameters, allow_unused=True)
            values = [losses.total.detach(), *(t.detach() for t in losses.terms.values())]
            return [*values, *gradients]

        return both

    def _run(self, batch: Mapping[str, Tensor]) -> tuple[list[Tensor], list[Tensor | None]]:
        with torch.no_grad():
            found = self.graph(*batch.values())
        count = 1 + len(self.terms)
        return list(found[:count]), list(found[count:])

    def _verify(self, step: Step, batch: Mapping[str, Tensor]) -> None:
        other = {n: t.flip(0) for n, t in batch.items()}
        with torch.random.fork_rng():
            torch.manual_seed(0)  # of every device
            expected = self._both(step)(*other.values())
            torch.manual_seed(0)
            values, gradients = self._run(other)
        for mine, theirs in zip([*values, *gradients], expected, strict=True):
            if mine is None or theirs is None:
                if mine is not theirs:
                    raise ValueError("a recorded gradient is missing")
            elif not torch.allclose(
                mine, theirs, rtol=RTOL, atol=RTOL * float(theirs.abs().max())
            ):
                raise ValueError("the recorded step differs from the step itself")

    def __call__(self, batch: Mapping[str, Tensor]) -> Losses:
        """The losses of a batch; a backward pass from the total leaves the gradients."""
        values, gradients = self._run(batch)
        total: Tensor = _Given.apply(values[0], gradients, *self.parameters)  # type: ignore[no-untyped-call]
        return Losses(total, dict(zip(self.terms, values[1:], strict=True)))
