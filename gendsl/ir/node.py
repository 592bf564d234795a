"""What all nodes of the intermediate representation have in common."""

from __future__ import annotations

from dataclasses import dataclass, field

from gendsl.source import NOWHERE, Span

__all__ = ["Node"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Anything that comes from a place in the text."""

    span: Span = field(default=NOWHERE, compare=False, repr=False)
