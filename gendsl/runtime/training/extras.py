"""State beside the parameters, such as the running means of baselines."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import torch
from torch import Tensor

from gendsl.runtime.training.settings import Stateful

__all__ = ["MappingState", "take_back"]


class MappingState:
    """A mapping from names to tensors, which steps replace, as state of a training.

    Example:
        >>> memory = {"mean": torch.zeros(())}
        >>> MappingState(memory).load_state_dict({"mean": torch.ones(())})
        >>> memory
        {'mean': tensor(1.)}
    """

    def __init__(self, values: MutableMapping[str, Tensor]) -> None:
        """Speak for `values`."""
        self._values = values

    def state_dict(self) -> dict[str, Any]:
        """The tensors, by name."""
        return {name: value.detach() for name, value in self._values.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Have these tensors, and no others."""
        self._values.clear()
        self._values.update(state)


def take_back(
    extras: Mapping[str, Stateful],
    before: Mapping[str, dict[str, Any]],
    finite: bool | Tensor,  # noqa: FBT001
) -> None:
    """Undo what a step that was left out did to further state.

    Args:
        extras: the state.
        before: what `state_dict` of each gave before the step.
        finite: whether the step counts; a tensor where that is not waited for, and then only
            tensors that were there before are put back.
    """
    if finite is True:
        return
    for name, extra in extras.items():
        if finite is False:
            extra.load_state_dict(before[name])
        else:
            extra.load_state_dict(_chosen(finite, extra.state_dict(), before[name]))


def _chosen(
    finite: bool | Tensor,  # noqa: FBT001
    now: Mapping[str, Any],
    before: Mapping[str, Any],
) -> dict[str, Any]:
    found = dict(now)
    for name, value in now.items():
        old = before.get(name)
        if isinstance(value, Tensor) and isinstance(old, Tensor) and value.shape == old.shape:
            found[name] = torch.where(torch.as_tensor(finite, device=value.device), value, old)
    return found
