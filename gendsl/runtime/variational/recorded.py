"""The step of a training as a list of tensor operations, gradients included.

A step of many small operations spends much of its time in Python: in modules, distributions and
the bookkeeping of terms. It is recorded once for a shape of batch, forward and backward, as
operations of ATen, which are then run one after the other. Random numbers are operations too and
are drawn anew. A recording is compared with the step itself, on another batch, before it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from gendsl.runtime.training.settings import Losses, StepState
from gendsl.runtime.variational.simplified import simplify

__all__ = ["Recorded", "Recorder", "recordable"]

RTOL = 1e-5

WORTH_RECORDING = 500
"""Steps of a training from which on it is worth a quarter of a second to record one."""

Memory = dict[str, Tensor]
"""State that a step is given and replaces, such as Markov chains."""

Step = Callable[[Mapping[str, Tensor], Memory], Losses]


def recordable(nets: Mapping[str, nn.Module]) -> bool:
    """Whether a step changes nothing but its results: batch normalisation counts as it goes."""
    modules = [m for net in nets.values() for m in net.modules()]
    return not any(isinstance(m, nn.modules.batchnorm._NormBase) for m in modules)


class Recorded:
    """A step for batches of one shape.

    Args:
        step: from a batch to losses.
        batch: of the shape.
        parameters: leaves, whose entries change in place.
        memory: what the step remembers: it replaces these tensors, and has no others.

    Raises:
        ValueError: the recording does not agree with the step.
    """

    def __init__(
        self,
        step: Step,
        batch: Mapping[str, Tensor],
        parameters: Sequence[Tensor],
        memory: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.parameters = list(parameters)
        self.names, self.remembered = tuple(batch), tuple(memory or ())
        self.terms: tuple[str, ...] = ()
        kept = [(memory or {})[n].detach() for n in self.remembered]
        with torch.random.fork_rng():
            graph = make_fx(self._both(step))(*batch.values(), *kept)
        simplify(graph)
        self.graph = graph
        fixed = [*graph.parameters(), *graph.buffers(), *self.parameters]
        fixed += [t for t in vars(graph).values() if isinstance(t, Tensor)]
        self._kept = {_storage(t) for t in fixed}
        self._verify(step, batch, kept)

    def _both(self, step: Step) -> Callable[..., list[Tensor | None]]:
        """Loss, terms and gradients of the arrays of a batch."""

        def both(*arrays: Tensor) -> list[Tensor | None]:
            count = len(self.names)
            memory = dict(zip(self.remembered, arrays[count:], strict=True))
            losses = step(dict(zip(self.names, arrays[:count], strict=True)), memory)
            if tuple(memory) != self.remembered:
                raise ValueError("the step remembers something new")
            self.terms = tuple(losses.terms)
            gradients = torch.autograd.grad(losses.total, self.parameters, allow_unused=True)
            values = [losses.total.detach(), *(t.detach() for t in losses.terms.values())]
            return [*values, *(t.detach() for t in memory.values()), *gradients]

        return both

    def _run(self, arrays: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor | None]]:
        with torch.no_grad():
            found = self.graph(*arrays)
        count = 1 + len(self.terms) + len(self.remembered)
        return list(found[:count]), list(found[count:])

    def _owned(
        self, gradients: Sequence[Tensor | None], others: Sequence[Tensor]
    ) -> list[Tensor | None]:
        """Gradients in the layout of their parameters, each in memory of its own.

        A backward pass sees to that where it leaves gradients at parameters. Fused optimisers read
        memory as it lies, and clipping writes to it.
        """
        taken = self._kept | {_storage(t) for t in others}
        found: list[Tensor | None] = []
        for gradient, parameter in zip(gradients, self.parameters, strict=True):
            mine = gradient
            if mine is not None:
                if mine.stride() != parameter.stride() or _storage(mine) in taken:
                    mine = torch.empty_like(parameter).copy_(mine)
                taken.add(_storage(mine))
            found.append(mine)
        return found

    def _verify(self, step: Step, batch: Mapping[str, Tensor], memory: list[Tensor]) -> None:
        other = {n: t.flip(0) for n, t in batch.items()}
        with torch.random.fork_rng():
            torch.manual_seed(0)  # of every device
            expected = self._both(step)(*other.values(), *memory)
            torch.manual_seed(0)
            values, gradients = self._run([*other.values(), *memory])
        for mine, theirs in zip([*values, *gradients], expected, strict=True):
            if mine is None or theirs is None:
                if mine is not theirs:
                    raise ValueError("a recorded gradient is missing")
            elif not torch.allclose(
                mine, theirs, rtol=RTOL, atol=RTOL * float(theirs.abs().max())
            ):
                raise ValueError("the recorded step differs from the step itself")

    def __call__(self, batch: Mapping[str, Tensor], memory: Memory) -> Losses:
        """The losses of a batch, with their gradients; what is remembered is replaced."""
        values, gradients = self._run([*batch.values(), *(memory[n] for n in self.remembered)])
        count = 1 + len(self.terms)
        memory.update(zip(self.remembered, values[count:], strict=True))
        gradients = self._owned(gradients, [*batch.values(), *values])
        return Losses(values[0], dict(zip(self.terms, values[1:count], strict=True)), gradients)


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


class Recorder:
    """Runs a step by a recording where that is worth it.

    The first step of a training is run as it is: after it there is what the step remembers, and it
    is known whether modules change their buffers as they go.

    Attributes:
        how: how steps are run, in words.
    """

    def __init__(self, nets: Mapping[str, nn.Module], parameters: Sequence[Tensor]) -> None:
        """Prepare to record batches of as many rows as the first one."""
        self.parameters, self.size = parameters, 0
        self.recorded: Recorded | None = None
        self._able = recordable(nets)
        self._buffers = [b for net in nets.values() for b in net.buffers()]
        self.how = "run as they are"

    def __call__(
        self, step: Step, batch: Mapping[str, Tensor], state: StepState, memory: Memory
    ) -> Losses:
        """The losses of a batch; what is remembered is replaced."""
        if not self._able or state.steps < WORTH_RECORDING:
            return step(batch, memory)
        if not self.size:
            return self._first(step, batch, state, memory)
        if state.rows != self.size:
            return step(batch, memory)
        if self.recorded is None:
            try:
                self.recorded = Recorded(step, batch, self.parameters, memory)
            except Exception as error:  # noqa: BLE001  whatever the tracer cannot do
                self._able, self.how = False, f"run as they are, since none was recorded: {error}"
                return step(batch, memory)
            self.how = "recorded as tensor operations"
        return self.recorded(batch, memory)

    def _first(
        self, step: Step, batch: Mapping[str, Tensor], state: StepState, memory: Memory
    ) -> Losses:
        self.size = state.rows
        before = [b.clone() for b in self._buffers]
        losses = step(batch, memory)
        changed = any(not torch.equal(a, b) for a, b in zip(before, self._buffers, strict=True))
        self._able = not changed
        return losses
