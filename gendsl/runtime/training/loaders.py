"""Rows that torch's own classes give: data sets, and loaders with their workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count, islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from gendsl.runtime.training.batches import Admit, Batch, Batching, as_batch, refuse_source

__all__ = ["DatasetSource", "LoaderSource"]


def _named(batch: object, names: Sequence[str] | None) -> dict[str, Tensor]:
    """The parts of a collated batch, by name."""
    parts = batch if isinstance(batch, Mapping) else _numbered(batch, names)
    found: dict[str, Tensor] = {}
    for name in parts if names is None else names:
        if name not in parts:
            raise refuse_source(f"items have no part {name!r}", f"they have {', '.join(parts)}")
        value = parts[name]
        if not isinstance(value, Tensor) or value.ndim == 0:
            raise refuse_source(f"{name!r} of an item is neither a number nor an array of them")
        found[str(name)] = value
    return found


def _numbered(batch: object, names: Sequence[str] | None) -> dict[str, object]:
    parts = list(batch) if isinstance(batch, list | tuple) else [batch]
    if names is None:
        raise refuse_source("the parts of items have no names", "give `names`, one for each part")
    if len(names) != len(parts):
        raise refuse_source(f"items have {len(parts)} parts, but `names` are {len(names)}")
    return dict(zip(names, parts, strict=True))


def _size(dataset: object) -> int:
    try:
        total = len(dataset)  # type: ignore[arg-type]
    except TypeError:
        total = -1
    if total < 0:
        raise refuse_source("the data set does not say how many rows it has", "give it `__len__`")
    if total == 0:
        raise refuse_source("the data set has no rows")
    return total


class DatasetSource:
    """Items of a map-style data set of torch, in a new random order each epoch.

    Random numbers that its items draw from torch are those of the training, so that a resumed run
    sees the same items. Other random numbers are the data set's own affair.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        names: Sequence[str] | None = None,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        rows: np.ndarray | None = None,
        admit: Admit | None = None,
    ) -> None:
        """Keep a data set.

        Args:
            dataset: with a length, and items that are mappings, or tuples with `names`.
            names: of the parts of an item; of a mapping, those that are wanted.
            device: where batches are wanted.
            dtype: the type of the real numbers in batches.
            rows: the numbers of the rows that there are for the caller.
            admit: checks the rows of a batch.

        Raises:
            DataError: GD852.
        """
        self._dataset, self._names, self._admit = dataset, names, admit
        self._rows = np.arange(_size(dataset)) if rows is None else rows
        self._total = len(self._rows)
        self._device, self._dtype = torch.device(device), dtype

    @property
    def total(self) -> int:
        """The number of rows."""
        return self._total

    @property
    def order(self) -> str:
        """How an epoch is shuffled, in words."""
        return "a random permutation of all rows"

    def count(self, batching: Batching) -> int:
        """The batches in an epoch."""
        return batching.count(self._total)

    def facts(self) -> dict[str, Any]:
        """The class of the data set."""
        return {"dataset": type(self._dataset).__qualname__}

    def batches(self, batching: Batching, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on."""
        rows = batching.rows(self._total)
        order = self._rows
        if batching.shuffled:
            order = batching.generator(epoch).permutation(order)
        for number in range(start, batching.count(self._total)):
            chosen = order[number * rows : (number + 1) * rows]
            named = _named(_collated(self._dataset, chosen.tolist()), self._names)
            yield as_batch(_admitted(named, chosen, self._admit), self._dtype, self._device)


def _collated(dataset: Dataset[Any], chosen: list[int]) -> object:
    """Items put together.

    Raises:
        DataError: GD852, one cannot be had, or is not like the others; its number is told.
    """
    items: list[object] = []
    for number in chosen:
        try:
            items.append(dataset[number])
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            message = f"item {number} of the data set (counted from 0) cannot be had: {why}"
            raise refuse_source(message) from error
    try:
        return default_collate(items)
    except (RuntimeError, TypeError, KeyError, ValueError) as error:
        first = chosen[0]
        for number, item in zip(chosen[1:], items[1:], strict=True):
            try:
                default_collate([items[0], item])
            except (RuntimeError, TypeError, KeyError, ValueError):
                message = (
                    f"item {number} of the data set (counted from 0) is not like item {first}"
                )
                remedy = "all items have the same parts, shapes and types of numbers"
                raise refuse_source(message, remedy) from error
        raise refuse_source(f"items cannot be put together: {error}") from error


def _admitted(
    named: Mapping[str, Tensor], rows: np.ndarray | None, admit: Admit | None
) -> Mapping[str, Tensor | np.ndarray]:
    if admit is None:
        return named
    return admit({name: tensor.detach().cpu().numpy() for name, tensor in named.items()}, rows)


class LoaderSource:
    """The batches of a loader of torch: its own size, order, workers and collation.

    The random numbers of an epoch, also those for workers, follow from the seed and the number of
    the epoch, whether or not the loader has a generator of its own; that one is seeded. To resume
    within an epoch its first batches are loaded and passed over. Workers that persist keep
    random numbers of their own from epoch to epoch, so that what items draw cannot be had again.
    """

    def __init__(
        self,
        loader: DataLoader[Any],
        names: Sequence[str] | None = None,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        admit: Admit | None = None,
    ) -> None:
        """Keep a loader.

        Args:
            loader: over a data set with a length; its batches are mappings, or tuples with
                `names`.
            names: of the parts of a batch; of a mapping, those that are wanted.
            device: where batches are wanted.
            dtype: the type of the real numbers in batches.
            admit: checks the rows of a batch.

        Raises:
            DataError: GD852.
        """
        self._loader, self._names, self._admit = loader, names, admit
        self._total, self._count = _size(loader.sampler), _size(loader)
        self._device, self._dtype = torch.device(device), dtype

    @property
    def total(self) -> int:
        """The number of rows in an epoch."""
        return self._total

    @property
    def order(self) -> str:
        """How an epoch is shuffled, in words."""
        return f"by the loader's {type(self._loader.sampler).__name__}"

    def count(self, batching: Batching) -> int:
        """The batches in an epoch; `batching` is left aside but for its seed."""
        return self._count

    def facts(self) -> dict[str, Any]:
        """Classes, and the size of a batch."""
        loader = self._loader
        names = [type(part).__qualname__ for part in (loader.dataset, loader.sampler)]
        return {"loader": [*names, loader.batch_size, loader.num_workers]}

    def batches(self, batching: Batching, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on."""
        seed = int(batching.generator(epoch).integers(2**62))
        if self._loader.generator is not None:
            self._loader.generator.manual_seed(seed)
        stream = _Stream(seed)
        with stream.current():
            batches = islice(iter(self._loader), start, None)
        for number in count(start):
            try:
                with stream.current():
                    batch = next(batches, None)
            except Exception as error:  # of the data set, of what collates, or of a worker
                why = f"{type(error).__name__}: {error}"
                message = f"batch {number} of the loader (counted from 0) cannot be had: {why}"
                raise refuse_source(message) from error
            if batch is None:
                return
            named = _admitted(_named(batch, self._names), None, self._admit)
            yield as_batch(named, self._dtype, self._device)


class _Stream:
    """Random numbers of torch on the CPU apart from those of the steps."""

    def __init__(self, seed: int) -> None:
        self._state = torch.Generator().manual_seed(seed).get_state()

    @contextmanager
    def current(self) -> Iterator[None]:
        outside = torch.get_rng_state()
        torch.set_rng_state(self._state)
        try:
            yield
        finally:
            self._state = torch.get_rng_state()
            torch.set_rng_state(outside)
