"""Reading and writing plain files without trusting them: sums, arrays, facts."""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gendsl.diagnostics import DataError, Diagnostic

__all__ = [
    "COPY_AGAIN",
    "check_sum",
    "decode_facts",
    "encode_facts",
    "read_arrays",
    "read_bytes",
    "refuse",
    "regular_file",
    "write_arrays",
]

COPY_AGAIN = "copy the whole folder again, or fit again"
MAX_FACTS_BYTES = 1 << 24
PLAIN_KINDS = "biufcUSMm"
"""The kinds of array that are plain values: numbers, text, dates."""

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def refuse(code: str, message: str, remedy: str | None = None) -> DataError:
    """The error that tells one finding."""
    return DataError([Diagnostic(code, message, help=remedy)])


def regular_file(path: Path) -> int:
    """The size of a file, which must be one and no link.

    Raises:
        DataError: GD802 or GD808.
    """
    try:
        found = os.lstat(path)
    except OSError as error:
        raise refuse("GD802", f"cannot read {path}: {error.strerror}", COPY_AGAIN) from error
    if not stat.S_ISREG(found.st_mode):
        raise refuse("GD808", f"{path} is not a plain file", COPY_AGAIN)
    return found.st_size


def read_bytes(path: Path, limit: int) -> bytes:
    """The content of a plain file of at most `limit` bytes."""
    if regular_file(path) > limit:
        raise refuse("GD808", f"{path} is larger than {limit} bytes")
    try:
        return path.read_bytes()
    except OSError as error:
        raise refuse("GD802", f"cannot read {path}: {error.strerror}", COPY_AGAIN) from error


def check_sum(path: Path) -> dict[str, Any]:
    """The size and SHA-256 sum of a plain file."""
    size = regular_file(path)
    try:
        with path.open("rb") as file:
            return {"bytes": size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    except OSError as error:
        raise refuse("GD802", f"cannot read {path}: {error.strerror}", COPY_AGAIN) from error


def _plain(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind in "OT":
        if not all(isinstance(v, str) for v in array.flat):
            raise refuse("GD810", f"{name!r} holds Python objects, which are not saved")
        array = array.astype(np.str_)
    if array.dtype.kind not in PLAIN_KINDS:
        raise refuse("GD810", f"{name!r} has values of type {array.dtype}, which are not saved")
    return array


def write_arrays(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Write plain arrays; equal arrays make equal files."""
    plain = {name: _plain(name, array) for name, array in arrays.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in plain.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read arrays back; the file is never unpacked, and none is larger than the file."""
    size = regular_file(path)
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.compress_type != zipfile.ZIP_STORED or info.file_size > size:
                    raise refuse("GD808", f"{path} is packed in a way gendsl never does")
                with archive.open(info) as member:
                    name = info.filename.removesuffix(".npy")
                    found[name] = np.lib.format.read_array(member, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError, KeyError, zipfile.BadZipFile) as error:
        if "allow_pickle" in str(error):
            raise refuse("GD808", f"{path} holds pickled Python objects") from error
        raise refuse("GD803", f"{path} is damaged: {error}") from error
    except NotImplementedError as error:
        raise refuse("GD808", f"{path} is packed in a way gendsl never does") from error
    return found


def _encode(value: object, where: str) -> Json:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, list | tuple):
        return [_encode(v, where) for v in value]
    if isinstance(value, dict) and all(isinstance(k, str) for k in value):
        return {k: _encode(v, f"{where}.{k}" if where else k) for k, v in value.items()}
    raise refuse("GD810", f"{where!r} is a {type(value).__name__}, which JSON cannot hold")


def _decode(value: Json) -> Json:
    if isinstance(value, list):
        return [_decode(v) for v in value]
    if isinstance(value, dict):
        number = value.get("float")
        if len(value) == 1 and isinstance(number, str) and number in NOT_FINITE:
            return NOT_FINITE[number]
        return {k: _decode(v) for k, v in value.items()}
    return value


def encode_facts(facts: Mapping[str, Any]) -> bytes:
    """Facts as JSON. ``{"float": "nan"}`` stands for what JSON has no number for.

    Raises:
        DataError: GD810, a value that JSON cannot hold.
    """
    text = json.dumps(_encode(dict(facts), ""), indent=2, allow_nan=False, ensure_ascii=False)
    return (text + "\n").encode()


def decode_facts(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        DataError: GD802, GD803 or GD808.
    """
    try:
        value = json.loads(read_bytes(path, MAX_FACTS_BYTES))
        facts = _decode(value)
    except (ValueError, RecursionError) as error:
        raise refuse("GD803", f"{path} is not JSON: {error}") from error
    if not isinstance(facts, dict):
        raise refuse("GD803", f"{path} does not hold a JSON object")
    return facts
