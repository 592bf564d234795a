"""Signatures of nets whose sizes come with the data."""

from __future__ import annotations

import numpy as np
import pytest

import gendsl

TEXT = """model Image
plate n  dim D
input x[n]: real[D]
param s: positive
net f: real[D] -> real = conv_encoder(channels=1)
observe y[n] ~ Normal(f(x), s)
"""


def test_a_signature_that_does_not_suit_the_data_is_refused():
    with pytest.raises(gendsl.DataError) as caught:
        gendsl.compile(TEXT).fit({"x": np.zeros((4, 7)), "y": np.zeros(4)}, progress=False)
    message = str(caught.value)
    assert message.startswith(
        "<text>:5:5: error[GD222]: with the sizes of these data `f` cannot be built: a "
        "convolutional encoder cannot be built: `real[D]` has 7 entries"
    )
