"""From any Python value that holds numbers or labels to a NumPy array."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from numbers import Integral, Real

import numpy as np
import pandas as pd
import torch

from gendsl.diagnostics import DataError
from gendsl.runtime.data.entries import Array, data_error, is_text

__all__ = ["as_array", "columns_together"]

KINDS = "a number, a (nested) list, an array, a tensor, a Series or a DataFrame"
WIDEST = 64
"""Integers beyond this many bits cannot be stored."""


def as_array(value: object, origin: str) -> Array:
    """The array of a value.

    Numbers keep their width; booleans become 0 and 1; text becomes Python strings with None
    where it is missing. The value itself is never changed.

    Raises:
        DataError: it holds something other than numbers and text, or is irregular.
    """
    if isinstance(value, list | tuple):
        return _from_list(value, origin)
    if isinstance(value, torch.Tensor):
        return _plain(_from_tensor(value, origin), origin)
    if isinstance(value, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        return _from_series(pd.Series(value), origin)
    if isinstance(value, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(value)
        filled = value.data.astype(object)
        filled[mask] = None
        return _plain(filled, origin)
    if isinstance(value, np.ndarray | np.generic):
        return _plain(np.asarray(value), origin)
    if value is None or value is pd.NA:
        return np.asarray(np.nan)
    if isinstance(value, str | Real | Decimal):
        return _plain(np.asarray(value, dtype=object), origin)
    what = type(value).__name__
    raise data_error("GD707", f"{origin} is a {what}, which cannot be data", f"give {KINDS}")


def _from_tensor(value: torch.Tensor, origin: str) -> Array:
    if value.is_complex() or value.is_quantized or value.layout != torch.strided:
        raise data_error(
            "GD707",
            f"{origin} is a tensor of {value.dtype} with layout {value.layout}",
            "convert it to a dense tensor of real numbers",
        )
    dense = value.detach().to("cpu").resolve_neg()
    if dense.dtype.is_floating_point and dense.dtype not in (torch.float32, torch.float64):
        dense = dense.to(torch.float32)
    return np.asarray(dense.numpy())


def _from_series(series: pd.Series[object], origin: str) -> Array:
    if isinstance(series.dtype, np.dtype) and series.dtype != object:
        return _plain(series.to_numpy(), origin)
    values = series.to_numpy(dtype=object, na_value=None)
    if any(isinstance(v, list | tuple | np.ndarray) for v in values):
        return _from_list([_nested(v) for v in values], origin)
    return _plain(values, origin)


def _nested(value: object) -> object:
    return [_nested(v) for v in value] if isinstance(value, list | tuple | np.ndarray) else value


def _from_list(items: Sequence[object], origin: str) -> Array:
    if any(isinstance(i, torch.Tensor | pd.Series) for i in items):
        items = [as_array(i, origin) for i in items]
    try:
        array = np.array(items)
        if array.dtype.kind in "USTO":
            array = np.array(items, dtype=object)
    except (ValueError, RecursionError) as error:
        raise _irregular(items, origin) from error
    except OverflowError:
        array = np.array(items, dtype=object)
    return _plain(array, origin)


def _irregular(items: Sequence[object], origin: str) -> DataError:
    """Lists of different lengths, or of numbers and lists."""
    lengths = [len(i) if isinstance(i, list | tuple | np.ndarray) else None for i in items]
    other = next((at for at, n in enumerate(lengths) if n != lengths[0]), None)
    if other is None:
        return data_error("GD704", f"the lists in {origin} differ in length or in depth")
    shapes = [np.shape(i) if hasattr(i, "__array__") else () for i in items]
    widths = list(dict.fromkeys(s[1:] for s in shapes if len(s) > 1))
    if len(widths) > 1:
        first, last = (" by ".join(map(str, w)) for w in widths[:2])
        at = next(n for n, s in enumerate(shapes) if s[1:] == widths[1])
        message = (
            f"the arrays in {origin} differ in width: [0] has {first} in a row, [{at}] {last}"
        )
        return data_error("GD704", message, "arrays may differ in length alone")
    if None in (lengths[0], lengths[other]):
        return data_error("GD704", f"{origin} mixes single values and lists")
    return data_error(
        "GD704",
        f"the lists in {origin} differ in length: [0] has {lengths[0]}, [{other}] has "
        f"{lengths[other]}",
        "give one long list, and beside it, for each value, the number of the list it is in",
    )


def columns_together(columns: Sequence[Array]) -> Array:
    """Columns side by side, as a matrix."""
    kind = object if any(is_text(c) for c in columns) else None
    return np.stack([c.astype(kind) if kind else c for c in columns], axis=1)


def _plain(array: Array, origin: str) -> Array:
    """Numbers of a native kind, or objects that are text, numbers or None."""
    kind = array.dtype.kind
    if kind == "b":
        return array.astype(np.int64)
    if kind == "f" and array.dtype.itemsize not in (4, 8):
        return array.astype(np.float64)
    if kind == "u" and array.dtype.itemsize == 8 and array.size and array.max() > 2**63 - 1:
        raise _too_wide(origin)
    if kind in "iuf":
        return array
    if kind in "Mm":
        text = array.astype(str).astype(object)
        text[np.isnat(array)] = None
        return text
    if kind in "USTO":
        return _leaves(array.astype(object), origin)
    raise data_error("GD707", f"{origin} has values of type {array.dtype}, not numbers")


def _leaves(array: Array, origin: str) -> Array:
    flat = [_leaf(v, origin) for v in array.ravel().tolist()]
    result = np.empty(len(flat), dtype=object)
    result[:] = flat
    result = result.reshape(array.shape)
    if any(isinstance(v, str) for v in flat):
        return result
    if all(isinstance(v, int) for v in flat) and flat:
        return result.astype(np.int64)
    return np.array([np.nan if v is None else v for v in flat], dtype=np.float64).reshape(
        array.shape
    )


def _leaf(value: object, origin: str) -> str | int | float | None:
    if isinstance(value, str):
        return str(value)
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, bool | np.bool_ | Integral):
        number = int(value)
        if abs(number) >= 2 ** (WIDEST - 1):
            raise _too_wide(origin)
        return number
    if isinstance(value, Real | Decimal | Fraction):
        real = float(value)
        return None if real != real else real
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
        return str(value)
    if isinstance(value, list | tuple):
        raise data_error("GD704", f"{origin} mixes single values and lists")
    what = type(value).__name__
    raise data_error("GD707", f"{origin} holds a {what}, which cannot be data", f"give {KINDS}")


def _too_wide(origin: str) -> DataError:
    return data_error(
        "GD707",
        f"{origin} holds whole numbers of more than {WIDEST - 1} bits",
        "give them as decimal numbers, or as text if they are labels",
    )
