"""Saved runs: a folder of plain files from which nothing is ever executed.

``model.gen`` is the text, ``data.npz`` the data as they were bound, ``posterior.nc`` the results,
``learned.npz`` params and networks where a method learns by steps, and ``meta.json`` the facts,
with the size and SHA-256 sum of each of the others. A folder
appears under its name when all of it has been written, or not at all. The sums find accidents;
they are no signature.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from gendsl.diagnostics import DataError
from gendsl.runtime.stored_files import (
    COPY_AGAIN,
    check_sum,
    decode_facts,
    encode_facts,
    read_arrays,
    read_bytes,
    refuse,
    write_arrays,
)
from gendsl.runtime.stored_trees import read_tree, write_tree

__all__ = [
    "FORMAT_VERSION",
    "SavedRun",
    "load_run",
    "load_tree",
    "save_run",
    "save_tree",
    "verify_target",
]

FORMAT = "gendsl-run"
FORMAT_VERSION = 1

MODEL, DATA, RESULTS, META = "model.gen", "data.npz", "posterior.nc", "meta.json"
LEARNED = "learned.npz"
WRITTEN_BY = "a saved run is a folder that `fit.save` or `gendsl fit --out` wrote"
OWNED = frozenset({MODEL, DATA, RESULTS, META, LEARNED, "plots"})
"""What a run's folder may hold and lose when it is overwritten."""

PACKAGES = ("gendsl", "torch", "pyro-ppl", "numpy", "xarray")
MAX_MODEL_BYTES = 1 << 24
SECTIONS = ("data", "labels", "missing")


@dataclass(frozen=True, slots=True, eq=False)
class SavedRun:
    """What a saved run holds.

    Attributes:
        folder: where it was read from.
        source_text: the model.
        source_name: what messages called its file.
        data: the bound arrays.
        labels: the labels of the members of each axis.
        sizes: the size of each axis.
        missing: for each variable with missing entries, where they are.
        tree: the results.
        meta: the facts that the caller of `save_run` gave (seed, method, timings).
        versions: the packages that wrote it.
        content_hash: of model and data; equal for fits of the same model to the same data.
        learned: params and networks, where there are any.
    """

    folder: Path
    source_text: str
    source_name: str
    data: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    sizes: dict[str, int]
    missing: dict[str, np.ndarray]
    tree: xr.DataTree
    meta: dict[str, Any]
    versions: dict[str, str]
    content_hash: str
    learned: dict[str, np.ndarray] | None = None


def save_tree(tree: xr.DataTree, path: str | Path) -> None:
    """Write results as NetCDF; a file of that name is replaced when all is written.

    Raises:
        DataError: GD809 or GD810, the file cannot be written or a value has no place in it.
    """
    target = Path(path)
    with _writing(target):
        draft = _sibling(target)
        try:
            write_tree(tree, draft)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)


def load_tree(path: str | Path) -> xr.DataTree:
    """Read results into memory.

    Raises:
        DataError: GD802, GD803 or GD808, the file is missing, damaged or unsafe.
    """
    return read_tree(Path(path))


