"""The tensor backend: floating-point type, device and random state, scoped to a call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pyro
import torch

from gendsl.diagnostics import DataError, Diagnostic

__all__ = ["DTYPES", "resolve_device", "resolve_dtype", "tensors"]

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def resolve_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """The floating-point type called `dtype`.

    Raises:
        DataError: GD823 for anything but float32 and float64.
    """
    if isinstance(dtype, torch.dtype) and dtype in DTYPES.values():
        return dtype
    if isinstance(dtype, str) and dtype in DTYPES:
        return DTYPES[dtype]
    raise DataError([Diagnostic("GD823", f"`dtype` is float64 or float32, not {dtype!r}")])


def resolve_device(device: str) -> torch.device:
    """The device called `device`, if this machine has it.

    Raises:
        DataError: GD824 for a device that is unknown or absent.
    """
    try:
        found = torch.device(device) if isinstance(device, (str, torch.device)) else None
    except RuntimeError:
        found = None
    if found is not None and found.type == "cpu" and found.index:
        found = None
    if found is None or found.type not in ("cpu", "cuda"):
        raise DataError([Diagnostic("GD824", f"`device` is cpu or cuda, not {device!r}")])
    if found.type == "cuda" and not torch.cuda.is_available():
        raise DataError(
            [
                Diagnostic(
                    "GD824",
                    "this machine has no CUDA device that torch can use",
                    help="leave `device` out to run on the CPU",
                )
            ]
        )
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        has = f"this machine has {torch.cuda.device_count()} CUDA devices, counted from 0"
        raise DataError([Diagnostic("GD824", f"{has}: there is no {device!r}")])
    return found


@contextmanager
def tensors(dtype: torch.dtype, device: torch.device, seed: int | None = None) -> Iterator[None]:
    """Run with this default type and device, and with random numbers from `seed` alone.

    The caller's default type and random state are put back afterwards.
    """
    before = torch.get_default_dtype()
    with ExitStack() as stack:
        devices = [device] if device.type == "cuda" else []
        stack.enter_context(torch.random.fork_rng(devices=devices))
        if device.type != "cpu":
            stack.enter_context(device)
        torch.set_default_dtype(dtype)
        stack.callback(torch.set_default_dtype, before)
        stack.enter_context(pyro.validation_enabled(is_validate=True))
        if seed is not None:
            torch.manual_seed(seed)
        yield
