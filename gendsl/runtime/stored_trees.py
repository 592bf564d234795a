"""Labelled results as NetCDF-4 files, which are HDF5.

HDF5 can point to other files and declare more data than it holds; such files are refused before
any array is read.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import xarray as xr

from gendsl.runtime.stored_files import refuse, regular_file

__all__ = ["read_tree", "write_tree"]

MAX_EXPANSION = 100
"""Arrays may unpack to at most this many times the size of the file."""

SLACK = 1 << 20


def write_tree(tree: xr.DataTree, path: Path) -> None:
    """Write all groups; text stays text, and attributes must be text or numbers.

    Raises:
        DataError: GD810, a value that NetCDF cannot hold.
    """
    try:
        tree.to_netcdf(path, engine="h5netcdf")
    except (TypeError, ValueError) as error:
        what = _foreign(tree) or f"the results cannot be written as NetCDF: {error}"
        raise refuse("GD810", what, "keep numbers, booleans, dates and text in it") from error


def _foreign(tree: xr.DataTree) -> str | None:
    """The first attribute that is neither text nor numbers."""
    plain = (str, bool, int, float, np.generic, np.ndarray, list, tuple)
    for node in tree.subtree:
        for key, value in node.attrs.items():
            if not isinstance(value, plain):
                kind = type(value).__name__
                return f"the attribute {key!r} of {node.path} is a {kind}, which is not saved"
    return None


def read_tree(path: Path) -> xr.DataTree:
    """Read all groups into memory.

    Raises:
        DataError: GD802, GD803 or GD808.
    """
    size = regular_file(path)
    try:
        _inspect(path, MAX_EXPANSION * size + SLACK)
        with xr.open_datatree(path, engine="h5netcdf") as opened:
            tree = opened.load()
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, MemoryError) as error:
        raise refuse("GD803", f"{path} is damaged: {_first_line(error)}") from error
    for node in tree.subtree:
        node.encoding = {}
    return tree


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _inspect(path: Path, limit: int) -> None:
    """Refuse links out of the file and arrays larger than `limit` bytes."""
    unsafe = refuse("GD808", f"{path} points outside itself, which gendsl never writes")
    total = 0
    with h5py.File(path, "r") as file:
        waiting = [file["/"]]
        seen = set()
        while waiting:
            group = waiting.pop()
            for name in group:
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise unsafe
                member = group[name]
                if isinstance(member, h5py.Group):
                    if member.id not in seen:
                        seen.add(member.id)
                        waiting.append(member)
                elif isinstance(member, h5py.Dataset):
                    if member.external or member.is_virtual:
                        raise unsafe
                    total += int(np.prod(member.shape or (1,), dtype=object)) * (
                        member.dtype.itemsize
                    )
    if total > limit:
        raise refuse("GD808", f"{path} declares {total} bytes, far more than it holds")
