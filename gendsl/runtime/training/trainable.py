"""What is trained: named parameters, and the buffers that modules keep beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["Trainable", "copied"]


def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies that later steps leave alone."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


class Trainable:
    """Named parameters and buffers, which stay the same tensors while their entries change.

    Attributes:
        parameters: leaves that gradients move; those of modules are named `module.parameter`.
        buffers: state that forward passes change in place, such as running means.

    Example:
        >>> sorted(Trainable({"f": nn.Linear(2, 1)}).parameters)
        ['f.bias', 'f.weight']
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module] | None = None,
        parameters: Mapping[str, Tensor] | None = None,
        buffers: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Collect what is trained.

        Args:
            modules: networks, by name; parameters that do not require a gradient are left out,
                and one that several modules share is counted once, under its first name.
            parameters: further leaf tensors that require a gradient.
            buffers: further state.

        Raises:
            ValueError: a name is used twice, or a parameter is no leaf that requires a gradient.
        """
        self._modules = dict(modules or {})
        self.parameters: dict[str, Tensor] = {}
        self.buffers: dict[str, Tensor] = {}
        seen: set[int] = set()
        for name, module in self._modules.items():
            for part, parameter in module.named_parameters():
                if parameter.requires_grad and id(parameter) not in seen:
                    self._add(self.parameters, f"{name}.{part}", parameter)
                seen.add(id(parameter))
            for part, buffer in module.named_buffers():
                if id(buffer) not in seen:
                    self._add(self.buffers, f"{name}.{part}", buffer)
                seen.add(id(buffer))
        for name, tensor in (parameters or {}).items():
            if not (tensor.is_leaf and tensor.requires_grad):
                raise ValueError(f"{name} is not a leaf that requires a gradient")
            self._add(self.parameters, name, tensor)
        for name, buffer in (buffers or {}).items():
            self._add(self.buffers, name, buffer)

    def _add(self, table: dict[str, Tensor], name: str, tensor: Tensor) -> None:
        if name in self.parameters or name in self.buffers:
            raise ValueError(f"two tensors are named {name}")
        table[name] = tensor

    @property
    def device(self) -> torch.device:
        """Where the first parameter is."""
        return next((p.device for p in self.parameters.values()), torch.device("cpu"))

    def tensors(self) -> dict[str, Tensor]:
        """Parameters and buffers."""
        return self.parameters | self.buffers

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Copy `values`, which has every name, into parameters and buffers."""
        with torch.no_grad():
            for name, tensor in self.tensors().items():
                tensor.copy_(values[name])

    @contextmanager
    def holding(self, values: Mapping[str, Tensor] | None) -> Iterator[None]:
        """Have other values for a while; None for those that are there."""
        if values is None:
            yield
            return
        before = copied(self.tensors())
        self.load(values)
        try:
            yield
        finally:
            self.load(before)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Have all modules in evaluation mode (dropout, batch norm) for a while."""
        parts = [part for module in self._modules.values() for part in module.modules()]
        before = [part.training for part in parts]
        for part in parts:
            part.training = False
        try:
            yield
        finally:
            for part, training in zip(parts, before, strict=True):
                part.training = training

    def train_mode(self) -> None:
        """Put all modules in training mode."""
        for module in self._modules.values():
            module.train()
