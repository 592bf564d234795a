"""The table of network architectures."""

from __future__ import annotations

from gendsl.library.architectures.causal import CAUSAL
from gendsl.library.architectures.convolutional import CONVOLUTIONAL
from gendsl.library.architectures.dense import DENSE
from gendsl.library.architectures.ports import Port
from gendsl.library.architectures.sequences import SEQUENCES, SETS
from gendsl.library.architectures.spec import (
    ArchitectureOption,
    ArchitectureSpec,
    Design,
    OptionKind,
    OptionValue,
)
from gendsl.library.registry import Registry

__all__ = [
    "ARCHITECTURES",
    "CAUSAL",
    "CONVOLUTIONAL",
    "DENSE",
    "SEQUENCES",
    "SETS",
    "ArchitectureOption",
    "ArchitectureSpec",
    "Design",
    "OptionKind",
    "OptionValue",
    "Port",
]

ARCHITECTURES: Registry[ArchitectureSpec] = Registry(ArchitectureSpec, vars())
