"""The stored parse table is that of the grammar."""

from __future__ import annotations

import logging
import subprocess
import sys

from lark import Lark, logger

from gendsl.syntax.automaton import load
from gendsl.syntax.builder import ACTIONS
from gendsl.syntax.lexing import KEYWORDS, RESERVED
from gendsl.syntax.mistakes import FORMS
from gendsl.syntax.table import GRAMMAR, TABLE, build_table, render_table


def test_table_is_up_to_date():
    table = build_table(GRAMMAR.read_text("utf-8"))
    assert render_table(table) == TABLE.read_text("utf-8"), "run python -m gendsl.syntax.table"


def test_grammar_has_no_conflicts(caplog):
    previous = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        with caplog.at_level(logging.DEBUG, logger="lark"):
            Lark(GRAMMAR.read_text("utf-8"), parser="lalr", start="statement", debug=True)
    finally:
        logger.setLevel(previous)
    assert "conflict" not in caplog.text


def test_every_rule_has_its_action():
    rules = build_table(GRAMMAR.read_text("utf-8"))["rules"]
    actions = {action for _, _, action, _, _ in rules if action and not action.startswith("_")}
    assert actions == set(ACTIONS)


def test_keywords_are_those_of_the_grammar():
    assert {word for word in load().words if word.isalpha()} == RESERVED
    assert set(FORMS) == KEYWORDS


def test_checking_needs_neither_lark_nor_numbers():
    script = (
        "import sys, gendsl.syntax.parser, gendsl.syntax.printer\n"
        "print(sorted({'lark', 'numpy', 'torch', 'networkx'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert result.stdout.strip() == b"[]"
