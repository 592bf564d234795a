"""Weights that change as training goes on.

Each is a function of the clock, and its attributes are plain numbers: equal schedules are equal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

__all__ = [
    "START",
    "Clock",
    "Constant",
    "Cyclic",
    "Ramp",
    "Schedule",
    "Unit",
    "Weight",
    "as_schedule",
]

Unit = Literal["step", "epoch"]


@dataclass(frozen=True, slots=True)
class Clock:
    """How far training is.

    Attributes:
        step: the number of steps taken so far.
        epoch: the number of passes through the data so far, with fractions.
    """

    step: int = 0
    epoch: float = 0.0

    def read(self, unit: Unit) -> float:
        """The time in a unit."""
        return float(self.step) if unit == "step" else self.epoch


START = Clock()
"""Before the first step."""


class Schedule(Protocol):
    """A number at every time."""

    @property
    def final(self) -> float:
        """What it comes to in the end."""
        ...

    def __call__(self, clock: Clock) -> float:
        """Its value now."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """The same number at all times."""

    value: float

    def __post_init__(self) -> None:
        _finite(value=self.value)

    @property
    def final(self) -> float:
        """The number."""
        return self.value

    def __call__(self, clock: Clock) -> float:
        """The number."""
        del clock
        return self.value


@dataclass(frozen=True, slots=True)
class Ramp:
    """From one number to another, and then constant: the warm-up of a KL term is `Ramp(0, 1, n)`.

    Attributes:
        start: the value up to time `delay`.
        end: the value from time `delay + length` on.
        length: how long it takes; 0 is a step.
        delay: when it begins.
        unit: what times are counted in.
        shape: a straight line, or half a period of a cosine.
    """

    start: float
    end: float
    length: float
    delay: float = 0.0
    unit: Unit = "epoch"
    shape: Literal["linear", "cosine"] = "linear"

    def __post_init__(self) -> None:
        _finite(start=self.start, end=self.end, length=self.length, delay=self.delay)
        _not_negative(length=self.length, delay=self.delay)

    @property
    def final(self) -> float:
        """The value at the end."""
        return self.end

    def __call__(self, clock: Clock) -> float:
        """The value now."""
        passed = clock.read(self.unit) - self.delay
        if passed >= self.length:
            return self.end
        if passed <= 0:
            return self.start
        done = passed / self.length
        if self.shape == "cosine":
            done = 0.5 - 0.5 * math.cos(math.pi * done)
        return self.start + (self.end - self.start) * done


@dataclass(frozen=True, slots=True)
class Cyclic:
    """Ramps that repeat: in each cycle up from `start`, then constant at `end`.

    Fu et al. (2019), "Cyclical annealing schedule". After the last cycle it stays at `end`.

    Attributes:
        start: the value at the beginning of a cycle.
        end: the value at its end.
        period: the length of a cycle.
        cycles: how many there are.
        rising: the part of a cycle that rises.
        unit: what times are counted in.
    """

    start: float
    end: float
    period: float
    cycles: int = 4
    rising: float = 0.5
    unit: Unit = "epoch"

    def __post_init__(self) -> None:
        _finite(start=self.start, end=self.end, period=self.period, rising=self.rising)
        if not (self.period > 0 and self.cycles >= 1 and 0 < self.rising <= 1):
            raise ValueError("a cycle has a positive length, and rises for up to all of it")

    @property
    def final(self) -> float:
        """The value at the end."""
        return self.end

    def __call__(self, clock: Clock) -> float:
        """The value now."""
        cycles, phase = divmod(clock.read(self.unit) / self.period, 1.0)
        if cycles >= self.cycles:
            return self.end
        return self.start + (self.end - self.start) * min(phase / self.rising, 1.0)


Weight = float | Schedule


def as_schedule(weight: Weight) -> Schedule:
    """A weight as a schedule."""
    return Constant(float(weight)) if isinstance(weight, int | float) else weight


def _finite(**numbers: float) -> None:
    """Ensure that numbers are finite."""
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise ValueError(f"{name} is {number}: it has to be finite")


def _not_negative(**numbers: float) -> None:
    """Ensure that numbers are not below 0."""
    for name, number in numbers.items():
        if number < 0:
            raise ValueError(f"{name} is {number}: it cannot be negative")
