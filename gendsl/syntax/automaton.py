"""The LALR(1) automaton: runs the stored parse table over the tokens of one statement.

The table comes from Lark (see `gendsl.syntax.table`); running it needs no grammar and no
recursion, so that neither the length nor the nesting of a text can overflow the stack.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from gendsl.source import Span

__all__ = ["END", "NESTING_LIMIT", "Action", "Automaton", "Token", "TooDeep", "Unexpected", "load"]

END = "$END"
NESTING_LIMIT = 200

Action = Callable[[list[Any], Span], object]
"""Builds the value of a rule from the values of its parts."""


class Token(NamedTuple):
    """A word or sign; its kind is its text, or ``NAME`` or ``NUMBER``."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        """The characters of the token."""
        return Span(self.start, self.end)


class Unexpected(Exception):
    """The token at `index` cannot stand there; past the last one, something is missing."""

    def __init__(self, index: int) -> None:
        """Keep the place."""
        super().__init__(index)
        self.index = index


class TooDeep(Exception):
    """The expression at `span` nests deeper than `NESTING_LIMIT`."""

    def __init__(self, span: Span) -> None:
        """Keep the place."""
        super().__init__(span)
        self.span = span


class _Rule(NamedTuple):
    """A rule of the grammar; without an action its only part is its value."""

    origin: str
    size: int
    action: str | None
    take: tuple[int, ...]
    splice: int  # the part whose list is spliced in, or -1
    is_list: bool
    depth: int

    def parts(self, values: Sequence[Any]) -> list[Any]:
        """The values that the action sees; None stands for an absent part."""
        if self.splice < 0:
            return [values[i] if i >= 0 else None for i in self.take]
        if self.splice == 0:  # a list that grows: extended in place, so that it stays linear
            grown: list[Any] = values[0]
            grown.extend(values[i] for i in self.take[1:])
            return grown
        parts: list[Any] = []
        for i in self.take:
            if i == self.splice:
                parts.extend(values[i])
            else:
                parts.append(values[i] if i >= 0 else None)
        return parts


class Automaton:
    """The table, with its rules bound to the actions that build the tree."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        """Number the symbols back to their names."""
        symbols = table["symbols"]
        self.words = frozenset[str](table["words"])
        self.patterns: Mapping[str, str] = table["patterns"]
        self._rows: list[dict[str, int]] = [
            dict(zip([symbols[n] for n in numbers], actions, strict=True))
            for numbers, actions in table["states"]
        ]
        self._rules = [_rule(*entry) for entry in table["rules"]]
        self._start: int = table["start"]
        self._end: int = table["end"]

    def run(self, tokens: Sequence[Token], actions: Mapping[str, Action]) -> object:
        """The value of the statement that `tokens` spell.

        Raises:
            Unexpected: the tokens are no statement.
            TooDeep: an expression nests too deeply.
        """
        rows, rules, final = self._rows, self._rules, self._end
        states, stack = [self._start], _Values(actions)
        last = tokens[-1].end
        for index, token in enumerate((*tokens, Token(END, "", last, last))):
            kind = token.kind
            while True:
                act = rows[states[-1]].get(kind)
                if act is None:
                    raise Unexpected(index)
                if act >= 0:
                    states.append(act)
                    stack.push(token)
                    break
                rule = rules[~act]
                if rule.action is not None:
                    stack.reduce(rule)
                if rule.size > 1:
                    del states[1 - rule.size :]
                states[-1] = rows[states[-2]][rule.origin]
                if kind is END and states[-1] == final:
                    return stack.values[-1]
        raise AssertionError("the end of a statement is either accepted or unexpected")

    def accepted_after(self, tokens: Sequence[Token]) -> frozenset[str]:
        """The kinds of token that may follow the beginning `tokens` of a statement."""
        states = [self._start]
        for token in tokens:
            if not self._feed(states, token.kind):
                return frozenset()
        kinds = {kind for kind in self._rows[states[-1]] if not kind.startswith("<")}
        return frozenset(kind for kind in kinds if self._feed(states[:], kind))

    def _feed(self, states: list[int], kind: str) -> bool:
        while (act := self._rows[states[-1]].get(kind)) is not None:
            if act >= 0:
                states.append(act)
                return True
            rule = self._rules[~act]
            del states[len(states) - rule.size :]
            states.append(self._rows[states[-1]][rule.origin])
            if kind == END and states[-1] == self._end:
                return True
        return False


class _Values:
    """The value stack, with the extent and the nesting of each value."""

    def __init__(self, actions: Mapping[str, Action]) -> None:
        self.values: list[Any] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._depths: list[int] = []
        self._actions = actions

    def push(self, token: Token) -> None:
        self.values.append(token)
        self._starts.append(token.start)
        self._ends.append(token.end)
        self._depths.append(0)

    def reduce(self, rule: _Rule) -> None:
        size = rule.size
        values, starts, ends, depths = self.values, self._starts, self._ends, self._depths
        depth = depths[-1]
        if size > 1:
            depth = max(depths[-size:])
            del depths[1 - size :], starts[1 - size :]
            end = ends[-1]
            del ends[1 - size :]
            ends[-1] = end
        depth += rule.depth
        if depth > NESTING_LIMIT:
            raise TooDeep(Span(starts[-1], ends[-1]))
        depths[-1] = depth
        parts = rule.parts(values[-size:])
        if size > 1:
            del values[1 - size :]
        if rule.is_list:
            values[-1] = parts
        else:
            assert rule.action is not None
            values[-1] = self._actions[rule.action](parts, Span(starts[-1], ends[-1]))


NESTING = frozenset(
    {"call", "subscript", "member", "list", "group", "unary", "negate", "power", "compare"}
    | {"chain", "all_of", "any_of", "conditional"}
)
"""The actions that make an expression one level deeper."""


def _rule(
    origin: str,
    expansion: Sequence[str],
    action: str | None,
    take: Sequence[int],
    splice: Sequence[int],
) -> _Rule:
    assert len(splice) <= 1
    assert action is not None or len(expansion) == 1
    return _Rule(
        origin=origin,
        size=len(expansion),
        action=action,
        take=tuple(take),
        splice=splice[0] if splice else -1,
        is_list=origin.startswith("<_"),
        depth=int(action in NESTING),
    )


@cache
def load() -> Automaton:
    """The automaton of the language."""
    text = Path(__file__).with_name("table.json").read_text("utf-8")
    return Automaton(json.loads(text))
