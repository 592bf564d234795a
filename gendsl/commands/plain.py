"""Syntax trees and typed models as plain data, and plain data as an indented outline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from math import isfinite

from gendsl.source import Source, Span

__all__ = ["Plain", "as_plain", "outline"]

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]

LEFT_OUT = ("source",)


def as_plain(value: object, source: Source) -> Plain:
    """Frozen records as dicts with their kind and place; fit for JSON."""
    if isinstance(value, Span):
        line, column = source.position(value.start)
        return {"line": line, "column": column}
    if is_dataclass(value) and not isinstance(value, type):
        found: dict[str, Plain] = {"kind": type(value).__name__}
        for field in fields(value):
            if field.name not in LEFT_OUT:
                key = "place" if field.name == "span" else field.name
                found[key] = as_plain(getattr(value, field.name), source)
        return found
    if isinstance(value, tuple | list):
        return [as_plain(item, source) for item in value]
    if isinstance(value, set | frozenset):
        return [str(item) for item in sorted(value, key=str)]
    if isinstance(value, float) and not isfinite(value):
        return str(value)  # JSON has no infinity
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def outline(value: Plain, name: str = "", depth: int = 0) -> Iterator[str]:
    """The lines of what `as_plain` gives, two spaces a level; empty parts are left out."""
    indent = "  " * depth
    label = f"{name}: " if name else ""
    if isinstance(value, dict):
        place = value.get("place")
        where = f"  @{place['line']}:{place['column']}" if isinstance(place, dict) else ""
        plain = {k: v for k, v in value.items() if k not in ("kind", "place")}
        words = [f"{k}={v!r}" for k, v in plain.items() if _is_leaf(v) and v not in (None, "")]
        yield f"{indent}{label}{' '.join([str(value.get('kind', '')), *words])}{where}"
        for key, item in plain.items():
            if not _is_leaf(item):
                yield from outline(item, key, depth + 1)
    elif isinstance(value, list):
        if value:
            yield f"{indent}{name}:"
        for item in value:
            yield from outline(item, "", depth + 1)
    else:
        yield f"{indent}{label}{value!r}"


def _is_leaf(value: object) -> bool:
    return not isinstance(value, dict | list)
