"""How long methods that learn by steps go on, where nobody says otherwise."""

from __future__ import annotations

__all__ = [
    "DECAY",
    "EPOCHS",
    "LIKELIHOOD_ROWS",
    "RATE",
    "RATE_OF_NETS",
    "RATE_OF_UNITS",
    "ROWS",
    "STEPS",
    "STOPPED",
    "WHOLE",
]

ROWS = 128
"""Rows in a batch where networks are learned."""

DECAY = 0.1
"""Of the weights by maximum likelihood with `adamw`, where nobody says otherwise."""

LIKELIHOOD_ROWS = 64
"""The same where the likelihood itself is learned from: small batches suit small data."""

WHOLE = 5_000
"""Rows that a step may have where the weights of networks have a prior."""

EPOCHS, STEPS = 100, 5_000
"""Passes over batches of the data, or steps on all of them."""

STOPPED = 1_000
"""Passes at most over the data by maximum likelihood where rows that are held out end it."""

RATE, RATE_OF_NETS = 1e-2, 1e-3
"""The learning rate without networks, and with them."""

RATE_OF_UNITS = 2e-3
"""The learning rate of energies without networks on batches of rows."""
