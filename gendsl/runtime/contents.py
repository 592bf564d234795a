"""What operations compute, as keys: two with the same key compute the same."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

__all__ = ["step_key"]

SHORT = 1024
"""Longer constants are known by a digest of their entries."""

_DIGESTS: Any = WeakTensorKeyDictionary()
"""Digests of tensors, each with the number of changes in place before it was made."""


def step_key(op: Any, args: Any, kwargs: dict[str, Any]) -> Hashable:  # noqa: ANN401  of ATen
    """The key of an operation of those arguments: references, tensors, numbers, and lists."""
    return (op, _key(tuple(args)), _key(tuple(sorted(kwargs.items()))))


def _key(value: Any) -> Hashable:  # noqa: ANN401
    match value:
        case tuple() | list():
            return (type(value).__name__, *(_key(v) for v in value))
        case Tensor():
            return ("tensor", value.dtype, tuple(value.shape), _content(value))
        case slice():
            return ("slice", value.start, value.stop, value.step)
        case bool() | int() | float():
            return (type(value).__name__, value)
        case _:
            return value  # type: ignore[no-any-return]


def _content(value: Tensor) -> bytes:
    if value.numel() <= SHORT:
        return value.numpy(force=True).tobytes()
    known: tuple[int, bytes] | None = _DIGESTS.get(value)
    if known is None or known[0] != value._version:
        entries = np.ascontiguousarray(value.numpy(force=True))
        known = value._version, hashlib.blake2b(entries.tobytes()).digest()
        _DIGESTS[value] = known
    return known[1]
