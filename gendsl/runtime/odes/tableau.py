"""The Dormand-Prince pair of orders 5 and 4, and the constants of its step size control.

References:
    A family of embedded Runge-Kutta formulae (Dormand, Prince, 1980)
    Solving Ordinary Differential Equations I (Hairer, Norsett, Wanner, 1993), II.4 and IV.2
"""

from __future__ import annotations

__all__ = [
    "ALPHA",
    "BETA",
    "ERROR",
    "GROW",
    "NODES",
    "SAFETY",
    "SHRINK",
    "STAGES",
    "WEIGHTS",
]

NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0)
"""The stage times, as fractions of the step."""

STAGES: tuple[tuple[float, ...], ...] = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
)
"""Which slopes make the state of each stage."""

WEIGHTS = (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84)
"""The solution of order 5; its slope is the first of the next step."""

ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
"""The difference to the solution of order 4."""

SAFETY, SHRINK, GROW = 0.9, 0.2, 10.0
BETA = 0.04
ALPHA = 0.2 - 0.75 * BETA
"""A step h with error e, after one with error e', is followed by 0.9 h e'^BETA / e^ALPHA."""
