"""Schedules by name: what a learning rate is multiplied by, as a function of the step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gendsl.library.registry import Registry
from gendsl.runtime.training.choices import Choice, check_value, fill, unknown

__all__ = ["SCHEDULES", "ScheduleSpec", "build_schedule"]

Factor = Callable[[float, int, Mapping[str, float]], float]
"""The factor from the share of the steps done, the number of steps done, and the options."""


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """A course of the learning rate, as a factor of the optimiser's.

    Attributes:
        name: what users write.
        title: what it does, in one line.
        choices: its options.
        factor: the factor after a share of the steps.
        by_share: whether it depends on how many steps there will be.
    """

    name: str
    title: str
    choices: tuple[Choice, ...]
    factor: Factor
    by_share: bool = True


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * share))


def _one_cycle(share: float, _: int, options: Mapping[str, float]) -> float:
    peak, start, end = options["peak"], options["start"], options["end"]
    if share < peak:
        return _cosine(start, 1.0, share / peak)
    return _cosine(1.0, end, (share - peak) / (1.0 - peak))


_END = Choice("end", "nonnegative", 0.0, "the last factor")

CONSTANT = ScheduleSpec(
    "constant", "the same rate throughout", (), lambda share, step, o: 1.0, by_share=False
)
LINEAR = ScheduleSpec(
    "linear",
    "falls in a straight line to `end`",
    (_END,),
    lambda share, step, o: 1.0 + (o["end"] - 1.0) * share,
)
COSINE = ScheduleSpec(
    "cosine",
    "falls along half a cosine to `end` (Loshchilov and Hutter 2017, without restarts)",
    (_END,),
    lambda share, step, o: _cosine(1.0, o["end"], share),
)
EXPONENTIAL = ScheduleSpec(
    "exponential",
    "falls by the same factor at every step, to `end` at the last",
    (Choice("end", "positive", 0.01, _END.meaning),),
    lambda share, step, o: o["end"] ** share,
)
STEP = ScheduleSpec(
    "step",
    "is multiplied by `factor` after every `every` steps",
    (
        Choice("every", "count", 1000, "steps at the same rate"),
        Choice("factor", "positive", 0.1, "what the rate is multiplied by"),
    ),
    lambda share, step, o: o["factor"] ** (step // o["every"]),
    by_share=False,
)
ONE_CYCLE = ScheduleSpec(
    "one_cycle",
    "rises from `start` to 1 and falls to `end`, along cosines (Smith and Topin 2019)",
    (
        Choice("peak", "share", 0.3, "the share of the steps after which the rate is highest"),
        Choice("start", "nonnegative", 0.04, "the first factor"),
        Choice("end", "nonnegative", 4e-6, "the last factor"),
    ),
    _one_cycle,
)

SCHEDULES = Registry(ScheduleSpec, vars())


def build_schedule(
    name: str, options: Mapping[str, object], *, steps: int, warmup: int = 0
) -> Callable[[int], float]:
    """The factor of the learning rate at each step, counted from 0.

    Args:
        name: which schedule.
        options: its options.
        steps: how many steps there will be; the factor is `end` at the last.
        warmup: steps of a straight rise in front, in which factor i is (i + 1) / (warmup + 1);
            the schedule takes the others.

    Returns:
        The factor as a function of the steps done before.

    Raises:
        DataError: GD851.
    """
    if name not in SCHEDULES:
        raise unknown("schedule", name, SCHEDULES)
    spec = SCHEDULES[name]
    chosen = fill(name, spec.choices, options)
    check_value("warmup", "natural", warmup)
    last = max(1, steps - 1 - warmup)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1) * spec.factor(0.0, 0, chosen)
        done = step - warmup
        return spec.factor(min(1.0, done / last), done, chosen)

    return factor
