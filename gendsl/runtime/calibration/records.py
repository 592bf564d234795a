"""What is known of one replication, as one line of JSON with a sum of its own."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

__all__ = ["Record", "decoded", "encoded"]


@dataclass(frozen=True, slots=True)
class Record:
    """One replication.

    Attributes:
        number: which one, from 0.
        state: ``done``, or ``failed`` where it has no ranks.
        reason: why it failed.
        ranks: of the truth among the thinned draws, a number a quantity.
        truth: the value that the data were drawn with, a number a quantity.
        mean, sd: of the posterior draws, a number a quantity.
        draws: how many draws the fit made, over all chains.
        effective: the least effective sample size of all quantities; None where draws are
            independent by construction.
        r_hat: the largest R-hat of all quantities; None in the same case.
        divergences: divergent transitions.
        lengthened: how many times as many draws as at first were needed.
        seconds: of processor time.
    """

    number: int
    state: Literal["done", "failed"]
    reason: str = ""
    ranks: tuple[int, ...] = ()
    truth: tuple[float, ...] = ()
    mean: tuple[float, ...] = ()
    sd: tuple[float, ...] = ()
    draws: int = 0
    effective: float | None = None
    r_hat: float | None = None
    divergences: int = 0
    lengthened: int = 1
    seconds: float = 0.0


NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value


def _number(value: Any) -> Any:  # noqa: ANN401  a value of JSON
    return NOT_FINITE.get(value, value) if isinstance(value, str) else value


def _sum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def encoded(record: Record) -> str:
    """A line, without its end."""
    values = {n: _plain(v) for n, v in asdict(record).items()}
    body = json.dumps(values, sort_keys=True, allow_nan=False)
    return f'{{"record": {body}, "sha256": "{_sum(body)}"}}'


def decoded(line: str) -> Record | None:
    """A record from its line; None if that is not what was written."""
    try:
        found = json.loads(line)
        values = found["record"]
        if found["sha256"] != _sum(json.dumps(values, sort_keys=True, allow_nan=False)):
            return None
        for name in ("ranks", "truth", "mean", "sd"):
            values[name] = tuple(_number(v) for v in values[name])
        for name in ("effective", "r_hat"):
            values[name] = _number(values[name])
        known = {f.name for f in fields(Record)}
        return Record(**{n: v for n, v in values.items() if n in known})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
