"""``gendsl summary``: the table and the verdict of a run, again."""

from __future__ import annotations

import argparse
import json
import sys
from math import isfinite
from typing import TYPE_CHECKING, Any

from gendsl.commands.arguments import Command, Parser, number, one_of
from gendsl.commands.reporting import say
from gendsl.commands.results_text import show_summary
from gendsl.commands.saved_runs import kind_of, read_run

if TYPE_CHECKING:
    from gendsl.runtime.summary import Summary

__all__ = ["COMMAND"]


def _declare(parser: Parser) -> None:
    parser.files.add_argument("run", metavar="RUN", help="a folder that `gendsl fit --out` wrote")
    parser.choices.add_argument(
        "--var",
        metavar="NAME",
        action="append",
        help="list this variable only; may be repeated. The verdict is on all of them",
    )
    parser.choices.add_argument(
        "--ci",
        type=number(0, 1, integer=False, open_ends=True),
        default=0.9,
        metavar="P",
        help="the probability of the equal-tailed interval (0.9 by default)",
    )
    parser.choices.add_argument(
        "--format",
        type=one_of("text", "json", "csv"),
        default="text",
        metavar="text|json|csv",
        help="a table for people, or all rows for programs",
    )


def _run(arguments: argparse.Namespace) -> int:
    run = read_run(arguments.run)
    from gendsl.runtime.summary import summarise

    summary = summarise(run.tree, kind=kind_of(run), var_names=arguments.var, ci_prob=arguments.ci)
    match arguments.format:
        case "json":
            print(json.dumps(_data(summary), indent=2, allow_nan=False))
        case "csv":
            summary.table.rename_axis("quantity").to_csv(sys.stdout)
            say(str(summary.verdict))
        case _:
            show_summary(summary)
    return summary.verdict.exit_status


def _data(summary: Summary) -> dict[str, Any]:
    """Everything the summary says; null where a number is undefined."""
    rows = [
        {"quantity": str(label), **{str(k): _cell(v) for k, v in row.items()}}
        for label, row in zip(summary.table.index, summary.table.to_dict("records"), strict=True)
    ]
    return {
        "kind": summary.kind,
        "caption": summary.caption,
        "rows": rows,
        "verdict": {
            "status": summary.verdict.status,
            "sentences": list(summary.verdict.sentences),
        },
    }


def _cell(value: object) -> object:
    if isinstance(value, float):
        return float(value) if isfinite(value) else None
    return value


COMMAND = Command(
    "summary",
    "RUN [--var NAME] [--ci P] [--format text|json|csv]",
    "Print what a fit found: a row a quantity, and whether to trust it.\n"
    "The status is 3 if the verdict is `do not trust`.",
    (
        ("gendsl summary run", "the table that `gendsl fit` printed"),
        ("gendsl summary run --var mu --var tau --ci 0.95", "two variables, wider intervals"),
        ("gendsl summary run --format csv > table.csv", "for other programs"),
    ),
    _declare,
    _run,
)