class _writing:
    """Tells what the operating system refuses as a finding about `target`."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            raise refuse("GD809", f"cannot write {self.target}: {reason}") from error


def _sibling(target: Path) -> Path:
    """A new name beside `target`, so that renaming stays on one file system."""
    return target.with_name(f".{target.name}.{secrets.token_hex(6)}")


def _content_hash(source_text: str, arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(source_text.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def save_run(
    folder: str | Path,
    *,
    source_text: str,
    source_name: str,
    data: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
    sizes: Mapping[str, int],
    missing: Mapping[str, np.ndarray],
    tree: xr.DataTree,
    meta: Mapping[str, Any],
    learned: Mapping[str, np.ndarray] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a run; the folder appears complete or not at all.

    Args:
        folder: a new or empty folder, or with `overwrite` one that holds an earlier run.
        source_text: the model.
        source_name: what messages called its file.
        data: the bound arrays.
        labels: the labels of the members of each axis.
        sizes: the size of each axis.
        missing: where entries are missing.
        tree: the results.
        meta: facts that JSON can hold: seed, method, timings. NaN and infinities are kept.
        learned: params and networks, where a method learns by steps.
        overwrite: replace an earlier run.

    Returns:
        The folder.

    Raises:
        DataError: GD806, GD807, GD809 or GD810. Nothing has been written then.
    """
    target = Path(os.path.realpath(folder))
    _check_target(target, overwrite=overwrite)
    sections = {"data": data, "labels": labels, "missing": missing}
    arrays = {f"{s}/{n}": np.asarray(a) for s in SECTIONS for n, a in sections[s].items()}
    facts: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "versions": _versions(),
        "source_name": source_name,
        "content_hash": _content_hash(source_text, arrays),
        "sizes": {name: int(size) for name, size in sizes.items()},
        "meta": dict(meta),
    }
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = _sibling(target)
        draft.mkdir()
        try:
            (draft / MODEL).write_bytes(source_text.encode())
            write_arrays(arrays, draft / DATA)
            write_tree(tree, draft / RESULTS)
            names = [MODEL, DATA, RESULTS]
            if learned is not None:
                write_arrays(learned, draft / LEARNED)
                names.append(LEARNED)
            facts["files"] = {name: check_sum(draft / name) for name in names}
            (draft / META).write_bytes(encode_facts(facts))
            _publish(draft, target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return target


def verify_target(folder: str | Path, *, overwrite: bool = False) -> None:
    """Refuse a folder in which a run cannot or may not be written, before there is a run.

    Raises:
        DataError: GD806, GD807 or GD809, as `save_run` would.
    """
    target = Path(os.path.realpath(folder))
    _check_target(target, overwrite=overwrite)
    parent = next(p for p in target.parents if os.path.lexists(p))
    with _writing(target):
        probe = _sibling(parent / target.name)
        probe.mkdir()
        probe.rmdir()


def _check_target(target: Path, *, overwrite: bool) -> None:
    if not os.path.lexists(target):
        parent = next(p for p in target.parents if os.path.lexists(p))
        if not parent.is_dir():
            message = f"cannot write {target}: {parent} is not a folder"
            raise refuse("GD809", message, "choose another folder")
        return
    if not target.is_dir():
        raise refuse("GD806", f"{target} is a file, not a folder", "choose another folder")
    names = {entry.name for entry in target.iterdir()}
    if not names:
        return
    try:
        _read_meta(target)
    except DataError as error:
        message = f"{target} is not empty and not a run of this gendsl: it is left alone"
        raise refuse("GD806", message, "choose another folder") from error
    if not overwrite:
        remedy = "pass overwrite=True (on the command line --overwrite) to replace it"
        raise refuse("GD807", f"{target} holds a run already", remedy)
    others = sorted(names - OWNED)
    if others:
        message = f"{target} holds other files beside the run: {', '.join(others[:5])}"
        raise refuse("GD806", message, "move them away, or choose another folder")


def _publish(draft: Path, target: Path) -> None:
    """Give the draft its name; an earlier run is put back if that fails."""
    if not target.exists():
        draft.rename(target)
        return
    if not any(target.iterdir()):
        target.rmdir()
        draft.rename(target)
        return
    retired = _sibling(target)
    target.rename(retired)
    try:
        draft.rename(target)
    except BaseException:
        retired.rename(target)
        raise
    shutil.rmtree(retired, ignore_errors=True)


def _read_meta(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise refuse("GD801", f"there is no folder {folder}", WRITTEN_BY)
    if not os.path.lexists(folder / META):
        raise refuse("GD801", f"{folder} is not a saved run: it has no {META}", WRITTEN_BY)
    facts = decode_facts(folder / META)
    if facts.get("format") != FORMAT:
        raise refuse("GD801", f"{folder / META} does not describe a run of gendsl")
    found = facts.get("format_version")
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise refuse("GD803", f"{folder / META} has no usable format_version: {found!r}")
    if found > FORMAT_VERSION:
        raise refuse(
            "GD805",
            f"{folder} has format {found}; this gendsl reads up to {FORMAT_VERSION}",
            "upgrade gendsl",
        )
    return facts


def _text(facts: Mapping[str, Any], name: str, where: Path) -> str:
    value = facts.get(name)
    if not isinstance(value, str):
        raise refuse("GD803", f"{where / META} is damaged: {name!r} is missing or no text")
    return value


def _mapping(facts: Mapping[str, Any], name: str, kind: type, where: Path) -> dict[str, Any]:
    value = facts.get(name)
    if not isinstance(value, dict) or not all(isinstance(v, kind) for v in value.values()):
        raise refuse("GD803", f"{where / META} is damaged: {name!r} is missing or malformed")
    return value


def load_run(folder: str | Path) -> SavedRun:
    """Read a run, checking every file before it is parsed.

    Raises:
        DataError: GD801 to GD805 or GD808.
    """
    where = Path(folder)
    facts = _read_meta(where)
    recorded = _mapping(facts, "files", dict, where)
    kept = (LEARNED,) if LEARNED in recorded else ()
    for name in (MODEL, DATA, RESULTS, *kept):
        _compare(where / name, recorded.get(name))
    source_text = _read_model(where / MODEL)
    arrays = read_arrays(where / DATA)
    sections: dict[str, dict[str, np.ndarray]] = {section: {} for section in SECTIONS}
    for key, array in arrays.items():
        section, _, name = key.partition("/")
        if section not in sections:
            raise refuse("GD803", f"{where / DATA} holds an unknown array {key!r}")
        sections[section][name] = array
    content_hash = _text(facts, "content_hash", where)
    if content_hash != _content_hash(source_text, arrays):
        raise refuse("GD804", f"model and data in {where} are not those that were fitted")
    return SavedRun(
        where,
        source_text,
        _text(facts, "source_name", where),
        sections["data"],
        sections["labels"],
        _mapping(facts, "sizes", int, where),
        sections["missing"],
        load_tree(where / RESULTS),
        _mapping(facts, "meta", object, where),
        _mapping(facts, "versions", str, where),
        content_hash,
        read_arrays(where / LEARNED) if kept else None,
    )


def _read_model(path: Path) -> str:
    try:
        return read_bytes(path, MAX_MODEL_BYTES).decode()
    except UnicodeDecodeError as error:
        raise refuse("GD803", f"{path} is not UTF-8 at byte {error.start}") from error


def _compare(path: Path, recorded: object) -> None:
    if not isinstance(recorded, dict) or recorded.keys() != {"bytes", "sha256"}:
        raise refuse("GD803", f"{path.parent / META} is damaged: no sum of {path.name}")
    found = check_sum(path)
    if found == recorded:
        return
    if found["bytes"] != recorded["bytes"]:
        message = f"{path} has {found['bytes']} bytes, but {recorded['bytes']} were written"
        code = "GD803"
    else:
        message, code = f"{path} was changed since it was written", "GD804"
    raise refuse(code, message, COPY_AGAIN)
