"""Data that are read batch by batch, wherever they come from."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

from torch.utils.data import DataLoader, Dataset

from gendsl.diagnostics import DataError, Diagnostic

__all__ = ["Streamed"]


class Streamed:
    """Rows that are read in batches and are never in memory as a whole.

    A torch `Dataset` or `DataLoader` whose items have names may be given without this.

    Attributes:
        source: a Parquet file or a folder of them, a data set or a loader.
        names: of the parts of an item.

    Example:
        >>> Streamed("rows.parquet").names is None
        True
    """

    def __init__(
        self,
        source: str | PathLike[str] | Dataset[object] | DataLoader[object],
        *,
        names: Sequence[str] | None = None,
    ) -> None:
        """Say where the rows are.

        Args:
            source: a Parquet file, a folder whose ``.parquet`` files are one after the other, a
                map-style torch `Dataset`, or a `DataLoader`.
            names: for items that are tuples a name for each part; else those that are wanted.

        Raises:
            DataError: GD870, it is none of these.
        """
        if not isinstance(source, str | PathLike | Dataset | DataLoader):
            message = f"data of type {type(source).__name__} cannot be read in batches"
            remedy = "give a Parquet file, a folder of them, a torch Dataset or a DataLoader"
            raise DataError([Diagnostic("GD870", message, help=remedy)])
        self.source = source
        self.names = None if names is None else tuple(names)
