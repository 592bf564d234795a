"""What a process for chains is told, and what it says back: files and lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gendsl.diagnostics import DataError, Diagnostic, Label
from gendsl.runtime.data import BoundData
from gendsl.runtime.stored_files import read_arrays, write_arrays
from gendsl.source import Source, Span

__all__ = [
    "diagnostics_from",
    "diagnostics_to",
    "read_named",
    "read_request",
    "write_named",
    "write_request",
]


def write_named(parts: Mapping[str, Mapping[str, np.ndarray]], path: Path) -> None:
    """Write dictionaries of arrays to one file."""
    arrays = {f"{p}:{n}": np.asarray(a) for p, named in parts.items() for n, a in named.items()}
    write_arrays(arrays, path)


def read_named(path: Path, *parts: str) -> list[dict[str, np.ndarray]]:
    """Read them back."""
    arrays = read_arrays(path)
    return [
        {n.removeprefix(f"{p}:"): a for n, a in arrays.items() if n.startswith(f"{p}:")}
        for p in parts
    ]


def write_request(
    folder: Path, source: Source, bound: BoundData, settings: Mapping[str, Any]
) -> None:
    """Write the model, its data and the settings of a sampler."""
    write_named({"value": bound.values, "missing": bound.missing}, folder / "data.npz")
    (folder / "model.gen").write_text(source.text, encoding="utf-8", newline="")
    request = {
        "name": source.name,
        "sizes": {n: int(s) for n, s in bound.sizes.items()},
        **settings,
    }
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")


def read_request(folder: Path) -> tuple[Source, BoundData, dict[str, Any]]:
    """Read them back; labels play no part in sampling."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    text = (folder / "model.gen").read_bytes().decode("utf-8")
    values, missing = read_named(folder / "data.npz", "value", "missing")
    bound = BoundData(request["sizes"], values, missing, {}, ())
    return Source(request["name"], text), bound, request


def diagnostics_to(error: DataError) -> list[dict[str, Any]]:
    """A refusal as plain data."""
    return [asdict(d) for d in error.diagnostics]


def diagnostics_from(found: list[dict[str, Any]], source: Source) -> DataError:
    """The refusal that another process met."""

    def span(value: Mapping[str, int] | None) -> Span | None:
        return None if value is None else Span(value["start"], value["end"])

    restored = []
    for d in found:
        labels = tuple(
            Label(Span(b["span"]["start"], b["span"]["end"]), b["text"]) for b in d["labels"]
        )
        restored.append(
            Diagnostic(d["code"], d["message"], span(d["span"]), labels, d["help"], d["severity"])
        )
    return DataError(restored, source)
