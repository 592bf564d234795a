"""A name for the content of the package: what slow tests keep their results under."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

__all__ = ["package_hash"]

ROOT = Path(__file__).resolve().parents[1]


@cache
def package_hash() -> str:
    """The first digits of a hash over all sources."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "gendsl").rglob("*")):
        if path.suffix in (".py", ".c", ".h", ".json"):
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
