"""The parse table of the grammar, computed by Lark and kept as plain data.

``python -m gendsl.syntax.table`` writes `table.json` from `grammar/gen.lark`. The compiler reads
only the table, through `gendsl.syntax.automaton`, so that neither Lark nor the grammar is needed
to check a model.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lark import Lark
from lark.grammar import Rule
from lark.lexer import TerminalDef

__all__ = ["GRAMMAR", "TABLE", "build_table", "render_table"]

GRAMMAR = Path(__file__).parents[2] / "grammar" / "gen.lark"
TABLE = Path(__file__).with_name("table.json")
START = "statement"

Data = Mapping[Any, Any]


def build_table(grammar: str) -> dict[str, Any]:
    """The LALR(1) table of `grammar`, independent of the order in which Lark found its states.

    A terminal with a fixed text is called by that text, a rule by its name in angle brackets.
    An action n >= 0 shifts to state n, an action n < 0 reduces by rule ``-n - 1``.
    """
    lark = Lark(grammar, parser="lalr", lexer="basic", start=START)
    data, memo = lark.memo_serialize([TerminalDef, Rule])
    terminals = [memo[entry["@"]] for entry in data["parser"]["lexer_conf"]["terminals"]]
    fixed = {t["name"]: t["pattern"]["value"] for t in terminals if _is_fixed(t)}
    patterns = {t["name"]: t["pattern"]["value"] for t in terminals if not _is_fixed(t)}
    names = _Names(fixed, set(patterns))
    rules = sorted((_rule(memo[entry["@"]], names) for entry in data["rules"]), key=repr)
    states, start, end = _states(data["parser"]["parser"], memo, names, rules)
    return {
        "words": sorted(fixed.values()),
        "patterns": dict(sorted(patterns.items())),
        "rules": rules,
        "start": start,
        "end": end,
        "states": states,
    }


def _is_fixed(terminal: Data) -> bool:
    return bool(terminal["pattern"]["__type__"] == "PatternStr")


class _Names:
    """What the table calls the symbols of the grammar."""

    def __init__(self, fixed: Mapping[str, str], patterns: set[str]) -> None:
        self._terminals = {**fixed, **{name: name for name in patterns}, "$END": "$END"}

    def __call__(self, name: str) -> str:
        return self._terminals.get(name, f"<{name}>")


def _rule(rule: Data, names: _Names) -> list[Any]:
    """The rule as [origin, expansion, action, taken children, which of them are spliced].

    The action is None where the only child is the value. A taken child is an index into the
    expansion, or -1 for an absent optional part.
    """
    expansion = rule["expansion"]
    origin = rule["origin"]["name"]
    take: list[int] = []
    absent = iter(rule["options"]["empty_indices"] or [False] * len(expansion))
    for index, symbol in enumerate(expansion):
        while next(absent):
            take.append(-1)
        if not symbol.get("filter_out", False):
            take.append(index)
    take.extend(-1 for _ in absent)
    splice = [
        i
        for i in take
        if i >= 0
        and expansion[i]["name"].startswith("_")
        and expansion[i]["__type__"] == "NonTerminal"
    ]
    passes = len(take) == 1 and not splice and rule["options"]["expand1"] and not rule["alias"]
    action = None if passes else rule["alias"] or origin
    return [names(origin), [names(s["name"]) for s in expansion], action, take, splice]


def _states(
    parser: Data, memo: Data, names: _Names, rules: list[list[Any]]
) -> tuple[list[dict[str, int]], int, int]:
    """The rows of the table, numbered in the order a breadth-first walk meets them."""
    numbers = {(rule[0], tuple(rule[1])): number for number, rule in enumerate(rules)}
    tokens = {index: names(name) for index, name in dict(parser["tokens"]).items()}
    found = [parser["start_states"][START]]
    order = {found[0]: 0}
    rows: list[dict[str, int]] = []
    for state in found:
        row: dict[str, int] = {}
        entries = {tokens[t]: entry for t, entry in parser["states"][state].items()}
        for symbol, (is_reduce, argument) in sorted(entries.items()):
            if is_reduce:
                rule = memo[argument["@"]]
                expansion = tuple(names(s["name"]) for s in rule["expansion"])
                row[symbol] = ~numbers[names(rule["origin"]["name"]), expansion]
                continue
            if argument not in order:
                order[argument] = len(found)
                found.append(argument)
            row[symbol] = order[argument]
        rows.append(row)
    return rows, 0, order[parser["end_states"][START]]


def _lines(items: Iterable[Any]) -> str:
    return ",\n".join(json.dumps(item, separators=(",", ":")) for item in items)


def render_table(table: Mapping[str, Any]) -> str:
    """The table as JSON, with one rule and one state a line; symbols are numbered."""
    symbols = sorted({symbol for row in table["states"] for symbol in row})
    number = {symbol: index for index, symbol in enumerate(symbols)}
    rows = [[[number[s] for s in row], list(row.values())] for row in table["states"]]
    head = {key: table[key] for key in ("words", "patterns", "start", "end")}
    return (
        json.dumps({**head, "symbols": symbols}, indent=0)[:-2]
        + f',\n"rules": [\n{_lines(table["rules"])}\n],\n"states": [\n{_lines(rows)}\n]\n}}\n'
    )


if __name__ == "__main__":
    TABLE.write_text(render_table(build_table(GRAMMAR.read_text("utf-8"))), "utf-8")
