"""Checkpoints of a training: plain files in a folder, from which nothing is ever executed.

``step-N.json`` describes the state after N steps and names the ``.npz`` file with its tensors, and
their sum. It appears under its name when all has been written, in place of an earlier one; only
then are files removed that it does not name. So there is a whole checkpoint at any moment.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gendsl.runtime.stored_files import (
    check_sum,
    decode_facts,
    encode_facts,
    read_arrays,
    refuse,
    write_arrays,
)

__all__ = ["newest", "read_checkpoint", "write_checkpoint"]

FORMAT = "gendsl-training"
FORMAT_VERSION = 1
NAME = re.compile(r"step-(\d{10})\.json")
TENSORS = re.compile(r"step-\d{10}-[0-9a-f]{12}\.npz")
DRAFT = ".draft-"
AGAIN = "copy the whole folder again, or train again"

Packed = None | bool | int | float | str | list["Packed"] | dict[str, "Packed"]


def _pack(value: object, arrays: dict[str, np.ndarray]) -> Packed:
    """`value` as JSON, its tensors put into `arrays`; dicts and tensors are marked as such."""
    if isinstance(value, Tensor):
        key = f"{len(arrays):06d}"
        plain = value.detach().cpu().contiguous()
        raw = plain.view(torch.int16) if plain.dtype == torch.bfloat16 else plain
        arrays[key] = raw.numpy()
        kind = str(plain.dtype).removeprefix("torch.")
        return {"tensor": {"key": key, "type": kind, "device": value.device.type}}
    if isinstance(value, Mapping):
        return {"dict": [[_pack(k, arrays), _pack(v, arrays)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return [_pack(v, arrays) for v in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise refuse("GD810", f"a checkpoint cannot hold a {type(value).__name__}")


def _unpack(value: object, arrays: Mapping[str, np.ndarray], device: torch.device) -> object:
    if isinstance(value, list):
        return [_unpack(v, arrays, device) for v in value]
    if not isinstance(value, dict):
        return value
    if "dict" in value:
        return {k: _unpack(v, arrays, device) for k, v in value["dict"]}
    about = value["tensor"]
    tensor = torch.from_numpy(arrays[about["key"]])
    if about["type"] == "bfloat16":
        tensor = tensor.view(torch.bfloat16)
    return tensor.to(torch.device("cpu") if about["device"] == "cpu" else device)


class _writing:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            message = f"cannot write a checkpoint in {self._folder}: {reason}"
            raise refuse("GD809", message) from error


def _settle(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _numbers(folder: Path) -> list[int]:
    names = (NAME.fullmatch(entry.name) for entry in folder.iterdir())
    return sorted(int(found[1]) for found in names if found)


def newest(folder: Path) -> int | None:
    """The number of steps of the newest checkpoint in a folder; None if there is none."""
    return max(_numbers(folder), default=None) if folder.is_dir() else None


def _stem(step: int) -> str:
    return f"step-{step:010d}"


def write_checkpoint(
    folder: Path, step: int, state: Mapping[str, object], identity: Mapping[str, object]
) -> None:
    """Write a checkpoint, then remove older ones and what killed processes left behind.

    Args:
        folder: is made if there is none; other files in it are left alone.
        step: the number of steps done.
        state: nested dicts and lists of tensors and plain values.
        identity: plain values that say which training it belongs to.

    Raises:
        DataError: GD809, it cannot be written; GD810, a value has no place in it. The checkpoint
            before is still there then.
    """
    arrays: dict[str, np.ndarray] = {}
    about: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "step": step,
        "identity": dict(identity),
        "state": _pack(state, arrays),
    }
    tag = secrets.token_hex(6)
    tensors, draft = folder / f"{_stem(step)}-{tag}.npz", folder / f"{DRAFT}{tag}"
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            write_arrays(arrays, draft)
            about |= {"tensors": tensors.name, "sum": check_sum(draft)}
            _settle(draft)
            draft.replace(tensors)
            draft.write_bytes(encode_facts(about))
            _settle(draft)
            draft.replace(folder / f"{_stem(step)}.json")
            _settle(folder)
        finally:
            draft.unlink(missing_ok=True)
        _clear(folder, step, tensors.name)


def _clear(folder: Path, step: int, tensors: str) -> None:
    for number in _numbers(folder):
        if number != step:
            (folder / f"{_stem(number)}.json").unlink(missing_ok=True)
    for entry in folder.iterdir():
        old = TENSORS.fullmatch(entry.name) and entry.name != tensors
        if old or entry.name.startswith(DRAFT):
            entry.unlink(missing_ok=True)


def read_checkpoint(
    folder: Path, step: int, device: torch.device
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state and the identity of a checkpoint; tensors that were on a GPU go to `device`.

    Raises:
        DataError: GD802 to GD805 or GD808.
    """
    path = folder / f"{_stem(step)}.json"
    about = decode_facts(path)
    version = about.get("format_version")
    if about.get("format") != FORMAT or not isinstance(version, int):
        raise refuse("GD803", f"{path} does not describe a checkpoint of a training", AGAIN)
    if version > FORMAT_VERSION:
        message = f"{path} has format {version}; this gendsl reads up to {FORMAT_VERSION}"
        raise refuse("GD805", message, "upgrade gendsl")
    name = about.get("tensors")
    if not isinstance(name, str) or not TENSORS.fullmatch(name):
        raise refuse("GD803", f"{path} does not name its tensors", AGAIN)
    tensors = folder / name
    if check_sum(tensors) != about.get("sum"):
        raise refuse("GD804", f"{tensors} was changed since it was written", AGAIN)
    try:
        state, identity = _unpack(about["state"], read_arrays(tensors), device), about["identity"]
        if not (isinstance(state, dict) and isinstance(identity, dict)):
            raise TypeError("a part of it is no JSON object")
        return state, identity
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
        raise refuse("GD803", f"{path} is damaged: {error}", AGAIN) from error
