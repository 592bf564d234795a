"""Grey values as binary data that are drawn anew whenever they are learned from."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gendsl.diagnostics import DataError, Diagnostic

__all__ = ["Binarised"]


class Binarised:
    """Binary data, each entry 1 with a given probability, drawn anew for every batch.

    What a model of binary images is usually trained on (Burda, Grosse and Salakhutdinov, 2016).
    Wherever data do not change, as when rows are scored or encoded, they are those of one draw by
    the seed.

    Attributes:
        probabilities: of each entry to be 1, float32.
        seed: of the one draw.

    Example:
        >>> int(np.asarray(Binarised([0.0, 1.0])).sum())
        1
    """

    def __init__(self, probabilities: ArrayLike, *, seed: int = 0) -> None:
        """Take probabilities, such as grey values divided by 255.

        Raises:
            DataError: GD863, an entry does not lie between 0 and 1.
        """
        given = np.asarray(probabilities)
        wrong = given.dtype.kind not in "biuf" or bool(
            np.any(~(given >= 0) | ~(given <= 1)) if given.size else False
        )
        if wrong:
            message = "the probabilities of binary data lie between 0 and 1"
            remedy = "divide grey values from 0 to 255 by 255"
            raise DataError([Diagnostic("GD863", message, help=remedy)])
        self.probabilities: NDArray[np.float32] = np.asarray(given, dtype=np.float32)
        self.seed = seed

    def __array__(
        self,
        dtype: np.dtype | None = None,
        copy: bool | None = None,  # noqa: FBT001
    ) -> NDArray[np.int8]:
        """The one draw, as whole numbers."""
        del copy
        rng = np.random.default_rng(self.seed)
        drawn = rng.random(self.probabilities.shape, dtype=np.float32) < self.probabilities
        return drawn.astype(np.int8 if dtype is None else dtype)

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.probabilities)
