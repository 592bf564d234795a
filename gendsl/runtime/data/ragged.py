"""Data along ragged sequences: arrays of their own lengths, put side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gendsl.ir.laws import tied_axes
from gendsl.ir.nodes import Axis, Model, Variable
from gendsl.runtime.data.checking import placeholder
from gendsl.runtime.data.entries import Array, Entry, Findings, is_text

__all__ = ["even_or_ragged", "side_by_side", "up_to_lengths", "with_ends"]


def side_by_side(value: object) -> tuple[Array, Array] | None:
    """Arrays that differ in their first axis alone as one, NaN after the ends, and their lengths.

    None if the value is no list of such arrays.
    """
    if isinstance(value, np.ndarray) and (value.dtype != object or value.ndim != 1):
        return None
    items = list(value) if isinstance(value, list | tuple | np.ndarray) else []
    if not items or not all(isinstance(i, list | tuple) or hasattr(i, "__array__") for i in items):
        return None
    try:
        arrays = [np.asarray(i) for i in items]
    except ValueError:  # irregular itself
        return None
    shapes = {a.shape[1:] for a in arrays if a.size or a.ndim != 1}
    if len(shapes) > 1 or not all(a.ndim and a.dtype.kind in "biuf" for a in arrays):
        return None
    lengths = np.array([len(a) for a in arrays])
    if len(set(lengths.tolist())) == 1:
        return None
    rest = next(iter(shapes), ())
    whole = np.full((len(arrays), lengths.max(), *rest), np.nan)
    for row, array in zip(whole, arrays, strict=True):
        row[: len(array)] = array.reshape(len(array), *rest)
    return whole, lengths


def even_or_ragged(
    model: Model, entries: Mapping[str, Entry], found: Findings
) -> dict[str, Entry]:
    """The entries without lists of different lengths for variables that cannot have them."""
    along = {v.name for a in model.axes if a.lengths for v in model.variables if a.name in v.axes}
    result = dict(entries)
    for name, entry in entries.items():
        if entry.lengths is None or name in along:
            continue
        first = entry.lengths[0]
        other = int(np.flatnonzero(entry.lengths != first)[0])
        found.error(
            "GD704",
            f"the lists in {entry.origin} differ in length: [0] has {first}, [{other}] has "
            f"{entry.lengths[other]}",
            help=_remedy(model, name),
        )
        found.broken.add(name)
        del result[name]
    return result


def _remedy(model: Model, name: str) -> str:
    """What to do with lists of different lengths: of sequences each has its own."""
    variable = next((v for v in model.variables if v.name == name), None)
    if variable is not None and len(variable.axes) >= 2:
        owner, along = variable.axes[:2]
        if model.axis(along).kind == "sequence":
            return f"sequences that differ in length are declared so: `sequence {along}[{owner}]`"
    return "give one long list, and beside it, for each value, the number of the list it is in"


def up_to_lengths(model: Model, arrays: Mapping[str, Entry], found: Findings) -> dict[str, Entry]:
    """The same arrays with legal values after the ends of ragged sequences, and their lengths.

    Lengths are given as an input, or are those of lists of arrays, or end where only NaN
    follows; all must agree.
    """
    result = dict(arrays)
    for axis in model.axes:
        if axis.lengths is not None:
            _settle(model, axis, result, found)
    return result


def _settle(model: Model, axis: Axis, arrays: dict[str, Entry], found: Findings) -> None:
    """The lengths of one sequence, and what is after them."""
    assert axis.lengths is not None
    over = [model.variable(n) for n in arrays if axis.name in model.variable(n).axes]
    for variable in (v for v in over if arrays[v.name].lazy):
        message = f"`{variable.name}` is along the ragged `{axis.name}`, and is read in batches"
        found.error("GD870", message, variable, "give a list of arrays instead")
        return
    own = {v.name: lengths for v in over if (lengths := _lengths(axis, v, arrays)) is not None}
    if axis.lengths not in arrays:
        if not own:
            return
        told = [n for n in own if arrays[n].lengths is not None] or list(own)
        whole = np.max([own[n] for n in told], 0) if _alike(own, told) else own[told[0]]
        origin = f"the lengths of `{told[0]}`"
        arrays[axis.lengths] = Entry(axis.lengths, whole.astype(np.float64), origin)
    known = np.asarray(arrays[axis.lengths].array, dtype=np.float64)
    longest = int(known.max()) if known.size else 0
    for variable in over:
        entry, lengths = arrays[variable.name], own.get(variable.name)
        at = variable.axes.index(axis.name)
        if entry.array.ndim <= at or axis.owner not in variable.axes:
            continue
        found_lengths = lengths if entry.lengths is not None else None
        if lengths is None or not _fits(entry, at, lengths, known):
            steps = entry.array.shape[at]
            _tell_lengths(axis, variable, entry, found_lengths, steps, known, found)
            del arrays[variable.name]
        else:
            arrays[variable.name] = _cut(_filled(axis, variable, entry, known), at, longest)


def _fits(entry: Entry, at: int, lengths: Array, known: Array) -> bool:
    """Whether the values of a variable are as long as is known."""
    if lengths.shape != known.shape:
        return False
    if entry.lengths is not None:
        return bool((lengths == known).all())
    return not known.size or bool(known.max() <= entry.array.shape[at])


def _alike(own: Mapping[str, Array], names: list[str]) -> bool:
    return len({own[n].shape for n in names}) == 1


def _lengths(axis: Axis, variable: Variable, arrays: Mapping[str, Entry]) -> Array | None:
    """Up to where the values of a variable go, for each member of the owner."""
    entry, axes = arrays[variable.name], variable.axes
    if entry.lengths is not None:
        return entry.lengths if axes[:2] == (axis.owner, axis.name) else None
    if axis.owner not in axes or entry.array.ndim < len(axes):
        return None
    array = entry.array
    here = (
        np.array([v is not None for v in array.ravel()]).reshape(array.shape)
        if is_text(array)
        else ~np.isnan(np.asarray(array, dtype=np.float64))
    )
    places = axes.index(axis.owner), axes.index(axis.name)
    kept = np.moveaxis(here, places, (0, 1))
    some = kept.any(axis=tuple(range(2, kept.ndim)))
    steps = np.arange(1, some.shape[1] + 1)
    lengths: Array = np.max(np.where(some, steps, 0), axis=1, initial=0)
    return lengths


def _filled(axis: Axis, variable: Variable, entry: Entry, lengths: Array) -> Entry:
    """Legal values after the ends."""
    array = np.array(entry.array)
    owner, steps = (variable.axes.index(str(n)) for n in (axis.owner, axis.name))
    moved = np.moveaxis(array, (owner, steps), (0, 1))
    absent = np.arange(moved.shape[1]) >= lengths[:, None]
    if not absent.any():
        return replace(entry, lengths=None)
    if is_text(array):
        moved[absent] = next((v for v in moved[~absent].ravel() if v is not None), "")
    else:
        tied = tied_axes(variable)
        own = array.shape[array.ndim - tied :]
        moved[absent] = placeholder(variable.type.support, own)
    return replace(entry, array=array, lengths=None)


def _cut(entry: Entry, at: int, longest: int) -> Entry:
    """The steps up to the longest sequence."""
    return replace(entry, array=entry.array.take(range(min(longest, entry.array.shape[at])), at))


def _tell_lengths(
    axis: Axis,
    variable: Variable,
    entry: Entry,
    lengths: Array | None,
    steps: int,
    known: Array,
    found: Findings,
) -> None:
    """An error about data that are not as long as is known."""
    if lengths is not None and lengths.shape == known.shape:
        at = int(np.flatnonzero(lengths != known)[0])
        what = f"has {lengths[at]} steps for [{at}], where `{axis.lengths}` is {known[at]:.15g}"
    elif len(known) != (members := entry.array.shape[variable.axes.index(str(axis.owner))]):
        what = (
            f"is for {members} members of `{axis.owner}`, where `{axis.lengths}` has {len(known)}"
        )
    else:
        what = f"has {steps} steps, where `{axis.lengths}` goes up to {known.max():.15g}"
    found.error("GD721", f"`{variable.name}` ({entry.origin}) {what}", variable)


def with_ends(
    model: Model, values: Mapping[str, Array], lead: int = 0
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Values of variables with legal ones after the ends of ragged sequences, and their lengths.

    Args:
        model: of them.
        values: over `lead` axes, those of their variables, and of their events; results have
            NaN after the ends.
        lead: how many axes stand in front, along which ends are the same.
    """
    found, lengths = dict(values), dict[str, Array]()
    for axis in (a for a in model.axes if a.lengths is not None):
        for name, value in values.items():
            axes = model.variable(name).axes
            if not {axis.owner, axis.name} <= {*axes} or value.ndim < lead + len(axes):
                continue
            places = [lead + axes.index(str(n)) for n in (axis.owner, axis.name)]
            here = np.moveaxis(~np.isnan(value), places, (0, 1))
            some = here.any(axis=tuple(range(2, here.ndim)))
            steps = np.arange(1, some.shape[1] + 1)
            lengths[str(axis.lengths)] = ends = np.max(np.where(some, steps, 0), axis=1, initial=0)
            entry = Entry(name, value, "")
            variable = replace(model.variable(name), axes=("",) * lead + axes)
            found[name] = _filled(axis, variable, entry, ends).array
    return found, lengths
